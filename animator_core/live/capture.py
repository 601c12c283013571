"""The capture thread of ``run``: the newest frame of a camera or video file."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

from animator_core.animation.backoff import Backoff
from animator_core.animation.endpoints import DrivingFrame
from animator_core.animation.latest import LatestValue
from animator_core.animation.timing import RateMeter
from animator_core.errors import CameraError
from animator_core.ipc.frame_ring import now_ns
from animator_core.live.camera import FrameReader

logger = logging.getLogger(__name__)


class CaptureThread:
    """Reads frames as the source of a live loop; a camera that stops is opened again at growing intervals.

    reader: open already. reopen: opens it again.
    """

    def __init__(self, reader: FrameReader, reopen: Callable[[], FrameReader]) -> None:
        self.name = reader.name
        self.last_frame_ns = now_ns()
        self.rate = RateMeter()
        self.problem: CameraError | None = None
        """Why there are no frames just now."""
        self.is_finished = False
        self.has_captured = False
        self._newest: LatestValue[DrivingFrame] = LatestValue()
        self._reader: FrameReader | None = reader
        self._reopen = reopen
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, name="capture", daemon=True)

    def start(self) -> None:
        """Begin to read."""
        self.last_frame_ns = now_ns()
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end; a camera that hangs in its driver is left behind (the thread is a daemon)."""
        self._leave.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)
        elif self._reader is not None:
            self._reader.close()
            self._reader = None

    def take(self, timeout_s: float) -> DrivingFrame | None:
        """Return the newest frame unless it was taken before; None if none came within ``timeout_s``."""
        return self._newest.take(timeout_s)

    def _run(self) -> None:
        backoff = Backoff(first_s=0.5, longest_s=5.0)
        while not self._leave.is_set():
            if self._reader is None:
                self._reader = self._try_again()
            if self._reader is not None and self._read_all(self._reader):
                backoff.reset()
            if self.is_finished:
                return
            self._leave.wait(backoff.next_s())

    def _try_again(self) -> FrameReader | None:
        try:
            return self._reopen()
        except CameraError as exc:
            logger.debug("%s", exc)
            return None

    def _read_all(self, reader: FrameReader) -> bool:
        """Publish frames until there are no more; return whether there were any."""
        has_read = False
        try:
            while not self._leave.is_set():
                picture = reader.read()
                if picture is None:
                    break
                self.last_frame_ns = captured_ns = now_ns()
                self._newest.put(DrivingFrame(picture, captured_ns))
                self.rate.count(captured_ns)
                self.has_captured = has_read = True
                self.problem = None
        except CameraError as exc:
            self.problem = exc
        finally:
            reader.close()
            self._reader = None
        if reader.is_finite:
            self.is_finished = True
        elif not self._leave.is_set():
            self.problem = CameraError(
                f"{reader.name} gives no frames", "check its cable, or whether another program took it"
            )
        return has_read
