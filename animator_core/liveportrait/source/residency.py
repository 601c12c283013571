"""Features in the device's memory, where the networks use them: as many as fit a bound, the last used ones."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass

from animator_core.liveportrait.source.features import CharacterFeatures

MAX_BYTES = 100_000_000
"""22 characters in half precision, 11 in single."""


@dataclass(frozen=True)
class ResidencyStatistics:
    """What is resident, and how often a switch found its character there."""

    characters: int
    nbytes: int
    hits: int
    misses: int
    evictions: int


class FeatureResidency:
    """Keeps features on one device, shared by all filters of a worker; used by any thread.

    max_bytes: the bound; the newest features stay even where they alone exceed it.
    """

    def __init__(self, device: str, max_bytes: int = MAX_BYTES) -> None:
        self.device = device
        self._max_bytes = max_bytes
        self._resident: OrderedDict[str, CharacterFeatures] = OrderedDict()
        self._lock = threading.Lock()
        self._nbytes = 0
        self._hits = self._misses = self._evictions = 0

    def get(self, key: str) -> CharacterFeatures | None:
        """Return what is resident under ``key``, or None; counts the answer."""
        with self._lock:
            features = self._resident.get(key)
            if features is None:
                self._misses += 1
                return None
            self._hits += 1
            self._resident.move_to_end(key)
            return features

    def put(self, key: str, features: CharacterFeatures) -> CharacterFeatures:
        """Bring ``features`` to the device and return them as they are there; others go where space is needed.

        What a renderer still draws with stays in memory until it lets go of it.
        """
        moved = features.to(self.device)
        with self._lock:
            self._drop(key)
            self._resident[key] = moved
            self._nbytes += moved.nbytes
            while self._nbytes > self._max_bytes and len(self._resident) > 1:
                self._drop(next(iter(self._resident)))
                self._evictions += 1
        return moved

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._resident.clear()
            self._nbytes = 0

    def get_stats(self) -> ResidencyStatistics:
        """Return what is resident and the counts so far."""
        with self._lock:
            return ResidencyStatistics(len(self._resident), self._nbytes, self._hits, self._misses, self._evictions)

    def _drop(self, key: str) -> None:
        features = self._resident.pop(key, None)
        if features is not None:
            self._nbytes -= features.nbytes
