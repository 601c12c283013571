"""The loop that paints an eye: skin, eyeball and lashes at each pixel, by its distances from both lids."""

from __future__ import annotations

import numba
import numpy as np

from animator_core.arrays import BoolArray, FloatArray, UInt8Array
from animator_core.rendering.compiling import Scalar, compiled

Place = tuple[int, Scalar, Scalar, Scalar, Scalar]

BEYOND = 3
"""Segments of a lid's curve beyond each corner of the eye; nothing moves there."""


@numba.njit(error_model="numpy", inline="always")
def _nearest(curve: FloatArray, x: Scalar, y: Scalar, begin: int) -> Place:
    """Return the nearest place of a curve: segment, share along it, offsets across and along it, signed distance.

    curve: (S, 5), see `segments`. begin: the segment that the search begins with. A positive distance is on the screen
    above a curve from left to right. The offset along is 0 except at corners and ends.
    """
    last = len(curve) - 1
    best = begin
    px, py = x - curve[best, 0], y - curve[best, 1]
    least = px * px + py * py
    for direction in (-1, 1):
        # Distances along a lid have one minimum, or one on each side of the opening.
        other = best + direction
        while 0 <= other <= last:
            px, py = x - curve[other, 0], y - curve[other, 1]
            distance = px * px + py * py
            if distance >= least:
                break
            best, least = other, distance
            other += direction
    segment, share, offset, along = 0, np.float32(0), np.float32(0), np.float32(0)
    nearest = np.float32(np.inf)
    for number in range(max(best - 1, 0), best + 1):
        ux, uy, length = curve[number, 2], curve[number, 3], curve[number, 4]
        px, py = x - curve[number, 0], y - curve[number, 1]
        ahead, aside = px * ux + py * uy, px * uy - py * ux
        clipped = min(max(ahead, np.float32(0)), length)
        beyond = ahead - clipped
        distance = aside * aside + beyond * beyond
        if distance < nearest:
            nearest = distance
            segment, share, offset, along = number, clipped / length, aside, beyond
    distance = np.sqrt(nearest)
    return segment, share, offset, along, distance if offset >= 0 else -distance


@compiled("void(float32[:,::1], float32[:,::1], float32[:,::1])", nogil=True, error_model="numpy")
def measure_distances(curve: FloatArray, signed: FloatArray, place: FloatArray) -> None:
    """Write signed distances from a curve, (S, 5) `segments`, and the nearest points' places along it, (H, W) each."""
    for row in range(signed.shape[0]):
        for column in range(signed.shape[1]):
            least = np.float32(np.inf)
            for number in range(len(curve)):
                ux, uy, length = curve[number, 2], curve[number, 3], curve[number, 4]
                px, py = np.float32(column) - curve[number, 0], np.float32(row) - curve[number, 1]
                ahead, aside = px * ux + py * uy, px * uy - py * ux
                clipped = min(max(ahead, np.float32(0)), length)
                distance = aside * aside + (ahead - clipped) ** 2
                if distance < least:
                    least = distance
                    place[row, column] = np.float32(number) + clipped / length
                    signed[row, column] = np.sqrt(distance) if aside >= 0 else -np.sqrt(distance)


def segments(curves: FloatArray) -> FloatArray:
    """Return the segments of curves, (K, N, 2) → (K, N - 1, 5) float32: start, direction and length of each."""
    along = np.diff(curves, axis=1)
    length = np.sqrt((along * along).sum(2, keepdims=True)) + np.float32(1e-6)
    return np.concatenate([curves[:, :-1], along / length, length], 2)


@numba.njit(error_model="numpy", inline="always")
def _sample(texture: FloatArray, x: Scalar, y: Scalar, out: FloatArray) -> None:
    """Write the bilinear value of a texture, (H, W, 4), to ``out``, (4,); places beyond are moved to its edge."""
    height, width = texture.shape[:2]
    x = min(max(x, np.float32(0)), np.float32(width) - np.float32(1.001))
    y = min(max(y, np.float32(0)), np.float32(height) - np.float32(1.001))
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
    ux, uy = rest[segment, 2], rest[segment, 3]
    forward = share * rest[segment, 4] + along
    x = rest[segment, 0] + forward * ux + offset * uy
    y = rest[segment, 1] + forward * uy - offset * ux
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
    "void(uint8[:,:,:], float32[:,:], float32[:,:], float32[:,::1], float32[:,:,::1], boolean[:,::1], float32[:,:,::1],"
    "float32[:,:,::1], float32[:,:,::1], float32[:,:,::1], float32[:,:,::1], float32[:,:,::1], float32[:,:,::1],"
    "float32[::1])",
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
    changes: BoolArray,
    skin: FloatArray,
    white: FloatArray,
    iris: FloatArray,
    upper_lashes: FloatArray,
    lower_lashes: FloatArray,
    belongs_to: FloatArray,
    at_rest: FloatArray,
    numbers: FloatArray,
) -> None:
    """Paint an eye over the frame's skin.

    frame: (h, w, 4) uint8 premultiplied BGRA, changed. map_x, map_y: (h, w) float32 places in the picture. affine:
    (2, 3) from there to the eye's patch. lids: (4, S, 5) `segments` of the upper and lower lid now, and at rest.
    changes: (H, W) bool, pixels of the patch that the eye may ever change. skin: (H, W, 4) BGR without the eye and the
    share by which it hides the picture's. white: (H, W, 4) BGR of the eyeball without iris. iris, upper_lashes,
    lower_lashes: (H, W, 4) premultiplied BGRA. belongs_to: (2, H, W) the nearest point's place along the upper and
    lower lid at rest, in segments. at_rest: (H, W, 4) premultiplied BGRA that all of this is at rest, by which the
    picture differs from it: details that no layer has go on and fade as the eye moves away from rest.
    numbers: x and y shift of the iris, share of the painted skin, of the painted eyeball, shares by which the details
    of both have faded, strength and reach of the lid's shadow, pixels of the patch in one of the frame, reach of the
    lashes outwards, reach inwards, darkness of the line between closed lids, its width.
    """
    shift_x, shift_y, lid_share, eye_share, lid_change, eye_change, shade, shade_reach, pixel = (
        numbers[0], numbers[1], numbers[2], numbers[3], numbers[4], numbers[5], numbers[6], numbers[7], numbers[8],
    )  # fmt: skip
    outwards, inwards, line, line_width = numbers[9], numbers[10], numbers[11], numbers[12]
    one, half = np.float32(1), np.float32(0.5)
    upper, lower, upper_rest, lower_rest = lids[0], lids[1], lids[2], lids[3]
    upper_at, lower_at = belongs_to[0], belongs_to[1]
    count, beyond = upper.shape[0], BEYOND
    per_pixel = np.float32(count) / (upper_rest[count - 1, 0] - upper_rest[0, 0])
    height, width = skin.shape[:2]
    taken, colour = np.empty(4, np.float32), np.empty(3, np.float32)
    for row in range(frame.shape[0]):
        for column in range(frame.shape[1]):
            u, v = map_x[row, column], map_y[row, column]
            x = affine[0, 0] * u + affine[0, 1] * v + affine[0, 2]
            y = affine[1, 0] * u + affine[1, 1] * v + affine[1, 2]
            if not (0 <= x < width - 1 and 0 <= y < height - 1) or not changes[int(y), int(x)]:
                continue
            if frame[row, column, 3] == 0:
                continue
            begin = min(max(int((x - upper_rest[0, 0]) * per_pixel), 0), count - 1)
            above = _nearest(upper, x, y, begin)
            outside = above[4]
            near_upper = -inwards < outside < outwards and beyond <= above[0] < count - beyond
            near_lower, below = False, above
            inside: Scalar = np.float32(0)
            # The upper lid hides whatever is behind it.
            if outside < pixel:
                below = _nearest(lower, x, y, begin)
                under = -below[4]
                # Beyond the corners, and where the lids meet, the opening has no height.
                inside = _ramp(half - outside / pixel) * _ramp(half - under / pixel) * _ramp(-(outside + under) / pixel)
                near_lower = -inwards < under < outwards and beyond <= below[0] < count - beyond
            share = lid_share + (eye_share - lid_share) * inside
            if share <= 0:
                continue
            opacity = np.float32(frame[row, column, 3]) / np.float32(255)
            if inside < one:
                _sample(skin, x, y, taken)
                for channel in range(3):
                    before = np.float32(frame[row, column, channel])
                    colour[channel] = before + taken[3] * (taken[channel] * opacity - before)
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
                    along = (np.float32(above[0] - beyond) + above[1]) / np.float32(count - 2 * beyond)
                    dark = one - line * np.exp(-away * away) * min(one, np.float32(8) * along * (one - along))
                    for channel in range(3):
                        colour[channel] *= dark
            rest_share = one - (lid_change + (eye_change - lid_change) * inside)
            if rest_share > 0:
                _sample(at_rest, x, y, taken)
            for channel in range(3):
                before = np.float32(frame[row, column, channel])
                painted = colour[channel]
                if rest_share > 0:
                    painted += rest_share * (taken[3] * before - taken[channel] * opacity)
                mixed = before + share * (painted - before)
                frame[row, column, channel] = np.uint8(min(max(mixed + half, np.float32(0)), np.float32(255)))
