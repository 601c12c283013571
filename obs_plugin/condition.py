"""How the worker and a filter are doing, in words for the panel."""

from __future__ import annotations

from dataclasses import dataclass

from animator_core.protocol import FilterStatus


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
    nothing is animated, so that no later report can be counted on.
    """

    text: str
    is_problem: bool = False
    kind: str = ""
    is_urgent: bool = False


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
) -> Condition:
    """Return the panel's line for a filter.

    problem: why the worker does not run. notice: what it complains of while it runs. still_problem: what is wrong
    with the character's picture, or "". is_hidden: whether a hotkey hides the character.
    """
    if problem is not None:
        return Condition(f"Problem: {problem}", True, str(problem), True)
    if still_problem:
        return Condition(f"Problem: {still_problem}.", True, still_problem)
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
    if complaint is not None:
        text += f"\n{complaint}"
    return Condition(text, status.state == "error" or complaint is not None, f"{status.state} {complaint}")
