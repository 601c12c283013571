"""The findings of checks, and the context that checks get."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from animator_core.config import Config
from animator_core.errors import AnimatorError
from animator_core.ipc.frame_ring import RingError

OK, WARNING, FAILURE = "ok", "warning", "failure"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check.

    state: OK, WARNING (works, but less well) or FAILURE (does not work). remedy: "" if there is nothing to do.
    """

    name: str
    state: str
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class CheckContext:
    """The settings in use and the project's folders."""

    config: Config
    root: Path
    models_dir: Path


Check = Callable[[CheckContext], "list[Finding]"]


def ok(name: str, detail: str) -> Finding:
    """Return a finding that needs no action."""
    return Finding(name, OK, detail)


def warning(name: str, detail: str, remedy: str) -> Finding:
    """Return a finding of something that works, but less well."""
    return Finding(name, WARNING, detail, remedy=remedy)


def failure(name: str, detail: str, remedy: str) -> Finding:
    """Return a finding of something that does not work."""
    return Finding(name, FAILURE, detail, remedy=remedy)


def failure_of(name: str, exc: AnimatorError | RingError) -> Finding:
    """Return the finding for an error."""
    return failure(name, exc.message, exc.remedy)
