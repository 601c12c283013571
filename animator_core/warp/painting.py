"""Resamples a picture into the frame, in Numba: square cells directly, everything else through a map.

All interpolation is in this file, because Numba's disk cache does not notice changes in other files. Pixel centres are
at whole coordinates. Bilinear interpolation in steps of 1/32 pixel, bit for bit as in cv2.remap, of several pixels at
once: in LLVM's vectors, which Numba's own types cannot express, and so on any processor.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from animator_core.arrays import FloatArray, UInt8Array, UInt32Array
from animator_core.rendering.compiling import Scalar, compiled

KEEP, CLEAR, PAINT, MAP = range(4)
"""Actions for a cell, see `paint_cells`."""
_FRACTION_BITS = 32
_ONE = float(1 << _FRACTION_BITS)
_FRACTION = (1 << _FRACTION_BITS) - 1
_HALF_STEP = 1 << (_FRACTION_BITS - 6)
_SPAN_BITS = 21
"""Fraction bits of places in a cell's row, which are 32-bit numbers relative to the row's start."""
_SPAN_SHIFT = _FRACTION_BITS - _SPAN_BITS
_MOST_SPAN = 1000.0
"""Pixels of the picture that the ends of a row may be apart for that."""
_AT_ONCE = 4
_AHEAD = 48
"""Pixels by which a row of the picture is prefetched: processors do not predict rows that are read in pieces."""

_I8, _I16, _I32, _I64 = (ir.IntType(bits) for bits in (8, 16, 32, 64))
_F32 = ir.FloatType()


def _constant(kind: ir.Type, values: Iterable[float]) -> ir.Constant:
    listed = list(values)
    return ir.Constant(ir.VectorType(kind, len(listed)), listed)


def _picked(builder: Any, vector: Any, lanes: Iterable[int]) -> Any:
    """Return a vector of the given lanes of another one."""
    return builder.shuffle_vector(vector, ir.Constant(vector.type, ir.Undefined), _constant(_I32, lanes))


def _everywhere(builder: Any, value: Any, count: int) -> Any:
    vector = ir.Constant(ir.VectorType(value.type, count), ir.Undefined)
    return _picked(builder, builder.insert_element(vector, value, ir.Constant(_I32, 0)), [0] * count)


def _mixed(builder: Any, texture: Any, pitch: Any, *, u: Any, v: Any, bits: int) -> Any:
    """Return the interpolated pixels at u and v (<n x i32>, in 2^-bits of a pixel) as <4n x i8>."""
    count = u.type.count
    every = [ir.Constant(_I32, k) for k in range(count)]

    def all_(value: int) -> Any:
        return _constant(_I32, [value] * count)

    column, row = (builder.ashr(each, all_(bits)) for each in (u, v))
    x, y = (builder.and_(builder.lshr(each, all_(bits - 5)), all_(31)) for each in (u, v))
    index = builder.add(builder.mul(row, _everywhere(builder, pitch, count)), column)
    above = [builder.gep(texture, [builder.sext(builder.extract_element(index, k), _I64)]) for k in every]
    below = [builder.gep(each, [builder.sext(pitch, _I64)]) for each in above]

    def lanes(places: list[Any]) -> Any:
        """Return two neighbouring pixels of each place as <8n x i16>."""
        vector = ir.Constant(ir.VectorType(_I64, count), ir.Undefined)
        for k, place in zip(every, places):
            pair = builder.load(builder.bitcast(place, _I64.as_pointer()), align=4)
            vector = builder.insert_element(vector, pair, k)
        return builder.zext(builder.bitcast(vector, ir.VectorType(_I8, 8 * count)), ir.VectorType(_I16, 8 * count))

    if count > 1:
        _fetch(builder, builder.gep(above[0], [ir.Constant(_I64, _AHEAD)]))
    upper, lower = lanes(above), lanes(below)
    # Products stay within 16 bits (255 · 32), and with the second weight within 32.
    down = builder.trunc(_picked(builder, y, [k for k in range(count) for _ in range(8)]), upper.type)
    mixed = builder.add(
        builder.shl(upper, _constant(_I16, [5] * 8 * count)), builder.mul(builder.sub(lower, upper), down)
    )
    # Left beside right times 32 - x beside x, and the two added: on x86 that is one instruction.
    beside = _picked(builder, mixed, [8 * k + c + 4 * s for k in range(count) for c in range(4) for s in (0, 1)])
    weights = builder.add(builder.sub(all_(32), x), builder.shl(x, all_(16)))
    weights = _picked(builder, weights, [k for k in range(count) for _ in range(4)])
    weights = builder.bitcast(weights, beside.type)
    wide = ir.VectorType(_I32, 8 * count)
    product = builder.mul(builder.sext(beside, wide), builder.sext(weights, wide))
    left, right = (_picked(builder, product, range(first, 8 * count, 2)) for first in (0, 1))
    total = builder.add(builder.add(left, right), _constant(_I32, [512] * 4 * count))
    return builder.trunc(builder.lshr(total, _constant(_I32, [10] * 4 * count)), ir.VectorType(_I8, 4 * count))


def _fetch(builder: Any, pointer: Any) -> None:
    """Prefetch an address that will be read soon; it may be invalid."""
    arguments = [_I8.as_pointer(), _I32, _I32, _I32]
    prefetch = builder.module.declare_intrinsic(
        "llvm.prefetch", arguments[:1], ir.FunctionType(ir.VoidType(), arguments)
    )
    for_reading, into_every_cache, data = (ir.Constant(_I32, value) for value in (0, 3, 1))
    builder.call(prefetch, [builder.bitcast(pointer, arguments[0]), for_reading, into_every_cache, data])


def _data(context: Any, builder: Any, *, kind: Any, array: Any) -> Any:
    return context.make_array(kind)(context, builder, array).data


def _store(builder: Any, out: Any, *, at: Any, pixels: Any) -> None:
    builder.store(pixels, builder.bitcast(builder.gep(out, [at]), pixels.type.as_pointer()), align=4)


def _along_row(count: int) -> Any:
    @intrinsic
    def paint(
        typing: Any, out: Any, at: Any, texture: Any, begin: Any, pitch: Any, u: Any, v: Any, du: Any, dv: Any
    ) -> Any:
        """Paint pixels from ``at`` on, with places that start at (u, v) relative to the picture's pixel ``begin``."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            frame, at, picture, begin, pitch, *places = arguments
            steps = _constant(_I32, range(count))
            u, v, du, dv = (_everywhere(builder, each, count) for each in places)
            u, v = builder.add(u, builder.mul(du, steps)), builder.add(v, builder.mul(dv, steps))
            origin = builder.gep(_data(context, builder, kind=signature.args[2], array=picture), [begin])
            pixels = _mixed(builder, origin, pitch, u=u, v=v, bits=_SPAN_BITS)
            _store(builder, _data(context, builder, kind=signature.args[0], array=frame), at=at, pixels=pixels)
            return context.get_dummy_value()

        i = types.int32
        return types.void(out, types.int64, texture, types.int64, i, i, i, i, i), generate

    return paint


def _through_map(count: int) -> Any:
    @intrinsic
    def paint(
        typing: Any, out: Any, at: Any, texture: Any, pitch: Any, rows: Any, border: Any, map_x: Any, map_y: Any, m: Any
    ) -> Any:
        """Paint pixels from ``at`` on, with the map's places from ``m`` on."""

        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            frame, at, picture, pitch, rows, border, map_x, map_y, m = arguments
            floats, whole = (ir.VectorType(kind, count) for kind in (_F32, _I32))
            is_inside, places = None, []
            # In 32nds, plus the border and 32 pixels more: truncation rounds positive numbers down.
            offset = builder.fadd(builder.fmul(border, ir.Constant(_F32, 32.0)), ir.Constant(_F32, 32 * 32 + 0.5))
            for index, name, size in ((6, map_x, pitch), (7, map_y, rows)):
                start = builder.gep(_data(context, builder, kind=signature.args[index], array=name), [m])
                place = builder.load(builder.bitcast(start, floats.as_pointer()), align=4)
                place = builder.fmul(place, _constant(_F32, [32.0] * count))
                place = builder.fadd(place, _everywhere(builder, offset, count))
                place = builder.sub(builder.fptosi(place, whole), _constant(_I32, [32 * 32] * count))
                most = builder.shl(builder.sub(size, ir.Constant(_I32, 1)), ir.Constant(_I32, 5))
                is_within = builder.icmp_unsigned("<", place, _everywhere(builder, most, count))
                is_inside = is_within if is_inside is None else builder.and_(is_inside, is_within)
                places.append(place)
            # Outside is the border's first pixel, which is transparent.
            u, v = (builder.select(is_inside, place, _constant(_I32, [0] * count)) for place in places)
            texture = _data(context, builder, kind=signature.args[2], array=picture)
            pixels = _mixed(builder, texture, pitch, u=u, v=v, bits=5)
            _store(builder, _data(context, builder, kind=signature.args[0], array=frame), at=at, pixels=pixels)
            return context.get_dummy_value()

        i, k = types.int32, types.int64
        return types.void(out, k, texture, i, i, types.float32, map_x, map_y, k), generate

    return paint


_paint_one, _paint_four = _along_row(1), _along_row(_AT_ONCE)
_map_one, _map_four = _through_map(1), _through_map(_AT_ONCE)


@numba.njit(error_model="numpy")
def _place(value: Scalar, border: int) -> np.int64:
    """Return a place in the picture for `_paint_row`: in the bordered one, plus half a 32nd for rounding."""
    return np.int64(np.int64((value + border) * _ONE) + _HALF_STEP)


@numba.njit(error_model="numpy")
def _paint_row(
    out: UInt32Array,
    at: int,
    count: int,
    texture: UInt32Array,
    pitch: int,
    u: np.int64,
    v: np.int64,
    u_step: np.int64,
    v_step: np.int64,
) -> None:
    """Paint ``count`` pixels of a flat frame, from places (u, v), in 2^-32 of a pixel, in constant steps."""
    begin = (v >> _FRACTION_BITS) * pitch + (u >> _FRACTION_BITS)
    near_u, near_v = (u & _FRACTION) >> _SPAN_SHIFT, (v & _FRACTION) >> _SPAN_SHIFT
    du, dv = u_step >> _SPAN_SHIFT, v_step >> _SPAN_SHIFT
    done = count - count % _AT_ONCE
    for i in range(0, done, _AT_ONCE):
        _paint_four(out, at + i, texture, begin, pitch, near_u + i * du, near_v + i * dv, du, dv)
    for i in range(done, count):
        _paint_one(out, at + i, texture, begin, pitch, near_u + i * du, near_v + i * dv, 0, 0)


@numba.njit(error_model="numpy")
def _paint_row_checked(
    out: UInt32Array,
    at: int,
    count: int,
    texture: UInt32Array,
    pitch: int,
    most_u: int,
    most_v: int,
    u: np.int64,
    v: np.int64,
    u_step: np.int64,
    v_step: np.int64,
) -> None:
    """Paint as `_paint_row` does, for places that may be outside of the picture or far apart."""
    for i in range(at, at + count):
        if 0 <= u < most_u and 0 <= v < most_v:
            begin = (v >> _FRACTION_BITS) * pitch + (u >> _FRACTION_BITS)
            near_u, near_v = (u & _FRACTION) >> _SPAN_SHIFT, (v & _FRACTION) >> _SPAN_SHIFT
            _paint_one(out, i, texture, begin, pitch, near_u, near_v, 0, 0)
        else:
            out[np.uint64(i)] = 0
        u += u_step
        v += v_step


@numba.njit(error_model="numpy")
def _sheet(places: FloatArray, row: int, column: int, side: int) -> tuple[Scalar, Scalar, Scalar, Scalar]:
    """Return a cell's bilinear coefficients: the value at its corner, per pixel across, down, and of both together."""
    first, right = np.float64(places[row, column]), np.float64(places[row, column + 1])
    below, opposite = np.float64(places[row + 1, column]), np.float64(places[row + 1, column + 1])
    return first, (right - first) / side, (below - first) / side, (opposite - right - below + first) / (side * side)


@numba.njit(error_model="numpy")
def _is_within(places: FloatArray, row: int, column: int, size: int, border: int) -> bool:
    """Return whether a cell's places are all in the bordered picture and near to each other."""
    low = min(
        min(places[row, column], places[row, column + 1]), min(places[row + 1, column], places[row + 1, column + 1])
    )
    high = max(
        max(places[row, column], places[row, column + 1]), max(places[row + 1, column], places[row + 1, column + 1])
    )
    return bool(low > 0.1 - border and high < size - border - 1.1 and high - low < _MOST_SPAN)


@compiled(
    "void(uint32[:,::1], uint32[:,::1], int64, float32[:,::1], float32[:,::1], int64, int64, float32[:,:,::1], "
    "int64, uint8[:,::1], int64, int64)",
    nogil=True,
    error_model="numpy",
)
def paint_cells(
    frame: UInt32Array,
    texture: UInt32Array,
    border: int,
    map_x: FloatArray,
    map_y: FloatArray,
    left: int,
    top: int,
    places: FloatArray,
    side: int,
    actions: UInt8Array,
    row_begin: int,
    row_end: int,
) -> None:
    """Paint square cells of the frame, interpolating the picture's places between their corners.

    frame: (H, W) uint32 BGRA. texture: see `extension.bordered`, with a border of so many pixels. map_x, map_y: (h, w)
    float32, a window's map; its top left corner is at (left, top) of the frame, a cell's corner. places: (2, rows + 1,
    columns + 1) float32, x and y of the picture at the cells' corners. side: of a cell in pixels. actions: (rows,
    columns) uint8: KEEP the cell, CLEAR it, PAINT it into the frame, or write its places into the MAP. Only rows of
    cells in [row_begin, row_end) are written.
    """
    height, width, pitch = frame.shape[0], frame.shape[1], texture.shape[1]
    out, pixels = frame.reshape(frame.size), texture.reshape(texture.size)
    most_u, most_v = (pitch - 1) << _FRACTION_BITS, (texture.shape[0] - 1) << _FRACTION_BITS
    for row in range(row_begin, row_end):
        rows = min(side, height - row * side)
        for column in range(actions.shape[1]):
            action = actions[row, column]
            if action == KEEP:
                continue
            count = min(side, width - column * side)
            at = row * side * width + column * side
            if action == CLEAR:
                for y in range(rows):
                    for x in range(at + y * width, at + y * width + count):
                        out[np.uint64(x)] = 0
                continue
            u, u_across, u_down, u_both = _sheet(places[0], row, column, side)
            v, v_across, v_down, v_both = _sheet(places[1], row, column, side)
            if action == MAP:
                for y in range(rows):
                    line_x, line_y = map_x[row * side - top + y], map_y[row * side - top + y]
                    start_x, step_x = np.float32(u + y * u_down), np.float32(u_across + y * u_both)
                    start_y, step_y = np.float32(v + y * v_down), np.float32(v_across + y * v_both)
                    for x in range(count):
                        line_x[np.uint64(column * side - left + x)] = start_x + np.float32(np.int32(x)) * step_x
                        line_y[np.uint64(column * side - left + x)] = start_y + np.float32(np.int32(x)) * step_y
                continue
            is_easy = _is_within(places[0], row, column, pitch, border)
            is_easy = is_easy and _is_within(places[1], row, column, texture.shape[0], border)
            for y in range(rows):
                at_u, at_v = _place(u + y * u_down, border), _place(v + y * v_down, border)
                u_step, v_step = np.int64((u_across + y * u_both) * _ONE), np.int64((v_across + y * v_both) * _ONE)
                if is_easy:
                    _paint_row(out, at + y * width, count, pixels, pitch, at_u, at_v, u_step, v_step)
                else:
                    _paint_row_checked(
                        out, at + y * width, count, pixels, pitch, most_u, most_v, at_u, at_v, u_step, v_step
                    )


@compiled(
    "void(uint32[:,::1], uint32[:,::1], int64, float32[:,::1], float32[:,::1], int64, int64, int64, int64)",
    nogil=True,
    error_model="numpy",
)
def paint_map(
    frame: UInt32Array,
    texture: UInt32Array,
    border: int,
    map_x: FloatArray,
    map_y: FloatArray,
    left: int,
    top: int,
    row_begin: int,
    row_end: int,
) -> None:
    """Paint the window's map into the frame; arguments as in `paint_cells`, but rows are the map's."""
    width, columns = frame.shape[1], map_x.shape[1]
    pitch, rows = np.int32(texture.shape[1]), np.int32(texture.shape[0])
    out, pixels = frame.reshape(frame.size), texture.reshape(texture.size)
    more = np.float32(border)
    places_x, places_y = map_x.reshape(map_x.size), map_y.reshape(map_y.size)
    for y in range(row_begin, row_end):
        at, m = (top + y) * width + left, y * columns
        for x in range(0, columns - _AT_ONCE + 1, _AT_ONCE):
            _map_four(out, at + x, pixels, pitch, rows, more, places_x, places_y, m + x)
        for x in range(columns - columns % _AT_ONCE, columns):
            _map_one(out, at + x, pixels, pitch, rows, more, places_x, places_y, m + x)
