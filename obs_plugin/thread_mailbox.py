"""A one-slot mailbox between two threads: the newest value wins, and a value that is not taken is discarded."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import threading
from typing import Callable, Generic, TypeVar

T = TypeVar("T")


class Mailbox(Generic[T]):
    """A slot for one value; a value that is replaced, or put after `close`, goes to ``discard``."""

    def __init__(self, discard: Callable[[T], None]) -> None:
        self._discard = discard
        self._lock = threading.Lock()
        self._value: T | None = None
        self._is_closed = False

    def put(self, value: T) -> None:
        """Leave ``value`` for the other thread."""
        with self._lock:
            rejected = value if self._is_closed else self._value
            if not self._is_closed:
                self._value = value
        if rejected is not None:
            self._discard(rejected)

    def take(self) -> T | None:
        """Return the new value, or None. Without one it takes no lock: the graphics thread asks every frame."""
        if self._value is None:
            return None
        with self._lock:
            value, self._value = self._value, None
        return value

    def close(self) -> None:
        """Discard the value that is left, and every later one."""
        with self._lock:
            value, self._value = self._value, None
            self._is_closed = True
        if value is not None:
            self._discard(value)
