"""The face in the newest driving frame."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Callable

from animator_core.animation.endpoints import FrameSource
from animator_core.animation.statistics import FrameStatistics
from animator_core.ipc.frame_ring import now_ns
from animator_core.tracking.observation import FaceTracker, TrackedFrame

SILENT_NS = 1_500_000_000
"""A camera that gave no frame for this long is reported as silent, and the character idles."""


class FaceTracking:
    """Tracks the face in the newest frame of a source; used by one thread.

    listeners: called with every tracked frame, drawn or not, and the time of its capture.
    """

    def __init__(
        self,
        source: FrameSource,
        statistics: FrameStatistics,
        listeners: Sequence[Callable[[TrackedFrame, int], None]] = (),
    ) -> None:
        self._source = source
        self._statistics = statistics
        self._listeners = listeners
        self._tracked_ns = 0
        self._is_skipping = False

    @property
    def is_silent(self) -> bool:
        """Whether the camera has given no frame for a while; any thread may ask."""
        return now_ns() - self._source.last_frame_ns > SILENT_NS

    def track_newest(self, tracker: FaceTracker, may_skip: bool = False, timeout_s: float = 0.0) -> TrackedFrame | None:
        """Return the newest frame and its face; None if there is no new frame within ``timeout_s`` or it is skipped.

        may_skip: track only every second frame, which leaves time to rendering.
        """
        driving = self._source.take(timeout_s)
        if driving is None:
            return None
        self._is_skipping = may_skip and not self._is_skipping
        if self._is_skipping:
            return None
        # Trackers want rising times, and a source may show one frame twice.
        self._tracked_ns = max(self._tracked_ns + 1, driving.captured_ns)
        observation = driving.observation
        if driving.picture is not None:
            started = time.perf_counter_ns()
            observation = tracker.track(driving.picture, self._tracked_ns)
            self._statistics.add("tracking", time.perf_counter_ns() - started)
        is_in_frame = observation is None or observation.is_in_frame
        tracked = TrackedFrame(observation, driving.picture if is_in_frame else None)
        for take in self._listeners:
            take(tracked, self._tracked_ns)
        return tracked
