"""When to start a worker that ended: at once, then later and later, then rarely."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from collections import deque
from typing import Sequence

_PASSING_RESTARTS = 2


class RestartPolicy:
    """Start times of the worker, on the monotonic clock in seconds.

    delays: before each restart within ``window``; after as many restarts the worker is started every ``rare`` only.
    """

    def __init__(self, delays: Sequence[float], *, window: float, rare: float) -> None:
        self._delays, self._window, self._rare = delays, window, rare
        self.starts: deque[float] = deque(maxlen=len(delays) + 1)
        self.next_start = 0.0
        self.is_rare = False
        """Whether quick restarts did not help; until a worker has run for ``window``."""
        self.is_passing = False
        """Whether so few restarts were needed that the next one is likely to help."""

    def note_start(self, now: float) -> None:
        self.starts.append(now)

    def schedule(self, now: float, ran: float) -> None:
        """Set `next_start` for a worker that ended now after ``ran`` seconds."""
        recent = sum(now - start < self._window for start in self.starts)
        self.is_rare = recent > len(self._delays) or (self.is_rare and ran <= self._window)
        self.is_passing = recent <= _PASSING_RESTARTS
        # Never for good: a game that starved it ends some time.
        self.next_start = now + (self._rare if self.is_rare else self._delays[max(0, recent - 1)])

    def reset(self) -> None:
        """Forget all starts: the next one is due at once."""
        self.starts.clear()
        self.is_rare, self.next_start = False, 0.0
