"""Restarts the loop of a thread after an exception."""

from __future__ import annotations

import logging
import threading
import time
from typing import Callable

from animator_core.animation.backoff import Backoff
from animator_core.errors import AnimatorError, DeviceLostError, described

logger = logging.getLogger(__name__)

_STEADY_SECONDS = 30.0


class Restarts:
    """Runs loops until they end by themselves; after an exception again, at growing intervals.

    name: of the animation, for the log. stop: ends every wait.
    """

    def __init__(self, name: str, stop: threading.Event) -> None:
        self.device_lost: DeviceLostError | None = None
        """The error of a loop that only another process can take up again."""
        self._name = name
        self._stop = stop
        self._faults: dict[str, str] = {}

    @property
    def fault(self) -> str:
        """The loop that failed and has not worked since, and its error; "" for none."""
        return next((f"the {loop} failed: {fault}" for loop, fault in tuple(self._faults.items())), "")

    def works(self, loop: str) -> None:
        """Note that a loop works."""
        self._faults.pop(loop, None)

    def run(self, loop: str, work: Callable[[], None], beat: Callable[[], None] | None = None) -> None:
        """Run ``work``; beat: called every 0.1 s while it waits for its restart."""
        backoff = Backoff(first_s=0.5, longest_s=8.0)
        while not self._stop.is_set():
            started = time.monotonic()
            try:
                work()
                return
            except DeviceLostError as exc:
                logger.exception("the %s%s cannot go on in this process", loop, self._name)
                self.device_lost = exc
                return
            except Exception as exc:
                # The boundary of this loop: no other one shall suffer.
                self._note(loop, exc)
            if time.monotonic() - started > _STEADY_SECONDS:
                backoff.reset()
            self._wait(backoff.next_s(), beat)

    def _note(self, loop: str, error: Exception) -> None:
        fault = str(error) if isinstance(error, AnimatorError) else described(error)
        is_known = fault == self._faults.get(loop)
        self._faults[loop] = fault
        if not is_known:
            logger.exception("the %s%s failed and is started again", loop, self._name)

    def _wait(self, seconds: float, beat: Callable[[], None] | None) -> None:
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._stop.wait(0.1):
            if beat is not None:
                beat()
