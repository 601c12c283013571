"""Where the parts of this installation are, seen from the plugin's own file."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import os
import sys
from dataclasses import dataclass
from pathlib import Path

PYTHON_VARIABLE = "STREAM_MOTION_ANIMATOR_PYTHON"
"""Environment variable that names another interpreter for the worker."""


@dataclass(frozen=True)
class Installation:
    """The folder that holds obs_plugin, animator_core and assets, and the interpreter of its virtual environment."""

    root: Path
    python: Path

    @property
    def characters(self) -> Path:
        return self.root / "assets" / "characters"

    @property
    def worker_command(self) -> list[str]:
        return [str(self.python), "-m", "animator_core", "worker", "--parent-pid", str(os.getpid())]

    def worker_environment(self) -> dict[str, str]:
        """Return the worker's environment: ours, without what would bend another interpreter."""
        # The last one is what a framework build of Python on macOS leaves behind.
        bends = ("PYTHON", "__PYVENV_LAUNCHER__")
        environment = {name: value for name, value in os.environ.items() if not name.upper().startswith(bends)}
        # Packages of the user's own, of another version, are not taken for those of the virtual environment either.
        environment.update(PYTHONPATH=str(self.root), PYTHONNOUSERSITE="1", PYTHONUNBUFFERED="1", PYTHONUTF8="1")
        return environment


def find_installation() -> Installation:
    """Return this installation; whether its interpreter exists is for the caller to see."""
    root = Path(__file__).resolve().parents[1]
    inside = ("Scripts", "python.exe") if sys.platform == "win32" else ("bin", "python")
    override = os.environ.get(PYTHON_VARIABLE, "")
    return Installation(root, Path(override) if override else root.joinpath(".venv", *inside))
