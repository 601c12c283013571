"""Rate, latency and stage times of a running animation, over the last seconds, in bounded memory."""

from __future__ import annotations

from collections import defaultdict, deque

import numpy as np

from animator_core.animation.timing import Percentiles, RateMeter
from animator_core.ipc.frame_ring import now_ns

_KEPT_FRAMES = 240
_LATENCY_WINDOW_NS = 1_000_000_000


class _Stage:
    def __init__(self) -> None:
        self.times_ns: deque[int] = deque(maxlen=_KEPT_FRAMES)
        self.rate = RateMeter()
        self.total_ns = self.count = 0


class FrameStatistics:
    """Written by the threads of one animation, each stage by one of them; read by any."""

    def __init__(self) -> None:
        self._shown = RateMeter(window_s=1.0)
        self._latencies: deque[tuple[int, int]] = deque(maxlen=_KEPT_FRAMES)
        self._stages: defaultdict[str, _Stage] = defaultdict(_Stage)

    def add(self, stage: str, duration_ns: int) -> None:
        """Add the time of one frame in ``stage``."""
        timed = self._stages[stage]
        timed.times_ns.append(duration_ns)
        timed.rate.count(now_ns())
        timed.total_ns += duration_ns
        timed.count += 1

    def total_ns(self, stage: str) -> int:
        """Return the time of all frames in ``stage``."""
        return self._stages[stage].total_ns

    def count(self, stage: str) -> int:
        """Return the number of frames that went through ``stage``."""
        return self._stages[stage].count

    def rate(self, stage: str) -> float:
        """Return the frames a second that go through ``stage`` now."""
        return self._stages[stage].rate.rate(now_ns())

    def shown(self, captured_ns: int, now_ns: int) -> None:
        """Count a frame that went out; captured_ns: when the frame behind it was captured, 0 for none."""
        self._shown.count(now_ns)
        if captured_ns:
            self._latencies.append((now_ns, now_ns - captured_ns))

    def fps(self, now_ns: int) -> float:
        """Return frames that went out a second, over the last second."""
        return self._shown.rate(now_ns)

    def latency_ms(self, now_ns: int, percentile: float = 50.0) -> float:
        """Return the time from capture to output over the last second; 0 if no frame was captured."""
        recent = [latency for shown_ns, latency in tuple(self._latencies) if now_ns - shown_ns <= _LATENCY_WINDOW_NS]
        return float(np.percentile(recent, percentile)) / 1e6 if recent else 0.0

    def stages(self) -> dict[str, Percentiles]:
        """Return the percentiles of each stage over its last frames."""
        return {
            stage: Percentiles(*(float(value) / 1e6 for value in np.percentile(tuple(timed.times_ns), (50, 95, 99))))
            for stage, timed in tuple(self._stages.items())
            if timed.count
        }

    def stage_ms(self, stage: str) -> float:
        """Return the median time of ``stage``; 0 before its first frame."""
        times = tuple(self._stages[stage].times_ns)
        return float(np.median(times)) / 1e6 if times else 0.0
