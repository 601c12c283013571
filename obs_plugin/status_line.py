"""The status line of the panel: the state of the worker and of a filter in words."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import textwrap
from dataclasses import dataclass

from animator_core.ipc.protocol import FilterStatus
from obs_plugin.problem import Problem
from obs_plugin.texts import text
from obs_plugin.wording import sentences

BLOCK_LINES = 4
"""Lines of the panel's first text, so that the widgets below stay in place: state, renderer, and two of a problem."""
_LINE_CHARACTERS = 80
"""More do not fit beside the list of filters in OBS's window of its first size."""


@dataclass(frozen=True)
class StatusLine:
    """The state in lines for the panel: how it goes, the renderer in use, the problem and its remedy.

    is_problem: whether the streamer should act. kind: identifies the line apart from its numbers. is_urgent: whether
    the worker does not run, so that no later status can be expected. fps, latency_ms: the numbers in the text.
    """

    text: str
    is_problem: bool = False
    kind: str = ""
    is_urgent: bool = False
    fps: float = 0.0
    latency_ms: float = 0.0

    def as_block(self, note: str = "") -> str:
        """Return the text, and a note if there is room, in `BLOCK_LINES` lines; in more only if a problem is long."""
        lines = [line for part in self.text.splitlines() for line in textwrap.wrap(part, _LINE_CHARACTERS)]
        if note and len(lines) < BLOCK_LINES:
            lines.append(note)
        return "\n".join(lines + [" "] * (BLOCK_LINES - len(lines)))

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
        return StatusLine(text("Status.Problem", problem=words), is_problem=True, kind=words, is_urgent=is_urgent)
    if status is None:
        return StatusLine(text("Status.Starting"), kind="starting")
    first = [text(f"State.{status.state}")]
    if status.fps > 0:
        first += [text("Status.Numbers", fps=f"{status.fps:.0f}", latency=f"{status.latency_ms:.0f}")]
    if condition.is_hidden:
        first += [text("Status.Hidden")]
    lines = [" · ".join(first)]
    if status.renderer:
        name = text(f"Renderer.{status.renderer}")
        lines += [text("Status.Renderer", renderer=f"{name} · {status.device}" if status.device else name)]
    return StatusLine(
        "\n".join([*lines, words] if words else lines),
        is_problem=status.state == "error" or complaint is not None,
        kind=f"{status.state} {status.renderer} {status.device} {status.fps > 0} {condition.is_hidden} {words}",
        fps=status.fps,
        latency_ms=status.latency_ms,
    )
