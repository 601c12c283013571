"""Stage times and frame rates."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from animator_core.arrays import DoubleArray


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
