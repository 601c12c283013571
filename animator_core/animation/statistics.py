"""Rate, latency and stage times of a running animation, over the last seconds, in bounded memory."""

from __future__ import annotations

from collections import deque

import numpy as np

from animator_core.animation.timing import Percentiles, RateMeter

_KEPT_FRAMES = 240
_LATENCY_WINDOW_NS = 1_000_000_000


class FrameStatistics:
    """Counted by the threads of one animation, read by any."""

    def __init__(self) -> None:
        self._shown = RateMeter(window_s=1.0)
        self._latencies: deque[tuple[int, int]] = deque(maxlen=_KEPT_FRAMES)
        self._stages: dict[str, deque[int]] = {}
        self._totals_ns: dict[str, int] = {}

    def add(self, stage: str, duration_ns: int) -> None:
        """Add how long one frame spent in ``stage``."""
        times = self._stages.get(stage)
        if times is None:
            times = self._stages.setdefault(stage, deque(maxlen=_KEPT_FRAMES))
        times.append(duration_ns)
        self._totals_ns[stage] = self._totals_ns.get(stage, 0) + duration_ns

    def total_ns(self, stage: str) -> int:
        """Return the time that all frames spent in ``stage``; each stage is counted by one thread."""
        return self._totals_ns.get(stage, 0)

    def shown(self, captured_ns: int, now_ns: int) -> None:
        """Count a frame that went out; captured_ns: when the frame behind it was captured, 0 for none."""
        self._shown.count(now_ns)
        if captured_ns:
            self._latencies.append((now_ns, now_ns - captured_ns))

    def fps(self, now_ns: int) -> float:
        """Return frames that went out a second, over the last second."""
        return self._shown.rate(now_ns)

    def latency_ms(self, now_ns: int, percentile: float = 50.0) -> float:
        """Return the time from capture to output over the last second; 0 where nothing was captured."""
        recent = [latency for shown_ns, latency in tuple(self._latencies) if now_ns - shown_ns <= _LATENCY_WINDOW_NS]
        return float(np.percentile(recent, percentile)) / 1e6 if recent else 0.0

    def stages(self) -> dict[str, Percentiles]:
        """Return the percentiles of each stage over its last frames."""
        return {
            stage: Percentiles(*(float(value) / 1e6 for value in np.percentile(tuple(times), (50, 95, 99))))
            for stage, times in tuple(self._stages.items())
        }

    def stage_ms(self, stage: str) -> float:
        """Return the median time of ``stage``; 0 before its first frame."""
        times = tuple(self._stages.get(stage, ()))
        return float(np.median(times)) / 1e6 if times else 0.0
