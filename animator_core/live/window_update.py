"""Keeps the window of ``run`` up to date, and carries out what only it offers."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from animator_core.animation.live_loop import LiveLoop
from animator_core.animation.services import Services
from animator_core.live.capture import CaptureThread
from animator_core.live.keys import KeyCommands
from animator_core.live.motion_recording import MotionRecording
from animator_core.live.outputs import VirtualCameraSwitch
from animator_core.live.statistics_lines import StatisticsReport, overlay_lines
from animator_core.live.thumbnails import Thumbnails
from animator_core.live.window import ControlWindow, LiveView

_NEWS_SECONDS = 8.0
_STATES = {
    "calibrating": "finding your neutral face",
    "tracking": "following your face",
    "no_face": "no face in the picture: it idles",
    "no_camera": "no new picture from the camera: it idles",
    "frozen": "frozen",
}


class News:
    """Passes lines for the user on, and remembers the newest one for the window."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._newest, self._told_at = "", 0.0

    def __call__(self, text: str) -> None:
        """Tell a line; those of the statistics, which are several, are not remembered."""
        self._tell(text)
        if "\n" not in text:
            self._newest, self._told_at = text, time.monotonic()

    @property
    def newest(self) -> str:
        """The newest line, "" if it is old."""
        return self._newest if time.monotonic() - self._told_at < _NEWS_SECONDS else ""


@dataclass(frozen=True)
class WindowParts:
    """The window and what belongs to it: the record button, the virtual camera's, and the lines for the user."""

    window: ControlWindow
    recording: MotionRecording
    camera: VirtualCameraSwitch
    news: News

    @property
    def switches(self) -> Mapping[str, Callable[[], None]]:
        """The functions of the commands that are not the animation's."""
        return {"record": self.recording.toggle, "virtual_camera": self.camera.toggle}


class WindowUpdate:
    """Makes the window's view of the present moment; used by the thread that draws."""

    def __init__(
        self,
        parts: WindowParts,
        services: Services,
        loop: LiveLoop,
        *,
        keys: KeyCommands,
        statistics: StatisticsReport,
        capture: CaptureThread,
    ) -> None:
        self._parts, self._loop, self._keys = parts, loop, keys
        self._statistics, self._capture = statistics, capture
        self._labels = {name: _key_label(key) for name, key in services.config.hotkeys.commands.items()}
        self._thumbnails = Thumbnails(services.library.path)

    def refresh(self) -> None:
        """Set the window's view."""
        keys, parts = self._keys, self._parts
        self._thumbnails.ask_for(keys.names)
        problem, news = self._problem(), parts.news.newest
        parts.window.view = LiveView(
            names=keys.names,
            labels=keys.labels,
            current=self._loop.requests.settings.character,
            thumbnails=self._thumbnails.made,
            keys=self._labels,
            active=self._active(),
            statistics=self._statistics_lines() if keys.shows_statistics else (),
            message=problem or news,
            is_wrong=bool(problem) or news.startswith("warning:"),
        )

    def _active(self) -> frozenset[str]:
        keys, parts = self._keys, self._parts
        states = {
            "record": parts.recording.is_running,
            "virtual_camera": parts.camera.is_on,
            "freeze": self._loop.requests.is_frozen,
            "toggle_stats": keys.shows_statistics,
            "toggle_controls": keys.hides_controls,
        }
        return frozenset(name for name, is_on in states.items() if is_on)

    def _statistics_lines(self) -> tuple[str, ...]:
        figures = self._statistics.newest
        if figures is None:
            return ()
        animation, recording = self._loop.animation, self._parts.recording
        state = animation.state(self._loop.is_camera_silent)
        lines = overlay_lines(
            figures, f"{animation.renderer_name} on {animation.device}", _STATES.get(state, "loading the character")
        )
        if recording.is_running:
            minutes, seconds = divmod(int(recording.seconds), 60)
            lines = (*lines, f"recording the motion: {minutes}:{seconds:02d}")
        return lines

    def _problem(self) -> str:
        animation, fault = self._loop.animation, self._loop.restarts.fault
        if animation.error is not None:
            return str(animation.error)
        if self._capture.problem is not None or fault:
            return str(self._capture.problem or fault)
        return "; ".join(text for text in animation.note if text)


def _key_label(key: str) -> str:
    return key.upper() if len(key) == 1 else key.capitalize()
