"""Finds the person's neutral face, which every motion is measured against; the same for landmarks and LivePortrait."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

import numpy as np

from animator_core.arrays import FloatArray

Face = TypeVar("Face")
FaceIn = TypeVar("FaceIn", contravariant=True)
Neutral = TypeVar("Neutral")
NeutralOut = TypeVar("NeutralOut", covariant=True)

_STABLE_NS = 1_000_000_000
_LEAST_FACES = 8
"""A slow camera needs longer for as many, but none is looked at that is older than `_OLDEST_NS`."""
_OLDEST_NS = 3_000_000_000
_GIVE_UP_NS = 6_000_000_000
_BUTTON_NS = 400_000_000
_MAX_TURN_DEGREES = 3.0
_MAX_ASIDE_DEGREES = 25.0
_RESTING_SHARE = 0.25


class Comparison(Protocol[FaceIn, NeutralOut]):
    """Measures of faces of one kind: of landmarks, or of LivePortrait's motion."""

    mouth_at_rest: float
    """Standard deviation of the mouth opening of a resting face."""

    def mouth_openings(self, faces: Sequence[FaceIn]) -> FloatArray:
        """Return how far each mouth is open, (N,), in any unit."""
        ...

    def turns(self, faces: Sequence[FaceIn]) -> FloatArray:
        """Return how each head is turned about three axes, (N, 3) degrees, against any of them."""
        ...

    def aside(self, faces: Sequence[FaceIn]) -> float:
        """Return the degrees by which the heads, taken together, are turned away from the camera."""
        ...

    def shape_change(self, faces: Sequence[FaceIn]) -> float:
        """Return by how much the faces change otherwise; 1 is the most of a resting face."""
        ...

    def median(self, faces: Sequence[FaceIn]) -> NeutralOut:
        """Return the neutral face that they have in common; medians, so that one blink does not count."""
        ...


class Calibration(Generic[Face, Neutral]):
    """Watches faces until a second of them is stable; after six seconds it takes the calmest second seen.

    A camera of fewer than eight frames a second is given the time that eight take; of one that is slower still, the
    faces so far count after six seconds.
    """

    def __init__(self, comparison: Comparison[Face, Neutral]) -> None:
        self._comparison = comparison
        self._recent: deque[tuple[int, Face]] = deque()
        self._first_ns: int | None = None
        self._best: tuple[float, Neutral] | None = None

    def restart(self) -> None:
        """Forget every face."""
        self._recent.clear()
        self._first_ns = self._best = None

    def watch(self, face: Face, captured_ns: int) -> Neutral | None:
        """Take one more face; return the neutral one once it is found."""
        self.remember(face, captured_ns)
        if self._first_ns is None:
            self._first_ns = captured_ns
        faces = [each for _, each in self._recent]
        if captured_ns - self._recent[0][0] >= 0.9 * _STABLE_NS and len(faces) >= _LEAST_FACES:
            unrest = self._unrest(faces)
            if self._best is None or unrest < self._best[0]:
                self._best = unrest, self._resting_median(faces)
            if unrest <= 1:
                return self._best[1]
        if captured_ns - self._first_ns < _GIVE_UP_NS:
            return None
        return self._best[1] if self._best is not None else self._resting_median(faces)

    def remember(self, face: Face, captured_ns: int) -> None:
        """Keep a face of the last moments, for `from_recent`."""
        self._recent.append((captured_ns, face))
        while True:
            age = captured_ns - self._recent[0][0]
            if age <= _STABLE_NS or (len(self._recent) <= _LEAST_FACES and age <= _OLDEST_NS):
                break
            self._recent.popleft()

    def from_recent(self) -> Neutral | None:
        """Return the neutral face of the last moment: the person has pressed "calibrate"."""
        if not self._recent:
            return None
        newest = self._recent[-1][0]
        return self._comparison.median([face for seen_ns, face in self._recent if newest - seen_ns <= _BUTTON_NS])

    def so_far(self) -> Neutral | None:
        """Return the neutral face of the calmest second seen, or of a shorter time if it was not a second; or None."""
        if self._best is not None:
            return self._best[1]
        return self._resting_median([face for _, face in self._recent]) if self._recent else None

    def _resting_median(self, faces: Sequence[Face]) -> Neutral:
        """Return the median of those whose mouth is closed most: a talking face is neutral between the words."""
        openings = self._comparison.mouth_openings(faces)
        most = np.quantile(openings, _RESTING_SHARE)
        return self._comparison.median([face for face, opening in zip(faces, openings) if opening <= most])

    def _unrest(self, faces: Sequence[Face]) -> float:
        """Return how far from still, frontal and silent the faces are; up to 1 is stable."""
        compare = self._comparison
        turn = float(np.ptp(compare.turns(faces), axis=0).max()) / _MAX_TURN_DEGREES
        aside = compare.aside(faces) / _MAX_ASIDE_DEGREES
        mouth = float(np.std(compare.mouth_openings(faces))) / compare.mouth_at_rest
        return max(turn, aside, mouth, compare.shape_change(faces))
