"""How the worker and a filter are doing, in words for the panel."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from dataclasses import dataclass
from typing import Optional

from animator_core.ipc.protocol import FilterStatus
from obs_plugin.wording import sentences


@dataclass(frozen=True)
class Problem:
    """What is wrong and what to do about it; is_passing: whether it is likely to end by itself within seconds."""

    message: str
    remedy: str = ""
    is_passing: bool = False

    def __str__(self) -> str:
        return f"{self.message}. {self.remedy}" if self.remedy else self.message


@dataclass(frozen=True)
class Condition:
    """One line for the panel.

    is_problem: whether the streamer should act. kind: stays the same while only numbers change. is_urgent: whether
    nothing is animated, so that no later report can be counted on. fps, latency_ms: the numbers in the text.
    """

    text: str
    is_problem: bool = False
    kind: str = ""
    is_urgent: bool = False
    fps: float = 0.0
    latency_ms: float = 0.0

    def is_news_after(self, shown: Optional[Condition]) -> bool:  # noqa: UP045 - read at run time by Python 3.8
        """Return whether somebody who reads the line ``shown`` is misled by it now."""
        if shown is None or shown.kind != self.kind:
            return True
        numbers = ((shown.fps, self.fps, 1.0), (shown.latency_ms, self.latency_ms, 3.0))
        return any(abs(now - before) > max(least, 0.1 * before) for before, now, least in numbers)


_STATE_TEXTS = {
    "loading": "Loading the character …",
    "calibrating": "Calibrating: look straight at the camera for a second",
    "tracking": "Live",
    "no_face": "No face in the picture: the character idles",
    "no_camera": "No new camera picture: the character idles",
    "frozen": "Frozen by hotkey",
    "error": "The character cannot be animated",
}


def describe(
    problem: Problem | None,
    notice: Problem | None,
    status: FilterStatus | None,
    still_problem: str,
    is_hidden: bool,
    folder: str = "",
) -> Condition:
    """Return the panel's line for a filter.

    problem: why the worker does not run. notice: what it complains of while it runs. still_problem: what is wrong
    with the character's picture and, after a semicolon, what to do, or "". is_hidden: whether a hotkey hides the
    character. folder: the installation's, from which paths are told.
    """
    if problem is not None:
        words = sentences(problem.message, problem.remedy, folder)
        return Condition(f"Problem: {words}", True, words, True)
    if still_problem:
        message, _, remedy = still_problem.partition("; ")
        return Condition(f"Problem: {sentences(message, remedy, folder)}", True, still_problem)
    if status is None:
        return Condition("Starting the animation …", kind="starting")
    text = _STATE_TEXTS.get(status.state, status.state)
    if status.fps > 0:
        text += f" · {status.fps:.0f} fps · {status.latency_ms:.0f} ms"
    if status.renderer:
        text += f" · {status.renderer} on {status.device}" if status.device else f" · {status.renderer}"
    if is_hidden:
        text += " · hidden by hotkey"
    complaint = Problem(status.message, status.remedy) if status.message else notice
    words = sentences(complaint.message, complaint.remedy, folder) if complaint is not None else ""
    if words:
        text += f"\n{words}"
    kind = f"{status.state} {status.renderer} {status.device} {status.fps > 0} {is_hidden} {words}"
    is_problem = status.state == "error" or complaint is not None
    return Condition(text, is_problem, kind, False, status.fps, status.latency_ms)
