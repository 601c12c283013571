"""How far values are trusted: quick to doubt, slow to trust, without flicker."""

from __future__ import annotations

import numpy as np

from animator_core.arrays import AnyArray, FloatArray
from animator_core.smoothstep import smoothstep

_EVIDENCE_SECONDS = (0.05, 0.15)
"""Time constants of measured confidence that falls and that rises."""
_DOUBTED, _TRUSTED = 0.4, 0.6
_FALL_SECONDS, _RISE_SECONDS = 0.3, 0.8
"""A whole change of trust; half of it takes half the time."""


class Trust:
    """Follows the confidence of ``count`` regions; each begins trusted."""

    def __init__(self, count: int) -> None:
        self._evidence = np.ones(count, np.float32)
        self._ramp = np.ones(count, np.float32)
        self.is_trusted: AnyArray = np.ones(count, bool)
        """(count,) bool with hysteresis; the shares follow it."""

    @property
    def shares(self) -> FloatArray:
        """By how much each region is followed, (count,) in [0, 1]; it changes smoothly."""
        return smoothstep(self._ramp, 0.0, 1.0)

    def observe(self, confidence: FloatArray, seconds: float) -> None:
        """Take measured confidences, (count,) in [0, 1]; seconds: since those before."""
        falling = confidence < self._evidence
        constants = np.where(falling, *_EVIDENCE_SECONDS)
        self._evidence = np.asarray(
            self._evidence + (confidence - self._evidence) * (1 - np.exp(-seconds / constants)), np.float32
        )
        self.is_trusted = np.where(self.is_trusted, self._evidence >= _DOUBTED, self._evidence > _TRUSTED)
        step = np.where(self.is_trusted, seconds / _RISE_SECONDS, -seconds / _FALL_SECONDS)
        self._ramp = np.clip(self._ramp + step, 0.0, 1.0).astype(np.float32)
