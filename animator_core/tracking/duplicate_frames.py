"""Tracks repeated frames once: OBS renders at 60 fps, most cameras deliver 30."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from animator_core.arrays import UInt8Array
from animator_core.tracking.observation import FaceObservation, FaceTracker

_ROWS_BETWEEN = 16


class DuplicateFrameSkipper:
    """Passes frames on to another tracker, except those that equal the frame before.

    A repeated frame gets the last observation with its own time. Two frames of a real camera are never equal.
    """

    def __init__(self, tracker: FaceTracker) -> None:
        self.name = tracker.name
        self._tracker = tracker
        self._frame = np.empty((0, 0, 3), np.uint8)
        self._observation: FaceObservation | None = None

    def track(self, frame: UInt8Array, captured_ns: int) -> FaceObservation | None:
        """Return the face in ``frame``, (H, W, 3) uint8 RGB, or None."""
        if self._is_unchanged(frame):
            seen = self._observation
            return None if seen is None else replace(seen, captured_ns=captured_ns)
        # Forgotten first: if the tracker fails on this frame, a repetition of it is tracked again.
        self._frame = np.empty((0, 0, 3), np.uint8)
        self._observation = self._tracker.track(frame, captured_ns)
        self._frame = frame.copy()
        return self._observation

    def _is_unchanged(self, frame: UInt8Array) -> bool:
        # A few rows are enough to tell most frames apart.
        step = _ROWS_BETWEEN
        return np.array_equal(frame[::step], self._frame[::step]) and np.array_equal(frame, self._frame)

    def close(self) -> None:
        """Free the tracker's models."""
        self._tracker.close()
