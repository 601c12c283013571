"""Smoothing: over a whole clip in both directions, and causal for live use."""

from __future__ import annotations

import math

import torch

_TRANSITION_VARIANCE = 1e-5


def smooth_clip(values: torch.Tensor, observation_variance: float) -> torch.Tensor:
    """Return a clip, (N, …) float32, smoothed over its whole length: a random walk behind noise, each number by itself.

    observation_variance: of the noise, against 1e-5 of a step of the walk; larger is smoother. Needs the entire clip.
    """
    observed = values.double()
    filtered, variances, predicted = [observed[0]], [], []
    # Kalman: P₀ = 1, P⁻ = P + q, K = P⁻/(P⁻ + v), x += K(z − x), P = (1 − K)P⁻; the first frame has no prediction.
    variances.append(observation_variance / (1 + observation_variance))
    for seen in observed[1:]:
        predicted.append(variances[-1] + _TRANSITION_VARIANCE)
        gain = predicted[-1] / (predicted[-1] + observation_variance)
        filtered.append(filtered[-1] + gain * (seen - filtered[-1]))
        variances.append((1 - gain) * predicted[-1])
    # Rauch-Tung-Striebel: x̂_t = x_t + P_t/P⁻_{t+1} (x̂_{t+1} − x_t)
    smoothed = [filtered[-1]]
    for state, variance, prediction in zip(filtered[-2::-1], variances[-2::-1], predicted[::-1]):
        smoothed.append(state + variance / prediction * (smoothed[-1] - state))
    return torch.stack(smoothed[::-1]).to(values.dtype)


class OneEuro:
    """A causal low-pass that calms what rests and follows what moves (Casiez, Roussel, Vogel, CHI 2012).

    min_cutoff_hz: cut-off at rest. beta: how fast it rises with speed (Hz per unit a second), both may be tensors that
    fit the values. speed_cutoff_hz: of the speed itself; a high one lets quick motion through at once.
    """

    def __init__(
        self, min_cutoff_hz: float | torch.Tensor, beta: float | torch.Tensor, speed_cutoff_hz: float | torch.Tensor
    ) -> None:
        self._min_cutoff_hz = min_cutoff_hz
        self._beta = beta
        self._speed_cutoff_hz = speed_cutoff_hz
        self._value: torch.Tensor | None = None
        self._speed: torch.Tensor | None = None

    def __call__(self, value: torch.Tensor, seconds: float) -> torch.Tensor:
        """Return ``value`` filtered; seconds: time since the call before, positive."""
        if self._value is None or self._speed is None:
            self._value, self._speed = value, torch.zeros_like(value)
            return value
        speed = (value - self._value) / seconds
        self._speed = self._speed + _share(self._speed_cutoff_hz, seconds) * (speed - self._speed)
        cutoff_hz = self._min_cutoff_hz + self._beta * self._speed.abs()
        self._value = self._value + _share(cutoff_hz, seconds) * (value - self._value)
        return self._value

    def reset(self) -> None:
        """Forget the past; the next value passes unchanged."""
        self._value = self._speed = None


def _share(cutoff_hz: float | torch.Tensor, seconds: float) -> float | torch.Tensor:
    # α = r/(1 + r), r = 2π f_c T
    ratio = 2 * math.pi * cutoff_hz * seconds
    return ratio / (1 + ratio)


class Ease:
    """Carries what was shown over to what shall be shown, so that no change of course is a jump."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._shown: torch.Tensor | None = None
        self._left: torch.Tensor | None = None
        self._left_ns = 0

    @property
    def is_easing(self) -> bool:
        """Whether the shown value is still on its way."""
        return self._left is not None

    def begin(self, now_ns: int) -> None:
        """Start from what is shown now; nothing was shown yet → the next value is shown as it is."""
        self._left, self._left_ns = self._shown, now_ns

    def restart(self) -> None:
        """Forget what was shown."""
        self._shown = self._left = None

    def __call__(self, target: torch.Tensor, now_ns: int) -> torch.Tensor:
        """Return what to show at ``now_ns`` on the way to ``target``."""
        self._shown = target
        if self._left is not None:
            share = (now_ns - self._left_ns) * 1e-9 / self._seconds
            if share >= 1:
                self._left = None
            else:
                share = max(share, 0.0)
                self._shown = self._left + (target - self._left) * (share * share * (3 - 2 * share))
        return self._shown
