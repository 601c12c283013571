"""How far each lid is closed: drawn lids close fully in every blink, which a camera sees only in part."""

from __future__ import annotations

import numpy as np

from animator_core.arrays import FloatArray

_OPEN, _CLOSED, _REOPENED = 0.88, 0.45, 0.52
"""Openness of a lid that is open, of one that closes fully, and of a closed one that opens again.

At 30 frames a second the narrowest frame of a blink had 0 to 0.38; of a glance downwards, 0.43 to 0.6.
"""
_HALF = 0.7
"""Closing shown just before a lid snaps shut."""
_CLOSINGS_PER_SECOND = 20.0
_APART = 0.5
"""Difference of openness from which each lid moves by itself; the smaller it is, the more they move together."""


class Lids:
    """Follows the lids of one person; used by one thread."""

    def __init__(self) -> None:
        self._is_closed = np.zeros(2, bool)
        self._closing = np.zeros(2, np.float32)
        self._now_ns = 0

    def __call__(self, openness: FloatArray, now_ns: int) -> FloatArray:
        """Return the closing of the right and left eye at ``now_ns``, (2,) in [0, 1]; openness: as in `DrivingMotion`.

        Lids move at limited speed: from open to closed takes 50 ms.
        """
        seconds = min(max((now_ns - self._now_ns) * 1e-9, 0.0), 0.1)
        self._now_ns = now_ns
        middle, aside = openness.mean(), openness - openness.mean()
        joined = middle + aside * min(2 * float(np.abs(aside).max()) / _APART, 1.0)
        self._is_closed = joined < np.where(self._is_closed, _REOPENED, _CLOSED)
        partly = np.clip((_OPEN - joined) / (_OPEN - _CLOSED), 0.0, 1.0) * _HALF
        target = np.where(self._is_closed, 1.0, partly)
        step = _CLOSINGS_PER_SECOND * seconds
        self._closing = np.clip(target, self._closing - step, self._closing + step).astype(np.float32)
        return self._closing
