"""When the next frame may be rendered."""

from __future__ import annotations


class Pace:
    """Lets through at most ``frame_rate`` frames a second on average; a late frame does not delay the next one."""

    def __init__(self, frame_rate: float) -> None:
        self._due_ns = 0
        self.set_frame_rate(frame_rate)

    def set_frame_rate(self, frame_rate: float) -> None:
        self._period_ns = int(1e9 / frame_rate)

    def wait_s(self, now_ns: int) -> float:
        """Return the seconds until the next frame is due; 0 where it is."""
        return max(0, self._due_ns - now_ns) * 1e-9

    def count(self, now_ns: int) -> None:
        """Note that a frame is rendered now."""
        # Up to one period of lateness is made good, so that jitter does not lower the rate.
        self._due_ns = max(self._due_ns, now_ns - self._period_ns) + self._period_ns
