"""Bundles what a bug report needs into one archive, without the names of people, files and folders."""

from __future__ import annotations

import getpass
import json
import platform
import re
import socket
import zipfile
from collections.abc import Iterable
from dataclasses import asdict
from importlib import metadata
from pathlib import Path

import animator_core
from animator_core.atomic_file import written_atomically
from animator_core.config import DEFAULT_CONFIG_FILE, PROJECT_ROOT
from animator_core.diagnostics.finding import Finding
from animator_core.installation.obs_entry import this_machine
from animator_core.installation.obs_installs import find_installs
from animator_core.ipc.character_names import list_names

_SHORTEST_NAME = 3
"""Letters: a shorter one would be found inside of other words."""
_SAMPLES = {"amber.png", "astronaut.png", "mira.png", "mira_anime.png"}
_MOST_LOG_BYTES = 1 << 20
_KEPT_LOGS = 3
_SAFE_LOG_LINE = re.compile(
    r"stream_motion_animator|\[obs-scripting\]|\[obs-websocket\] \[obs_module_load\]"
    r"|: (?:CPU Name|CPU Speed|Physical Cores|Physical Memory|Kernel Version|Windows Version|OS Name|OS Version"
    r"|Distribution|Window System|Session Type|Portable mode|Qt Version|OBS \d|Using EGL)"
    r"|Loading up (?:OpenGL|D3D)|\t(?:base|output) resolution:|\tfps:"
    r"|Number of memory leaks|python"
)
"""Lines of OBS's log that tell about the computer, OBS or this filter; all others name the streamer's own sources."""


class Redaction:
    """Replaces the names of folders, user, computer and characters, the longer of two first.

    characters: file names; those of the shipped samples stay.
    """

    def __init__(self, root: Path, home: Path, characters: Iterable[str]) -> None:
        replaced = {str(root): "PROJECT", str(home): "HOME"}
        for number, file in enumerate(sorted(set(characters) - _SAMPLES), 1):
            replaced |= {file: f"character-{number}{Path(file).suffix}", Path(file).stem: f"character-{number}"}
        replaced |= {_user(): "USER", socket.gethostname(): "COMPUTER"}
        names = sorted((name for name in replaced if len(name) >= _SHORTEST_NAME), key=len, reverse=True)
        slashed = {name.replace("\\", "/"): replaced[name] for name in names}
        self._replaced = {name.lower(): text for name, text in {**replaced, **slashed}.items()}
        # The word boundaries keep the user "ann" from being found in "channel".
        patterns = [rf"(?<!\w){re.escape(name)}(?!\w)" for name in dict.fromkeys([*names, *slashed])]
        self._pattern = re.compile("|".join(patterns) or r"(?!)", re.IGNORECASE)

    def __call__(self, text: str) -> str:
        """Return the text without the names."""
        return self._pattern.sub(lambda found: self._replaced[found.group().lower()], text)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A user without an entry in the computer's list.
        return ""


def write_report(path: Path, findings: Iterable[Finding], *, config_path: Path | None, characters: Path) -> list[str]:
    """Write the archive and return the names of its files; raises OSError.

    findings: of `doctor`. characters: the folder of the pictures, of which no name gets in.
    """
    machine = this_machine()
    redacted = Redaction(PROJECT_ROOT, machine.home, _files_in(characters))
    # JSON doubles the backslashes of a path, so that its values are redacted before.
    told = [{name: redacted(text) for name, text in asdict(finding).items()} for finding in findings]
    contents = {
        "findings.json": json.dumps(told, indent=2),
        "versions.txt": _versions(),
        "config.yaml": redacted(_text(config_path or DEFAULT_CONFIG_FILE)),
        "install.log": redacted(_text(PROJECT_ROOT / "cache" / "install.log")),
    }
    logs = [log for install in find_installs(machine) for log in (install.settings / "logs").glob("*.txt")]
    newest = sorted(logs, key=lambda log: log.stat().st_mtime, reverse=True)[:_KEPT_LOGS]
    for number, log in enumerate(newest, 1):
        lines = (line for line in _text(log).splitlines() if _SAFE_LOG_LINE.search(line))
        contents[f"obs-{number}.log"] = redacted("\n".join(lines))
    with written_atomically(path) as unfinished, zipfile.ZipFile(unfinished, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return list(contents)


def _files_in(characters: Path) -> tuple[str, ...]:
    try:
        return list_names(characters)
    except OSError:
        return ()


def _versions() -> str:
    lines = [f"Stream Motion Animator {animator_core.__version__}", f"Python {platform.python_version()}"]
    lines += [platform.platform(), platform.machine()]
    packages = {each.metadata["Name"]: each.version for each in metadata.distributions()}
    return "\n".join([*lines, *(f"{name} {packages[name]}" for name in sorted(packages, key=str.lower))])


def _text(path: Path) -> str:
    """Return the end of a text file, "" if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - _MOST_LOG_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError:
        return ""
