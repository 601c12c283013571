"""Process and thread priority, timers, thread limits, parent watch."""

from __future__ import annotations

import contextlib
import ctypes
import logging
import os
import sys

import psutil

logger = logging.getLogger(__name__)

_NICENESS = 5
_MOST_THREADS = 4


def limit_threads(threads: int | None = None) -> int:
    """Keep the number libraries from taking every core; to be called before they are imported. Returns the limit.

    threads: None for what OBS leaves to the worker.
    """
    if threads is None:
        cores = os.cpu_count() or 1
        threads = min(_MOST_THREADS, cores if cores <= 2 else cores // 2)
    for variable in ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, str(threads))
    # MediaPipe's C++ log: errors only.
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    return threads


def limit_opencv_threads(threads: int) -> None:
    """Give OpenCV's own pool the same limit."""
    import cv2

    cv2.setNumThreads(threads)


def lower_priority() -> None:
    """Run below OBS, so that its rendering is never starved; not on Windows, see `lower_thread_priority`."""
    if sys.platform == "win32":
        # Below normal a process gets nothing there beside a game that takes all cores: its character would stand still.
        return
    try:
        os.nice(_NICENESS)
    except OSError as exc:
        logger.info("the priority stays as it is: %s", exc)


def use_fine_timers() -> None:
    """Have waits of a millisecond take one, for the life of the process; Windows rounds them up to 15.6 otherwise."""
    if sys.platform == "win32":
        ctypes.windll.winmm.timeBeginPeriod(1)


class ParentWatch:
    """Tells whether the process with ``pid`` still lives; a later process with the same number is not taken for it."""

    def __init__(self, pid: int | None) -> None:
        self._process: psutil.Process | None = None
        self._is_watching = pid is not None
        if pid is not None:
            with contextlib.suppress(psutil.Error, ValueError):
                self._process = psutil.Process(pid)

    def is_gone(self) -> bool:
        """Return whether the parent has ended; False if none is watched."""
        if not self._is_watching:
            return False
        try:
            return (
                self._process is None
                or not self._process.is_running()
                or self._process.status() == psutil.STATUS_ZOMBIE
            )
        except psutil.NoSuchProcess:
            return True
        except psutil.Error:
            return False
