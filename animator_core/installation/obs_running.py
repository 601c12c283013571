"""Whether an OBS runs that uses given settings.

Standard library only.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from animator_core.installation.obs_installs import Machine, ObsInstall

_COMMANDS = {
    "Windows": ("tasklist", "/FO", "CSV", "/NH", "/FI", "IMAGENAME eq obs64.exe"),
    "Darwin": ("ps", "-axo", "comm="),
}
_SHOWN = {"Windows": "obs64.exe", "Darwin": "OBS.app/Contents/MacOS/OBS"}
"""Text in the command's answer while OBS runs."""
_LINUX_NAMES = ("obs", "obs-studio")


def is_running(install: ObsInstall, machine: Machine) -> bool:
    """Return whether an OBS runs that may have this installation's settings open, also if that cannot be told."""
    if machine.system in _COMMANDS:
        try:
            command = _COMMANDS[machine.system]
            answer = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=30)
        except (OSError, subprocess.SubprocessError):
            return True
        return _SHOWN[machine.system].casefold() in answer.stdout.casefold()
    return any(_may_use(process, install) for process in (machine.root / "proc").glob("[0-9]*"))


def _may_use(process: Path, install: ObsInstall) -> bool:
    """Return whether a process of Linux is an OBS with these settings; process: its folder of /proc."""
    try:
        if (process / "comm").read_text(errors="replace").strip() not in _LINUX_NAMES:
            return False
        entries = (process / "environ").read_bytes().split(b"\0")
    except PermissionError:
        return False  # another user's, who has other settings
    except OSError:
        return False  # it has ended
    environ = dict(os.fsdecode(entry).partition("=")[::2] for entry in entries if b"=" in entry)
    if install.is_sandboxed:
        return True  # its environment has the sandbox's paths
    home = Path(environ.get("HOME", ""))
    folder = Path(environ.get("XDG_CONFIG_HOME", "") or home / ".config") / "obs-studio"
    return not environ or folder == install.settings or _is_same(folder, install.settings)


def _is_same(first: Path, second: Path) -> bool:
    try:
        return first.samefile(second)
    except OSError:
        return False
