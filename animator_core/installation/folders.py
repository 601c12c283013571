"""Folders that the program cannot work in: not writable, too deep for Windows, or synchronised to a cloud.

Standard library only.
"""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

_SITE_PACKAGES = "\\.venv\\Lib\\site-packages\\"
_LONGEST_MEMBER = 173
"""Characters of the longest path in torch's wheel for Windows, with the six of "+cu130"."""
_LONGEST_PATH = 259
"""Windows' MAX_PATH without the closing zero."""


def probe_writable(folder: Path) -> None:
    """Make ``folder`` and a file in it, which is removed again; raises OSError.

    Not by `tempfile`: on Windows it takes a folder that may not be written for one with an unlucky name, and tries
    2 147 483 647 others.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"probe-{secrets.token_hex(8)}"
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    path.unlink()


def path_problem(root: Path) -> str:
    """Return why the packages' longest paths do not fit below ``root`` on this Windows, with the remedy, or ""."""
    spare = _LONGEST_PATH - len(_SITE_PACKAGES) - _LONGEST_MEMBER
    if sys.platform != "win32" or len(str(root)) <= spare or _has_long_paths():
        return ""
    return (
        f"the path of this folder has {len(str(root))} characters, at most {spare} fit ({root}); "
        r"move it to a short one such as C:\StreamMotionAnimator"
    )


def _has_long_paths() -> bool:
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    except OSError:
        return False


def cloud_of(root: Path) -> str:
    """Return the name of the service that synchronises ``root``, "" for none."""
    places = [(os.environ.get(name, ""), "OneDrive") for name in ("OneDrive", "OneDriveConsumer", "OneDriveCommercial")]
    places += [
        (str(Path.home() / "Library" / "Mobile Documents"), "iCloud Drive"),
        (str(Path.home() / "Library" / "CloudStorage"), "a cloud drive"),
    ]
    own = _comparable(str(root))
    for place, name in places:
        if place and own.startswith(_comparable(place)):
            return name
    return ""


def _comparable(path: str) -> str:
    return os.path.normcase(path).replace("\\", "/").rstrip("/").casefold() + "/"
