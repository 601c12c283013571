"""Finds the face in a character's picture, or in a region of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Callable

import cv2
import numpy as np

from animator_core.arrays import FloatArray, UInt8Array

DetectFace = Callable[[UInt8Array], "FloatArray | None"]
"""(H, W, 3) uint8 RGB → (478, 3) float32 landmarks in its pixels, or None; `tracking.detect.detect_face` is one."""

LookAgain = Callable[[UInt8Array, FloatArray], FloatArray]
"""(H, W, 3) uint8 RGB and landmarks → shifts in ascending order, see `tracking.detect.shifts_between_looks`."""

_GREY = 128
_SMALLEST_REGION = 16
_STEADY, _CONFIRMED = 0.03, 0.06
"""Shifts in heights of the face: photographed faces move by .002 to .02, drawn ones by up to .04, patterns by more."""
_STEADY_LOOKS, _CONFIRMING_LOOKS = 3, 2


@dataclass(frozen=True)
class FoundFace:
    """A face that was found in a picture.

    landmarks: (478, 3) float32 in pixels of the picture. shifts: ascending, see `shifts_between_looks`; empty if nobody
    looked again.
    """

    landmarks: FloatArray
    shifts: FloatArray = field(default_factory=lambda: np.empty(0, np.float32))

    @property
    def is_steady(self) -> bool:
        """Whether nearly all second looks found the face at exactly the same place."""
        return bool((self.shifts[:_STEADY_LOOKS] < _STEADY).all())

    @property
    def is_confirmed(self) -> bool:
        """Whether second looks found this face at all; if not, a pattern or an animal's eye was taken for one."""
        return bool((self.shifts[:_CONFIRMING_LOOKS] < _CONFIRMED).all())


@dataclass(frozen=True)
class PictureDetector:
    """Finds faces in still pictures; look_again: None to trust every face."""

    detect: DetectFace
    look_again: LookAgain | None = None

    def checked(self, rgb: UInt8Array, landmarks: FloatArray) -> FoundFace:
        """Return the face with what second looks say of it."""
        return (
            FoundFace(landmarks) if self.look_again is None else FoundFace(landmarks, self.look_again(rgb, landmarks))
        )


def find_face(
    picture: UInt8Array,
    detector: PictureDetector,
    crop: tuple[int, int, int, int] | None = None,
    look_closer: bool = True,
) -> FoundFace | None:
    """Return the face in ``picture``, or None if no face is found that second looks confirm.

    picture: (H, W, 4) uint8 RGBA. crop: (x, y, width, height), the only region to look at.
    look_closer: if nothing is found, search again with a wide margin and in parts of the region.
    """
    rgb = over_grey(picture)
    region = crop or (0, 0, rgb.shape[1], rgb.shape[0])
    for candidate in [region, *(_closer_looks(region) if look_closer else ())]:
        landmarks = _detect_in(rgb, candidate, detector.detect)
        if landmarks is not None:
            face = detector.checked(rgb, landmarks)
            if face.is_confirmed:
                return face
    return None


def over_grey(picture: UInt8Array) -> UInt8Array:
    """Return (H, W, 3) uint8 RGB over mid grey, so that the hidden colour of transparent pixels has no effect."""
    alpha = picture[..., 3:].astype(np.uint16)
    if (alpha == 255).all():
        return np.ascontiguousarray(picture[..., :3])
    return ((picture[..., :3] * alpha + _GREY * (255 - alpha)) // 255).astype(np.uint8)


def _detect_in(rgb: UInt8Array, region: tuple[int, int, int, int], detect: DetectFace) -> FloatArray | None:
    """Detect in one region (x, y, width, height), which may reach over the picture's edge."""
    x, y, width, height = region
    left, top = max(0, x), max(0, y)
    right, bottom = min(rgb.shape[1], x + width), min(rgb.shape[0], y + height)
    if min(right - left, bottom - top) < _SMALLEST_REGION:
        return None
    cut = rgb[top:bottom, left:right]
    outside = (top - y, y + height - bottom, left - x, x + width - right)
    if any(outside):
        padded = cv2.copyMakeBorder(cut, *outside, cv2.BORDER_CONSTANT, value=(_GREY, _GREY, _GREY))
        cut = np.asarray(padded, np.uint8)
    landmarks = detect(np.ascontiguousarray(cut))
    if landmarks is None:
        return None
    found = np.array(landmarks, np.float32)
    found[:, :2] += (x, y)
    return found


def _closer_looks(region: tuple[int, int, int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Yield the region with a wide margin, for a face that fills it, then overlapping squares of half its size."""
    x, y, width, height = region
    yield x - width // 3, y - height // 3, width + 2 * (width // 3), height + 2 * (height // 3)
    side = max(_SMALLEST_REGION, min(max(width, height) // 2, min(width, height)))
    for top in _starts(y, height, side):
        for left in _starts(x, width, side):
            yield left, top, side, side


def _starts(first: int, length: int, side: int) -> list[int]:
    """Return the first pixels of pieces of ``side`` that cover ``length`` and overlap by half or more."""
    count = max(1, -(-2 * (length - side) // side) + 1)
    return [first + (length - side) * index // max(1, count - 1) for index in range(count)]
