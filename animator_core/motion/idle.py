"""The idle motion while nobody drives: slow breath, a little sway and a blink now and then."""

from __future__ import annotations

import math
import random

import numpy as np

from animator_core.motion.driving import DrivingMotion
from animator_core.motion.rotation import rotation_from_vector

_BREATH_SECONDS = 4.2
_BLINK_SECONDS = 0.22
_BLINK_EVERY_SECONDS = (2.5, 6.0)


class IdleMotion:
    """Makes the idle motion; ``seed`` fixes when it blinks."""

    def __init__(self, seed: int = 0) -> None:
        self._random = random.Random(seed)
        self._next_blink = self._random.uniform(*_BLINK_EVERY_SECONDS)
        self._seconds = 0.0

    def restart(self) -> None:
        """Begin anew, far from a blink."""
        self._seconds = 0.0
        self._next_blink = self._random.uniform(*_BLINK_EVERY_SECONDS)

    def advance(self, seconds: float) -> DrivingMotion:
        """Return the motion ``seconds`` after the call before."""
        self._seconds += seconds
        now = self._seconds
        since_blink = now - self._next_blink
        if since_blink > _BLINK_SECONDS:
            self._next_blink = now + self._random.uniform(*_BLINK_EVERY_SECONDS)
        closing = math.sin(math.pi * since_blink / _BLINK_SECONDS) if 0 <= since_blink <= _BLINK_SECONDS else 0.0
        breath = math.sin(2 * math.pi * now / _BREATH_SECONDS)
        sway = np.array([0.008 * breath, 0.02 * math.sin(now * 0.53), 0.01 * math.sin(now * 0.37)], np.float32)
        return DrivingMotion(
            rotation=rotation_from_vector(sway),
            translation=np.array([0.0, -0.004 * breath], np.float32),
            eye_openness=np.full(2, 1.0 - min(1.0, 1.2 * closing), np.float32),
            breath=breath,
        )
