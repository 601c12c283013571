"""The two threads beside the rendering one: capture, and tracking; each works on the newest frame only."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from animator_core.animation.latest import Newest
from animator_core.animation.timing import RateMeter
from animator_core.errors import CameraError
from animator_core.ipc.frame_ring import now_ns
from animator_core.live.camera import FrameSource
from animator_core.tracking.observation import FaceObservation, FaceTracker

logger = logging.getLogger(__name__)

_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 5.0
_WAIT_S = 0.1


@dataclass(frozen=True)
class CapturedFrame:
    """A driving frame, (H, W, 3) uint8 RGB, and when it was captured (`frame_ring.now_ns`)."""

    picture: np.ndarray
    captured_ns: int


@dataclass(frozen=True)
class TrackedFrame:
    """A driving frame and the face in it, or None."""

    frame: CapturedFrame
    observation: FaceObservation | None


class CaptureThread:
    """Reads a source; one that stops is opened again and again, at growing intervals, until it is back."""

    def __init__(self, source: FrameSource, reopen: Callable[[], FrameSource]) -> None:
        self.newest: Newest[CapturedFrame] = Newest()
        self.rate = RateMeter()
        self.problem = ""
        self.is_finished = False
        self._source: FrameSource | None = source
        self._reopen = reopen
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end; a camera that hangs in its driver is left behind (the thread is a daemon)."""
        self._leave.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)
        elif self._source is not None:
            self._source.close()
            self._source = None

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._leave.is_set():
            if self._source is None:
                self._source = self._try_again()
            if self._source is not None and self._read_all(self._source):
                pause_s = _FIRST_PAUSE_S
            if self.is_finished:
                return
            self._leave.wait(pause_s)
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    def _try_again(self) -> FrameSource | None:
        try:
            return self._reopen()
        except CameraError as exc:
            logger.debug("%s", exc)
            return None

    def _read_all(self, source: FrameSource) -> bool:
        """Publish frames until there are no more; return whether there were any."""
        has_read = False
        try:
            while not self._leave.is_set():
                picture = source.read()
                if picture is None:
                    break
                captured_ns = now_ns()
                self.newest.put(CapturedFrame(picture, captured_ns))
                self.rate.count(captured_ns)
                has_read, self.problem = True, ""
        except CameraError as exc:
            self.problem = str(exc)
        finally:
            source.close()
            self._source = None
        if source.is_finite:
            self.is_finished = True
        elif not self._leave.is_set():
            self.problem = f"{source.name} gives no frames; check its cable, or whether another program took it"
        return has_read


class TrackingThread:
    """Tracks the newest captured frame; in a thread of its own, or step by step in the caller's.

    on_tracked: called in that thread with every tracked frame, those that nobody draws as well.
    """

    def __init__(
        self,
        captured: Newest[CapturedFrame],
        tracker: FaceTracker,
        on_tracked: Callable[[TrackedFrame], None] | None = None,
    ) -> None:
        self.newest: Newest[TrackedFrame] = Newest()
        self.rate = RateMeter()
        self.failure: BaseException | None = None
        self._captured, self._tracker, self._on_tracked = captured, tracker, on_tracked
        self._last_ns = 0
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tracking", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._leave.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def step(self, timeout_s: float) -> None:
        """Track one frame if a new one comes within ``timeout_s``."""
        frame = self._captured.take(timeout_s)
        if frame is None:
            return
        # Trackers want times that rise strictly.
        self._last_ns = max(frame.captured_ns, self._last_ns + 1)
        observation = self._tracker.track(frame.picture, self._last_ns)
        tracked = TrackedFrame(frame, observation)
        self.newest.put(tracked)
        if self._on_tracked is not None:
            self._on_tracked(tracked)
        self.rate.count(now_ns())

    def _run(self) -> None:
        try:
            while not self._leave.is_set():
                self.step(_WAIT_S)
        except Exception as exc:  # a thread's end must reach the one that shows messages
            self.failure = exc
