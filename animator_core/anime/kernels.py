"""The compiled loops of `player`: pixels of four 8-bit channels are handled as one number, 16 bits a channel.

All of them are in this file, because Numba's disk cache does not notice changes in other files.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np

from animator_core.arrays import AnyArray, BoolArray, FloatArray, Int16Array, IntArray, UInt8Array, UInt32Array
from animator_core.rendering.compiling import compiled

_SPREAD_2 = np.uint64(0x0000FFFF0000FFFF)
_SPREAD_4 = np.uint64(0x00FF00FF00FF00FF)
_HALF = np.uint64(0x0080008000800080)
_CARRY = np.uint64(0x0001000100010001)
_8, _16, _255 = np.uint64(8), np.uint64(16), np.uint64(255)
_FRACTION_BITS = 16
"""Fraction bits of a place in a texture; four of them count."""


@numba.njit
def _spread(pixel: Any) -> Any:
    """Return a pixel with 16 bits for each channel."""
    wide = np.uint64(pixel)
    wide = (wide | (wide << _16)) & _SPREAD_2
    return (wide | (wide << _8)) & _SPREAD_4


@numba.njit
def _joined(wide: Any) -> Any:
    wide = (wide | (wide >> _8)) & _SPREAD_2
    return np.uint32((wide | (wide >> _16)) & np.uint64(0xFFFFFFFF))


@numba.njit
def _interpolated(texture: UInt32Array, x: int, y: int) -> Any:
    """Return the spread pixel at a place, 16 fraction bits, from the corner of the texture."""
    column, row = x >> _FRACTION_BITS, y >> _FRACTION_BITS
    right, down = (x >> 12) & 15, (y >> 12) & 15
    left, up = 16 - right, 16 - down
    total = _spread(texture[row, column]) * np.uint64(left * up)
    total += _spread(texture[row, column + 1]) * np.uint64(right * up)
    total += _spread(texture[row + 1, column]) * np.uint64(left * down)
    total += _spread(texture[row + 1, column + 1]) * np.uint64(right * down)
    return ((total + _HALF) >> _8) & _SPREAD_4


@numba.njit
def _share_at(shares: UInt8Array, x: int, y: int) -> Any:
    """Return a share at a place as `_interpolated` does, 0 to 256."""
    column, row = x >> _FRACTION_BITS, y >> _FRACTION_BITS
    right, down = (x >> 12) & 15, (y >> 12) & 15
    above = (16 - right) * int(shares[row, column]) + right * int(shares[row, column + 1])
    below = (16 - right) * int(shares[row + 1, column]) + right * int(shares[row + 1, column + 1])
    share = ((16 - down) * above + down * below + 128) >> 8
    return share + (share >> 7)


@numba.njit
def _over(paint: Any, below: Any, share: Any) -> Any:
    """Return paint + (1 - share) · below, each channel at most 255."""
    total = paint + (((below * np.uint64(256 - share) + _HALF) >> _8) & _SPREAD_4)
    carry = (total >> _8) & _CARRY
    return (total | (carry * _255)) & _SPREAD_4


@compiled(
    "void(int16[:,:,::1], int64[::1], float32[::1], int32[::1], float32[:,:,::1])", nogil=True, error_model="numpy"
)
def mix_flows(nodes: Int16Array, chosen: IntArray, weights: FloatArray, cells: IntArray, flow: FloatArray) -> None:
    """Write the weighted sum of nodes into the grid ``flow``, (256, 256, 2) float32, at ``cells``.

    nodes: (N, C, 2) int16. chosen: (K,) int64, nodes. weights: (K,) float32, which convert units as well.
    """
    count = len(chosen)
    for place in range(len(cells)):
        x = y = np.float32(0)
        for k in range(count):
            node = nodes[chosen[k], place]
            x += weights[k] * np.float32(node[0])
            y += weights[k] * np.float32(node[1])
        row, column = divmod(cells[place], flow.shape[1])
        flow[row, column, 0] = x
        flow[row, column, 1] = y


@compiled(
    "void(uint8[:,:,::1], uint8[:,:,:,::1], int64[::1], float32[::1], float32[:,::1], float32[:,:,::1])",
    nogil=True,
    error_model="numpy",
)
def mix_patches(
    shares: UInt8Array, paints: UInt8Array, chosen: IntArray, weights: FloatArray, share: FloatArray, paint: FloatArray
) -> None:
    """Write the weighted sum of a region's patches, see `Region`, into ``share`` and ``paint``.

    chosen: (K,) int64, nodes. weights: (K,) float32, which convert units as well.
    """
    count = len(chosen)
    for row in range(share.shape[0]):
        for column in range(share.shape[1]):
            a = b = c = d = e = np.float32(0)
            for k in range(count):
                node, weight = chosen[k], weights[k]
                a += weight * np.float32(shares[node, row, column])
                b += weight * np.float32(paints[node, row, column, 0])
                c += weight * np.float32(paints[node, row, column, 1])
                d += weight * np.float32(paints[node, row, column, 2])
                e += weight * np.float32(paints[node, row, column, 3])
            share[row, column] = a
            paint[row, column, 0], paint[row, column, 1], paint[row, column, 2], paint[row, column, 3] = b, c, d, e


@numba.njit(error_model="numpy")
def _between(flow: FloatArray, x: Any, y: Any) -> Any:
    """Return a flow, (h, w, 2), between its values at whole places; beyond the edge, that of the edge."""
    x = min(max(x, 0.0), flow.shape[1] - 1.001)
    y = min(max(y, 0.0), flow.shape[0] - 1.001)
    column, row = int(x), int(y)
    right, down = np.float32(x - column), np.float32(y - row)
    left, up = np.float32(1) - right, np.float32(1) - down
    one, two = flow[row, column], flow[row, column + 1]
    three, four = flow[row + 1, column], flow[row + 1, column + 1]
    a, b, c, d = left * up, right * up, left * down, right * down
    return a * one[0] + b * two[0] + c * three[0] + d * four[0], a * one[1] + b * two[1] + c * three[1] + d * four[1]


@compiled(
    "void(float32[:,:,::1], float32[:,:,::1], boolean, boolean[:,::1], float32[::1], float32[:,:,::1])",
    nogil=True,
    error_model="numpy",
)
def place_grid(
    head: FloatArray, body: FloatArray, moves_body: bool, active: BoolArray, frame: FloatArray, grid: FloatArray
) -> None:
    """Write, for each corner of the frame's cells, its place in the texture and in the patches.

    head, body: (256, 256, 2) float32 flows in the networks' pixels. active: (rows, columns), cells that show anything.
    frame: center x and y and scale of `HeadPlace`, the cell's side, and the frame's width and height, all in pixels.
    grid: (rows + 1, columns + 1, 4) float32: x and y in the texture, x and y in the patches, both from a border of 1.
    """
    center_x, center_y, scale, side, width, height = frame[0], frame[1], frame[2], frame[3], frame[4], frame[5]
    inverse, half, one = np.float32(1) / scale, np.float32(0.5), np.float32(1)
    edge, fading, last = np.float32(512), np.float32(1 / 64), np.float32(0.96)
    rows, columns = active.shape
    for row in range(rows + 1):
        for column in range(columns + 1):
            near = False
            for below in range(max(row - 1, 0), min(row + 1, rows)):
                for right in range(max(column - 1, 0), min(column + 1, columns)):
                    near |= active[below, right]
            if not near:
                continue
            x = (np.float32(column) * side + half - center_x) * scale + np.float32(256)
            y = (np.float32(row) * side + half - center_y) * scale + np.float32(128)
            beyond = max(max(-x, x - edge), max(-y, y - edge))
            share = one if beyond <= 0 else max(one - beyond * fading, np.float32(0))
            patch_x, patch_y = x, y
            if moves_body:
                shift_x, shift_y = _between(body, x * half - half, y * half - half)
                patch_x += share * shift_x
                patch_y += share * shift_y
            flow_x, flow_y = _between(head, patch_x * half - half, patch_y * half - half)
            source_x = (patch_x + share * flow_x - np.float32(256)) * inverse + center_x
            source_y = (patch_y + share * flow_y - np.float32(128)) * inverse + center_y
            # From pixel corners to pixel centres, and to the texture's border.
            grid[row, column, 0] = min(max(source_x + half, np.float32(0)), width + side + last)
            grid[row, column, 1] = min(max(source_y + half, np.float32(0)), height + side + last)
            grid[row, column, 2] = min(max(patch_x + half, np.float32(0)), edge + last)
            grid[row, column, 3] = min(max(patch_y + half, np.float32(0)), edge + last)


@compiled(
    "void(int32[:,:,::1], uint8[:,:,:,::1], int64[::1], int32[::1], uint32[:,::1], uint8[:,::1], boolean[:,::1])",
    nogil=True,
    error_model="numpy",
)
def mix_tiles(
    index: IntArray,
    tiles: UInt8Array,
    chosen: IntArray,
    weights: IntArray,
    paint: UInt32Array,
    share: UInt8Array,
    is_used: BoolArray,
) -> None:
    """Write the weighted mean of the nodes' tiles into the patch.

    index, tiles: see `HeadBasis`. chosen: (K,) int64, nodes. weights: (K,) int32 with the sum 256. paint: (514, 514)
    uint32 BGRA and share: (514, 514) uint8, with a border of 1 that stays 0. is_used: (64, 64), tiles that have any.
    """
    side = tiles.shape[1]
    total = np.empty(5, np.int32)
    for row in range(index.shape[1]):
        for column in range(index.shape[2]):
            found = 0
            for k in range(len(chosen)):
                found += index[chosen[k], row, column] >= 0
            if not found:
                if is_used[row, column]:
                    is_used[row, column] = False
                    for y in range(row * side + 1, row * side + side + 1):
                        for x in range(column * side + 1, column * side + side + 1):
                            paint[y, x] = 0
                            share[y, x] = 0
                continue
            is_used[row, column] = True
            for y in range(side):
                for x in range(side):
                    total[:] = 128
                    for k in range(len(chosen)):
                        number = index[chosen[k], row, column]
                        if number >= 0:
                            for channel in range(5):
                                total[channel] += weights[k] * np.int32(tiles[number, y, x, channel])
                    pixel = np.uint32(total[0] >> 8) | np.uint32(total[1] >> 8) << np.uint32(8)
                    pixel |= np.uint32(total[2] >> 8) << np.uint32(16) | np.uint32(total[3] >> 8) << np.uint32(24)
                    paint[row * side + y + 1, column * side + x + 1] = pixel
                    share[row * side + y + 1, column * side + x + 1] = total[4] >> 8


@compiled(
    "void(uint32[:,::1], float32[:,:,::1], boolean[:,::1], uint32[:,::1], uint8[:,::1], boolean[:,::1], int64,"
    " uint32[:,::1], int64, int64)",
    nogil=True,
    error_model="numpy",
)
def paint_frame(
    texture: UInt32Array,
    grid: FloatArray,
    active: BoolArray,
    paint: UInt32Array,
    share: UInt8Array,
    is_used: BoolArray,
    side: int,
    frame: UInt32Array,
    first_row: int,
    end_row: int,
) -> None:
    """Draw rows of cells of the frame, (H, W) uint32: the texture sampled by the grid, the patch laid over it.

    texture: uint32, with a border of 1, and of a cell more at the right and the bottom, of which the corners lie beyond
    the picture. grid, active: see `place_grid`. paint, share, is_used: see `mix_tiles`.
    """
    height, width = frame.shape
    one = np.float32(1 << _FRACTION_BITS)
    # To the nearest sixteenth of a pixel.
    rounding = np.float32(1 << (_FRACTION_BITS - 5))
    step = np.float32(1) / np.float32(side)
    last = is_used.shape[0] - 1
    for row in range(first_row, end_row):
        for column in range(active.shape[1]):
            if not active[row, column]:
                continue
            has_patch = False
            for corner in range(4):
                place = grid[row + corner // 2, column + corner % 2]
                tile_row = min(max((int(place[3]) - 1) >> 3, 0), last)
                tile_column = min(max((int(place[2]) - 1) >> 3, 0), last)
                has_patch |= is_used[tile_row, tile_column]
            for y in range(row * side, min((row + 1) * side, height)):
                down = np.float32(y - row * side) * step
                start, end = grid[row, column], grid[row, column + 1]
                below_start, below_end = grid[row + 1, column], grid[row + 1, column + 1]
                x0 = (start[0] + (below_start[0] - start[0]) * down) * one
                y0 = (start[1] + (below_start[1] - start[1]) * down) * one
                step_x = int(((end[0] + (below_end[0] - end[0]) * down) * one - x0) * step)
                step_y = int(((end[1] + (below_end[1] - end[1]) * down) * one - y0) * step)
                u, v = int(x0 + rounding), int(y0 + rounding)
                if not has_patch:
                    for x in range(column * side, min((column + 1) * side, width)):
                        frame[y, x] = _joined(_interpolated(texture, u, v))
                        u += step_x
                        v += step_y
                    continue
                x0 = (start[2] + (below_start[2] - start[2]) * down) * one
                y0 = (start[3] + (below_start[3] - start[3]) * down) * one
                patch_step_x = int(((end[2] + (below_end[2] - end[2]) * down) * one - x0) * step)
                patch_step_y = int(((end[3] + (below_end[3] - end[3]) * down) * one - y0) * step)
                p, q = int(x0 + rounding), int(y0 + rounding)
                for x in range(column * side, min((column + 1) * side, width)):
                    pixel = _interpolated(texture, u, v)
                    opacity = _share_at(share, p, q)
                    if opacity:
                        pixel = _over(_interpolated(paint, p, q), pixel, opacity)
                    frame[y, x] = _joined(pixel)
                    u += step_x
                    v += step_y
                    p += patch_step_x
                    q += patch_step_y


@compiled(
    "void(uint32[:,::1], uint32[:,::1], float32[:,:,::1], uint32[:,::1], uint8[:,::1], float64[::1], int64[::1])",
    nogil=True,
    error_model="numpy",
)
def paint_region(
    source: UInt32Array,
    texture: UInt32Array,
    flow: FloatArray,
    paint: UInt32Array,
    share: UInt8Array,
    place: AnyArray,
    box: AnyArray,
) -> None:
    """Draw an expression into a rectangle of the texture; pixels that it does not change are left alone.

    source, texture: uint32, with a border of 1, before and after. flow: (h, w, 2) float32 of the region, in pixels of
    the texture. place: x and y of the texture's first pixel in the region, and its pixels per pixel of the texture.
    box: left, top, right, bottom. paint: uint32 and share: uint8, of the box, in pixels of the texture.
    """
    one = 1 << _FRACTION_BITS
    for row in range(box[1], box[3]):
        y = place[1] + row * place[2]
        for column in range(box[0], box[2]):
            x = place[0] + column * place[2]
            shift_x, shift_y = _between(flow, x, y)
            opacity = int(share[row - box[1], column - box[0]])
            if opacity == 0 and shift_x == 0 and shift_y == 0:
                continue
            u = min(max(column + 1 + shift_x, 0.0), source.shape[1] - 1.01)
            v = min(max(row + 1 + shift_y, 0.0), source.shape[0] - 1.01)
            pixel = _interpolated(source, int(u * one), int(v * one))
            if opacity:
                above = _spread(paint[row - box[1], column - box[0]])
                pixel = _over(above, pixel, opacity + (opacity >> 7))
            texture[row + 1, column + 1] = _joined(pixel)


@compiled(
    "void(uint32[:,::1], uint32[:,::1], uint32[:,::1], float32[:,:,::1], float64[::1], int64[::1])",
    nogil=True,
    error_model="numpy",
)
def paint_brow(
    skin: UInt32Array, brow: UInt32Array, texture: UInt32Array, flow: FloatArray, place: AnyArray, box: AnyArray
) -> None:
    """Draw a brow over the skin into a rectangle of the texture.

    skin, brow: (h + 2, w + 2) uint32 of the rectangle, the brow transparent around it. The rest as in `paint_region`.
    Pixels without a brow, at rest and now, are left alone: the other brow may be there.
    """
    one = 1 << _FRACTION_BITS
    for row in range(box[1], box[3]):
        y = place[1] + row * place[2]
        for column in range(box[0], box[2]):
            x = place[0] + column * place[2]
            shift_x, shift_y = _between(flow, x, y)
            u = min(max(column - box[0] + 1 + shift_x, 0.0), brow.shape[1] - 1.01)
            v = min(max(row - box[1] + 1 + shift_y, 0.0), brow.shape[0] - 1.01)
            pixel = _interpolated(brow, int(u * one), int(v * one))
            if pixel == 0 and brow[row - box[1] + 1, column - box[0] + 1] == 0:
                continue
            opacity = int(pixel >> np.uint64(48))
            below = _spread(skin[row - box[1] + 1, column - box[0] + 1])
            texture[row + 1, column + 1] = _joined(_over(pixel, below, opacity + (opacity >> 7)))
