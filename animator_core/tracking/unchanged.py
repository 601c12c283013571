"""Spares tracking where the camera has no new picture: OBS renders at 60 fps what most cameras show at 30."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from animator_core.tracking.observation import FaceObservation, FaceTracker

_ROWS_BETWEEN = 16


class OncePerPicture:
    """Tracks with another tracker, but a frame that equals the one before only once.

    Such a frame gets the observation before with its own time; frames of a real camera never equal each other.
    """

    def __init__(self, tracker: FaceTracker) -> None:
        self.name = tracker.name
        self.skipped_count = 0
        self._tracker = tracker
        self._frame = np.empty((0, 0, 3), np.uint8)
        self._observation: FaceObservation | None = None

    def track(self, frame: np.ndarray, captured_ns: int) -> FaceObservation | None:
        """Return the face in ``frame`` ((H, W, 3) uint8 RGB), or None where there is none."""
        if self._is_unchanged(frame):
            self.skipped_count += 1
            seen = self._observation
            return None if seen is None else replace(seen, captured_ns=captured_ns)
        # Forgotten first: a frame on which the tracker fails is not to be answered for.
        self._frame = np.empty((0, 0, 3), np.uint8)
        self._observation = self._tracker.track(frame, captured_ns)
        self._frame = frame.copy()
        return self._observation

    def _is_unchanged(self, frame: np.ndarray) -> bool:
        # A few rows tell most frames apart.
        step = _ROWS_BETWEEN
        return np.array_equal(frame[::step], self._frame[::step]) and np.array_equal(frame, self._frame)

    def close(self) -> None:
        """Free the tracker's models."""
        self._tracker.close()

    def __enter__(self) -> OncePerPicture:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
