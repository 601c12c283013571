"""The cache in memory: least recently used values go first."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Any, Callable, Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Value = TypeVar("Value")


@dataclass(frozen=True)
class CacheStatistics:
    """Counts since the cache was made or cleared; size: of all entries, in the unit of the cache's bound."""

    hits: int = 0
    misses: int = 0
    entries: int = 0
    size: int = 0
    evictions: int = 0

    @property
    def hit_rate(self) -> float:
        """Share of look-ups that found a value, 0 to 1."""
        return self.hits / max(1, self.hits + self.misses)


def _one(value: Any) -> int:
    return 1


class LruCache(Generic[Key, Value]):
    """Keeps values up to ``max_size`` and evicts the least recently used; thread-safe.

    size_of: the size of a value, for instance in bytes; 1 by default, so that ``max_size`` counts values. The newest
    value stays even if it alone exceeds the bound. An evicted value lives on as long as somebody else refers to it.
    """

    def __init__(self, max_size: int, size_of: Callable[[Value], int] = _one) -> None:
        self._max_size = max_size
        self._size_of = size_of
        self._entries: OrderedDict[Key, tuple[Value, int]] = OrderedDict()
        self._size = self._hits = self._misses = self._evictions = 0
        self._lock = threading.Lock()

    @property
    def statistics(self) -> CacheStatistics:
        """The counts so far."""
        with self._lock:
            return CacheStatistics(
                hits=self._hits,
                misses=self._misses,
                entries=len(self._entries),
                size=self._size,
                evictions=self._evictions,
            )

    def __contains__(self, key: Key) -> bool:
        return key in self._entries

    def get(self, key: Key) -> Value | None:
        """Return the value under ``key``, or None, and count the look-up."""
        with self._lock:
            entry = self._entries.get(key)
            if entry is None:
                self._misses += 1
                return None
            self._hits += 1
            self._entries.move_to_end(key)
            return entry[0]

    def put(self, key: Key, value: Value) -> Value:
        """Keep ``value``, in place of an older one under the same key, and return it."""
        with self._lock:
            return self._put(key, value)

    def get_or_make(self, key: Key, make: Callable[[], Value]) -> Value:
        """Return the value under ``key``, made by ``make`` if it is missing (of two threads, the first wins)."""
        value = self.get(key)
        if value is not None:
            return value
        made = make()
        with self._lock:
            return self._entries[key][0] if key in self._entries else self._put(key, made)

    def items(self) -> list[tuple[Key, Value]]:
        """Return all keys and values, the least recently used first; this counts as no look-up."""
        with self._lock:
            return [(key, value) for key, (value, _) in self._entries.items()]

    def clear(self) -> None:
        """Forget every value and every count."""
        with self._lock:
            self._entries.clear()
            self._size = self._hits = self._misses = self._evictions = 0

    def _put(self, key: Key, value: Value) -> Value:
        size = self._size_of(value)
        self._size += size - self._entries.pop(key, (value, 0))[1]
        self._entries[key] = value, size
        while self._size > self._max_size and len(self._entries) > 1:
            self._size -= self._entries.popitem(last=False)[1][1]
            self._evictions += 1
        return value
