"""The frame rate limit, and the share of the time that rendering may take."""

from __future__ import annotations


class Pace:
    """Lets through at most ``frame_rate`` frames a second on average; a late frame does not delay the next one.

    most_share: the share of the time that rendering may take, 0 to 1; after each frame it rests accordingly.
    """

    def __init__(self, frame_rate: float, most_share: float = 1.0) -> None:
        self._due_ns = self._rested_ns = 0
        self._rest_per_work = 1 / most_share - 1
        self.set_frame_rate(frame_rate)

    def set_frame_rate(self, frame_rate: float) -> None:
        self._period_ns = int(1e9 / frame_rate)

    def wait_s(self, now_ns: int) -> float:
        """Return the seconds until the next frame is due; 0 if it is."""
        return max(0, max(self._due_ns, self._rested_ns) - now_ns) * 1e-9

    def count(self, now_ns: int) -> None:
        """Note that a frame is rendered now."""
        # Up to one period of lateness is made good, so that jitter does not lower the rate.
        self._due_ns = max(self._due_ns, now_ns - self._period_ns) + self._period_ns

    def rest(self, began_ns: int, ended_ns: int) -> None:
        """Note when rendering the frame began and ended."""
        self._rested_ns = ended_ns + int((ended_ns - began_ns) * self._rest_per_work)
