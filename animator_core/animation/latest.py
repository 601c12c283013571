"""Hands the newest value from one thread to another; older values are dropped."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Value = TypeVar("Value")


class LatestValue(Generic[Value]):
    """Holds one value until it is taken or replaced."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: Value | None = None

    def put(self, value: Value) -> None:
        """Replace the value, taken or not."""
        with self._changed:
            self._value = value
            self._changed.notify_all()

    def take(self, timeout_s: float = 0.0) -> Value | None:
        """Return the value and forget it; None if none came within ``timeout_s``."""
        with self._changed:
            if self._value is None and timeout_s > 0:
                self._changed.wait(timeout_s)
            value, self._value = self._value, None
            return value
