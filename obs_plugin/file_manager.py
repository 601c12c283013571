"""Opens a folder in the file manager of the desktop, and the page of thumbnails in the browser, beside OBS."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import logging
import subprocess
import sys
import threading
from pathlib import Path

from obs_plugin.installation import Installation
from obs_plugin.texts import text

logger = logging.getLogger(__name__)

_PROGRAMS = {"win32": "explorer", "darwin": "open"}


def open_folder(folder: Path) -> None:
    """Show a folder, which is made if it is missing; returns at once, and logs what fails."""
    threading.Thread(target=_open, args=(folder,), name="sma-folder", daemon=True).start()


def open_thumbnails(installation: Installation) -> None:
    """Have the command `characters --sheet` make and open its page; returns at once, and logs what fails."""
    threading.Thread(target=_run_thumbnails, args=(installation,), name="sma-thumbnails", daemon=True).start()


def _run_thumbnails(installation: Installation) -> None:
    command = [str(installation.python), "-m", "animator_core", "characters", "--sheet"]
    try:
        # The browser may stay a child of the command for as long as it is open.
        subprocess.Popen(
            command,
            env=installation.worker_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ).wait()
    except OSError as exc:
        logger.error("%s", text("Log.NoThumbnails", reason=exc.strerror or exc))


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
