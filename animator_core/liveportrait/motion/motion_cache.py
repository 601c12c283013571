"""What was computed from a face, kept for when nearly the same face comes again.

Two faces count as the same by their landmarks alone, so a hit may answer with a face that differs from the asked one
by no more than the bound of `MotionCache.largest_shift` in any landmark; what landmarks do not show (a tongue,
puffed cheeks) it may miss. docs/PERFORMANCE.md has hit rates on real clips.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np

from animator_core.arrays import FloatArray

Value = TypeVar("Value")

MAX_ENTRIES = 100
SIMILARITY_THRESHOLD = 0.95
QUANTISATION_STEP = 1 / 1024
"""A quarter of a pixel of the 256-pixel driving crop: below the jitter of the tracker, far below what can be seen."""
UNLIKE = 0.025
"""The shift of a landmark, in sides of the driving crop, that makes two faces altogether unlike (similarity 0).

With the default threshold a hit is off by a third of a pixel of the 256-pixel driving crop at most: chosen by the error
that docs/PERFORMANCE.md reports, not by the hit rate.
"""


@dataclass(frozen=True)
class MotionCacheStatistics:
    """Counts since the cache was made or cleared; hit_rate: share of questions, 0 to 1, that had an answer."""

    hits: int
    misses: int
    entries: int
    evictions: int
    hit_rate: float


class MotionCache(Generic[Value]):
    """Keeps the values of the faces that were seen or asked for last; used by one thread.

    max_entries: how many. similarity_threshold: in [0, 1]; 1 answers for equal quantised landmarks only.
    quantisation_step: in sides of the driving crop, what landmarks are rounded to.
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
        self._max_entries = max_entries
        self._threshold = similarity_threshold
        self._step = quantisation_step
        self._entries: OrderedDict[tuple[Hashable, bytes], tuple[FloatArray, Value]] = OrderedDict()
        self._hits = self._misses = self._evictions = 0

    @property
    def largest_shift(self) -> float:
        """How far a landmark of a hit may be from the asked one, along x or y, in sides of the driving crop."""
        return max((1 - self._threshold) * UNLIKE, self._step)

    def get(self, landmarks: FloatArray, scope: Hashable = None) -> Value | None:
        """Return the value of the most similar face of ``scope`` that is similar enough, or None; counts the answer.

        landmarks: (N, 2) or (N, 3) in sides of the driving crop; depth, which trackers only guess, is not looked at.
        scope: what else the value depends on (a character); None for nothing.
        """
        key, points = self._key(landmarks, scope)
        found: tuple[Hashable, bytes] | None = key
        if key not in self._entries:
            found = self._most_similar(points, scope)
        if found is None:
            self._misses += 1
            return None
        self._hits += 1
        self._entries.move_to_end(found)
        return self._entries[found][1]

    def put(self, landmarks: FloatArray, value: Value, scope: Hashable = None) -> None:
        """Keep ``value`` for this face; the face that was not asked for the longest goes where there are too many."""
        key, points = self._key(landmarks, scope)
        self._entries[key] = (points, value)
        self._entries.move_to_end(key)
        if len(self._entries) > self._max_entries:
            self._entries.popitem(last=False)
            self._evictions += 1

    def clear(self) -> None:
        """Forget every face and every count."""
        self._entries.clear()
        self._hits = self._misses = self._evictions = 0

    def get_stats(self) -> MotionCacheStatistics:
        """Return the counts so far."""
        asked = self._hits + self._misses
        return MotionCacheStatistics(
            self._hits, self._misses, len(self._entries), self._evictions, self._hits / asked if asked else 0.0
        )

    def _key(self, landmarks: FloatArray, scope: Hashable) -> tuple[tuple[Hashable, bytes], FloatArray]:
        points = np.array(landmarks[:, :2], np.float32)
        if not np.isfinite(points).all():
            raise ValueError("landmarks are not finite; ask only for faces that were found")
        quantised = np.rint(points / self._step).astype(np.int32)
        return (scope, quantised.tobytes()), points

    def _most_similar(self, points: FloatArray, scope: Hashable) -> tuple[Hashable, bytes] | None:
        # similarity = 1 − max |Δ| / UNLIKE; a hundred comparisons take about 0.1 ms.
        best, nearest = None, (1 - self._threshold) * UNLIKE
        for key, (kept, _) in self._entries.items():
            if key[0] != scope or kept.shape != points.shape:
                continue
            shift = float(np.abs(kept - points).max())
            if shift <= nearest:
                best, nearest = key, shift
        return best
