"""Closes MediaPipe's tasks, also those that were not closed by their owner."""

from __future__ import annotations

import contextlib
import threading
import weakref
from typing import Callable


class Closer:
    """Closes a task once: when it is called, or in a thread of its own when its owner is garbage-collected.

    MediaPipe from 0.10.31 on hangs for ever if the garbage collector ends an open task. The closer keeps the task alive
    until it is closed, and the collector does not wait.
    """

    def __init__(self, owner: object, close: Callable[[], None]) -> None:
        """close: must not refer to ``owner``, or it would never be collected."""
        self._close = close
        self._finalizer = weakref.finalize(owner, _close_beside, close)

    def __call__(self) -> None:
        """Close the task, and wait for it; a second call does nothing."""
        if self._finalizer.detach() is not None:
            self._close()


def _close_beside(close: Callable[[], None]) -> None:
    if threading.main_thread().is_alive():
        # Not a daemon thread: ending a thread inside MediaPipe's C++ would end the process with an error.
        threading.Thread(target=close, name="closing").start()
    else:
        # The interpreter is ending and starts no thread any more, which some versions of MediaPipe would need.
        with contextlib.suppress(Exception):
            close()
