"""The paths of this installation, found from this file's own path."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import os
import sys
from dataclasses import dataclass
from pathlib import Path

PYTHON_VARIABLE = "STREAM_MOTION_ANIMATOR_PYTHON"
"""Environment variable with the path of another interpreter for the worker."""


@dataclass(frozen=True)
class Installation:
    """The folder that holds obs_plugin, animator_core and assets, and the interpreter of its virtual environment."""

    root: Path
    python: Path

    @property
    def characters(self) -> Path:
        return self.root / "assets" / "characters"

    @property
    def emotes(self) -> Path:
        return self.root / "assets" / "emotes"

    @property
    def worker_command(self) -> list[str]:
        return [str(self.python), "-m", "animator_core", "worker", "--parent-pid", str(os.getpid())]

    def worker_environment(self) -> dict[str, str]:
        """Return the worker's environment: OBS's, without the settings of OBS's Python."""
        # A framework build of Python on macOS leaves the last one behind.
        prefixes = ("PYTHON", "__PYVENV_LAUNCHER__")
        environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(prefixes)}
        # Without PYTHONNOUSERSITE the user's own packages would precede those of the virtual environment.
        environment.update(PYTHONPATH=str(self.root), PYTHONNOUSERSITE="1", PYTHONUNBUFFERED="1", PYTHONUTF8="1")
        return environment


def find_installation() -> Installation:
    """Return this installation; its interpreter may be missing."""
    root = Path(__file__).resolve().parents[1]
    inside = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    override = os.environ.get(PYTHON_VARIABLE, "")
    return Installation(root, Path(override) if override else root.joinpath(".venv", *inside))
