"""Paints a bent picture: triangles of a grid straight into the frame, those of the face through a map (by Numba).

Everything compiled is in this file, because Numba's cache on disk does not see changes of other files. Pixel centres
are at whole coordinates; places in the picture are rounded to 1/32 pixel and mixed as cv2.remap does, bit for bit.
"""

from __future__ import annotations

import math

import numba
import numpy as np

EMPTY = -8.0
"""What a map holds where nothing is shown."""
_EDGE = 1e-3
"""How far outside a triangle a pixel's centre still counts as inside, so that no seam stays open."""
_FLAT = 2e-3
_FRACTION_BITS = 32
_ONE = float(1 << _FRACTION_BITS)
_HALF_STEP = 1 << (_FRACTION_BITS - 6)
_U5, _U10, _U2, _U16 = np.uint64(5), np.uint64(10), np.uint64(2), np.uint64(16)
_PAIR = np.uint64(0x0000FFFF0000FFFF)
_ROUND = np.uint64(0x0000020000000200)
_BYTES_0_4 = np.uint64(0x000000FF000000FF)
_BYTES_1_5 = np.uint64(0x0000FF000000FF00)


def spread_pixels(texture: np.ndarray) -> np.ndarray:
    """Return a picture ((H, W, 4) uint8) for the painters: (H + 2, W + 2) uint64, a channel in each 16 bits.

    The border all around is transparent.
    """
    height, width = texture.shape[:2]
    lanes = np.zeros((height + 2, width + 2, 4), np.uint16)
    lanes[1:-1, 1:-1] = texture
    return lanes.view(np.uint64)[..., 0]


@numba.njit(inline="always")
def _mixed(a, b, c, d, x, y):  # type: ignore[no-untyped-def]
    """Return the uint32 pixel at (x, y) 32nds between the spread pixels a b / c d: all four channels at once."""
    # Each channel's product stays within its own bits: 255 · 32 in 16 of them, 255 · 32 · 32 in 32 of them.
    upper = (a << _U5) + (b - a) * x
    lower = (c << _U5) + (d - c) * x
    one, other = upper & _PAIR, lower & _PAIR
    even = (one << _U5) + (other - one) * y + _ROUND
    one, other = (upper >> _U16) & _PAIR, (lower >> _U16) & _PAIR
    odd = (one << _U5) + (other - one) * y + _ROUND
    packed = ((even >> _U10) & _BYTES_0_4) | ((odd >> _U2) & _BYTES_1_5)
    return np.uint32(packed | (packed >> _U16))


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
def _slopes(ab, ac, abx, aby, acx, acy, inverse):  # type: ignore[no-untyped-def]
    """Return how a value changes for each pixel to the right, and down; ab, ac: by how much it does to two corners."""
    return (ab * acy - ac * aby) * inverse, (ac * abx - ab * acx) * inverse


@numba.njit(inline="always")
def _pixel(texture, pitch, u, v):  # type: ignore[no-untyped-def]
    """Return the pixel of a flat spread picture at (u, v), in 2^-32 of a pixel."""
    k = np.uint64((v >> _FRACTION_BITS) * pitch + (u >> _FRACTION_BITS))
    below = k + np.uint64(pitch)
    x, y = np.uint64((u >> (_FRACTION_BITS - 5)) & 31), np.uint64((v >> (_FRACTION_BITS - 5)) & 31)
    return _mixed(texture[k], texture[k + np.uint64(1)], texture[below], texture[below + np.uint64(1)], x, y)


@numba.njit(error_model="numpy")
def _paint_span(out, begin, count, texture, pitch, most_u, most_v, u, v, u_step, v_step):  # type: ignore[no-untyped-def]
    """Paint pixels of a flat frame from places that start at (u, v), in 2^-32 of a pixel, and step on."""
    last_u, last_v = u + (count - 1) * u_step, v + (count - 1) * v_step
    if min(u, last_u) >= 0 and min(v, last_v) >= 0 and max(u, last_u) < most_u and max(v, last_v) < most_v:
        for i in range(count):
            out[np.uint64(begin + i)] = _pixel(texture, pitch, u, v)
            u += u_step
            v += v_step
        return
    for i in range(count):
        is_inside = 0 <= u < most_u and 0 <= v < most_v
        out[np.uint64(begin + i)] = _pixel(texture, pitch, u, v) if is_inside else np.uint32(0)
        u += u_step
        v += v_step


@numba.njit(error_model="numpy")
def _place(value: float) -> int:
    """Return a place in the picture for `_paint_span`: one more for the border, and half a 32nd for rounding."""
    return np.int64((value + 1.0) * _ONE) + _HALF_STEP


@numba.njit(
    "void(uint32[:,::1], uint64[:,::1], float32[:,::1], float32[:,::1], int64, int64, float32[:,::1], "
    "float32[:,::1], int32[:,::1], boolean[::1], int64, int64)",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def paint_grid(
    frame: np.ndarray,
    texture: np.ndarray,
    map_x: np.ndarray,
    map_y: np.ndarray,
    left: int,
    top: int,
    screen: np.ndarray,
    nodes: np.ndarray,
    triangles: np.ndarray,
    is_due: np.ndarray,
    row_begin: int,
    row_end: int,
) -> None:
    """Paint the due triangles into the frame, in their order; inside the map's window into the map instead.

    frame: (H, W) uint32 BGRA. texture: `spread_pixels`. map_x, map_y: (h, w) float32, the window whose top left corner
    is at (left, top) of the frame. screen, nodes: (N, 2) float32 pixels of the frame and of the picture.
    triangles: (T, 3) int32. is_due: (T,) bool. Only rows from row_begin to before row_end are touched.
    """
    width, pitch = frame.shape[1], texture.shape[1]
    out, pixels = frame.reshape(frame.size), texture.reshape(texture.size)
    most_u, most_v = (pitch - 1) << _FRACTION_BITS, (texture.shape[0] - 1) << _FRACTION_BITS
    right, bottom = left + map_x.shape[1], top + map_x.shape[0]
    for t in range(triangles.shape[0]):
        if not is_due[t]:
            continue
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay = np.float64(screen[a, 0]), np.float64(screen[a, 1])
        abx, aby = screen[b, 0] - ax, screen[b, 1] - ay
        acx, acy = screen[c, 0] - ax, screen[c, 1] - ay
        area = abx * acy - acx * aby
        if abs(area) < 1e-6:
            continue
        corners = _sorted_down(ax, ay, ax + abx, ay + aby, ax + acx, ay + acy)
        heights = _inverse_heights(corners)
        first_row = max(row_begin, math.ceil(corners[1] - _EDGE))
        last_row = min(row_end - 1, math.floor(corners[5] + _EDGE))
        if first_row > last_row:
            continue
        inverse = 1.0 / area
        udx, udy = _slopes(nodes[b, 0] - nodes[a, 0], nodes[c, 0] - nodes[a, 0], abx, aby, acx, acy, inverse)
        vdx, vdy = _slopes(nodes[b, 1] - nodes[a, 1], nodes[c, 1] - nodes[a, 1], abx, aby, acx, acy, inverse)
        u_step, v_step = np.int64(udx * _ONE), np.int64(vdx * _ONE)
        for y in range(first_row, last_row + 1):
            first, last = _row_of(corners, heights, y, width)
            u = nodes[a, 0] + (y - ay) * udy - ax * udx
            v = nodes[a, 1] + (y - ay) * vdy - ax * vdx
            if top <= y < bottom:
                for x in range(max(first, left), min(last, right - 1) + 1):
                    map_x[y - top, x - left] = u + x * udx
                    map_y[y - top, x - left] = v + x * vdx
                if last >= right:
                    begin = max(first, right)
                    _paint_span(
                        out, y * width + begin, last - begin + 1, pixels, pitch, most_u, most_v,
                        _place(u + begin * udx), _place(v + begin * vdx), u_step, v_step,
                    )  # fmt: skip
                last = min(last, left - 1)
            if first <= last:
                _paint_span(
                    out, y * width + first, last - first + 1, pixels, pitch, most_u, most_v,
                    _place(u + first * udx), _place(v + first * vdx), u_step, v_step,
                )  # fmt: skip


@numba.njit(
    "void(float32[:,::1], float32[:,::1], float32[:,::1], float32[:,::1], float32[::1], int32[:,::1], int64, int64)",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def map_face(
    map_x: np.ndarray,
    map_y: np.ndarray,
    screen: np.ndarray,
    landmarks: np.ndarray,
    weight: np.ndarray,
    triangles: np.ndarray,
    row_begin: int,
    row_end: int,
) -> None:
    """Write the picture's places that triangles show into a map, in their order; their back sides show nothing.

    map_x, map_y: (H, W) float32. screen, landmarks: (N, 2) float32 pixels of the map and of the picture. weight: (N,)
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
        heights = _inverse_heights(corners)
        first_row = max(row_begin, math.ceil(corners[1] - _EDGE))
        last_row = min(row_end - 1, math.floor(corners[5] + _EDGE))
        if first_row > last_row:
            continue
        inverse = 1.0 / area
        udx, udy = _slopes(
            landmarks[b, 0] - landmarks[a, 0], landmarks[c, 0] - landmarks[a, 0], abx, aby, acx, acy, inverse
        )
        vdx, vdy = _slopes(
            landmarks[b, 1] - landmarks[a, 1], landmarks[c, 1] - landmarks[a, 1], abx, aby, acx, acy, inverse
        )
        wdx, wdy = _slopes(weight[b] - weight[a], weight[c] - weight[a], abx, aby, acx, acy, inverse)
        is_full = weight[a] >= 1.0 and weight[b] >= 1.0 and weight[c] >= 1.0
        for y in range(first_row, last_row + 1):
            first, last = _row_of(corners, heights, y, width)
            u = landmarks[a, 0] + (y - ay) * udy - ax * udx
            v = landmarks[a, 1] + (y - ay) * vdy - ax * vdx
            if is_full:
                for x in range(first, last + 1):
                    map_x[y, x] = u + x * udx
                    map_y[y, x] = v + x * vdx
            else:
                w = weight[a] + (y - ay) * wdy - ax * wdx
                for x in range(first, last + 1):
                    share = min(max(w + x * wdx, 0.0), 1.0)
                    map_x[y, x] += share * (u + x * udx - map_x[y, x])
                    map_y[y, x] += share * (v + x * vdx - map_y[y, x])


@numba.njit(
    "void(uint32[:,::1], uint64[:,::1], float32[:,::1], float32[:,::1], int64, int64, int64, int64)",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def paint_map(
    frame: np.ndarray,
    texture: np.ndarray,
    map_x: np.ndarray,
    map_y: np.ndarray,
    left: int,
    top: int,
    row_begin: int,
    row_end: int,
) -> None:
    """Paint a map's window into the frame; arguments as in `paint_grid`, rows are those of the map."""
    width, pitch = frame.shape[1], texture.shape[1]
    columns, rows = np.uint64(pitch - 1), np.uint64(texture.shape[0] - 1)
    out, pixels = frame.reshape(frame.size), texture.reshape(texture.size)
    for y in range(row_begin, row_end):
        begin = (top + y) * width + left
        for x in range(map_x.shape[1]):
            # In 32nds, with the border's one pixel and 32 more: positive numbers round down when they are cut off.
            u = np.int64(map_x[y, np.uint64(x)] * np.float32(32) + np.float32(33 * 32 + 0.5))
            v = np.int64(map_y[y, np.uint64(x)] * np.float32(32) + np.float32(33 * 32 + 0.5))
            column, row = np.uint64((u >> 5) - 32), np.uint64((v >> 5) - 32)
            if column < columns and row < rows:
                k = row * np.uint64(pitch) + column
                below = k + np.uint64(pitch)
                out[np.uint64(begin + x)] = _mixed(
                    pixels[k], pixels[k + np.uint64(1)], pixels[below], pixels[below + np.uint64(1)],
                    np.uint64(u & 31), np.uint64(v & 31),
                )  # fmt: skip
            else:
                out[np.uint64(begin + x)] = 0


@numba.njit("void(boolean[:,::1], float32[:,:,::1], float32[:,:,::1], float32, float32)", cache=True, nogil=True)
def mark_moved(is_touched: np.ndarray, screen: np.ndarray, nodes: np.ndarray, width: float, height: float) -> None:
    """Mark the cells of the grid that a moved cell belongs to or lies over.

    is_touched: (rows, columns) bool of the cells, gets true added. screen, nodes: (rows + 1, columns + 1, 2) float32
    pixels. width, height: of a cell in pixels.
    """
    rows, columns = is_touched.shape
    for row in range(rows):
        for column in range(columns):
            is_still = True
            low_x, high_x, low_y, high_y = 1e9, -1e9, 1e9, -1e9
            for corner in range(4):
                i, j = row + corner // 2, column + corner % 2
                x, y = screen[i, j, 0], screen[i, j, 1]
                is_still = is_still and x == nodes[i, j, 0] and y == nodes[i, j, 1]
                low_x, high_x, low_y, high_y = min(low_x, x), max(high_x, x), min(low_y, y), max(high_y, y)
            if is_still:
                continue
            is_touched[row, column] = True
            # Half a pixel more on every side: pixels on an edge are painted by both neighbours.
            for i in range(max(0, int((low_y - 0.5) / height)), min(rows, int((high_y + 0.5) / height) + 1)):
                for j in range(max(0, int((low_x - 0.5) / width)), min(columns, int((high_x + 0.5) / width) + 1)):
                    is_touched[i, j] = True


@numba.njit("void(uint32[:,::1], boolean[:,::1], int64[::1], int64[::1], int64, int64)", cache=True, nogil=True)
def clear_cells(
    frame: np.ndarray,
    is_due: np.ndarray,
    row_edges: np.ndarray,
    column_edges: np.ndarray,
    row_begin: int,
    row_end: int,
) -> None:
    """Make the due cells transparent, from row_begin to before row_end of the frame.

    is_due: (rows, columns) bool. row_edges, column_edges: at which pixels cells begin, and where the last one ends.
    """
    out, width = frame.reshape(frame.size), frame.shape[1]
    for row in range(is_due.shape[0]):
        for y in range(max(row_begin, row_edges[row]), min(row_end, row_edges[row + 1])):
            for column in range(is_due.shape[1]):
                if is_due[row, column]:
                    for x in range(y * width + column_edges[column], y * width + column_edges[column + 1]):
                        out[np.uint64(x)] = 0
