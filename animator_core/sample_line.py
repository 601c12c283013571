"""One line of sound samples from decoded frames whose kind and clock may change on the way."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import av
import numpy as np

RATE = 48000
LAYOUT = "stereo"
_FORMAT = "fltp"
CLOCK_BACK, CLOCK_AHEAD = Fraction(1, 2), Fraction(60)
"""Seconds by which stamps jump back or ahead where a recording's clock was started anew (joined .ts segments)."""
_TOLERANCE = RATE // 10
"""Samples by which a stamp may be off: stamps are rounded, and clocks drift."""


class SampleLine:
    """Has no gaps, starts at 0 and never goes back; 48 kHz stereo, whatever the frames are.

    position: how many samples there are so far.
    """

    def __init__(self) -> None:
        self.position = 0
        self._resampler: Any = None
        self._kind: tuple[object, ...] = ()
        self._shift = Fraction(0)

    def add(self, frame: Any, start: Fraction | None) -> list[Any]:
        """Return the frames that come next in the line; ``start``: the time of ``frame`` in s, None follows on."""
        frames = []
        kind = (frame.format.name, frame.layout.name, len(frame.layout.channels), frame.sample_rate)
        if kind != self._kind:
            frames = self.flush()
            self._kind = kind
            self._resampler = av.AudioResampler(format=_FORMAT, layout=LAYOUT, rate=RATE)
        frame.pts = None
        samples = _joined(self._resampler.resample(frame))
        return frames + self._framed(self._placed(samples, start))

    def flush(self) -> list[Any]:
        """Return the frames that the conversion still holds."""
        if self._resampler is None:
            return []
        resampler, self._resampler, self._kind = self._resampler, None, ()
        return self._framed(_joined(resampler.resample(None)))

    def _placed(self, samples: np.ndarray, start: Fraction | None) -> np.ndarray:
        """Return ``samples``, (2, N), with silence before them or cut at their start so that they follow on."""
        if start is None:
            return samples
        is_first = self.position == 0
        ahead = round((start - self._shift) * RATE) - self.position
        if ahead > CLOCK_AHEAD * RATE or (ahead < -CLOCK_BACK * RATE and not is_first):
            self._shift += Fraction(ahead, RATE)
            return samples
        if abs(ahead) <= _TOLERANCE and not is_first:
            return samples
        return samples[:, -ahead:] if ahead < 0 else np.pad(samples, ((0, 0), (ahead, 0)))

    def _framed(self, samples: np.ndarray) -> list[Any]:
        if not samples.shape[1]:
            return []
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=_FORMAT, layout=LAYOUT)
        frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), self.position
        self.position += samples.shape[1]
        return [frame]


def _joined(frames: list[Any]) -> np.ndarray:
    return np.concatenate([np.empty((2, 0), np.float32), *(frame.to_ndarray() for frame in frames)], axis=1)
