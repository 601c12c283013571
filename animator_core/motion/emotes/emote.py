"""An emote: keyframes of channels, and the smooth curves through them."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from animator_core.arrays import DoubleArray, FloatArray
from animator_core.motion.emotes.channels import CHANNELS, PAIRS, PARTS, EmoteMoment
from animator_core.smoothstep import smoothstep

EASES = ("smooth", "linear", "out", "in")
"""How a motion leaves a keyframe: through it without a stop, evenly, quickly at first, or slowly at first."""
MAX_SECONDS = 30.0
_SAMPLES_PER_SECOND = 120


@dataclass(frozen=True)
class Keyframe:
    """The channels at one moment; ease: one of `EASES`, of the way to the next.

    at: seconds from the beginning. values: by name of `CHANNELS` or `PAIRS`; both sides of a pair may differ by a value
    for one side on top.
    """

    at: float
    values: Mapping[str, float]
    ease: str = "smooth"

    def value(self, channel: str) -> float | None:
        """Return the value of one of `CHANNELS`, None if the keyframe has none."""
        pair = next((name for name, sides in PAIRS.items() if channel in sides), channel)
        given = [self.values[name] for name in {channel, pair} if name in self.values]
        return sum(given) if given else None


@dataclass(frozen=True)
class Emote:
    """A short motion; its curves are sampled once.

    live: the share of the live motion that is left of each of `channels.PARTS`, by name; 1 where none is named.
    fade_in, fade_out: seconds in which it comes and goes, whatever its keyframes are.
    """

    name: str
    keyframes: Sequence[Keyframe]
    live: Mapping[str, float] = field(default_factory=dict)
    fade_in: float = 0.12
    fade_out: float = 0.3

    @functools.cached_property
    def _samples(self) -> FloatArray:
        times = np.linspace(0.0, self.seconds, max(2, round(self.seconds * _SAMPLES_PER_SECOND) + 1))
        return np.stack([_curve(self.keyframes, channel, times) for channel in CHANNELS], axis=1).astype(np.float32)

    @functools.cached_property
    def _live(self) -> FloatArray:
        return np.array([self.live.get(part, 1.0) for part in PARTS], np.float32)

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.keyframes[-1].at

    def moment(self, at: float, weight: float) -> EmoteMoment:
        """Return the emote ``at`` seconds from its beginning, at a weight from 0 to 1."""
        samples = self._samples
        place = min(max(at / self.seconds, 0.0), 1.0) * (len(samples) - 1)
        before = min(int(place), len(samples) - 2)
        values = samples[before] + (samples[before + 1] - samples[before]) * np.float32(place - before)
        return EmoteMoment(values * np.float32(weight), 1 + np.float32(weight) * (self._live - 1))

    def weight(self, at: float) -> float:
        """Return the share, 0 to 1, that is shown ``at`` seconds from its beginning."""
        coming = smoothstep(at, 0.0, max(self.fade_in, 1e-3))
        going = smoothstep(self.seconds - at, 0.0, max(self.fade_out, 1e-3))
        return float(coming * going)


def _curve(keyframes: Sequence[Keyframe], channel: str, times: DoubleArray) -> DoubleArray:
    """Return a channel at ``times``: 0 at both ends unless a keyframe there says something else."""
    given = [(frame.at, value, frame.ease) for frame in keyframes if (value := frame.value(channel)) is not None]
    if not given:
        return np.zeros_like(times)
    if given[0][0] > 0:
        given.insert(0, (0.0, 0.0, "smooth"))
    if given[-1][0] < keyframes[-1].at:
        given.append((keyframes[-1].at, 0.0, "smooth"))
    at = np.array([each[0] for each in given])
    values = np.array([each[1] for each in given])
    slopes = _slopes(at, values)
    index = np.clip(np.searchsorted(at, times, side="right") - 1, 0, len(at) - 2)
    length = (at[1:] - at[:-1])[index]
    share = (times - at[index]) / length
    start, rise = values[index], (values[1:] - values[:-1])[index]
    # Cubic Hermite: p(u) = a + Δ(3u² − 2u³) + h·[m₀(u − 2u² + u³) + m₁(u³ − u²)]
    smooth = start + rise * share**2 * (3 - 2 * share)
    smooth += length * (slopes[index] * share * (1 - share) ** 2 - slopes[index + 1] * share**2 * (1 - share))
    ways = {
        "smooth": smooth,
        "linear": start + rise * share,
        "out": start + rise * (1 - (1 - share) ** 3),
        "in": start + rise * share**3,
    }
    eases = np.array([EASES.index(each[2]) for each in given])[index]
    return np.asarray(np.choose(eases, [ways[name] for name in EASES]))


def _slopes(at: DoubleArray, values: DoubleArray) -> DoubleArray:
    """Return the slope at each knot of a monotone curve, which never swings beyond a knot.

    0 at ends, peaks and dips, else the weighted harmonic mean of both sides (Fritsch, Butland 1984).
    """
    lengths = at[1:] - at[:-1]
    rises = (values[1:] - values[:-1]) / lengths
    slopes = np.zeros_like(values)
    for index in range(1, len(values) - 1):
        before, after = rises[index - 1], rises[index]
        if before * after > 0:
            first = 2 * lengths[index] + lengths[index - 1]
            second = lengths[index] + 2 * lengths[index - 1]
            slopes[index] = (first + second) / (first / before + second / after)
    return slopes
