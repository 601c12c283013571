"""How many sessions a worker can serve at full rate, from the measured time of a frame."""

from __future__ import annotations

from dataclasses import dataclass, field

CAMERA_RATE = 30.0
"""Frames a second that a session is admitted for: repeated frames of a camera are not animated again."""
_USABLE_SHARE = 0.8
"""Of a worker's time; the rest is for what comes between: loading characters, the system, jitter."""


@dataclass
class WorkerLoad:
    """One worker: the measured milliseconds of a frame, 0 before the measurement, and the sessions it has."""

    milliseconds: float = 0.0
    sessions: set[str] = field(default_factory=set)

    @property
    def capacity(self) -> int:
        """How many sessions fit; one that is not fast enough for any still serves one, at a lower rate."""
        if self.milliseconds <= 0:
            return 0
        return max(1, int(1000 * _USABLE_SHARE / (self.milliseconds * CAMERA_RATE)))

    @property
    def room(self) -> int:
        """How many more sessions fit."""
        return self.capacity - len(self.sessions)
