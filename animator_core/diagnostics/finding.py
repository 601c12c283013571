"""What one check says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from animator_core.config import Config
from animator_core.errors import AnimatorError

OK, WARNING, FAILURE = "ok", "warning", "failure"


@dataclass(frozen=True)
class Finding:
    """The outcome of one check: ``state`` is OK, WARNING (works, but less well) or FAILURE (does not work).

    detail: what was found. remedy: what to do, "" where nothing is to be done.
    """

    name: str
    state: str
    detail: str
    remedy: str = ""


@dataclass(frozen=True)
class Surroundings:
    """What the checks look at: the settings in use and the folders of the project."""

    config: Config
    root: Path
    models_dir: Path


Check = Callable[[Surroundings], "list[Finding]"]


def failure_of(name: str, exc: AnimatorError) -> Finding:
    """Return the finding for an error."""
    return Finding(name, FAILURE, exc.message, exc.remedy)
