"""Observations in the pixels of the first frame, however the frames change their size later."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from animator_core.motion.frame_change import frame_change
from animator_core.tracking.observation import FaceObservation


class SteadyFrame:
    """Follows one driver's frames; used by one thread."""

    def __init__(self) -> None:
        self._newest: FaceObservation | None = None
        self._size = (0, 0)
        self._factor = 1.0
        self._middle = np.zeros(2, np.float32)
        """Where the middle of the frames is in the first one."""

    def observe(self, observation: FaceObservation) -> FaceObservation:
        """Return an observation as it would be in a frame of the first one's size."""
        before, self._newest = self._newest, observation
        size = (observation.frame_width, observation.frame_height)
        if before is None:
            self._size = size
            self._middle = np.array(size, np.float32) / 2
            return observation
        old_size = (before.frame_width, before.frame_height)
        if size != old_size:
            change = frame_change(old_size, size, _extent(observation.landmarks) / _extent(before.landmarks))
            self._factor /= change.factor
        if size == self._size and self._factor == 1.0:
            return observation
        landmarks = observation.landmarks * np.float32(self._factor)
        landmarks[:, :2] += self._middle - np.array(size, np.float32) / 2 * np.float32(self._factor)
        return replace(observation, landmarks=landmarks, frame_width=self._size[0], frame_height=self._size[1])


def _extent(landmarks: np.ndarray) -> float:
    """Return the size of a face in pixels: the spread of its points, which a turn of the head changes least."""
    return max(float(np.linalg.norm(landmarks - landmarks.mean(0), axis=1).mean()), 1e-6)
