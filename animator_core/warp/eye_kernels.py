"""The loop that paints an eye: skin, eyeball and lashes at each pixel, by its distances from both lids.

All of it is in this file, because Numba's disk cache does not notice changes in other files.
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

Place = tuple[int, Scalar, Scalar, Scalar]
Colour = tuple[Scalar, Scalar, Scalar]

SKIN, WHITE, IRIS, UPPER_LASHES, LOWER_LASHES, AT_REST = range(6)
"""The layers of an eye."""
MAY_CHANGE, HAS_SKIN, HAS_REST = 1, 2, 4
"""Bits of what a pixel of the patch, with the next ones right and below, may need."""
BEYOND = 3
"""Segments of a lid's curve beyond each corner of the eye; nothing moves there."""
_AT_ONCE = 16
"""Neighbouring pixels whose distances from a lid are computed together."""
_LINE_REACH = np.float32(3)
"""Widths of the line between closed lids at which nothing is left of it."""
_TO_SHARE = np.float32(1 / 255)

_I8, _I32, _I64, _F32 = ir.IntType(8), ir.IntType(32), ir.IntType(64), ir.FloatType()


def _lanes(values: Iterable[int]) -> ir.Constant:
    listed = list(values)
    return ir.Constant(ir.VectorType(_I32, len(listed)), listed)


def _interpolate(typing: Any, texture: Any, index: Any, pitch: Any, across: Any, down: Any) -> Any:
    """Return the bilinear value of a flat texture, uint32 BGRA: its four channels from 0 to 255.

    index: of the upper left pixel. pitch: pixels in a row. across, down: shares of the right and of the lower pixels.
    """

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        picture, index, pitch, across, down = arguments
        above = builder.gep(context.make_array(signature.args[0])(context, builder, picture).data, [index])
        nothing = ir.Constant(ir.VectorType(_F32, 8), ir.Undefined)

        def pair(place: Any) -> Any:
            """Return two neighbouring pixels as <8 x float>."""
            pixels = builder.load(builder.bitcast(place, _I64.as_pointer()), align=4)
            whole = builder.zext(builder.bitcast(pixels, ir.VectorType(_I8, 8)), ir.VectorType(_I32, 8))
            return builder.sitofp(whole, nothing.type)

        def everywhere(value: Any, count: int) -> Any:
            first = builder.insert_element(nothing, value, ir.Constant(_I32, 0))
            return builder.shuffle_vector(first, nothing, _lanes([0] * count))

        upper, lower = pair(above), pair(builder.gep(above, [pitch]))
        mixed = builder.fadd(upper, builder.fmul(everywhere(down, 8), builder.fsub(lower, upper)))
        left, right = (builder.shuffle_vector(mixed, nothing, _lanes(range(first, first + 4))) for first in (0, 4))
        pixel = builder.fadd(left, builder.fmul(everywhere(across, 4), builder.fsub(right, left)))
        channels = [builder.extract_element(pixel, ir.Constant(_I32, number)) for number in range(4)]
        return context.make_tuple(builder, signature.return_type, channels)

    kinds: Any = types
    pixel = kinds.UniTuple(types.float32, 4)
    return pixel(texture, types.int64, types.int64, types.float32, types.float32), generate


_interpolated: Any = intrinsic(_interpolate)


@numba.njit(error_model="numpy", inline="always")
def _sample(texture: UInt32Array, pitch: int, rows: int, x: Scalar, y: Scalar) -> tuple[Scalar, Scalar, Scalar, Scalar]:
    """Return blue, green, red, 0 to 255, and opacity, 0 to 1, of a flat texture; places beyond move to its edge."""
    x = min(max(x, np.float32(0)), np.float32(pitch) - np.float32(1.001))
    y = min(max(y, np.float32(0)), np.float32(rows) - np.float32(1.001))
    column, row = np.int32(x), np.int32(y)
    across, down = x - np.float32(column), y - np.float32(row)
    blue, green, red, alpha = _interpolated(texture, np.int64(row) * pitch + column, pitch, across, down)
    return blue, green, red, alpha * _TO_SHARE


@numba.njit(error_model="numpy", fastmath={"contract", "reassoc", "arcp", "nsz", "nnan"})
def _find_nearest(
    curve: FloatArray,
    x: FloatArray,
    y: FloatArray,
    squares: FloatArray,
    segment: FloatArray,
    signed: FloatArray,
) -> None:
    """Write the nearest segment of a curve to each of `_AT_ONCE` points, and the signed distance from it.

    curve: (5, S), see `lid_curves.segments`. squares: (S + _AT_ONCE,), for use in here.
    """
    count = curve.shape[1]
    left, right, top, bottom = x[0], x[0], y[0], y[0]
    to_segment, least = squares[:count], squares[count:]
    for number in range(_AT_ONCE):
        i = np.uint64(number)
        left, right, top, bottom = min(left, x[i]), max(right, x[i]), min(top, y[i]), max(bottom, y[i])
        least[i] = np.float32(np.finfo(np.float32).max)
    half = np.float32(0.5)
    middle_x, middle_y = half * (left + right), half * (top + bottom)
    for number in range(count):
        i = np.uint64(number)
        px, py = middle_x - curve[0, i], middle_y - curve[1, i]
        ahead, aside = px * curve[2, i] + py * curve[3, i], px * curve[3, i] - py * curve[2, i]
        beyond = ahead - min(max(ahead, np.float32(0)), curve[4, i])
        to_segment[i] = aside * aside + beyond * beyond
    nearest = to_segment[0]
    for number in range(count):
        nearest = min(nearest, to_segment[np.uint64(number)])
    # No other segment is the nearest one to any point of this circle.
    diameter = np.sqrt((right - left) * (right - left) + (bottom - top) * (bottom - top))
    most = np.sqrt(nearest) + diameter + np.float32(0.01)
    most *= most
    for number in range(count):
        n = np.uint64(number)
        if to_segment[n] > most:
            continue
        start_x, start_y, ux, uy, length = curve[0, n], curve[1, n], curve[2, n], curve[3, n], curve[4, n]
        as_float = np.float32(number)
        for point in range(_AT_ONCE):
            i = np.uint64(point)
            px, py = x[i] - start_x, y[i] - start_y
            ahead, aside = px * ux + py * uy, px * uy - py * ux
            beyond = ahead - min(max(ahead, np.float32(0)), length)
            square, before = aside * aside + beyond * beyond, least[i]
            segment[i] = as_float if square < before else segment[i]
            least[i] = min(square, before)
    for point in range(_AT_ONCE):
        i = np.uint64(point)
        n = np.uint64(np.int32(segment[i]))
        distance = np.sqrt(least[i])
        aside = (x[i] - curve[0, n]) * curve[3, n] - (y[i] - curve[1, n]) * curve[2, n]
        signed[i] = distance if aside >= 0 else -distance


@numba.njit(error_model="numpy", inline="always")
def _place_on(curve: FloatArray, segment: Scalar, x: Scalar, y: Scalar) -> Place:
    """Return a point's place at a segment: its number, share along it, offsets across and along it.

    A positive offset across is on the screen above a curve from left to right. The offset along is 0 except at corners
    and ends.
    """
    n = np.uint64(np.int32(segment))
    px, py, length = x - curve[0, n], y - curve[1, n], curve[4, n]
    ahead, aside = px * curve[2, n] + py * curve[3, n], px * curve[3, n] - py * curve[2, n]
    clipped = min(max(ahead, np.float32(0)), length)
    return int(segment), clipped / length, aside, ahead - clipped


@numba.njit(error_model="numpy", inline="always")
def _carried(rest: FloatArray, place: Place) -> tuple[Scalar, Scalar]:
    """Return the place beside the curve at rest that the place beside the moved one comes from."""
    segment, share, offset, along = place
    n = np.uint64(segment)
    ux, uy = rest[2, n], rest[3, n]
    forward = share * rest[4, n] + along
    return rest[0, n] + forward * ux + offset * uy, rest[1, n] + forward * uy - offset * ux


@numba.njit(error_model="numpy", inline="always")
def _with_lashes(
    colour: Colour,
    lashes: UInt32Array,
    belongs_to: FloatArray,
    source: tuple[Scalar, Scalar],
    place: Place,
    opacity: Scalar,
) -> Colour:
    """Return a colour with the lashes at ``source`` over it, unless they are of another part of the lid than ``place``.

    belongs_to: (H, W) the nearest point's place along the lid at rest, in segments.
    """
    rows, pitch = belongs_to.shape
    row = min(max(int(source[1] + np.float32(0.5)), 0), rows - 1)
    column = min(max(int(source[0] + np.float32(0.5)), 0), pitch - 1)
    away: Scalar = abs(belongs_to[row, column] - (np.float32(place[0]) + place[1]))
    share: Scalar = _ramp(np.float32(2) - np.float32(0.5) * away)
    if share <= 0:
        return colour
    blue, green, red, alpha = _sample(lashes, pitch, rows, source[0], source[1])
    kept = np.float32(1) - share * alpha
    share *= opacity
    return kept * colour[0] + share * blue, kept * colour[1] + share * green, kept * colour[2] + share * red


@numba.njit(error_model="numpy", inline="always")
def _ramp(value: Scalar) -> Scalar:
    return min(max(value, np.float32(0)), np.float32(1))


@compiled(
    "void(uint8[:,:,:], float32[:,:], float32[:,:], float32[:,::1], float32[:,:,::1], uint8[:,::1], uint32[:,::1], "
    "float32[:,:,::1], float32[:,:,::1], float32[::1])",
    nogil=True,
    error_model="numpy",
    fastmath={"contract", "reassoc", "arcp", "nsz"},
)
def paint_eye(
    frame: UInt8Array,
    map_x: FloatArray,
    map_y: FloatArray,
    affine: FloatArray,
    lids: FloatArray,
    needs: UInt8Array,
    layers: UInt32Array,
    belongs_to: FloatArray,
    reach: FloatArray,
    numbers: FloatArray,
) -> None:
    """Paint an eye over the frame's skin.

    frame: (h, w, 4) uint8 premultiplied BGRA, changed. map_x, map_y: (h, w) float32 places in the picture. affine:
    (2, 3) from there to the eye's patch. lids: (4, 5, S) `segments` of the upper and lower lid now, and at rest.
    needs: (H, W) bits, 0 for pixels of the patch that the eye never changes. layers: (6, H · W) BGRA by layer. SKIN:
    without the eye, and the share by which it hides the picture's. WHITE: of the eyeball without iris. IRIS, lashes:
    premultiplied. AT_REST: premultiplied, all that these make at rest, by which the picture differs from it: details
    that no layer has go on and fade as the eye moves away from rest. belongs_to: (2, H, W) the nearest point's place
    along the upper and lower lid at rest, in segments. reach: (2, 2, S) pixels that lashes reach out- and inwards from
    each segment of the upper and of the lower lid. numbers: x and y shift of the iris, share of the painted skin, of
    the painted eyeball, shares by which the details of both have faded, strength and reach of the lid's shadow, pixels
    of the patch in one of the frame, darkness of the line between closed lids, its width.
    """
    shift_x, shift_y, lid_share, eye_share, lid_change, eye_change = (
        numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5],
    )  # fmt: skip
    one, half = np.float32(1), np.float32(0.5)
    shade, by_shade_reach, by_pixel = numbers[6], one / numbers[7], one / numbers[8]
    pixel, line, line_width = numbers[8], numbers[9], numbers[10]
    upper, lower = lids[0], lids[1]
    skin, white, iris, upper_lashes, lower_lashes, at_rest = (
        layers[SKIN], layers[WHITE], layers[IRIS], layers[UPPER_LASHES], layers[LOWER_LASHES], layers[AT_REST],
    )  # fmt: skip
    rows, pitch = needs.shape
    count, width = upper.shape[1], frame.shape[1]
    line_reach, last = _LINE_REACH * line_width if line > 0 else np.float32(0), count - BEYOND
    # Above and below, only skin and details at rest are painted.
    highest = upper[1].min() - reach[0, 0].max() - line_reach - pixel
    lowest = lower[1].max() + reach[1, 0].max() + pixel
    columns = np.empty(width + _AT_ONCE, np.int32)
    all_x, all_y = np.empty(width + _AT_ONCE, np.float32), np.empty(width + _AT_ONCE, np.float32)
    squares = np.empty(count + _AT_ONCE, np.float32)
    at_upper, above = np.zeros(_AT_ONCE, np.float32), np.zeros(_AT_ONCE, np.float32)
    at_lower, below = np.zeros(_AT_ONCE, np.float32), np.zeros(_AT_ONCE, np.float32)
    for row in range(frame.shape[0]):
        line_x, line_y, pixels = map_x[row], map_y[row], frame[row]
        found = 0
        for number in range(width):
            column = np.uint64(number)
            x = affine[0, 0] * line_x[column] + affine[0, 1] * line_y[column] + affine[0, 2]
            y = affine[1, 0] * line_x[column] + affine[1, 1] * line_y[column] + affine[1, 2]
            if not (0 <= x < pitch - 1 and 0 <= y < rows - 1):
                continue
            need = needs[np.uint64(np.int32(y)), np.uint64(np.int32(x))]
            if need == 0 or pixels[column, 3] == 0 or (need == MAY_CHANGE and not highest < y < lowest):
                continue
            columns[found], all_x[found], all_y[found] = number, x, y
            found += 1
        for number in range(_AT_ONCE):
            all_x[found + number], all_y[found + number] = all_x[max(found - 1, 0)], all_y[max(found - 1, 0)]
        for first in range(0, found, _AT_ONCE):
            xs, ys = all_x[first : first + _AT_ONCE], all_y[first : first + _AT_ONCE]
            _find_nearest(upper, xs, ys, squares, at_upper, above)
            # The upper lid hides whatever is behind it.
            if above.min() < pixel:
                _find_nearest(lower, xs, ys, squares, at_lower, below)
            for number in range(min(_AT_ONCE, found - first)):
                i = np.uint64(number)
                column, x, y = np.uint64(columns[first + number]), xs[i], ys[i]
                need = needs[np.uint64(np.int32(y)), np.uint64(np.int32(x))]
                outside, near = above[i], np.uint64(np.int32(at_upper[i]))
                near_upper = -reach[0, 1, near] < outside < reach[0, 0, near]
                near_line = abs(outside) < line_reach and BEYOND <= near < last
                near_lower = False
                inside: Scalar = np.float32(0)
                if outside < pixel:
                    under, near = -below[i], np.uint64(np.int32(at_lower[i]))
                    near_lower = -reach[1, 1, near] < under < reach[1, 0, near]
                    # Beyond the corners, and where the lids meet, the opening has no height.
                    inside = _ramp(half - outside * by_pixel) * _ramp(half - under * by_pixel)
                    inside *= _ramp(-(outside + under) * by_pixel)
                share = lid_share + (eye_share - lid_share) * inside
                is_idle = need == MAY_CHANGE and inside <= 0 and not (near_upper or near_lower or near_line)
                if share <= 0 or is_idle:
                    continue
                opacity = np.float32(pixels[column, 3]) * _TO_SHARE
                before = (
                    np.float32(pixels[column, 0]), np.float32(pixels[column, 1]), np.float32(pixels[column, 2]),
                )  # fmt: skip
                blue, green, red = before
                if inside < one and need & HAS_SKIN:
                    b, g, r, a = _sample(skin, pitch, rows, x, y)
                    blue += a * (b * opacity - blue)
                    green += a * (g * opacity - green)
                    red += a * (r * opacity - red)
                if inside > 0:
                    light = (one - shade * np.exp(outside * by_shade_reach)) * opacity
                    b, g, r, _ = _sample(white, pitch, rows, x, y)
                    blue += inside * (b * light - blue)
                    green += inside * (g * light - green)
                    red += inside * (r * light - red)
                    b, g, r, a = _sample(iris, pitch, rows, x - shift_x, y - shift_y)
                    blue += inside * (b * light - a * blue)
                    green += inside * (g * light - a * green)
                    red += inside * (r * light - a * red)
                colour: Colour = (blue, green, red)
                if near_lower:
                    place = _place_on(lower, at_lower[i], x, y)
                    source = _carried(lids[3], place)
                    colour = _with_lashes(colour, lower_lashes, belongs_to[1], source, place, opacity)
                if near_upper or near_line:
                    place = _place_on(upper, at_upper[i], x, y)
                    if near_upper:
                        source = _carried(lids[2], place)
                        colour = _with_lashes(colour, upper_lashes, belongs_to[0], source, place, opacity)
                    if near_line:
                        away = outside / line_width
                        along = (np.float32(place[0] - BEYOND) + place[1]) / np.float32(count - 2 * BEYOND)
                        dark = one - line * np.exp(-away * away) * min(one, np.float32(8) * along * (one - along))
                        colour = dark * colour[0], dark * colour[1], dark * colour[2]
                b, g, r, a = np.float32(0), np.float32(0), np.float32(0), np.float32(0)
                left = one - (lid_change + (eye_change - lid_change) * inside)
                if left > 0 and need & HAS_REST:
                    b, g, r, a = _sample(at_rest, pitch, rows, x, y)
                for channel, rest in enumerate((b, g, r)):
                    painted = colour[channel] + left * (a * before[channel] - rest * opacity)
                    mixed = before[channel] + share * (painted - before[channel]) + half
                    pixels[column, np.uint64(channel)] = np.uint8(min(max(mixed, np.float32(0)), np.float32(255)))
