"""Joins decoded audio frames, whose format and clock may change, into one gapless timeline."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import av
import numpy as np

from animator_core.arrays import FloatArray

RATE = 48000
LAYOUT = "stereo"
_FORMAT = "fltp"
CLOCK_BACK, CLOCK_AHEAD = Fraction(1, 2), Fraction(60)
"""Seconds by which time stamps jump if a recording's clock was restarted; ahead only in files that allow it."""
_TOLERANCE = RATE // 10
"""Samples by which a time stamp may be off: stamps are rounded, and clocks drift."""


class AudioTimeline:
    """A gapless timeline that starts at 0 and never goes back; 48 kHz stereo for any input.

    position: samples so far. may_jump: whether time stamps far ahead mean a restarted clock.
    """

    def __init__(self, may_jump: bool = True) -> None:
        self.position = 0
        self._may_jump = may_jump
        self._resampler: Any = None
        self._kind: tuple[object, ...] = ()
        self._shift = Fraction(0)

    def add(self, frame: Any, start: Fraction | None) -> Iterator[Any]:
        """Yield the next frames of the timeline; start: the time of ``frame`` in seconds, None to follow on."""
        kind = (frame.format.name, frame.layout.name, len(frame.layout.channels), frame.sample_rate)
        if kind != self._kind:
            yield from self.flush()
            self._kind = kind
            self._resampler = av.AudioResampler(format=_FORMAT, layout=LAYOUT, rate=RATE)
        frame.pts = None
        samples = _joined(self._resampler.resample(frame))
        ahead = 0 if start is None else self._ahead(start)
        while ahead > 0:
            silence = min(ahead, RATE)
            yield from self._framed(np.zeros((2, silence), np.float32))
            ahead -= silence
        yield from self._framed(samples[:, -ahead:] if ahead < 0 else samples)

    def flush(self) -> Iterator[Any]:
        """Yield the frames that the resampler still holds."""
        if self._resampler is not None:
            resampler, self._resampler, self._kind = self._resampler, None, ()
            yield from self._framed(_joined(resampler.resample(None)))

    def _ahead(self, start: Fraction) -> int:
        """Return the samples of silence missing before ``start``; below 0, the samples that overlap."""
        is_first = self.position == 0
        ahead = round((start - self._shift) * RATE) - self.position
        is_other_clock = ahead < -CLOCK_BACK * RATE and not is_first
        if is_other_clock or (ahead > CLOCK_AHEAD * RATE and self._may_jump):
            self._shift += Fraction(ahead, RATE)
            return 0
        return 0 if abs(ahead) <= _TOLERANCE and not is_first else ahead

    def _framed(self, samples: FloatArray) -> Iterator[Any]:
        if not samples.shape[1]:
            return
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(samples), format=_FORMAT, layout=LAYOUT)
        frame.sample_rate, frame.time_base, frame.pts = RATE, Fraction(1, RATE), self.position
        self.position += samples.shape[1]
        yield frame


def _joined(frames: list[Any]) -> FloatArray:
    return np.concatenate([np.empty((2, 0), np.float32), *(frame.to_ndarray() for frame in frames)], axis=1)
