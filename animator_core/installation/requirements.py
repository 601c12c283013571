"""Which Pythons and machines the program supports, and the packages that pyproject.toml declares for them.

Standard library only: install.py imports this before any package is there.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

from animator_core.installation.console import InstallError

OLDEST_PYTHON = (3, 9)
NEWEST_PYTHON = (3, 14)
# The last Python for which mediapipe's wheel has the FaceMesh models inside (and whose torch has Intel Mac wheels).
NEWEST_PYTHON_WITH_FACE_MESH = (3, 12)
MACHINES = {"Linux": ("x86_64",), "Windows": ("AMD64",), "Darwin": ("arm64", "x86_64")}

_TABLE = r"^\[{}\]$(.*?)(?=^\[|\Z)"
_ARRAY = r"^{} = (\[.*?\])$"


def python_problem(version: tuple[int, int], system: str, machine: str, is_64_bit: bool) -> InstallError | None:
    """Return why this Python cannot run the program, None if it can."""
    name, best = f"Python {version[0]}.{version[1]}", "install Python 3.12 from python.org and run install.py with it"
    if version > NEWEST_PYTHON:
        newest = f"{NEWEST_PYTHON[0]}.{NEWEST_PYTHON[1]}"
        return InstallError(
            f"{name} is too new: there is no mediapipe package for it yet (3.9 to {newest} have one)", best
        )
    if version < OLDEST_PYTHON:
        return InstallError(f"{name} is too old, 3.9 or newer is needed", best)
    if not is_64_bit:
        return InstallError(f"this {name} is a 32-bit one, for which there are no packages", f"{best} (the 64-bit one)")
    if machine not in MACHINES.get(system, ()):
        known = ", ".join(f"{name} {'/'.join(machines)}" for name, machines in MACHINES.items())
        return InstallError(
            f"there is no mediapipe package for {system} on {machine} (there is for {known})", "use such a machine"
        )
    if (system, machine) == ("Darwin", "arm64") and version < (3, 10):
        return InstallError(f"{name} on Apple silicon has no pyvirtualcam package, 3.10 or newer is needed", best)
    if (system, machine) == ("Darwin", "x86_64") and version > NEWEST_PYTHON_WITH_FACE_MESH:
        return InstallError(f"{name} on an Intel Mac has no mediapipe and torch packages", best)
    return None


def declared_packages(project_file: Path, group: str = "") -> tuple[str, ...]:
    """Return the requirements that a pyproject.toml declares, with their markers, which pip evaluates.

    group: the name of an optional dependency, "" for the dependencies. Raises InstallError if there is none.

    Python 3.9 and 3.10 have no TOML reader. An array of plain strings is written as in Python, comments included.
    """
    table, name = ("project.optional-dependencies", group) if group else ("project", "dependencies")
    try:
        text = project_file.read_text(encoding="utf-8")
        body = re.search(_TABLE.format(re.escape(table)), text, re.DOTALL | re.MULTILINE)
        array = re.search(_ARRAY.format(re.escape(name)), body[1] if body else "", re.DOTALL | re.MULTILINE)
        return tuple(ast.literal_eval(array[1] if array else ""))
    except (OSError, ValueError, SyntaxError) as exc:
        raise InstallError(f"{project_file} declares no {name}", "get the whole repository again") from exc
