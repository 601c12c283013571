"""Crops from MediaPipe's 478 points: of a source picture once, of a camera steadily."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from animator_core.errors import CharacterError
from animator_core.liveportrait.motion.crop import (
    DRIVING_CROP_SIZE,
    SOURCE_CROP_SIZE,
    FaceSquare,
    crop_transform,
    face_square,
    warp_to_crop,
)
from animator_core.liveportrait.motion.face_motion import FaceMotion
from animator_core.motion.frame_change import FrameChange

_BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
_EYES = (468, 473)
# Not the lips' middle: that follows the jaw and would rock the crop while the person talks.
_MOUTH_CORNERS = (61, 291)

_SOURCE_SCALE, _SOURCE_SHIFT = 2.3, -0.125
_DRIVING_SCALE, _DRIVING_SHIFT = 2.2, -0.1
_LEAST_FACE_PIXELS = 8.0

_FOLLOW_OFFSET = 0.12
_FOLLOW_SIZE = math.log(1.3)
_SETTLED = 0.2
_SNAP = 2.5
"""In limits of the above: a head that is farther out has jumped (another person, a lost track)."""
_EASE_SECONDS = 0.2


@dataclass(frozen=True)
class SourceCrop:
    """The part of a picture that LivePortrait sees and draws.

    pixels: (512, 512, C) as the picture. crop_from_image: (3, 3), pixels of the picture → of the crop.
    """

    pixels: np.ndarray
    crop_from_image: np.ndarray


def source_square(landmarks: np.ndarray) -> FaceSquare:
    """Return the square of a source's face; landmarks: (478, 2 or more) pixels."""
    return _square(landmarks, _SOURCE_SCALE, _SOURCE_SHIFT)


def source_crop(picture: np.ndarray, landmarks: np.ndarray) -> SourceCrop:
    """Return the crop of a picture, (H, W, C) uint8, upright along the face; raises CharacterError.

    landmarks: (478, 2 or more) pixels of the picture.
    """
    square = source_square(landmarks)
    if not math.isfinite(square.size) or square.size < _LEAST_FACE_PIXELS * _SOURCE_SCALE:
        raise CharacterError(
            f"the face in the picture is less than {_LEAST_FACE_PIXELS:g} pixels large", "use a larger picture of it"
        )
    crop_from_image = crop_transform(square, SOURCE_CROP_SIZE)
    pixels = warp_to_crop(picture, crop_from_image, SOURCE_CROP_SIZE)
    return SourceCrop(pixels, crop_from_image)


def driving_square(landmarks: np.ndarray) -> FaceSquare:
    """Return the upright square of a driver's face; landmarks: (478, 2 or more) pixels."""
    return replace(_square(landmarks, _DRIVING_SCALE, _DRIVING_SHIFT), angle_rad=0.0)


def crop_driving(frame: np.ndarray, square: FaceSquare) -> np.ndarray:
    """Return what the motion extractor looks at, (256, 256, C) as ``frame``."""
    transform = crop_transform(square, DRIVING_CROP_SIZE, is_turned=False)
    return warp_to_crop(frame, transform, DRIVING_CROP_SIZE)


def seen_from(motion: FaceMotion, square: FaceSquare, reference: FaceSquare) -> FaceMotion:
    """Return a motion that was seen in the crop ``square`` as it is in the crop ``reference``; both upright."""
    # x' = (x · size + 2 (centre − centre')) / size', and x = s (x_c R + δ) + t
    ratio = square.size / reference.size
    shift = 2 * (square.centre - reference.centre) / reference.size
    moved = motion.translation.new_tensor([[shift[0], shift[1], 0.0]])
    return replace(motion, scale=motion.scale * ratio, translation=motion.translation * ratio + moved)


class DrivingCrop:
    """A crop that rests while the head stays in it and follows gently when the head leaves.

    ``reference`` is the crop of the first frame: with `seen_from` every motion is expressed in it, so that following
    the head is not mistaken for a motion of the head.
    """

    def __init__(self) -> None:
        self.reference: FaceSquare | None = None
        self._square: FaceSquare | None = None
        self._is_following = False
        self._seen_ns = 0

    def recentre(self) -> None:
        """Put the crop where the head is in the next frame: at calibration, or after the face was lost."""
        self._square = None

    def mirror(self, frame_width: int) -> None:
        """Follow the same head in mirrored frames from now on."""
        self.reference, self._square = (
            None if each is None else replace(each, centre=np.array([frame_width - each.centre[0], each.centre[1]]))
            for each in (self.reference, self._square)
        )

    def follow(self, change: FrameChange) -> None:
        """Stay at the same place of a picture that comes in another size from now on."""
        self.reference = _changed(self.reference, change)
        self._square = _changed(self._square, change)

    def update(self, landmarks: np.ndarray, captured_ns: int) -> FaceSquare:
        """Return the square to crop from this frame; landmarks: (478, 2 or more) pixels."""
        wanted = driving_square(landmarks)
        seconds = max(captured_ns - self._seen_ns, 0) * 1e-9
        self._seen_ns = captured_ns
        if self._square is None or self._excursion(wanted) > _SNAP:
            self._square, self._is_following = wanted, False
        excursion = self._excursion(wanted)
        self._is_following = excursion > (_SETTLED if self._is_following else 1.0)
        if self._is_following:
            share = 1 - math.exp(-seconds / _EASE_SECONDS)
            centre = self._square.centre + share * (wanted.centre - self._square.centre)
            size = self._square.size * (wanted.size / self._square.size) ** share
            self._square = FaceSquare(centre, size, 0.0)
        if self.reference is None:
            self.reference = self._square
        return self._square

    def _excursion(self, wanted: FaceSquare) -> float:
        """Return how far the head is from the crop's middle and size, in limits of what the crop bears."""
        assert self._square is not None
        offset = float(np.abs(wanted.centre - self._square.centre).max()) / self._square.size
        return max(offset / _FOLLOW_OFFSET, abs(math.log(wanted.size / self._square.size)) / _FOLLOW_SIZE)


def _changed(square: FaceSquare | None, change: FrameChange) -> FaceSquare | None:
    if square is None:
        return None
    centre = (square.centre - np.array(change.old_middle)) * change.factor + np.array(change.new_middle)
    return replace(square, centre=centre, size=square.size * change.factor)


def _square(landmarks: np.ndarray, scale: float, shift: float) -> FaceSquare:
    points = np.asarray(landmarks, np.float64)[:, :2]
    axis = np.stack((points[list(_EYES)].mean(0), points[list(_MOUTH_CORNERS)].mean(0)))
    # MediaPipe's mesh covers the forehead, the landmarks that LivePortrait was trained with do not.
    height = points @ (axis[1] - axis[0])
    return face_square(points[height >= height[list(_BROWS)].min()], axis, scale, 0.0, shift)
