"""Rasterises triangles into a backward map, in Numba. Pixel centres are at whole coordinates."""

from __future__ import annotations

import math

import numba
import numpy as np

from animator_core.arrays import FloatArray, IntArray
from animator_core.warp.compiling import Scalar, compiled

Triangle = tuple[Scalar, Scalar, Scalar, Scalar, Scalar, Scalar]

EMPTY = -8.0
"""The value of map pixels that show nothing."""
_EDGE = 1e-3
"""How far outside a triangle a pixel's centre still counts as inside, so that no seam stays open."""
_FLAT = 2e-3


@numba.njit(inline="always", error_model="numpy")
def _inverse_heights(corners: Triangle) -> tuple[Scalar, Scalar, Scalar]:
    """Return 1 / height of the long, upper and lower edge of a triangle whose corners are sorted downwards."""
    _, ay, _, by, _, cy = corners
    return 1.0 / max(cy - ay, 1e-9), 1.0 / max(by - ay, 1e-9), 1.0 / max(cy - by, 1e-9)


@numba.njit(inline="always")
def _row_of(corners: Triangle, inverse_heights: tuple[Scalar, Scalar, Scalar], y: int, width: int) -> tuple[int, int]:
    """Return the first and last pixel of row ``y`` in a triangle whose corners are sorted downwards."""
    ax, ay, bx, by, cx, cy = corners
    far = ax + min(max((y - ay) * inverse_heights[0], 0.0), 1.0) * (cx - ax)
    if (y <= by and by - ay >= _FLAT) or cy - by < _FLAT:
        near = ax + min(max((y - ay) * inverse_heights[1], 0.0), 1.0) * (bx - ax)
    else:
        near = bx + min(max((y - by) * inverse_heights[2], 0.0), 1.0) * (cx - bx)
    return max(0, math.ceil(min(far, near) - _EDGE)), min(width - 1, math.floor(max(far, near) + _EDGE))


@numba.njit(inline="always")
def _sorted_down(ax: Scalar, ay: Scalar, bx: Scalar, by: Scalar, cx: Scalar, cy: Scalar) -> Triangle:
    if by < ay:
        ax, ay, bx, by = bx, by, ax, ay
    if cy < ay:
        ax, ay, cx, cy = cx, cy, ax, ay
    if cy < by:
        bx, by, cx, cy = cx, cy, bx, by
    return ax, ay, bx, by, cx, cy


@numba.njit(inline="always", error_model="numpy")
def _plane(
    triangle: Triangle, inverse: Scalar, at_a: np.float32, at_b: np.float32, at_c: np.float32
) -> tuple[Scalar, Scalar, Scalar]:
    """Return a value's slope in x and in y, and the value at the origin, from its values at a triangle's corners."""
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
    map_x: FloatArray,
    map_y: FloatArray,
    screen: FloatArray,
    places: FloatArray,
    weight: FloatArray,
    triangles: IntArray,
    row_begin: int,
    row_end: int,
) -> None:
    """Write the picture coordinates of triangles into a backward map, in their order; back faces are culled.

    map_x, map_y: (H, W) float32, written. screen, places: (N, 2) float32 pixels of the map and of the picture.
    weight: (N,) float32, blends with the map's old value: 1 replaces it, 0 keeps it.
    triangles: (T, 3) int32, clockwise on the screen. Only rows in [row_begin, row_end) are written.
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
            # Counted from the span's start, single precision is enough, and the compiler vectorises the loop.
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
