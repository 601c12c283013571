"""One filter in the worker: its rings, its tracking thread and its render thread."""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from typing import Callable

from animator_core.animation.animation import Animation
from animator_core.animation.driving import DrivingFrames, TrackedFrame
from animator_core.animation.latest import Newest
from animator_core.animation.parts import WorkerParts
from animator_core.animation.statistics import FrameStatistics
from animator_core.errors import AnimatorError, CharacterError, DeviceLostError, described
from animator_core.ipc.frame_ring import RingMemory, RingReader, RingWriter, now_ns
from animator_core.ipc.protocol import AnimationSettings, FilterStatus, OpenFilter, may_be_slow
from animator_core.tracking.observation import FaceTracker

logger = logging.getLogger(__name__)

NO_CAMERA_SECONDS = 1.5
_POLL_SECONDS = 0.001
_IDLE_POLL_SECONDS = 0.02
_FIRST_RESTART_SECONDS = 0.5
_LAST_RESTART_SECONDS = 8.0
_STEADY_SECONDS = 30.0
_PULSE_SECONDS = 0.5
_LONGEST_FRAME_SECONDS = 180.0
"""Of a renderer that may be slow; after that the plugin takes the worker for hung."""
_SEE_LOG = "see Tools → Scripts → Script Log; it is tried again by itself"


class FilterSession:
    """Serves one filter from its opening to its closing; whatever fails in it stays in it."""

    def __init__(self, opening: OpenFilter, parts: WorkerParts) -> None:
        """Map both rings and start; raises RingError where one cannot be mapped."""
        self.filter_id = opening.filter_id
        self._parts = parts
        self._memories = [RingMemory.attach(opening.driving)]
        try:
            self._memories.append(RingMemory.attach(opening.animated))
        except BaseException:
            self._memories[0].close()
            raise
        self._reader = RingReader(self._memories[0])
        self._writer = RingWriter(self._memories[1])
        self.statistics = FrameStatistics()
        self._frames = DrivingFrames(self._reader, self.statistics)
        self._tracked: Newest[TrackedFrame] = Newest()
        self._faults: dict[str, str] = {}
        self._stop = threading.Event()
        self._animation = Animation(opening.settings, parts, self._writer, self.statistics, opening.neutral)
        self._drawing_since: float | None = None
        self.is_device_lost = False
        """Whether only another process can have the graphics card again."""
        self._threads = [self._thread("render", self._render), self._thread("pulse", self._pulse)]
        if parts.config.tracking.face_enabled and parts.config.performance.async_pipeline:
            self._threads.append(self._thread("tracking", self._track))
        for thread in self._threads:
            thread.start()

    def update(self, settings: AnimationSettings) -> None:
        """Take other settings from the next frame on."""
        self._animation.update(settings)

    def act(self, action: str) -> None:
        """Carry out a button or hotkey, one of `protocol.ACTIONS`."""
        self._animation.act(action)

    def refresh_characters(self) -> None:
        """Look at the characters again: files may have changed."""
        self._animation.refresh_characters()

    def status(self) -> FilterStatus:
        """Return how the filter is doing."""
        problem, remedy = self._problem()
        animation, moment = self._animation, now_ns()
        state = "error" if problem else animation.state(self._is_camera_silent())
        note, note_remedy = ("", "") if problem else animation.note
        return FilterStatus(
            self.filter_id,
            state,
            round(self.statistics.fps(moment), 1),
            round(self.statistics.latency_ms(moment), 1),
            animation.renderer_name,
            animation.device,
            animation.character_name,
            problem or note,
            remedy or note_remedy,
        )

    @property
    def neutral(self) -> str:
        """The driver's neutral pose, see `protocol.NeutralPose`."""
        return self._animation.neutral_text

    def character_problems(self) -> dict[str, CharacterError]:
        """Return the errors of the characters that cannot be drawn, as far as they are known, by file name."""
        return self._animation.character_problems

    def ask_to_end(self) -> None:
        """Have both threads leave at their next step."""
        self._stop.set()

    def close(self, timeout_s: float) -> None:
        """End the threads and let go of the rings; a thread that does not leave in time keeps them until it does."""
        self.ask_to_end()
        deadline = time.monotonic() + timeout_s
        for thread in self._threads:
            thread.join(max(0.0, deadline - time.monotonic()))
        if any(thread.is_alive() for thread in self._threads):
            logger.warning("filter %s does not end in time; its rings stay mapped", self.filter_id)
            return
        self._animation.close()
        # A view in the traceback of a past error may still hold the memory; it goes with the process then.
        with contextlib.suppress(BufferError):
            self._reader.close()
            self._writer.close()
        for memory in self._memories:
            memory.close()

    def _problem(self) -> tuple[str, str]:
        for what, fault in tuple(self._faults.items()):
            return f"the {what} failed: {fault}", _SEE_LOG
        return self._animation.problem

    def _is_camera_silent(self) -> bool:
        if not self._parts.config.tracking.face_enabled:
            return False
        return now_ns() - self._frames.last_frame_ns > NO_CAMERA_SECONDS * 1e9

    def _thread(self, name: str, loop: Callable[[], None]) -> threading.Thread:
        # A thread hung inside a library must not keep the process alive after OBS has gone.
        return threading.Thread(target=self._guard, args=(name, loop), name=f"{name} {self.filter_id}", daemon=True)

    def _guard(self, name: str, loop: Callable[[], None]) -> None:
        """Run ``loop`` until it ends by itself; after an exception again, later and later while they follow close."""
        delay = _FIRST_RESTART_SECONDS
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                loop()
                return
            except DeviceLostError:
                logger.exception("the %s of filter %s cannot go on in this process", name, self.filter_id)
                self.is_device_lost = True
                return
            except Exception as exc:
                # The boundary of this thread: no other filter shall suffer.
                fault = str(exc) if isinstance(exc, AnimatorError) else described(exc)
                is_known = fault == self._faults.get(name)
                self._faults[name] = fault
                if not is_known:
                    logger.exception("the %s of filter %s failed and is started again", name, self.filter_id)
            if time.monotonic() - started > _STEADY_SECONDS:
                delay = _FIRST_RESTART_SECONDS
            self._wait_alive(delay, is_beating=name == "render")
            delay = min(2 * delay, _LAST_RESTART_SECONDS)

    def _wait_alive(self, seconds: float, is_beating: bool) -> None:
        """Wait; a render thread that waits for its restart is not a hung one, and says so."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stop.wait(0.1):
            if is_beating:
                self._writer.beat()

    def _track(self) -> None:
        tracker = self._parts.create_tracker()
        try:
            while not self._stop.is_set():
                tracked = self._frames.track_newest(tracker, self._animation.skips_frames)
                if tracked is None:
                    # Windows sleeps far more exactly than it waits.
                    time.sleep(_IDLE_POLL_SECONDS if self._is_camera_silent() else _POLL_SECONDS)
                    continue
                self._faults.pop("tracking", None)
                self._tracked.put(tracked)
        finally:
            tracker.close()

    def _render(self) -> None:
        animation, config = self._animation, self._parts.config
        is_tracking_here = config.tracking.face_enabled and not config.performance.async_pipeline
        tracker = self._parts.create_tracker() if is_tracking_here else None
        animation.restart()
        try:
            while not self._stop.is_set():
                self._writer.beat()
                wait_s = animation.wait_s()
                tracked = self._tracked.take(wait_s) if tracker is None else self._track_here(tracker, wait_s)
                self._drawing_since = time.monotonic()
                if animation.advance(tracked, self._is_camera_silent()):
                    self._faults.pop("render", None)
                self._drawing_since = None
        finally:
            self._drawing_since = None
            if tracker is not None:
                tracker.close()

    def _pulse(self) -> None:
        """Beat while a renderer that may be slow draws, or one is warmed up; any other that takes seconds is hung."""
        animation = self._animation
        while not self._stop.wait(_PULSE_SECONDS):
            began = self._drawing_since
            is_drawing = began is not None and time.monotonic() - began < _LONGEST_FRAME_SECONDS
            if is_drawing and (animation.is_warming_up or may_be_slow(animation.renderer_name, animation.device)):
                self._writer.beat()

    def _track_here(self, tracker: FaceTracker, wait_s: float) -> TrackedFrame | None:
        tracked = self._frames.track_newest(tracker, self._animation.skips_frames)
        if tracked is None:
            time.sleep(min(wait_s, _POLL_SECONDS))
        return tracked
