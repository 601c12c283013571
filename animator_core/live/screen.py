"""Tries whether a window can be opened; on Linux, OpenCV's toolkit ends the whole process if not."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

_ANSWER_SECONDS = 20.0
_TRIAL = """
import resource
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
import cv2
try:
    cv2.namedWindow("trial")
except cv2.error:
    pass  # this OpenCV has no windows at all, which the caller finds out as well
"""


@dataclass(frozen=True)
class Screen:
    """Whether windows can be opened, and the display that the environment names, "" for none."""

    is_there: bool
    name: str = ""


def find_screen() -> Screen:
    """Return the screen for windows; takes as long as it takes to import OpenCV.

    Another process tries it: Qt calls abort() if the display does not answer, may not be used, or is only Wayland.
    """
    if not sys.platform.startswith("linux"):
        return Screen(True)
    named = (f"{name}={value}" for name in ("DISPLAY", "WAYLAND_DISPLAY") if (value := os.environ.get(name)))
    name = " and ".join(named)
    if not name:
        return Screen(False)
    quiet = subprocess.DEVNULL
    try:
        done = subprocess.run(
            [sys.executable, "-c", _TRIAL], stdin=quiet, stdout=quiet, stderr=quiet, timeout=_ANSWER_SECONDS
        )
    except subprocess.TimeoutExpired:
        return Screen(False, name)
    except OSError:
        return Screen(True, name)  # no process can be started; the window itself will tell
    return Screen(done.returncode == 0, name)
