"""The face observed in one driving frame, and the tracker contract."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from animator_core.arrays import FloatArray, UInt8Array

LANDMARK_COUNT = 478
"""MediaPipe's face mesh with irises: 468 points of the face, then 5 of each iris, the person's right eye first."""


@dataclass(frozen=True)
class FaceObservation:
    """One face in one driving frame.

    landmarks: (478, 3) float32; x right, y down in pixels of the frame, z in the same scale, smaller is nearer.
    frame_width, frame_height: size of the frame in pixels.
    captured_ns: capture time, see `frame_ring.now_ns`.
    blendshapes: MediaPipe's 52 scores by name in [0, 1], or None if the tracker gives none.
    is_in_frame: whether the face is in the frame's picture; one from elsewhere (VMC) has a frame of its own.
    """

    landmarks: FloatArray
    frame_width: int
    frame_height: int
    captured_ns: int
    blendshapes: Mapping[str, float] | None = None
    is_in_frame: bool = True


@dataclass(frozen=True)
class TrackedFrame:
    """A driving frame and the face in it.

    observation: None if no face was seen. frame: (H, W, 3) uint8 RGB; None in a recorded motion.
    """

    observation: FaceObservation | None
    frame: UInt8Array | None


class FaceTracker(Protocol):
    """Follows the face of the person on camera."""

    name: str

    def track(self, frame: UInt8Array, captured_ns: int) -> FaceObservation | None:
        """Return the face in ``frame``, or None.

        frame: (H, W, 3) uint8 RGB, C-contiguous. captured_ns: strictly rising from call to call.
        """
        ...

    def close(self) -> None:
        """Free the tracker's models."""
        ...
