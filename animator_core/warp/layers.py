"""A character's picture as two layers: the person, which moves, over the plate, a background that stands still."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from animator_core.arrays import AnyArray, FloatArray, UInt8Array
from animator_core.rendering.compiling import compiled
from animator_core.rendering.srgb import premultiplied_bgra
from animator_core.warp.extension import reach
from animator_core.warp.matte import person_matte
from animator_core.warp.painting import KEEP

_HOLE_MARGIN, _HOLE_FEATHER = 0.025, 0.025
"""How far the plate's hole reaches beyond the person, in face units, and the width of its soft edge."""
_BAND = 0.04
"""Width in face units of the outline, on each side, in which colours decide opacity."""
_FILL_SIDE = 320
_UNSEEN = 2.0
"""Difference from the plate, of 255, that is not worth carrying along with the person."""
_COLOUR_NOISE = 24.0
_MOST_TEXTURE = 3.0
"""Largest difference of mirrored texture from the broad colours, in medians of the background's."""


@dataclass(frozen=True)
class Layers:
    """The two layers of a picture.

    person: (H, W, 4) uint8 premultiplied BGRA. plate: (H, W, 4) uint8 opaque BGRA, or None if nothing is behind it.
    margin: pixels by which the person is to be continued beyond the picture's edges. is_separate: False if the
    "person" is a whole picture, background included, whose edges must stay where they are.
    """

    person: UInt8Array
    plate: UInt8Array | None
    margin: int = 0
    is_separate: bool = True


def separate(picture: UInt8Array, landmarks: FloatArray, face_size: float) -> Layers:
    """Return the layers of a character's picture; a picture whose person cannot be told apart is all person.

    picture: (H, W, 4) uint8 RGBA, straight alpha. landmarks: (478, 3) pixels. face_size: pixels of a face unit.
    """
    texture = premultiplied_bgra(picture)
    if (picture[..., 3] < 255).any():
        return Layers(texture, None, margin=reach(texture, face_size))
    matte = person_matte(np.ascontiguousarray(picture[..., :3]), landmarks, face_size)
    if matte is None:
        return Layers(texture, None, is_separate=False)
    colours = np.ascontiguousarray(texture[..., :3])
    plate = _plate(colours, matte, face_size)
    person = _person(colours, matte, plate=plate, face_size=face_size)
    opaque = np.dstack([plate, np.full_like(plate[..., :1], 255)])
    return Layers(person, opaque, margin=reach(person, face_size))


def _disc(radius: float) -> UInt8Array:
    size = 2 * max(1, round(radius)) + 1
    disc: UInt8Array = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)).astype(np.uint8)
    return disc


def _as_mask(values: AnyArray) -> UInt8Array:
    """Return (H, W) uint8 of 0 and 1."""
    return np.asarray(values, np.uint8)


def _plate(colours: UInt8Array, matte: FloatArray, face_size: float) -> UInt8Array:
    """Return the background, (H, W, 3) uint8, inpainted behind the person.

    Broad colours are continued (Telea 2004) in a reduced picture; fine texture is mirrored at the person's outline.
    """
    height, width = matte.shape
    hole = _as_mask(cv2.dilate(_as_mask(matte > 0.05), _disc(_HOLE_MARGIN * face_size)))
    scale = min(1.0, _FILL_SIDE / max(height, width))
    size = max(8, round(width * scale)), max(8, round(height * scale))
    weight = (1 - hole).astype(np.float32)
    # Only the background's pixels count, so that no colour of the person enters through the reduction.
    seen: AnyArray = np.asarray(cv2.resize(weight, size, interpolation=cv2.INTER_AREA))
    sums = cv2.resize(colours * weight[..., None], size, interpolation=cv2.INTER_AREA)
    small = np.clip(sums / np.maximum(seen, 1e-3)[..., None], 0, 255).astype(np.uint8)
    small_hole = _as_mask(seen < 0.25)
    filled = cv2.inpaint(small, small_hole, 4, cv2.INPAINT_TELEA).astype(np.float32)
    distance = cv2.distanceTransform(small_hole, cv2.DIST_L2, 5)
    filled = _softened(filled, distance)
    broad = cv2.resize(filled, (width, height), interpolation=cv2.INTER_CUBIC)
    return _filled(colours, hole, broad=np.asarray(broad, np.float32), share=_hole_share(hole, face_size))


def _softened(filled: FloatArray, distance: FloatArray) -> FloatArray:
    """Return the filled picture, blurred more and more with the distance from the seen background."""
    for radius in (1.5, 3.0, 6.0, 12.0):
        share = np.clip(distance / radius - 1, 0, 1)[..., None]
        filled = filled + share * (cv2.GaussianBlur(filled, (0, 0), radius) - filled)
    return filled


def _hole_share(hole: UInt8Array, face_size: float) -> FloatArray:
    """Return (H, W) float32: 1 in the hole, falling to 0 in its soft edge around it."""
    feather = max(1.5, _HOLE_FEATHER * face_size)
    outside = cv2.distanceTransform(1 - hole, cv2.DIST_L2, 5)
    share: FloatArray = np.clip(1 - outside / feather, 0, 1)
    return share


def _filled(colours: UInt8Array, hole: UInt8Array, *, broad: FloatArray, share: FloatArray) -> UInt8Array:
    """Return the picture with broad colours and mirrored texture by a share, (H, W) float32; (H, W, 3) uint8 each."""
    height, width = hole.shape
    rows, columns = np.nonzero(share)
    row, column = (each[rows, columns] for each in nearest(hole))
    beyond = np.clip(2 * row - rows, 0, height - 1), np.clip(2 * column - columns, 0, width - 1)
    usual = float(np.median(np.abs(colours[::4, ::4] - broad[::4, ::4])[hole[::4, ::4] == 0]))
    # Strong texture is an object, which a viewer would know again in the mirror.
    texture = np.clip(colours[beyond] - broad[beyond], -_MOST_TEXTURE * usual, _MOST_TEXTURE * usual)
    texture[hole[beyond] > 0] = 0
    seen, part = colours[rows, columns], share[rows, columns][:, None]
    filled = colours.copy()
    filled[rows, columns] = np.clip(seen + part * (broad[rows, columns] + texture - seen) + 0.5, 0, 255)
    return filled


def nearest(mask: UInt8Array) -> tuple[AnyArray, AnyArray]:
    """Return row and column, (H, W) integers, of the nearest pixel where ``mask``, (H, W) uint8, is 0."""
    labels: AnyArray = np.asarray(
        cv2.distanceTransformWithLabels(mask, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)[1]
    )
    rows, columns = np.nonzero(mask == 0)
    at = np.zeros((2, labels.max() + 1), np.int32)
    at[0, labels[rows, columns]], at[1, labels[rows, columns]] = rows, columns
    row, column = at[:, labels]
    return row, column


def _person(colours: UInt8Array, matte: FloatArray, plate: UInt8Array, face_size: float) -> UInt8Array:
    """Return the person's layer, (H, W, 4) uint8 premultiplied BGRA, which over the plate gives the picture."""
    plate_light = plate.astype(np.float32)
    difference = colours - plate_light
    alpha = _by_colour(colours, matte, plate=plate_light, face_size=face_size)
    # P = C − (1 − a) B is a colour of opacity a only if 0 <= P <= 255 a.
    beyond = np.sign(difference) * np.maximum(np.abs(difference) - _UNSEEN, 0)
    least = np.where(beyond > 0, beyond / np.maximum(255 - plate_light, 1), -beyond / np.maximum(plate_light, 1))
    alpha = np.rint(255 * np.clip(np.maximum(alpha, least.max(-1)), 0, 1))[..., None]
    light = np.clip(np.rint(colours - (1 - alpha / 255) * plate_light), 0, alpha)
    person: UInt8Array = np.dstack([light, alpha]).astype(np.uint8)
    return person


def _by_colour(colours: UInt8Array, matte: FloatArray, plate: FloatArray, face_size: float) -> FloatArray:
    """Return the matte, in the band around its outline by where a colour lies between person's and plate's."""
    band = _disc(_BAND * face_size)
    coarse = np.rint(255 * matte).astype(np.uint8)
    low, high = (np.asarray(clip(coarse, band) / np.float32(255)) for clip in (cv2.erode, cv2.dilate))
    row, column = nearest(_as_mask(low < 0.95)) if (low >= 0.95).any() else np.indices(matte.shape)
    inner = cv2.blur(colours, (3, 3))[row, column].astype(np.float32)
    across = inner - plate
    length = (across * across).sum(-1)
    # a = (C − B) · (F − B) / |F − B|².
    projected = np.clip(((colours - plate) * across).sum(-1) / np.maximum(length, 1e-3), 0, 1)
    trust = length / (length + 3 * _COLOUR_NOISE**2)
    alpha: FloatArray = np.clip(matte + trust * (projected - matte), low, high).astype(np.float32)
    return alpha


@compiled("void(uint32[:,::1], uint32[:,::1], uint8[:,::1], int64, int64, int64)", nogil=True, error_model="numpy")
def lay_over(frame: AnyArray, plate: AnyArray, actions: UInt8Array, side: int, row_begin: int, row_end: int) -> None:
    """Lay the frame's painted cells over the plate, in place.

    frame, plate: (H, W) uint32 BGRA, premultiplied and opaque. actions: (rows, columns) uint8, see
    `painting.paint_cells`; cells to KEEP are left. Only rows of cells in [row_begin, row_end) are written.
    """
    height, width = frame.shape
    for row in range(row_begin, row_end):
        for column in range(actions.shape[1]):
            if actions[row, column] == KEEP:
                continue
            first, last = column * side, min(column * side + side, width)
            for y in range(row * side, min(row * side + side, height)):
                above, below = frame[y, first:last], plate[y, first:last]
                opaque = np.uint32(0xFFFFFFFF)
                for x in range(len(above)):
                    opaque &= above[x]
                # Most of a person hides the plate.
                if opaque >> np.uint32(24) == 255:
                    continue
                for x in range(len(above)):
                    over = above[x]
                    rest = np.uint32(255) - (over >> np.uint32(24))
                    under = below[x]
                    # Two channels at once; (v · r + 128) · 257 / 65536 rounds v · r / 255.
                    odd = (under & np.uint32(0x00FF00FF)) * rest + np.uint32(0x00800080)
                    even = ((under >> np.uint32(8)) & np.uint32(0x00FF00FF)) * rest + np.uint32(0x00800080)
                    odd = ((odd + ((odd >> np.uint32(8)) & np.uint32(0x00FF00FF))) >> np.uint32(8)) & np.uint32(
                        0x00FF00FF
                    )
                    even = (even + ((even >> np.uint32(8)) & np.uint32(0x00FF00FF))) & np.uint32(0xFF00FF00)
                    above[x] = over + odd + even
