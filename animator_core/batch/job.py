"""Jobs, and the events that their workers report; loads nothing heavy, as a worker limits its threads first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Union

if TYPE_CHECKING:
    from animator_core.batch.manifest import BatchClip


@dataclass(frozen=True)
class Job:
    """One attempt at a clip; unfinished: the file's name while it is being written."""

    clip: BatchClip
    unfinished: Path


@dataclass(frozen=True)
class Outcome:
    """How an attempt ended.

    reason: why it failed, "" if it is done. facts: about the written file, as JSON takes them. is_spent: the process
    may be damaged, and is replaced.
    """

    reason: str = ""
    facts: Mapping[str, Any] = field(default_factory=dict)
    is_spent: bool = False


@dataclass(frozen=True)
class Advanced:
    """So many more frames were written."""

    frames: int


@dataclass(frozen=True)
class Ended:
    """An attempt ended; if its worker died with it, ``outcome`` says so."""

    job: Job
    outcome: Outcome


Event = Union[Advanced, Ended]


class Stopped(BaseException):
    """The batch is to end: raised in a clip between two frames."""


class Runner(Protocol):
    """Carries out jobs, one after the other."""

    def run(self, job: Job, advance: Callable[[int], None]) -> Outcome:
        """Carry a job out. advance: to be called between frames, with the number just written; may raise Stopped."""
        ...


class Workers(Protocol):
    """A number of workers that carry out a job each."""

    @property
    def free_count(self) -> int:
        """Number of jobs that can begin now."""
        ...

    def begin(self, job: Job) -> None:
        """Give a job to a free worker."""
        ...

    def events(self, timeout_seconds: float) -> Sequence[Event]:
        """Return the events since the last call, as soon as there are any."""
        ...

    def stop(self) -> None:
        """End all workers; the unfinished files of their jobs are removed."""
        ...
