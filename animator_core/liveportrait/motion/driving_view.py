"""The motion extractor's view of a driver: one steady crop a frame, and the motion seen in it."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace

import numpy as np

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.liveportrait.motion.crop import FaceSquare, crop_driving, driving_square
from animator_core.liveportrait.motion.face_motion import FaceMotion, face_motion, ratio_tensors
from animator_core.liveportrait.networks.keypoints import KeypointMotion
from animator_core.motion.frame_change import FrameChange, frame_change

_FOLLOW_OFFSET = 0.12
_FOLLOW_SIZE = math.log(1.3)
_SETTLED = 0.2
_SNAP = 2.5
"""In limits of the above: a head that is farther out has jumped (another person, a lost track)."""
_EASE_SECONDS = 0.2

_KEPT_EVERY_NS = 100_000_000
_KEPT_VIEWS = 16


@dataclass(frozen=True)
class DrivingView:
    """A driver's face in one frame.

    pixels: (256, 256, 3) uint8 RGB, the crop. landmarks: (478, 2 or 3) pixels of the frame.
    square: the crop in the frame; reference: the crop in whose coordinates the motion is given.
    """

    pixels: UInt8Array
    landmarks: FloatArray
    square: FaceSquare
    reference: FaceSquare

    @property
    def landmarks_in_square(self) -> FloatArray:
        """The landmarks in sides of the crop, (478, 2)."""
        return self.square.places(self.landmarks)

    def motion(self, seen: KeypointMotion) -> FaceMotion:
        """Return the face's motion from the motion extractor's output for the pixels, N = 1, on the CPU."""
        motion = face_motion(seen, *ratio_tensors(self.landmarks)).to("cpu")
        return seen_from(motion, self.square, self.reference)


class DrivingViews:
    """Makes the views of one driver, frame after frame; used by one thread."""

    def __init__(self) -> None:
        self._crop = DrivingCrop()
        self._frame_size = (0, 0)
        self._face_size = 0.0

    def recentre(self) -> None:
        """Centre the crop on the head in the next frame; motions stay in the same coordinates."""
        self._crop.recentre()

    @property
    def reference(self) -> FaceSquare | None:
        """The crop in whose coordinates motions are; None before the first view."""
        return self._crop.reference

    @reference.setter
    def reference(self, square: FaceSquare) -> None:
        self._crop.reference = square

    def mirror(self, frame_width: int) -> None:
        """Look at mirrored frames from now on, or no longer; coordinates are mirrored with them."""
        self._crop.mirror(frame_width)

    def look(
        self, frame: UInt8Array, landmarks: FloatArray, captured_ns: int, is_mirrored: bool = False
    ) -> DrivingView:
        """Return the view of a frame, (H, W, 3) uint8 RGB; landmarks: (478, 2 or 3), of the mirrored frame if so."""
        self._follow_size((frame.shape[1], frame.shape[0]), driving_square(landmarks).size)
        square = self._crop.update(landmarks, captured_ns)
        assert self._crop.reference is not None
        shown = np.ascontiguousarray(frame[:, ::-1]) if is_mirrored else frame
        return DrivingView(
            crop_driving(shown, square), landmarks=landmarks, square=square, reference=self._crop.reference
        )

    def _follow_size(self, frame_size: tuple[int, int], face_size: float) -> None:
        if self._face_size and frame_size != self._frame_size:
            self._crop.follow(frame_change(self._frame_size, frame_size, face_size / self._face_size))
        self._frame_size, self._face_size = frame_size, face_size


class RecentViews:
    """The crops of the last moments: one of them shows the neutral face, and can be looked at in a mirror."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, UInt8Array, FaceMotion]] = deque(maxlen=_KEPT_VIEWS)

    def add(self, view: DrivingView, seen: FaceMotion, captured_ns: int) -> None:
        """Keep a view now and then; seen: the motion in it."""
        if not self._recent or captured_ns - self._recent[-1][0] >= _KEPT_EVERY_NS:
            self._recent.append((captured_ns, view.pixels, seen))

    def nearest(self, neutral: FaceMotion) -> UInt8Array | None:
        """Return the pixels, (256, 256, 3) uint8 RGB, of the view whose expression is nearest to the neutral one."""
        if not self._recent:
            return None
        return min(self._recent, key=lambda each: float((each[2].expression - neutral.expression).abs().sum()))[1]

    def clear(self) -> None:
        """Forget them all."""
        self._recent.clear()


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
        """Centre the crop on the head in the next frame: at calibration, or after the face was lost."""
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

    def update(self, landmarks: FloatArray, captured_ns: int) -> FaceSquare:
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
        """Return how far the head is from the crop's middle and size, in limits of the crop."""
        assert self._square is not None
        offset = float(np.abs(wanted.centre - self._square.centre).max()) / self._square.size
        return max(offset / _FOLLOW_OFFSET, abs(math.log(wanted.size / self._square.size)) / _FOLLOW_SIZE)


def _changed(square: FaceSquare | None, change: FrameChange) -> FaceSquare | None:
    if square is None:
        return None
    centre = (square.centre - np.array(change.old_middle)) * change.factor + np.array(change.new_middle)
    return replace(square, centre=centre, size=square.size * change.factor)
