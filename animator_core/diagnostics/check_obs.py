"""Checks every OBS of this computer, and the Python that it loads."""

from __future__ import annotations

import os
import sys
from configparser import ConfigParser
from pathlib import Path

from animator_core.diagnostics.finding import CheckContext, Finding, failure, ok, warning
from animator_core.installation.obs_entry import this_machine
from animator_core.installation.obs_installs import (
    ObsInstall,
    find_installs,
    obs_version,
    python_setting,
    read_settings,
)
from animator_core.installation.obs_running import is_running
from animator_core.installation.obs_setup import SCRIPT, first_obs_for_python, loadable_python, python_folder

_OLDEST = 28
_FIRST_WITH_ANY_MAC_PYTHON = (31, 0, 2)


def check_obs(context: CheckContext) -> list[Finding]:
    """Check that OBS is installed and can load the script, as far as this can be checked without starting it."""
    script = context.root / SCRIPT
    if not script.is_file():
        return [failure("OBS script", f"{script} is missing", "download the whole project again")]
    installs = find_installs(this_machine())
    if not installs:
        # It may be in an unusual folder.
        missing = warning("OBS", "OBS Studio was not found", "install OBS Studio 28 or newer, if you use it")
        return [missing, *_python_for_obs(None), *_locale(context.root)]
    findings = []
    for install in installs:
        if install.is_sandboxed:
            detail = f"{install.name}: its sandbox cannot start the worker"
            report = failure if all(other.is_sandboxed for other in installs) else warning
            findings.append(report("OBS", detail, "use your distribution's package of OBS"))
            continue
        version = obs_version(install, this_machine().system)
        settings = read_settings(install)
        findings += [_version_finding(install, version), *_faults_of(version, settings)]
        findings += [*_python_for_obs(version), *_scripting(install), *_python_chosen(settings)]
    return list(dict.fromkeys([*findings, *_locale(context.root)]))


def _version_finding(install: ObsInstall, version: tuple[int, ...] | None) -> Finding:
    state = ", running" if is_running(install, this_machine()) else ""
    if version is None:
        return ok("OBS", f"{install.name} (unknown version; 28 or newer is needed){state}")
    shown = f"{install.name}, version {'.'.join(map(str, version))}"
    if version[0] < _OLDEST:
        return failure("OBS", f"{shown} is too old", "install OBS Studio 28 or newer")
    return ok("OBS", shown + state)


def _faults_of(version: tuple[int, ...] | None, settings: ConfigParser) -> list[Finding]:
    """Return the faults of this OBS itself that a user of the filter meets."""
    if version is None:
        return []
    shown = ".".join(map(str, version))
    if version[:2] == (30, 2) and version[2:] <= (3,):
        detail = f"OBS {shown} crashes when a source is removed that has a filter, any filter"
        return [
            warning("OBS", detail, "update OBS to 31 or newer; until then remove the filter first, then the source")
        ]
    has_guides = settings.get("BasicWindow", "SpacingHelpersEnabled", fallback="true").strip() != "false"
    if version[0] in (28, 29) and has_guides:
        detail = f"OBS {shown} can crash while scenes change quickly"
        remedy = 'update OBS to 30 or newer, or clear Settings → General → Preview → "Show pixel alignment guides"'
        return [warning("OBS", detail, remedy)]
    return []


def _python_for_obs(obs: tuple[int, ...] | None) -> list[Finding]:
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


def _python_chosen(settings: ConfigParser) -> list[Finding]:
    """Check the folder in OBS's Python Settings, which Windows and macOS need."""
    if sys.platform.startswith("linux"):
        return []
    remedy = "in OBS: Tools → Scripts → Python Settings → Browse; cache/obs-setup.txt has the path to paste"
    folder = python_setting(settings)
    if not folder:
        return [warning("OBS's Python Settings", "no folder is chosen: OBS loads no Python script", remedy)]
    found = loadable_python("Windows" if sys.platform == "win32" else "Darwin", Path(folder))
    if not found:
        detail = f"{folder} has no Python from 3.6 to 3.12 that OBS can load"
        return [failure("OBS's Python Settings", detail, remedy)]
    if found < (3, 8):
        detail = f"{folder} has Python {found[0]}.{found[1]}; the script needs 3.8 or newer"
        return [failure("OBS's Python Settings", detail, remedy)]
    return [ok("OBS's Python Settings", f"Python {found[0]}.{found[1]} in {folder}")]


def _scripting(install: ObsInstall) -> list[Finding]:
    """Check that a distribution's OBS was built with Python scripts; others always are, or cannot be looked into."""
    if install.kind != "package":
        return []
    prefix = install.program.resolve().parents[1]
    for pattern in ("lib/obs-scripting", "lib64/obs-scripting", "lib/*/obs-scripting"):
        if any((folder / "_obspython.so").exists() for folder in prefix.glob(pattern)):
            return []
    detail = f"{install.program} seems to be built without Python scripts"
    return [warning("OBS", detail, "if Tools → Scripts takes no .py file, install the OBS of another source")]


def _locale(root: Path) -> list[Finding]:
    """Check that OBS on Linux can read the path of the script; it cannot if it is not ASCII and the locale is "C"."""
    if not sys.platform.startswith("linux") or str(root).isascii():
        return []
    name = next((os.environ[key] for key in ("LC_ALL", "LC_CTYPE", "LANG") if os.environ.get(key)), "C")
    if "utf-8" in name.casefold() or "utf8" in name.casefold():
        return []
    detail = f"with the locale {name} OBS cannot read the folder {root}, whose name is not ASCII"
    return [warning("OBS", detail, "start OBS with LANG=C.UTF-8, or move the folder")]
