"""From the driving ring to what the tracker sees in its newest frame."""

from __future__ import annotations

import time

import cv2
import numpy as np

from animator_core.animation.statistics import FrameStatistics
from animator_core.ipc.frame_ring import FORMAT_RGBA, FrameInfo, RingReader, now_ns
from animator_core.tracking.observation import FaceTracker, TrackedFrame


class DrivingFrames:
    """Reads the newest driving frame and has the face in it tracked; used by one thread."""

    def __init__(self, reader: RingReader, statistics: FrameStatistics) -> None:
        self.last_frame_ns = now_ns()
        """When a frame came last; the start counts as one."""
        self._reader = reader
        self._statistics = statistics
        self._captured_ns = 0
        self._is_skipping = False

    def track_newest(self, tracker: FaceTracker, may_skip: bool = False) -> TrackedFrame | None:
        """Return what is in the newest frame; None where no frame came since the last call.

        may_skip: look only at every second frame, to leave time to rendering.
        """
        info = self._reader.poll()
        if info is None:
            return None
        self.last_frame_ns = now_ns()
        self._is_skipping = may_skip and not self._is_skipping
        frame = None if self._is_skipping else self._copy(info)
        self._reader.mark_seen(info)
        if frame is None:
            return None
        # Trackers want rising times, and a source may show one frame twice.
        self._captured_ns = max(self._captured_ns + 1, info.captured_ns)
        started = time.perf_counter_ns()
        observation = tracker.track(frame, self._captured_ns)
        self._statistics.add("tracking", time.perf_counter_ns() - started)
        return TrackedFrame(observation, frame)

    def _copy(self, info: FrameInfo) -> np.ndarray | None:
        """Return a copy as RGB, since tracking takes longer than the slot stays; None if the writer overtook it."""
        if info.format != FORMAT_RGBA:
            return None
        rows = np.frombuffer(self._reader.payload(info), np.uint8).reshape(info.height, info.stride)
        frame = cv2.cvtColor(rows[:, : info.width * 4].reshape(info.height, info.width, 4), cv2.COLOR_RGBA2RGB)
        return frame if self._reader.is_intact(info) else None
