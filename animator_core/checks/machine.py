"""Folders, disk, OBS and cameras."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from animator_core.checks.finding import FAILURE, OK, WARNING, Finding, Surroundings
from animator_core.installation.folders import probe_writable
from animator_core.installation.obs_setup import SCRIPT, first_obs_for_python

_DISK_FAILURE_BYTES, _DISK_WARNING_BYTES = 100_000_000, 1_000_000_000
_OLDEST_OBS = 28
_MAC_OBS = Path("/Applications/OBS.app/Contents/MacOS/OBS")
_VIDEO_DEVICES = Path("/sys/class/video4linux")


def check_cache(surroundings: Surroundings) -> list[Finding]:
    """Whether generated files can be kept."""
    folder = surroundings.config.performance.cache_dir
    try:
        probe_writable(folder)
    except OSError as exc:
        detail = f"cannot write in {folder} ({exc.strerror}): everything is computed anew at every start"
        return [Finding("cache", FAILURE, detail, "make the folder writable, or set performance.cache_dir to another")]
    return [Finding("cache", OK, f"{folder} can be written")]


def check_disk(surroundings: Surroundings) -> list[Finding]:
    """Whether the disk has room for generated files."""
    free = shutil.disk_usage(surroundings.root).free
    detail = f"{free / 1e9:.1f} GB free"
    if free < _DISK_FAILURE_BYTES:
        return [Finding("disk space", FAILURE, detail, "free some; the cache folder may be emptied at any time")]
    state = WARNING if free < _DISK_WARNING_BYTES else OK
    return [Finding("disk space", state, detail, "free some" if state == WARNING else "")]


def check_obs(surroundings: Surroundings) -> list[Finding]:
    """Whether OBS is there and can load the script, as far as that can be told from outside."""
    script = surroundings.root / SCRIPT
    if not script.is_file():
        return [Finding("OBS script", FAILURE, f"{script} is missing", "get the whole project again")]
    program = find_obs()
    if program is None:
        return [Finding("OBS", WARNING, "OBS Studio was not found", "install OBS Studio 28 or newer, if you use it")]
    version = obs_version(program)
    if version is None:
        detail = f"{program} (its version cannot be told from here; 28 or newer is needed)"
        return [Finding("OBS", OK, detail), *_python_for_obs()]
    shown = f"{program}, version {version[0]}.{version[1]}"
    if version[0] < _OLDEST_OBS:
        return [Finding("OBS", FAILURE, f"{shown} is too old", "install OBS Studio 28 or newer")]
    return [Finding("OBS", OK, shown), *_python_for_obs()]


def _python_for_obs() -> list[Finding]:
    if sys.platform.startswith("linux"):
        return []  # OBS is built against the system's Python there
    first = first_obs_for_python((sys.version_info[0], sys.version_info[1]))
    name = f"Python {sys.version_info[0]}.{sys.version_info[1]}"
    if first:
        return [Finding("Python for OBS", OK, f"{name} can be loaded by OBS {first} and newer")]
    detail = f"OBS cannot load {name}, which this program itself runs with"
    remedy = "install Python 3.12 from python.org beside it; in Tools → Scripts → Python Settings browse to it"
    return [Finding("Python for OBS", WARNING, detail, remedy)]


def find_obs() -> Path | None:
    """Return the OBS program where it usually is, None where it is not there."""
    if sys.platform == "win32":
        for variable in ("ProgramFiles", "ProgramW6432", "ProgramFiles(x86)"):
            program = Path(os.environ.get(variable, "")) / "obs-studio" / "bin" / "64bit" / "obs64.exe"
            if os.environ.get(variable) and program.is_file():
                return program
        return None
    if sys.platform == "darwin":
        return _MAC_OBS if _MAC_OBS.is_file() else None
    found = shutil.which("obs") or shutil.which("com.obsproject.Studio")
    return Path(found) if found else None


def obs_version(program: Path) -> tuple[int, int] | None:
    """Return the version of OBS on Linux, where asking starts no window; None where it cannot be told."""
    if not sys.platform.startswith("linux"):
        return None
    try:
        answer = subprocess.run([str(program), "--version"], capture_output=True, text=True, timeout=15)
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else None


def check_cameras(surroundings: Surroundings) -> list[Finding]:
    """Which cameras there are; none is no failure, OBS may have another source."""
    if not sys.platform.startswith("linux"):
        # Opening them to look would light their lamps and take them from other programs.
        return [Finding("cameras", OK, "not looked for on this system; `run --camera N` tells whether one opens")]
    names = []
    for device in sorted(_VIDEO_DEVICES.glob("video*")) if _VIDEO_DEVICES.is_dir() else []:
        try:
            names.append(f"{device.name[5:]}: {(device / 'name').read_text(encoding='utf-8').strip()}")
        except OSError:
            continue
    if not names:
        return [Finding("cameras", WARNING, "none found", "plug one in, if you do not use another kind of source")]
    locked = [name for name in names if not os.access(f"/dev/video{name.split(':')[0]}", os.R_OK | os.W_OK)]
    if locked:
        remedy = 'add yourself to the group "video" (sudo usermod -aG video $USER) and log in again'
        return [Finding("cameras", WARNING, f"may not be opened: {', '.join(locked)}", remedy)]
    return [Finding("cameras", OK, ", ".join(names))]
