"""OBS, and the Python that it can load."""

from __future__ import annotations

import ctypes
import os
import plistlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from animator_core.diagnostics.finding import FAILURE, OK, WARNING, Finding, Surroundings
from animator_core.installation.obs_setup import SCRIPT, first_obs_for_python, python_folder

_OLDEST = 28
_MAC_PROGRAM = Path("/Applications/OBS.app/Contents/MacOS/OBS")
_FIRST_WITH_ANY_MAC_PYTHON = (31, 1)
"""31.0.2 can already, but 31.0 is all that is known of it."""
_FILE_VERSION_OFFSET = 8
"""Of the version's upper half in Windows' VS_FIXEDFILEINFO, in bytes."""


def check_obs(surroundings: Surroundings) -> list[Finding]:
    """Whether OBS is there and can load the script, as far as that can be told from outside."""
    script = surroundings.root / SCRIPT
    if not script.is_file():
        return [Finding("OBS script", FAILURE, f"{script} is missing", "get the whole project again")]
    program = find_obs()
    if program is None:
        # It may be in a folder of its own.
        missing = Finding("OBS", WARNING, "OBS Studio was not found", "install OBS Studio 28 or newer, if you use it")
        return [missing, *_python_for_obs(None)]
    version = obs_version(program)
    return [_version_finding(program, version), *_python_for_obs(version)]


def _version_finding(program: Path, version: tuple[int, int] | None) -> Finding:
    if version is None:
        return Finding("OBS", OK, f"{program} (its version cannot be told from here; 28 or newer is needed)")
    shown = f"{program}, version {version[0]}.{version[1]}"
    if version[0] < _OLDEST:
        return Finding("OBS", FAILURE, f"{shown} is too old", "install OBS Studio 28 or newer")
    return Finding("OBS", OK, shown)


def _python_for_obs(obs: tuple[int, int] | None) -> list[Finding]:
    """Return whether OBS, of unknown version if None, can load the Python that the program itself runs with."""
    if sys.platform.startswith("linux"):
        return []  # OBS is built against the system's Python there
    version = (sys.version_info[0], sys.version_info[1])
    name = f"Python {version[0]}.{version[1]}"
    first = first_obs_for_python(version)
    system = "Windows" if sys.platform == "win32" else "Darwin"
    if python_folder(system, version, Path(sys.base_prefix)) is None:
        detail = f"OBS cannot load {name} of {sys.base_prefix}, with which this program itself runs"
        remedy = (
            "install Python 3.12 from python.org beside it (3.12.10 is the last one with an installer), and choose its "
            "folder in OBS: Tools → Scripts → Python Settings → Browse"
        )
        return [Finding("Python for OBS", WARNING, detail, remedy)]
    if obs is not None and obs < tuple(int(part) for part in first.split(".")):
        detail = f"{name} is loaded by OBS {first} and newer, not by {obs[0]}.{obs[1]}"
        return [Finding("Python for OBS", WARNING, detail, "update OBS")]
    if obs is not None and obs < _FIRST_WITH_ANY_MAC_PYTHON and not _is_current_mac_python():
        detail = f"this OBS loads only the Python that Python.framework/Versions/Current names, which is not {name}"
        return [Finding("Python for OBS", WARNING, detail, "update OBS to 31.0.2 or newer")]
    return [Finding("Python for OBS", OK, f"{name} can be loaded by OBS {first} and newer")]


def _is_current_mac_python() -> bool:
    """Return False on macOS if another Python was installed later, whose version is now the framework's current one."""
    folder = Path(sys.base_prefix)
    current = folder.parent / "Current"
    return sys.platform != "darwin" or not current.exists() or current.samefile(folder)


def find_obs() -> Path | None:
    """Return the OBS program where it usually is, None where it is not there."""
    if sys.platform == "win32":
        for variable in ("ProgramFiles", "ProgramW6432", "ProgramFiles(x86)"):
            program = Path(os.environ.get(variable, "")) / "obs-studio" / "bin" / "64bit" / "obs64.exe"
            if os.environ.get(variable) and program.is_file():
                return program
        return None
    if sys.platform == "darwin":
        return _MAC_PROGRAM if _MAC_PROGRAM.is_file() else None
    found = shutil.which("obs") or shutil.which("com.obsproject.Studio")
    return Path(found) if found else None


def obs_version(program: Path) -> tuple[int, int] | None:
    """Return the version of OBS, major and minor, without starting a window; None if it cannot be told."""
    try:
        if sys.platform == "win32":
            return _version_of_windows_program(program)
        if sys.platform == "darwin":
            with (program.parents[1] / "Info.plist").open("rb") as file:
                text = str(plistlib.load(file).get("CFBundleShortVersionString", ""))
        else:
            command = [str(program), "--version"]
            answer = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=15)
            text = answer.stdout
    except (OSError, subprocess.SubprocessError, plistlib.InvalidFileException):
        return None
    found = re.search(r"(\d+)\.(\d+)", text)
    return (int(found[1]), int(found[2])) if found else None


def _version_of_windows_program(program: Path) -> tuple[int, int] | None:
    library = ctypes.WinDLL("version")
    size = library.GetFileVersionInfoSizeW(str(program), None)
    data = ctypes.create_string_buffer(size)
    fixed, length = ctypes.c_void_p(), ctypes.c_uint()
    if (
        not size
        or not library.GetFileVersionInfoW(str(program), 0, size, data)
        or not library.VerQueryValueW(data, "\\", ctypes.byref(fixed), ctypes.byref(length))
        or not fixed.value
    ):
        return None
    upper = ctypes.c_uint32.from_address(fixed.value + _FILE_VERSION_OFFSET).value
    return upper >> 16, upper & 0xFFFF
