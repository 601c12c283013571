"""Notices that somebody else may sit before the camera now."""

from __future__ import annotations

import enum
import math

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.motion.face_state import FaceState, NeutralPose
from animator_core.motion.rotation import euler_angles
from animator_core.tracking.face_model import RIGID_POINTS

_AWAY_NS = 5_000_000_000
_JUMP, _GROWTH = 0.6, 1.35
"""Face sizes and ratio of sizes from one frame to the next: no head moves so fast."""
_JUMP_NS = 200_000_000
_RIGID = np.array(RIGID_POINTS)
_OTHER_SHAPE = 0.018
"""Root mean square in face sizes by which the points that no expression moves differ: of one person's clips at most
0.013, between people 0.004 to 0.025."""
_MEAN_SECONDS = 0.5
_LEAST_SECONDS = 1.0
_MOST_TURNED = 8.0
"""Degrees from the neutral pose: turned faces are tracked with another shape."""


class Presence(enum.Enum):
    """Who may be before the camera, compared with the frame before."""

    SAME = 1
    RETURNED = 2
    """Perhaps somebody else: a face after an absence, or elsewhere in the frame from one frame to the next."""
    OTHER = 3
    """Somebody with another head."""


class PersonWatch:
    """Compares each face with the one before, and its proportions with those of the neutral face."""

    def __init__(self) -> None:
        self._before: FaceState | None = None
        self._difference: FloatArray | None = None
        self._seconds = 0.0

    def observe(self, state: FaceState, neutral: NeutralPose) -> Presence:
        """Return who is seen; state: in the axes of ``neutral``."""
        before, self._before = self._before, state
        if before is None:
            return Presence.SAME
        seconds = (state.captured_ns - before.captured_ns) * 1e-9
        if seconds * 1e9 > _AWAY_NS or (seconds * 1e9 < _JUMP_NS and _is_elsewhere(before, state)):
            self._difference, self._seconds = None, 0.0
            return Presence.RETURNED
        return Presence.OTHER if self._has_other_shape(state, neutral, min(max(seconds, 1e-3), 0.2)) else Presence.SAME

    def _has_other_shape(self, state: FaceState, neutral: NeutralPose, seconds: float) -> bool:
        turned = np.abs(np.subtract(state.angles, euler_angles(neutral.pose.rotation)))[:2].max()
        if turned > _MOST_TURNED:
            return False
        seen = (state.shape - neutral.shape)[_RIGID, :2]
        mean = seen if self._difference is None else self._difference
        self._difference = mean + (seen - mean) * np.float32(1 - math.exp(-seconds / _MEAN_SECONDS))
        self._seconds += seconds
        apart = float(np.sqrt(np.square(self._difference).sum(1).mean()))
        if self._seconds < _LEAST_SECONDS or apart < _OTHER_SHAPE:
            return False
        self._difference, self._seconds = None, 0.0
        return True


def _is_elsewhere(before: FaceState, now: FaceState) -> bool:
    shift = float(np.linalg.norm((now.pose.translation - before.pose.translation)[:2])) / before.pose.scale
    growth = now.pose.scale / before.pose.scale
    return shift > _JUMP or max(growth, 1 / growth) > _GROWTH
