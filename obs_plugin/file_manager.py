"""Opens a folder in the file manager of the desktop, beside OBS."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import logging
import subprocess
import sys
import threading
from pathlib import Path

from obs_plugin.texts import text

logger = logging.getLogger(__name__)

_PROGRAMS = {"win32": "explorer", "darwin": "open"}


def open_folder(folder: Path) -> None:
    """Show a folder, which is made if it is missing; returns at once, and logs what fails."""
    threading.Thread(target=_open, args=(folder,), name="sma-folder", daemon=True).start()


def _open(folder: Path) -> None:
    program = _PROGRAMS.get(sys.platform, "xdg-open")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        opened = subprocess.Popen(
            [program, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as exc:
        _complain(folder, exc.strerror or str(exc))
        return
    # Collects the ended process; Explorer ends with 1 although it shows the folder.
    code = opened.wait()
    if code and sys.platform != "win32":
        _complain(folder, f"{program}: {code}")


def _complain(folder: Path, reason: str) -> None:
    logger.error("%s", text("Log.FolderNotOpened", folder=folder, reason=reason))
