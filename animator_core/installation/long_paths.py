"""Folders whose path is too long for the packages on Windows.

Standard library only.
"""

from __future__ import annotations

import sys
from pathlib import Path

from animator_core.installation.console import InstallError

_SITE_PACKAGES = "\\.venv\\Lib\\site-packages\\"
_LONGEST_MEMBER = 173
"""Characters of the longest path in torch's wheel for Windows, with the six of "+cu130"."""
_LONGEST_PATH = 259
"""Windows' MAX_PATH without the closing zero."""


def path_problem(root: Path) -> InstallError | None:
    """Return why the packages' longest paths do not fit below ``root`` on this Windows, None if they do."""
    spare = _LONGEST_PATH - len(_SITE_PACKAGES) - _LONGEST_MEMBER
    if len(str(root)) <= spare or _has_long_paths():
        return None
    return InstallError(
        f"the path of this folder has {len(str(root))} characters, at most {spare} fit ({root})",
        r"move it to a short one such as C:\StreamMotionAnimator",
    )


def _has_long_paths() -> bool:
    if sys.platform != "win32":
        return True
    import winreg

    try:
        with winreg.OpenKey(winreg.HKEY_LOCAL_MACHINE, r"SYSTEM\CurrentControlSet\Control\FileSystem") as key:
            return bool(winreg.QueryValueEx(key, "LongPathsEnabled")[0])
    except OSError:
        return False
