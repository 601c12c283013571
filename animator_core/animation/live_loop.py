"""The live loop: driving frames from a source are tracked and drawn, and the pictures go to a sink."""

from __future__ import annotations

import threading
import time
from typing import Callable

from animator_core.animation.animation import Animation
from animator_core.animation.endpoints import FrameSink, FrameSource
from animator_core.animation.face_tracking import FaceTracking
from animator_core.animation.latest import LatestValue
from animator_core.animation.requests import AnimationRequests
from animator_core.animation.restarts import Restarts
from animator_core.animation.services import Services
from animator_core.animation.statistics import FrameStatistics
from animator_core.ipc.protocol import AnimationSettings, may_be_slow
from animator_core.tracking.observation import TrackedFrame

_TAKE_SECONDS = 0.1
_SYNCHRONOUS_TAKE_SECONDS = 0.001
_LONGEST_FRAME_SECONDS = 180.0
"""Of a renderer that may be slow; longer frames count as a hung renderer."""


class LiveLoop:
    """Animates from its start until it is closed; a failure is told, and the thread started again.

    name: for the log. neutral: `Animation.neutral_text` of an earlier loop. on_tracked: called in the thread that
    tracks with every tracked frame, drawn or not.
    """

    def __init__(
        self,
        services: Services,
        settings: AnimationSettings,
        *,
        source: FrameSource,
        sink: FrameSink,
        name: str = "",
        neutral: str = "",
        on_tracked: Callable[[TrackedFrame, int], None] | None = None,
    ) -> None:
        config = services.config
        self.statistics = FrameStatistics()
        self.requests = AnimationRequests(settings)
        self.animation = Animation(self.requests, services, sink=sink, statistics=self.statistics, neutral=neutral)
        self._services, self._sink, self._name = services, sink, name
        self._stop = threading.Event()
        self.restarts = Restarts(f" of {name}" if name else "", self._stop)
        listeners = [on_tracked] if on_tracked is not None else []
        if services.link is not None:
            listeners.append(services.link.take)
        self._tracking = FaceTracking(source, self.statistics, listeners) if config.tracking.face_enabled else None
        self._is_asynchronous = config.performance.async_pipeline
        self._tracked: LatestValue[TrackedFrame] = LatestValue()
        self._threads: list[threading.Thread] = []
        self._drawing_since: float | None = None

    @property
    def is_camera_silent(self) -> bool:
        """Whether frames are expected and none has come for a while."""
        return self._tracking is not None and self._tracking.is_silent

    @property
    def is_in_slow_frame(self) -> bool:
        """Whether the thread that draws is in a frame, or warm-up, that may take seconds without being hung."""
        began, animation = self._drawing_since, self.animation
        if began is None or time.monotonic() - began >= _LONGEST_FRAME_SECONDS:
            return False
        return animation.switch.is_warming_up or may_be_slow(animation.renderer_name, animation.device)

    def start(self) -> None:
        """Run in threads of its own."""
        self._start("render", self.run)

    def run(self) -> None:
        """Draw in the calling thread, and track in another one, until the loop is asked to end."""
        if self._tracking is not None and self._is_asynchronous:
            self._start("tracking", lambda: self.restarts.run("tracking", self._track))
        self.restarts.run("render", self._draw, self._sink.beat)

    def ask_to_end(self) -> None:
        """Have the threads leave at their next step."""
        self._stop.set()

    def close(self, timeout_s: float) -> bool:
        """End the threads and free the renderers; return whether all threads ended in time, else nothing is freed."""
        self.ask_to_end()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:  # grows by the tracking thread if the loop has only just started
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            return False
        self.animation.close()
        return True

    def _start(self, loop: str, work: Callable[[], None]) -> None:
        # A thread hung inside a library must not keep the process alive.
        thread = threading.Thread(target=work, name=f"{loop} {self._name}", daemon=True)
        thread.start()
        self._threads.append(thread)

    def _track(self) -> None:
        assert self._tracking is not None
        tracker = self._services.create_tracker()
        try:
            while not self._stop.is_set():
                tracked = self._tracking.track_newest(tracker, self.animation.skips_frames, _TAKE_SECONDS)
                if tracked is not None:
                    self.restarts.works("tracking")
                    self._tracked.put(tracked)
        finally:
            tracker.close()

    def _draw(self) -> None:
        is_tracking_here = self._tracking is not None and not self._is_asynchronous
        tracker = self._services.create_tracker() if is_tracking_here else None
        self.animation.restart()
        try:
            while not self._stop.is_set():
                self._sink.beat()
                wait_s = self.animation.wait_s()
                if tracker is None or self._tracking is None:
                    tracked = self._tracked.take(wait_s)
                else:
                    wait_s = min(wait_s, _SYNCHRONOUS_TAKE_SECONDS)
                    tracked = self._tracking.track_newest(tracker, self.animation.skips_frames, wait_s)
                self._drawing_since = time.monotonic()
                is_shown = self.animation.advance(tracked, self.is_camera_silent)
                if is_shown or self.animation.error is not None:
                    # It goes on, or the error says more than the fault.
                    self.restarts.works("render")
                self._drawing_since = None
        finally:
            self._drawing_since = None
            if tracker is not None:
                tracker.close()
