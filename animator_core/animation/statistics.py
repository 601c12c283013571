"""Stage times, frame rates and latencies."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from animator_core.arrays import DoubleArray
from animator_core.ipc.frame_ring import now_ns

_KEPT_FRAMES = 240
_LATENCY_WINDOW_NS = 1_000_000_000


@dataclass(frozen=True)
class Percentiles:
    """Percentiles 50, 95 and 99 of the time of one stage, in milliseconds."""

    p50_ms: float
    p95_ms: float
    p99_ms: float


class StageTimes:
    """Collects the durations of named stages, one value a frame."""

    def __init__(self) -> None:
        self._durations_ns: dict[str, list[int]] = {}

    @contextlib.contextmanager
    def measure(self, stage: str) -> Iterator[None]:
        """Add the duration of the block to ``stage``; a block that raises is not counted."""
        started = time.perf_counter_ns()
        yield
        self.add(stage, time.perf_counter_ns() - started)

    def add(self, stage: str, duration_ns: int) -> None:
        self._durations_ns.setdefault(stage, []).append(duration_ns)

    def last_ns(self, stage: str) -> int:
        """Return the newest duration of ``stage``; 0 without one."""
        durations = self._durations_ns.get(stage)
        return durations[-1] if durations else 0

    def total_seconds(self, stage: str) -> float:
        """Return the sum of all durations of ``stage``."""
        return sum(self._durations_ns.get(stage, ())) / 1e9

    def durations_ms(self, stage: str) -> DoubleArray:
        """Return every duration of ``stage``, (N,) float64 milliseconds."""
        return np.array(self._durations_ns.get(stage, ()), np.float64) / 1e6

    def summary(self) -> dict[str, Percentiles]:
        """Return the percentiles of every stage, in the order of their first frames."""
        return {
            stage: Percentiles(*(float(value) for value in np.percentile(durations, (50, 95, 99)) / 1e6))
            for stage, durations in self._durations_ns.items()
        }


class RateMeter:
    """Counts events over the last seconds; used by one thread for counting and any for reading."""

    def __init__(self, window_s: float = 2.0) -> None:
        self._window_ns = int(window_s * 1e9)
        self._times: deque[int] = deque(maxlen=4096)

    def count(self, now_ns: int) -> None:
        self._times.append(now_ns)

    def rate(self, now_ns: int) -> float:
        """Return events a second over the window that ends now; 0 for fewer than two."""
        recent = [moment for moment in tuple(self._times) if now_ns - moment <= self._window_ns]
        if len(recent) < 2 or recent[-1] == recent[0]:
            return 0.0
        return (len(recent) - 1) * 1e9 / (recent[-1] - recent[0])


class _Stage:
    def __init__(self) -> None:
        self.times_ns: deque[int] = deque(maxlen=_KEPT_FRAMES)
        self.rate = RateMeter()
        self.total_ns = self.count = 0


class FrameStatistics:
    """Rate, latency and stage times of a running animation, over the last seconds, in bounded memory.

    Written by the threads of the animation, each stage by one of them; read by any.
    """

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
