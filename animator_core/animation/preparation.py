"""The background thread that makes renderers and prepares characters."""

from __future__ import annotations

import logging
import queue
import threading
from typing import Callable

from animator_core.thread_priority import lower_thread_priority

logger = logging.getLogger(__name__)

WANTED, SOON = 1, 3
"""Priorities: the picture waits for the job; the character may be chosen later."""
_END, _LAST = 0, 2


class PreparationThread:
    """Runs jobs one after the other, the most urgent first; a job that fails stops no other."""

    def __init__(self) -> None:
        self._jobs: queue.PriorityQueue[tuple[int, int, Callable[[], None]]] = queue.PriorityQueue()
        self._count = 0
        self._lock = threading.Lock()
        self._is_ended = self._is_running = False
        # A job may be deep in a library when the process ends, which must not wait for it.
        self._thread = threading.Thread(target=self._run, name="preparation", daemon=True)
        self._thread.start()

    def submit(self, priority: int, job: Callable[[], None]) -> None:
        """Have ``job`` run; equal priorities run in the order of submission."""
        with self._lock:
            self._count += 1
            self._jobs.put((priority, self._count, job))

    @property
    def is_busy(self) -> bool:
        """Whether a job runs or waits."""
        return self._is_running or not self._jobs.empty()

    def end(self) -> None:
        """Begin no further job."""
        self._is_ended = True
        self.submit(_END, lambda: None)

    def finish(self, timeout_s: float) -> bool:
        """Run the urgent jobs, begin no other, and return whether the thread ended within ``timeout_s``."""
        self.submit(_LAST, self.end)
        return self.join(timeout_s)

    def join(self, timeout_s: float) -> bool:
        """Wait for the running job, and return whether the thread has ended."""
        self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        lower_thread_priority()
        while not self._is_ended:
            _, _, job = self._jobs.get()
            self._is_running = True
            try:
                job()
            except Exception:
                # The boundary of this thread.
                logger.exception("a preparation failed")
            finally:
                self._is_running = False
