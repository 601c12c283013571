"""Causal smoothing, for NumPy arrays and torch tensors alike: the One-Euro filter and the ease after a change."""

from __future__ import annotations

import math
from typing import Any, Callable, Generic, TypeVar

from animator_core.smoothstep import smooth_share

Value = TypeVar("Value")
Array = Any
"""A NumPy array or a torch tensor; one filter takes one kind."""

EASE_SECONDS = 0.45


def resting_cutoff_hz(smoothing: float) -> float:
    """Return the cut-off at rest for ``smoothing`` in [0, 1]: 60 Hz at 0 (no effect), 2.2 Hz at 0.5, 0.5 Hz at 1."""
    return float(60.0 * (0.5 / 60.0) ** min(max(smoothing, 0.0), 1.0) ** 0.5)


class OneEuroFilter:
    """Follows quick motion and calms slow jitter, each element on its own (Casiez, Roussel, Vogel, CHI 2012).

    min_cutoff_hz: cut-off at rest; lower is calmer. beta: how fast the cut-off rises with speed (Hz per unit a second).
    speed_cutoff_hz: of the speed itself; a high one lets quick motion through at once. Each is a number, or an array
    that fits the values.
    """

    def __init__(self, min_cutoff_hz: Array, beta: Array, speed_cutoff_hz: Array = 3.0) -> None:
        self._min_cutoff_hz = min_cutoff_hz
        self._beta = beta
        self._speed_cutoff_hz = speed_cutoff_hz
        self._value: Array = None
        self._speed: Array = None

    def __call__(self, value: Array, seconds: float) -> Array:
        """Return ``value`` filtered; seconds: since the call before, positive."""
        if self._value is None:
            self._value, self._speed = value, 0 * value
            return value
        speed = (value - self._value) / seconds
        self._speed = self._speed + _alpha(self._speed_cutoff_hz, seconds) * (speed - self._speed)
        cutoff_hz = self._min_cutoff_hz + self._beta * abs(self._speed)
        self._value = self._value + _alpha(cutoff_hz, seconds) * (value - self._value)
        return self._value

    def reset(self) -> None:
        """Forget the past; the next value passes unchanged."""
        self._value = None


def _alpha(cutoff_hz: Array, seconds: float) -> Array:
    # alpha = r / (1 + r), r = 2 pi f_c T
    ratio = 2 * math.pi * cutoff_hz * seconds
    return ratio / (1 + ratio)


class Ease(Generic[Value]):
    """Carries the shown value over to another target within `EASE_SECONDS`, so that no change of course is a jump.

    blend: returns the value at a share, 0 to 1, of the way from its first to its second argument.
    """

    def __init__(self, blend: Callable[[Value, Value, float], Value]) -> None:
        self._blend = blend
        self._shown: Value | None = None
        self._start: Value | None = None
        self._began_ns = 0

    @property
    def is_easing(self) -> bool:
        """Whether the shown value is still on its way."""
        return self._start is not None

    def begin(self, now_ns: int) -> None:
        """Start from the shown value; if none was shown yet, the next target is shown as it is."""
        self._start, self._began_ns = self._shown, now_ns

    def restart(self, shown: Value | None = None) -> None:
        """Go on from ``shown``; None: from nothing, so that the next target is shown as it is."""
        self._shown, self._start = shown, None

    def __call__(self, target: Value, now_ns: int) -> Value:
        """Return the value to show at ``now_ns`` on the way to ``target``."""
        self._shown = target
        if self._start is not None:
            share = max((now_ns - self._began_ns) * 1e-9 / EASE_SECONDS, 0.0)
            if share >= 1:
                self._start = None
            else:
                self._shown = self._blend(self._start, target, smooth_share(share))
        return self._shown
