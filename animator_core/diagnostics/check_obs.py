"""Checks OBS, and the Python that it loads."""

from __future__ import annotations

import ctypes
import os
import plistlib
import re
import shutil
import subprocess
import sys
from pathlib import Path

from animator_core.diagnostics.finding import CheckContext, Finding, failure, ok, warning
from animator_core.installation.obs_setup import SCRIPT, first_obs_for_python, python_folder

_OLDEST = 28
_MAC_PROGRAM = Path("/Applications/OBS.app/Contents/MacOS/OBS")
_FIRST_WITH_ANY_MAC_PYTHON = (31, 1)
"""31.0.2 can too, but the patch version is not known here."""
_FILE_VERSION_OFFSET = 8
"""Offset in bytes of dwFileVersionMS in Windows' VS_FIXEDFILEINFO."""


def check_obs(context: CheckContext) -> list[Finding]:
    """Check that OBS is installed and can load the script, as far as this can be checked without starting it."""
    script = context.root / SCRIPT
    if not script.is_file():
        return [failure("OBS script", f"{script} is missing", "download the whole project again")]
    program = find_obs()
    if program is None:
        # It may be in an unusual folder.
        missing = warning("OBS", "OBS Studio was not found", "install OBS Studio 28 or newer, if you use it")
        return [missing, *_python_for_obs(None)]
    version = obs_version(program)
    return [_version_finding(program, version), *_python_for_obs(version)]


def _version_finding(program: Path, version: tuple[int, int] | None) -> Finding:
    if version is None:
        return ok("OBS", f"{program} (unknown version; 28 or newer is needed)")
    shown = f"{program}, version {version[0]}.{version[1]}"
    if version[0] < _OLDEST:
        return failure("OBS", f"{shown} is too old", "install OBS Studio 28 or newer")
    return ok("OBS", shown)


def _python_for_obs(obs: tuple[int, int] | None) -> list[Finding]:
    """Check that OBS can load the Python of this program; obs: its version, None if unknown."""
    if sys.platform.startswith("linux"):
        return []  # OBS is built against the system's Python there
    version = (sys.version_info[0], sys.version_info[1])
    name = f"Python {version[0]}.{version[1]}"
    first = first_obs_for_python(version)
    system = "Windows" if sys.platform == "win32" else "Darwin"
    if python_folder(system, version, Path(sys.base_prefix)) is None:
        detail = f"OBS cannot load {name} of {sys.base_prefix}, which runs this program"
        remedy = (
            "install Python 3.12 from python.org beside it (3.12.10 is the last one with an installer), and choose its "
            "folder in OBS: Tools → Scripts → Python Settings → Browse"
        )
        return [warning("Python for OBS", detail, remedy)]
    if obs is not None and obs < tuple(int(part) for part in first.split(".")):
        detail = f"{name} needs OBS {first} or newer; this is {obs[0]}.{obs[1]}"
        return [warning("Python for OBS", detail, "update OBS")]
    if obs is not None and obs < _FIRST_WITH_ANY_MAC_PYTHON and not _is_current_mac_python():
        detail = f"this OBS loads only the Python of Python.framework/Versions/Current, which is not {name}"
        return [warning("Python for OBS", detail, "update OBS to 31.0.2 or newer")]
    return [ok("Python for OBS", f"OBS {first} and newer can load {name}")]


def _is_current_mac_python() -> bool:
    """Return whether this is macOS' current framework Python, or the system has none; a later install replaces it."""
    folder = Path(sys.base_prefix)
    current = folder.parent / "Current"
    return sys.platform != "darwin" or not current.exists() or current.samefile(folder)


def find_obs() -> Path | None:
    """Return the OBS program in its usual folder, or None."""
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
    """Return the version of OBS, (major, minor), without opening a window; None if unknown."""
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
    library = ctypes.WinDLL("version")  # type: ignore[attr-defined]
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
