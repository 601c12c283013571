"""The user's steps in OBS, with this machine's exact paths.

Standard library only.
"""

from __future__ import annotations

import ctypes
from pathlib import Path

SCRIPT = "obs_plugin/stream_motion_animator.py"
# The newest Python that the OBS versions can load on Windows and macOS: (minor version, first OBS that accepts it).
_ACCEPTED_FROM = ((10, "28"), (11, "29.1"), (12, "30.1"))


def first_obs_for_python(version: tuple[int, int]) -> str:
    """Return the first OBS that loads this Python on Windows and macOS, "" if none does (OBS 32 at the latest)."""
    for minor, obs in _ACCEPTED_FROM:
        if version <= (3, minor):
            return obs
    return ""


def python_folder(system: str, version: tuple[int, int], base_prefix: Path) -> Path | None:
    """Return the folder to name in OBS's Python Settings, None if OBS could not load the Python that is there."""
    if not first_obs_for_python(version):
        return None
    if system == "Windows":
        library = base_prefix / f"python{version[0]}{version[1]}.dll"
        return base_prefix if library.exists() and not _is_from_store(base_prefix) else None
    for folder in base_prefix.parents:
        if (folder / "Python.framework") in (base_prefix, *base_prefix.parents):
            return folder
    return None


def loadable_python(system: str, folder: Path) -> tuple[int, int] | None:
    """Return the Python that OBS loads from a folder chosen in its Python Settings, None if it loads none.

    OBS tries the versions from the newest to the oldest, 3.6. folder: on Windows that of pythonXY.dll, on macOS the one
    that has Python.framework.
    """
    if system == "Windows" and (_is_from_store(folder) or not str(folder).isascii()):
        return None
    for minor in range(_ACCEPTED_FROM[-1][0], 5, -1):
        if system == "Windows":
            library = folder / f"python3{minor}.dll"
        else:
            library = folder / f"Python.framework/Versions/3.{minor}"
        if library.exists():
            return 3, minor
    return None


def _is_from_store(base_prefix: Path) -> bool:
    """Whether it is the Microsoft Store's: its files are there, but no other program may open them."""
    return "windowsapps" in str(base_prefix).casefold()


def short_path(folder: str) -> str:
    """Return the 8.3 name that Windows keeps for ``folder``, or ``folder`` on disks that keep none."""
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]
    length = kernel.GetShortPathNameW(folder, None, 0)
    buffer = ctypes.create_unicode_buffer(length or 1)
    return buffer.value if length and kernel.GetShortPathNameW(folder, buffer, length) else folder


def _python_step(system: str, version: tuple[int, int], base_prefix: Path) -> str:
    if system == "Linux":
        return "OBS on Linux brings its own Python: nothing to set."
    folder = python_folder(system, version, base_prefix)
    if folder is None:
        reason = "this Python is the Microsoft Store's, which OBS cannot open. " if _is_from_store(base_prefix) else ""
        example = r"C:\Program Files\Python312" if system == "Windows" else "/Library/Frameworks"
        return (
            f'tab "Python Settings": {reason}OBS must load a Python from 3.8 to 3.12 (3.12: OBS 30.1 and newer, 3.11: '
            "29.1, 3.10: 28). Install one from python.org (3.12.10 is the last 3.12 with an installer); it needs no "
            f"packages. Then press Browse and paste its folder into the dialog, such as {example}"
        )
    shown = str(folder)
    # OBS gives this path, in UTF-8, to a function that reads it in the system's code page.
    if system == "Windows" and not shown.isascii():
        shown = short_path(shown)
        if not shown.isascii():
            return (
                f'tab "Python Settings": OBS cannot read the path of this Python ({folder}). Install Python 3.12 from '
                r"python.org for all users, press Browse and paste its folder, C:\Program Files\Python312"
            )
    accepted = f"Python {version[0]}.{version[1]}, accepted by OBS {first_obs_for_python(version)} and newer"
    keys = " (Shift+Command+G)" if system == "Darwin" else ""
    return f'tab "Python Settings": press Browse and paste this path into the dialog{keys}: {shown} ({accepted})'


def obs_steps(root: Path, system: str, version: tuple[int, int], base_prefix: Path) -> str:
    """Return the clicks in OBS as numbered lines.

    version, base_prefix: of the Python under the virtual environment (`sys.version_info[:2]`, `sys.base_prefix`).
    """
    return "\n".join(
        (
            f"1. OBS: Tools → Scripts. {_python_step(system, version, base_prefix)}",
            f"2. In Scripts, press + and choose {root / SCRIPT}",
            "3. Right-click your webcam source → Filters.",
            "4. Under Effect Filters press + and choose Stream Motion Animator.",
            "5. Press Character, pick one and look straight at the camera for a second.",
            "Hotkeys are in Settings → Hotkeys.",
            "OBS keeps scripts in the scene collection: for another collection, do step 2 there too.",
        )
    )
