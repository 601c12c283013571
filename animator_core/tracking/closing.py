"""Closes MediaPipe's tasks, also those that somebody forgot to close."""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import Callable


class Closer:
    """Closes a task once: when it is called, or in a thread of its own when its owner is gone.

    MediaPipe from 0.10.31 on hangs for ever if an open task dies in the garbage collector. The closer keeps it alive
    until it is closed, and the collector waits for nothing.
    """

    def __init__(self, owner: object, close: Callable[[], None]) -> None:
        """close: must not refer to ``owner``, which would then never be gone."""
        self._close = close
        self._finalizer = weakref.finalize(owner, _close_beside, close)

    def __call__(self) -> None:
        """Close the task, and wait for it; a second call does nothing."""
        if self._finalizer.detach() is not None:
            self._close()


def _close_beside(close: Callable[[], None]) -> None:
    if threading.main_thread().is_alive():
        # The interpreter waits for it: ending a thread inside MediaPipe's C++ would end the process with an error.
        threading.Thread(target=close, name="closing").start()
    else:
        # The interpreter ends and waits for no thread any more, for which some versions of MediaPipe would ask.
        with contextlib.suppress(Exception):
            close()
