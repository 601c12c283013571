"""Growing delays between attempts."""

from __future__ import annotations


class Backoff:
    """Gives delays that double from ``first_s`` to ``longest_s``."""

    def __init__(self, first_s: float, longest_s: float) -> None:
        self._first_s = self._delay_s = first_s
        self._longest_s = longest_s

    def next_s(self) -> float:
        """Return the delay before the next attempt; the one after it is twice as long."""
        delay_s, self._delay_s = self._delay_s, min(2 * self._delay_s, self._longest_s)
        return delay_s

    def reset(self) -> None:
        """Begin again with the first delay."""
        self._delay_s = self._first_s
