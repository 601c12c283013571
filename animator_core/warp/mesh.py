"""Maps triangles: which place of a picture each pixel shows (by Numba). Pixel centres are at whole coordinates."""

from __future__ import annotations

import math

import numba
import numpy as np

from animator_core.warp.compiling import compiled

EMPTY = -8.0
"""What a map holds where nothing is shown."""
_EDGE = 1e-3
"""How far outside a triangle a pixel's centre still counts as inside, so that no seam stays open."""
_FLAT = 2e-3


@numba.njit(inline="always", error_model="numpy")
def _inverse_heights(corners):  # type: ignore[no-untyped-def]
    """Return one by the height of each edge of a triangle whose corners are sorted downwards: long, upper, lower."""
    _, ay, _, by, _, cy = corners
    return 1.0 / max(cy - ay, 1e-9), 1.0 / max(by - ay, 1e-9), 1.0 / max(cy - by, 1e-9)


@numba.njit(inline="always")
def _row_of(corners, inverse_heights, y, width):  # type: ignore[no-untyped-def]
    """Return the first and last pixel that row ``y`` has of a triangle whose corners are sorted downwards."""
    ax, ay, bx, by, cx, cy = corners
    far = ax + min(max((y - ay) * inverse_heights[0], 0.0), 1.0) * (cx - ax)
    if (y <= by and by - ay >= _FLAT) or cy - by < _FLAT:
        near = ax + min(max((y - ay) * inverse_heights[1], 0.0), 1.0) * (bx - ax)
    else:
        near = bx + min(max((y - by) * inverse_heights[2], 0.0), 1.0) * (cx - bx)
    return max(0, math.ceil(min(far, near) - _EDGE)), min(width - 1, math.floor(max(far, near) + _EDGE))


@numba.njit(inline="always")
def _sorted_down(ax, ay, bx, by, cx, cy):  # type: ignore[no-untyped-def]
    if by < ay:
        ax, ay, bx, by = bx, by, ax, ay
    if cy < ay:
        ax, ay, cx, cy = cx, cy, ax, ay
    if cy < by:
        bx, by, cx, cy = cx, cy, bx, by
    return ax, ay, bx, by, cx, cy


@numba.njit(inline="always", error_model="numpy")
def _plane(triangle, inverse, at_a, at_b, at_c):  # type: ignore[no-untyped-def]
    """Return a value's change with x and with y, and the value at the origin, from those at a triangle's corners."""
    ax, ay, abx, aby, acx, acy = triangle
    ab, ac = np.float64(at_b - at_a), np.float64(at_c - at_a)
    dx, dy = (ab * acy - ac * aby) * inverse, (ac * abx - ab * acx) * inverse
    return dx, dy, at_a - ax * dx - ay * dy


@compiled(
    "void(float32[:,::1], float32[:,::1], float32[:,::1], float32[:,::1], float32[::1], int32[:,::1], int64, int64)",
    nogil=True,
    error_model="numpy",
)
def map_triangles(
    map_x: np.ndarray,
    map_y: np.ndarray,
    screen: np.ndarray,
    places: np.ndarray,
    weight: np.ndarray,
    triangles: np.ndarray,
    row_begin: int,
    row_end: int,
) -> None:
    """Write the picture's places that triangles show into a map, in their order; their back sides show nothing.

    map_x, map_y: (H, W) float32. screen, places: (N, 2) float32 pixels of the map and of the picture. weight: (N,)
    float32, how far a triangle's value replaces what the map holds already: 1 replaces it, 0 leaves it.
    triangles: (T, 3) int32, clockwise on the screen. Only rows from row_begin to before row_end are touched.
    """
    width = map_x.shape[1]
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay = np.float64(screen[a, 0]), np.float64(screen[a, 1])
        abx, aby = screen[b, 0] - ax, screen[b, 1] - ay
        acx, acy = screen[c, 0] - ax, screen[c, 1] - ay
        area = abx * acy - acx * aby
        if area < 1e-6:
            continue
        corners = _sorted_down(ax, ay, ax + abx, ay + aby, ax + acx, ay + acy)
        first_row = max(row_begin, math.ceil(corners[1] - _EDGE))
        last_row = min(row_end - 1, math.floor(corners[5] + _EDGE))
        if first_row > last_row:
            continue
        heights, triangle, inverse = _inverse_heights(corners), (ax, ay, abx, aby, acx, acy), 1.0 / area
        udx, udy, origin_u = _plane(triangle, inverse, places[a, 0], places[b, 0], places[c, 0])
        vdx, vdy, origin_v = _plane(triangle, inverse, places[a, 1], places[b, 1], places[c, 1])
        wdx, wdy, origin_w = _plane(triangle, inverse, weight[a], weight[b], weight[c])
        u_step, v_step, w_step = np.float32(udx), np.float32(vdx), np.float32(wdx)
        is_full = weight[a] >= 1.0 and weight[b] >= 1.0 and weight[c] >= 1.0
        for y in range(first_row, last_row + 1):
            first, last = _row_of(corners, heights, y, width)
            if first > last:
                continue
            # From the span's own beginning single precision does, and several places are computed at once.
            u, v = np.float32(origin_u + y * udy + first * udx), np.float32(origin_v + y * vdy + first * vdx)
            line_x, line_y = map_x[y, first : last + 1], map_y[y, first : last + 1]
            if is_full:
                for x in range(len(line_x)):
                    step = np.float32(np.int32(x))
                    line_x[x] = u + step * u_step
                    line_y[x] = v + step * v_step
            else:
                w = np.float32(origin_w + y * wdy + first * wdx)
                for x in range(len(line_x)):
                    step = np.float32(np.int32(x))
                    share = min(max(w + step * w_step, np.float32(0)), np.float32(1))
                    line_x[x] += share * (u + step * u_step - line_x[x])
                    line_y[x] += share * (v + step * v_step - line_y[x])
