"""What the user does in OBS, with this machine's exact paths.

Standard library only.
"""

from __future__ import annotations

from pathlib import Path

SCRIPT = "obs_plugin/stream_motion_animator.py"
# The newest Python that the OBS versions can load on Windows and macOS: (minor version, first OBS that accepts it).
_ACCEPTED_FROM = ((10, "28"), (11, "29.1"), (12, "30.1"))


def first_obs_for_python(version: tuple[int, int]) -> str:
    """Return the first OBS that loads this Python on Windows and macOS, "" where none does (OBS 32 at the latest)."""
    for minor, obs in _ACCEPTED_FROM:
        if version <= (3, minor):
            return obs
    return ""


def python_folder(system: str, version: tuple[int, int], base_prefix: Path) -> Path | None:
    """Return the folder to enter in OBS's Python Settings, None where OBS could not load the Python that is there."""
    if not first_obs_for_python(version):
        return None
    if system == "Windows":
        library = base_prefix / f"python{version[0]}{version[1]}.dll"
        return base_prefix if library.exists() else None
    for folder in base_prefix.parents:
        if (folder / "Python.framework") in (base_prefix, *base_prefix.parents):
            return folder
    return None


def _python_step(system: str, version: tuple[int, int], base_prefix: Path) -> str:
    if system == "Linux":
        return "OBS on Linux brings its own Python: nothing to set."
    folder = python_folder(system, version, base_prefix)
    if folder is None:
        example = (
            r"C:\Users\YOU\AppData\Local\Programs\Python\Python312" if system == "Windows" else "/Library/Frameworks"
        )
        return (
            'tab "Python Settings": OBS must load a Python from 3.8 to 3.12 (3.12: OBS 30.1 and newer, 3.11: 29.1, '
            f"3.10: 28). Install one from python.org, it needs no packages, and enter its folder, such as {example}"
        )
    accepted = f"Python {version[0]}.{version[1]}, accepted by OBS {first_obs_for_python(version)} and newer"
    return f'tab "Python Settings": enter {folder} ({accepted})'


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
