"""One session of ``run``: the live loop between a camera and an output, keys and statistics beside it."""

from __future__ import annotations

import sys
from collections.abc import Callable

from animator_core.animation.live_loop import LiveLoop
from animator_core.animation.services import Services
from animator_core.arrays import UInt8Array
from animator_core.errors import AnimatorError, described
from animator_core.ipc.frame_ring import now_ns
from animator_core.ipc.protocol import AnimationSettings
from animator_core.live.capture import CaptureThread
from animator_core.live.keys import KeyCommands
from animator_core.live.outputs import Canvas, Output
from animator_core.live.statistics_lines import StatisticsReport
from animator_core.live.window_update import WindowParts, WindowUpdate
from animator_core.tracking.observation import TrackedFrame

_LOOK_NS = 50_000_000
_CLOSE_SECONDS = 5.0


class LiveSession:
    """Is the sink of its live loop: fits pictures into the output, reads its keys, and decides about the end.

    settings: its character is named. tell: takes lines for the user. on_tracked: see `LiveLoop`. parts: of the window,
    which is among the outputs; None without one.
    """

    max_pixels = sys.maxsize
    is_continuous = True

    def __init__(
        self,
        services: Services,
        settings: AnimationSettings,
        *,
        capture: CaptureThread,
        output: Output,
        tell: Callable[[str], None],
        on_tracked: Callable[[TrackedFrame, int], None] | None = None,
        parts: WindowParts | None = None,
    ) -> None:
        size = services.config.output
        self.frame_count = 0
        self.loop = LiveLoop(services, settings, source=capture, sink=self, on_tracked=on_tracked)
        self._capture, self._output, self._tell = capture, output, tell
        self._canvas = Canvas(size.width, size.height, size.background_alpha)
        switches = parts.switches if parts is not None else {}
        self._keys = KeyCommands(services, self.loop.requests, tell, switches=switches)
        is_profiling = services.config.performance.enable_profiling
        self._statistics = StatisticsReport(self.loop, capture, self._keys, is_profiling=is_profiling)
        self._window: WindowUpdate | None = None
        if parts is not None:
            self._window = WindowUpdate(
                parts, services, self.loop, keys=self._keys, statistics=self._statistics, capture=capture
            )
        self._max_frames: int | None = None
        self._failure: AnimatorError | None = None
        self._told: dict[str, str] = {}
        self._looked_ns = 0

    def run(self, max_frames: int | None) -> None:
        """Show frames until a key, the end of the clip, the output or ``max_frames`` ends it.

        Raises AnimatorError if the first frame cannot be drawn, the clip has none, or output or device are lost.
        """
        self._max_frames = max_frames
        self.loop.run()
        failure = self._failure or self.loop.restarts.device_lost
        if failure is not None:
            raise failure
        self._tell_news()

    def close(self) -> None:
        """End the threads and free the renderers."""
        self.loop.close(_CLOSE_SECONDS)

    def show(self, picture: UInt8Array, captured_ns: int) -> None:
        """Show one frame, and carry out the key that was pressed."""
        if not self.frame_count:
            self._begin()
        if self._window is not None:
            self._window.refresh()
        try:
            key = self._output.show(self._canvas.fit(picture))
        except Exception as exc:
            # The boundary to windows and drivers; without an output there is nothing to go on for.
            self._end(AnimatorError(f"the output failed ({described(exc)})", "run it again, or use another output"))
            return
        self.frame_count += 1
        if key is not None:
            self._keys.press(key)
        self._statistics.tell(self._tell)
        if self._keys.has_quit or self.frame_count == self._max_frames:
            self._end()

    def beat(self) -> None:
        """Look for the end, and for news that the user is told."""
        moment = now_ns()
        if moment - self._looked_ns < _LOOK_NS:
            return
        self._looked_ns = moment
        capture, loop = self._capture, self.loop
        if not self.frame_count and (loop.animation.error is not None or loop.restarts.fault):
            self._end(loop.animation.error or AnimatorError(loop.restarts.fault, "run doctor to find out why"))
            return
        self._tell_news()
        if capture.is_finished:
            self._end(None if capture.has_captured else capture.problem)
        elif self._output.is_closed:
            self._end()

    def _begin(self) -> None:
        pipeline = self.loop.animation.switch.pipeline
        renderer, character = pipeline.renderer, pipeline.character
        assert renderer is not None and character is not None
        self._tell(f"{self._capture.name} drives {character.display_name}; {renderer.name} on {renderer.device}")
        self._capture.start()

    def _end(self, failure: AnimatorError | None = None) -> None:
        self._failure = failure
        self.loop.ask_to_end()

    def _tell_news(self) -> None:
        problem, fault = self._capture.problem, self.loop.restarts.fault
        error, note = self.loop.animation.error, "; ".join(text for text in self.loop.animation.note if text)
        self._tell_change("camera", f"warning: {problem}" if problem else "", otherwise="the camera is back")
        self._tell_change("fault", f"warning: {fault}; it is tried again by itself" if fault else "")
        self._tell_change("character", f"error: {error}" if error else "")
        self._tell_change("note", f"note: {note}" if note else "")

    def _tell_change(self, subject: str, text: str, otherwise: str = "") -> None:
        if text != self._told.get(subject, ""):
            self._told[subject] = text
            if text or otherwise:
                self._tell(text or otherwise)
