"""The status line of the panel: the state of the worker and of a filter in words."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from dataclasses import dataclass

from animator_core.ipc.protocol import FilterStatus
from obs_plugin.problem import Problem
from obs_plugin.wording import sentences

_STATE_TEXTS = {
    "loading": "Loading the character …",
    "calibrating": "Calibrating: look straight at the camera for a second",
    "tracking": "Live",
    "no_face": "No face in the picture: the character idles",
    "no_camera": "No new camera picture: the character idles",
    "frozen": "Frozen by hotkey",
    "error": "The character cannot be animated",
}


@dataclass(frozen=True)
class StatusLine:
    """One line for the panel.

    is_problem: whether the streamer should act. kind: identifies the line apart from its numbers. is_urgent: whether
    the worker does not run, so that no later status can be expected. fps, latency_ms: the numbers in the text.
    """

    text: str
    is_problem: bool = False
    kind: str = ""
    is_urgent: bool = False
    fps: float = 0.0
    latency_ms: float = 0.0

    def is_news_after(self, shown: StatusLine | None) -> bool:
        """Return whether the line ``shown`` misleads by now: another kind, or a number that is off by a tenth."""
        if shown is None or shown.kind != self.kind:
            return True
        numbers = ((shown.fps, self.fps, 1.0), (shown.latency_ms, self.latency_ms, 3.0))
        return any(abs(now - before) > max(least, 0.1 * before) for before, now, least in numbers)


@dataclass(frozen=True)
class Condition:
    """All that tells how a filter is doing.

    problem: why the worker does not run. notice: its last complaint while it runs. status: the filter's last one, None
    before the first. still_problem: why the character's picture cannot be shown. is_hidden: whether a hotkey hides the
    character. folder: the installation's; paths are told relative to it.
    """

    problem: Problem | None = None
    notice: Problem | None = None
    status: FilterStatus | None = None
    still_problem: Problem | None = None
    is_hidden: bool = False
    folder: str = ""

    @property
    def failure(self) -> Problem | None:
        """Why there is no animation, or None."""
        return self.problem or self.still_problem

    @property
    def complaint(self) -> Problem | None:
        """The failure, else the worker's complaint about this filter or in general, or None."""
        if self.failure is not None or self.status is None:
            return self.failure
        return Problem(self.status.message, self.status.remedy) if self.status.message else self.notice


def describe(condition: Condition) -> StatusLine:
    """Return the status line of a filter."""
    status, complaint = condition.status, condition.complaint
    words = sentences(complaint.message, complaint.remedy, condition.folder) if complaint is not None else ""
    if condition.failure is not None:
        is_urgent = condition.problem is not None
        return StatusLine(f"Problem: {words}", is_problem=True, kind=words, is_urgent=is_urgent)
    if status is None:
        return StatusLine("Starting the animation …", kind="starting")
    text = _STATE_TEXTS.get(status.state, status.state)
    if status.fps > 0:
        text += f" · {status.fps:.0f} fps · {status.latency_ms:.0f} ms"
    if status.renderer:
        text += f" · {status.renderer} on {status.device}" if status.device else f" · {status.renderer}"
    if condition.is_hidden:
        text += " · hidden by hotkey"
    if words:
        text += f"\n{words}"
    return StatusLine(
        text,
        is_problem=status.state == "error" or complaint is not None,
        kind=f"{status.state} {status.renderer} {status.device} {status.fps > 0} {condition.is_hidden} {words}",
        fps=status.fps,
        latency_ms=status.latency_ms,
    )
