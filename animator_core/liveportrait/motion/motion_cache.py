"""Motions of faces seen before, for when nearly the same face comes again.

Two faces count as the same by their landmarks alone, so a hit may be off by the bound of `MotionCache.largest_shift` in
any landmark, and misses whatever landmarks do not show (a tongue, puffed cheeks). docs/OPTIMIZATION.md has hit rates on
real clips, and the reason why it is off by default.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Callable, Generic, TypeVar

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.lru import CacheStatistics, LruCache

Value = TypeVar("Value")

MAX_ENTRIES = 100
SIMILARITY_THRESHOLD = 0.95
QUANTISATION_STEP = 1 / 1024
"""A quarter of a pixel of the 256-pixel driving crop: below the jitter of the tracker, far below a visible shift."""
UNLIKE = 0.025
"""The shift of a landmark, in sides of the driving crop, that makes two faces altogether unlike (similarity 0).

With the default threshold a hit is off by a third of a pixel of the 256-pixel driving crop at most: chosen by the
measured error, not by the hit rate.
"""

_Key = tuple[Hashable, bytes]


class MotionCache(Generic[Value]):
    """Keeps the values of the faces that were seen last; used by one thread.

    max_entries: bound on the number of faces. similarity_threshold: in [0, 1]; 1 answers for equal quantised landmarks
    only. quantisation_step: in sides of the driving crop, the step to which landmarks are rounded.
    """

    def __init__(
        self,
        max_entries: int = MAX_ENTRIES,
        similarity_threshold: float = SIMILARITY_THRESHOLD,
        quantisation_step: float = QUANTISATION_STEP,
    ) -> None:
        if max_entries < 1 or not 0 <= similarity_threshold <= 1 or not 0 < quantisation_step <= UNLIKE:
            raise ValueError(
                f"max_entries {max_entries}, similarity_threshold {similarity_threshold}, quantisation_step "
                f"{quantisation_step}; use at least 1, a number from 0 to 1, one above 0 and up to {UNLIKE}"
            )
        self._threshold = similarity_threshold
        self._step = quantisation_step
        self._faces: LruCache[_Key, tuple[FloatArray, Value]] = LruCache(max_entries)

    @property
    def largest_shift(self) -> float:
        """Bound on the shift of a hit's landmark, along x or y, in sides of the driving crop."""
        return max((1 - self._threshold) * UNLIKE, self._step)

    @property
    def statistics(self) -> CacheStatistics:
        """The counts so far."""
        return self._faces.statistics

    def get(self, landmarks: FloatArray, scope: Hashable = None) -> Value | None:
        """Return the value of the most similar face of ``scope`` that is similar enough, or None; counts the look-up.

        landmarks: (N, 2) or (N, 3) in sides of the driving crop; depth, which trackers only guess, is ignored.
        scope: everything else that the value depends on (a character); None for nothing.
        """
        key, points = self._key(landmarks, scope)
        if key not in self._faces:
            key = self._most_similar(points, scope) or key
        found = self._faces.get(key)
        return None if found is None else found[1]

    def put(self, landmarks: FloatArray, value: Value, scope: Hashable = None) -> None:
        """Keep ``value`` for this face; see `get`."""
        key, points = self._key(landmarks, scope)
        self._faces.put(key, (points, value))

    def get_or_make(self, landmarks: FloatArray, make: Callable[[], Value], scope: Hashable = None) -> Value:
        """Return the value of a similar face, else that of ``make``, which is kept; see `get`."""
        value = self.get(landmarks, scope)
        if value is None:
            value = make()
            self.put(landmarks, value, scope)
        return value

    def clear(self) -> None:
        """Forget every face and every count."""
        self._faces.clear()

    def _key(self, landmarks: FloatArray, scope: Hashable) -> tuple[_Key, FloatArray]:
        points = np.array(landmarks[:, :2], np.float32)
        if not np.isfinite(points).all():
            raise ValueError("landmarks are not finite; ask only for faces that were found")
        quantised = np.rint(points / self._step).astype(np.int32)
        return (scope, quantised.tobytes()), points

    def _most_similar(self, points: FloatArray, scope: Hashable) -> _Key | None:
        # similarity = 1 − max |Δ| / UNLIKE; a hundred comparisons take about 0.1 ms.
        best, nearest = None, (1 - self._threshold) * UNLIKE
        for key, (kept, _) in self._faces.items():
            if key[0] != scope or kept.shape != points.shape:
                continue
            shift = float(np.abs(kept - points).max())
            if shift <= nearest:
                best, nearest = key, shift
        return best
