"""Hands the newest value from one thread to another; what nobody took in time is dropped."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Value = TypeVar("Value")


class Newest(Generic[Value]):
    """One place that holds the newest value."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._value: Value | None = None

    def put(self, value: Value) -> None:
        """Replace the value, taken or not."""
        with self._changed:
            self._value = value
            self._changed.notify_all()

    def take(self, timeout_s: float = 0.0) -> Value | None:
        """Return the value and leave the place empty; None where none came within ``timeout_s``."""
        with self._changed:
            if self._value is None and timeout_s > 0:
                self._changed.wait(timeout_s)
            value, self._value = self._value, None
            return value
