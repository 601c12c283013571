"""A causal low-pass that follows quick motion and calms slow jitter (Casiez, Roussel, Vogel, CHI 2012)."""

from __future__ import annotations

import numpy as np


class OneEuroFilter:
    """Filters an array, each element on its own.

    min_cutoff_hz: cut-off at rest; lower is calmer. beta: how fast the cut-off rises with speed (Hz per unit a second).
    """

    def __init__(self, min_cutoff_hz: float, beta: float, speed_cutoff_hz: float = 3.0) -> None:
        self.min_cutoff_hz = min_cutoff_hz
        self.beta = beta
        self._speed_cutoff_hz = speed_cutoff_hz
        self._value: np.ndarray | None = None
        self._speed: np.ndarray | None = None

    def __call__(self, value: np.ndarray, seconds: float) -> np.ndarray:
        """Return ``value`` filtered; seconds: time since the call before, must be positive."""
        if self._value is None or self._speed is None:
            self._value, self._speed = value.astype(np.float32), np.zeros_like(value, np.float32)
            return self._value
        speed = (value - self._value) / seconds
        self._speed = self._speed + _alpha(self._speed_cutoff_hz, seconds) * (speed - self._speed)
        cutoff_hz = self.min_cutoff_hz + self.beta * np.abs(self._speed)
        self._value = (self._value + _alpha(cutoff_hz, seconds) * (value - self._value)).astype(np.float32)
        return self._value

    def reset(self) -> None:
        """Forget the past; the next value passes unchanged."""
        self._value = self._speed = None


def _alpha(cutoff_hz: float | np.ndarray, seconds: float) -> float | np.ndarray:
    # alpha = 1 / (1 + tau / T), tau = 1 / (2 pi f_c)
    ratio = 2 * np.pi * cutoff_hz * seconds
    return ratio / (1 + ratio)
