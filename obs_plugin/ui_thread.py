"""Runs small jobs on OBS's user interface thread.

A source's settings have no lock: OBS writes and saves them on that thread, so we must write them there too.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import ctypes
import logging
from collections import deque
from typing import Callable

from obs_plugin import libobs
from obs_plugin.libobs import LibObs

logger = logging.getLogger(__name__)


class UiThread:
    """A queue into the user interface thread; must live as long as the process, as OBS may call it to the end."""

    def __init__(self, lib: LibObs) -> None:
        self._lib = lib
        self._jobs: deque[Callable[[], None]] = deque()
        self._callback = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(self._work)
        self._address = ctypes.cast(self._callback, ctypes.c_void_p)

    def run(self, job: Callable[[], None]) -> None:
        """Queue ``job`` and return at once; any thread."""
        self._jobs.append(job)
        self._lib.obs_queue_task(libobs.TASK_UI, self._address, None, False)

    def _work(self, _parameter: int | None) -> None:
        try:
            self._jobs.popleft()()
        except Exception:
            logger.exception("a change could not be made")
