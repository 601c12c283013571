"""What the motion extractor is shown of a driver: one steady crop a frame, and how its answer is put together again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animator_core.liveportrait.motion.crop import FaceSquare
from animator_core.liveportrait.motion.face_crop import DrivingCrop, crop_driving, driving_square, seen_from
from animator_core.liveportrait.motion.face_motion import FaceMotion, face_motion
from animator_core.liveportrait.motion.retargeting import ratio_tensors
from animator_core.liveportrait.networks.keypoints import KeypointMotion
from animator_core.motion.frame_change import frame_change


@dataclass(frozen=True)
class DrivingView:
    """A driver's face in one frame.

    pixels: (256, 256, 3) uint8 RGB, the crop. landmarks: (478, 2 or 3) pixels of the frame.
    square: where the crop is in the frame; reference: the crop in whose coordinates the motion shall be.
    """

    pixels: np.ndarray
    landmarks: np.ndarray
    square: FaceSquare
    reference: FaceSquare

    @property
    def landmarks_in_square(self) -> np.ndarray:
        """The landmarks in sides of the crop, (478, 2)."""
        return self.square.places(self.landmarks)

    def motion(self, seen: KeypointMotion) -> FaceMotion:
        """Return what the motion extractor saw in the pixels as the face's motion, N = 1, on the CPU."""
        motion = face_motion(seen, *ratio_tensors(self.landmarks)).to("cpu")
        return seen_from(motion, self.square, self.reference)


class DrivingViews:
    """Makes the views of one driver, frame after frame; used by one thread."""

    def __init__(self) -> None:
        self._crop = DrivingCrop()
        self._frame_size = (0, 0)
        self._face_size = 0.0

    def recentre(self) -> None:
        """Put the crop where the head is in the next frame; motions stay in the same coordinates."""
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
        self, frame: np.ndarray, landmarks: np.ndarray, captured_ns: int, is_mirrored: bool = False
    ) -> DrivingView:
        """Return the view of a frame, (H, W, 3) uint8 RGB; landmarks: (478, 2 or 3), of the mirrored frame if so."""
        self._follow_size((frame.shape[1], frame.shape[0]), driving_square(landmarks).size)
        square = self._crop.update(landmarks, captured_ns)
        assert self._crop.reference is not None
        shown = np.ascontiguousarray(frame[:, ::-1]) if is_mirrored else frame
        return DrivingView(crop_driving(shown, square), landmarks, square, self._crop.reference)

    def _follow_size(self, frame_size: tuple[int, int], face_size: float) -> None:
        if self._face_size and frame_size != self._frame_size:
            self._crop.follow(frame_change(self._frame_size, frame_size, face_size / self._face_size))
        self._frame_size, self._face_size = frame_size, face_size
