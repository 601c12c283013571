"""The loop that paints an eye: skin, eyeball and lashes at each pixel, by its distances from both lids."""

from __future__ import annotations

import numba
import numpy as np

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.rendering.compiling import Scalar, compiled

Place = tuple[int, Scalar, Scalar, Scalar, Scalar]

BEYOND = 3
"""Segments of a lid's curve beyond each corner of the eye; nothing moves there."""


@numba.njit(error_model="numpy", inline="always")
def _nearest(curve: FloatArray, x: Scalar, y: Scalar, begin: int) -> Place:
    """Return the nearest place of a curve: segment, share along it, offsets across and along it, signed distance.

    curve: (N, 2). begin: the point that the search begins with. A positive distance is on the screen above a curve from
    left to right. The offset along is 0 except at corners and ends.
    """
    count = len(curve)
    best = begin
    least = (curve[best, 0] - x) ** 2 + (curve[best, 1] - y) ** 2
    for step in (4, 1):
        is_moving = True
        while is_moving:
            is_moving = False
            for side in (-step, step):
                other = best + side
                if 0 <= other < count:
                    distance = (curve[other, 0] - x) ** 2 + (curve[other, 1] - y) ** 2
                    if distance < least:
                        best, least, is_moving = other, distance, True
    segment, share, offset, along = 0, np.float32(0), np.float32(0), np.float32(0)
    nearest = np.float32(np.inf)
    for first in (best - 1, best):
        if first < 0 or first > count - 2:
            continue
        dx, dy = curve[first + 1, 0] - curve[first, 0], curve[first + 1, 1] - curve[first, 1]
        length = np.sqrt(dx * dx + dy * dy) + np.float32(1e-6)
        px, py = x - curve[first, 0], y - curve[first, 1]
        t = (px * dx + py * dy) / (length * length)
        clipped = min(max(t, np.float32(0)), np.float32(1))
        rx, ry = px - clipped * dx, py - clipped * dy
        distance = rx * rx + ry * ry
        if distance < nearest:
            nearest = distance
            segment, share = first, clipped
            offset = (px * dy - py * dx) / length
            along = (t - clipped) * length
    distance = np.sqrt(nearest)
    return segment, share, offset, along, distance if offset >= 0 else -distance


@numba.njit(error_model="numpy", inline="always")
def _sample(texture: FloatArray, x: Scalar, y: Scalar, out: FloatArray) -> None:
    """Write the bilinear value of a texture, (H, W, 4), to ``out``, (4,); places beyond are moved to its edge."""
    height, width = texture.shape[:2]
    x = min(max(x, np.float32(0)), np.float32(width - 1.001))
    y = min(max(y, np.float32(0)), np.float32(height - 1.001))
    column, row = int(x), int(y)
    a, b = x - np.float32(column), y - np.float32(row)
    for channel in range(4):
        top = texture[row, column, channel]
        top += a * (texture[row, column + 1, channel] - top)
        bottom = texture[row + 1, column, channel]
        bottom += a * (texture[row + 1, column + 1, channel] - bottom)
        out[channel] = top + b * (bottom - top)


@numba.njit(error_model="numpy", inline="always")
def _carried(rest: FloatArray, place: Place) -> tuple[Scalar, Scalar]:
    """Return the place beside the curve at rest that the place beside the moved one comes from."""
    segment, share, offset, along, _ = place
    dx, dy = rest[segment + 1, 0] - rest[segment, 0], rest[segment + 1, 1] - rest[segment, 1]
    length = np.sqrt(dx * dx + dy * dy) + np.float32(1e-6)
    dx, dy = dx / length, dy / length
    x = rest[segment, 0] + share * length * dx + along * dx + offset * dy
    y = rest[segment, 1] + share * length * dy + along * dy - offset * dx
    return x, y


@numba.njit(error_model="numpy", inline="always")
def _lay_lashes(
    lashes: FloatArray,
    belongs_to: FloatArray,
    source: tuple[Scalar, Scalar],
    place: Place,
    opacity: Scalar,
    taken: FloatArray,
    colour: FloatArray,
) -> None:
    """Lay the lashes at ``source`` over a colour, (3,), unless they belong to another part of the lid than ``place``.

    belongs_to: (H, W) the nearest point's place along the lid at rest, in segments.
    """
    x, y = source
    row = min(max(int(y + np.float32(0.5)), 0), belongs_to.shape[0] - 1)
    column = min(max(int(x + np.float32(0.5)), 0), belongs_to.shape[1] - 1)
    away = abs(belongs_to[row, column] - (np.float32(place[0]) + place[1]))
    share = _ramp(np.float32(2) - np.float32(0.5) * away)
    if share <= 0:
        return
    _sample(lashes, x, y, taken)
    for channel in range(3):
        colour[channel] += share * (taken[channel] * opacity - taken[3] * colour[channel])


@numba.njit(error_model="numpy", inline="always")
def _ramp(value: Scalar) -> Scalar:
    return min(max(value, np.float32(0)), np.float32(1))


@compiled(
    "void(uint8[:,:,:], float32[:,:], float32[:,:], float32[:,::1], float32[:,:,::1], float32[:,:,::1],"
    "float32[:,:,::1], float32[:,:,::1], float32[:,:,::1], float32[:,:,::1], float32[:,:,::1], float32[::1])",
    nogil=True,
    error_model="numpy",
)
def paint_eye(
    frame: UInt8Array,
    map_x: FloatArray,
    map_y: FloatArray,
    affine: FloatArray,
    curves: FloatArray,
    skin: FloatArray,
    white: FloatArray,
    iris: FloatArray,
    upper_lashes: FloatArray,
    lower_lashes: FloatArray,
    belongs_to: FloatArray,
    numbers: FloatArray,
) -> None:
    """Paint an eye over the frame's skin.

    frame: (h, w, 4) uint8 premultiplied BGRA, changed. map_x, map_y: (h, w) float32 places in the picture. affine:
    (2, 3) from there to the eye's patch. curves: (4, N, 2) pixels of the patch: upper and lower lid now, and at rest.
    skin: (H, W, 4) BGR without the eye and the share by which it hides the picture's. white: (H, W, 4) BGR of the
    eyeball without iris. iris, upper_lashes, lower_lashes: (H, W, 4) premultiplied BGRA. belongs_to: (2, H, W) the
    nearest point's place along the upper and lower lid at rest, in segments.
    numbers: x and y shift of the iris, share of the painted skin, share of the painted eyeball, strength and reach of
    the lid's shadow, pixels of the patch in one of the frame, reach of the lashes outwards, reach inwards, darkness of
    the line between closed lids, its width.
    """
    shift_x, shift_y, lid_share, eye_share, shade, shade_reach, pixel, outwards, inwards, line, line_width = (
        numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], numbers[7], numbers[8],
        numbers[9], numbers[10],
    )  # fmt: skip
    one, half = np.float32(1), np.float32(0.5)
    upper, lower, upper_rest, lower_rest = curves[0], curves[1], curves[2], curves[3]
    upper_at, lower_at = belongs_to[0], belongs_to[1]
    last, beyond = upper.shape[0] - 1, BEYOND
    per_pixel = np.float32(last) / (upper_rest[last, 0] - upper_rest[0, 0])
    height, width = skin.shape[:2]
    taken, colour = np.empty(4, np.float32), np.empty(3, np.float32)
    for row in range(frame.shape[0]):
        for column in range(frame.shape[1]):
            u, v = map_x[row, column], map_y[row, column]
            x = affine[0, 0] * u + affine[0, 1] * v + affine[0, 2]
            y = affine[1, 0] * u + affine[1, 1] * v + affine[1, 2]
            if not (0 <= x < width - 1 and 0 <= y < height - 1) or frame[row, column, 3] == 0:
                continue
            begin = min(max(int((x - upper_rest[0, 0]) * per_pixel), 0), last)
            above = _nearest(upper, x, y, begin)
            below = _nearest(lower, x, y, begin)
            outside, under = above[4], -below[4]
            # Beyond the corners, and where the lids meet, the opening has no height.
            inside = _ramp(half - outside / pixel) * _ramp(half - under / pixel) * _ramp(-(outside + under) / pixel)
            _sample(skin, x, y, taken)
            covers = taken[3]
            near_upper = -inwards < outside < outwards and beyond <= above[0] < last - beyond
            near_lower = -inwards < under < outwards and beyond <= below[0] < last - beyond
            share = lid_share + (eye_share - lid_share) * inside
            if share <= 0 or (covers <= 0 and inside <= 0 and not near_upper and not near_lower):
                continue
            opacity = np.float32(frame[row, column, 3]) / np.float32(255)
            for channel in range(3):
                before = np.float32(frame[row, column, channel])
                colour[channel] = before + covers * (taken[channel] * opacity - before)
            if inside > 0:
                dark = one - shade * np.exp(outside / shade_reach)
                _sample(white, x, y, taken)
                for channel in range(3):
                    colour[channel] += inside * (taken[channel] * dark * opacity - colour[channel])
                _sample(iris, x - shift_x, y - shift_y, taken)
                for channel in range(3):
                    lit = taken[channel] * dark * opacity
                    colour[channel] += inside * (lit - taken[3] * colour[channel])
            if near_lower:
                _lay_lashes(lower_lashes, lower_at, _carried(lower_rest, below), below, opacity, taken, colour)
            if near_upper:
                _lay_lashes(upper_lashes, upper_at, _carried(upper_rest, above), above, opacity, taken, colour)
                if line > 0:
                    away = outside / line_width
                    along = (np.float32(above[0] - beyond) + above[1]) / np.float32(last - 2 * beyond)
                    dark = one - line * np.exp(-away * away) * min(one, np.float32(8) * along * (one - along))
                    for channel in range(3):
                        colour[channel] *= dark
            for channel in range(3):
                before = np.float32(frame[row, column, channel])
                mixed = before + share * (colour[channel] - before)
                frame[row, column, channel] = np.uint8(min(max(mixed + half, np.float32(0)), np.float32(255)))
