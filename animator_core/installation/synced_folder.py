"""Folders that a program keeps the same as a server's.

Standard library only.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_VARIABLES = ("OneDrive", "OneDriveConsumer", "OneDriveCommercial")
_SERVICES = {
    "OneDrive": r"OneDrive( - .+)?",
    "Dropbox": r"Dropbox( \(.+\))?",
    "Google Drive": r"Google Drive|My Drive",
    "iCloud": r"iCloudDrive|Mobile Documents",
    "a cloud service": r"CloudStorage",
}
"""Service → the name of its folder."""


def syncing_service(folder: Path) -> str:
    """Return the name of the service that uploads everything in ``folder``, "" if none is known to."""
    above = (folder, *folder.parents)
    if any(os.environ.get(variable) and type(folder)(os.environ[variable]) in above for variable in _VARIABLES):
        return "OneDrive"
    names = [each.name for each in above]
    matches = (name for name, pattern in _SERVICES.items() if any(re.fullmatch(pattern, each) for each in names))
    return next(matches, "")
