"""The outline of one eye: the curves of both lids as the eye closes, widens and follows the gaze."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animator_core.arrays import DoubleArray, FloatArray
from animator_core.warp.eye_kernels import BEYOND

_STEPS = 32
"""Segments of a lid between the eye's corners."""
_EXTENDED = np.linspace(0.5, 0.1, BEYOND)
"""Points of a curve beyond each corner, in eye widths: lashes reach further out than the eye."""
_RISE, _SMILE_RISE = 0.1, 0.3
"""Share of the opening by which a closing lower lid rises, and more of it in a full smile."""
_MOST_SAG = 0.27
"""Depth of the line of closed lids below the corners, in eye widths; large drawn eyes are deeper."""
_CLOSING_BEND = 0.3
"""From tracking the drawn frames: lids that move linearly look half as moved midway."""
_WIDENING, _WIDENING_BELOW = 0.8, 0.12
"""Shares of the opening by which the upper and lower lid withdraw as the openness grows by 1."""
_WIDEST = 1.4
_USUAL_HEIGHT = 0.38
"""Height of an opening, in eye widths, from which these shares grow no further: large drawn eyes are wide already."""
_LID_FOLLOWS = 0.6
"""Share of the iris' vertical shift that the upper lid makes too."""


@dataclass(frozen=True)
class Lids:
    """Both lids' margins, (N, 2) float32 each in pixels of the eye's patch, from left to right, beyond the corners."""

    upper: FloatArray
    lower: FloatArray


class EyeOutline:
    """The lids of one eye in its patch, whose x axis leads from the left corner of the eye to its right one."""

    def __init__(self, upper: FloatArray, lower: FloatArray) -> None:
        """upper, lower: (9, 2) landmarks of each lid in pixels of the patch, both corners included."""
        top, bottom = (smooth_curve(each) for each in (upper, lower))
        self.width = float(np.linalg.norm(upper[8] - upper[0]))
        opening = bottom - top
        self.height = max(float(opening[:, 1].max()), 1e-6)
        usual = opening * min(1.0, _USUAL_HEIGHT * self.width / self.height)
        # The line that closed lids form is smooth even if landmarks are not.
        position = np.linspace(0, 1, len(top))
        arch = position * (1 - position)
        basis = np.stack([arch, arch * (position - 0.5), arch * arch], 1)
        chord = bottom[0] + position[:, None] * (bottom[-1] - bottom[0])
        sag = basis @ np.linalg.lstsq(basis, bottom - chord, rcond=None)[0]
        most = _MOST_SAG * self.width
        sag *= most / max(float(sag[:, 1].max()), most)
        closed = np.column_stack([bottom[:, 0], (chord + sag)[:, 1]])
        self._upper, self._lower = self._extended(top), self._extended(bottom)
        # Nothing moves beyond the corners.
        self._usual = _padded(usual)
        self._unit = _padded(opening * np.array([0, 1]) / self.height)
        self._to_closed = _padded(closed - top), _padded(closed - bottom)
        self.rest = self.at(1.0)
        self.widest = self.at(_WIDEST, look_down=-self.height)

    def at(self, openness: float, *, smile: float = 0.0, look_down: float = 0.0) -> Lids:
        """Return the lids' curves.

        openness: 0 closed, 1 as in the picture, above 1 wider, at most 1.4. smile: 0 to 1, by which the lower lid
        takes part. look_down: vertical shift of the iris in pixels of the patch.
        """
        follow = _LID_FOLLOWS * look_down
        # The lid never reaches the lower one by following the gaze.
        down, up = min(max(follow, 0.0), 0.35 * self.height), min(max(-follow, 0.0), 0.2 * self.height)
        if openness >= 1:
            wider = min(openness, _WIDEST) - 1
            upper = self._upper + (down - up) * self._unit - (_WIDENING * wider) * self._usual
            return _lids(upper, self._lower + (_WIDENING_BELOW * wider) * self._usual)
        closed = 1 - max(openness, 0.0)
        closing = closed * (1 + _CLOSING_BEND * (1 - closed))
        to_upper, to_lower = self._to_closed
        rise = (closing * (_RISE + _SMILE_RISE * smile)) * self._usual
        lower = self._lower + closing * to_lower - rise
        upper = self._upper + closing * to_upper - rise - (up * (1 - closing)) * self._unit
        # A person's lids, too, follow the gaze: what they did is not done again.
        lowered = np.minimum(self._upper[:, 1] + down * self._unit[:, 1], lower[:, 1])
        upper[:, 1] = np.maximum(upper[:, 1], lowered)
        return _lids(upper, lower)

    def _extended(self, curve: DoubleArray) -> DoubleArray:
        along = (curve[-1] - curve[0]) / np.linalg.norm(curve[-1] - curve[0]) * self.width
        before = curve[0] - _EXTENDED[:, None] * along
        after = curve[-1] + _EXTENDED[::-1, None] * along
        return np.concatenate([before, curve, after])


def _padded(shift: DoubleArray) -> DoubleArray:
    return np.pad(shift, ((BEYOND, BEYOND), (0, 0)))


def _lids(upper: DoubleArray, lower: DoubleArray) -> Lids:
    return Lids(upper.astype(np.float32), lower.astype(np.float32))


def smooth_curve(points: FloatArray) -> DoubleArray:
    """Return (33, 2) float64, even steps along a smooth curve through (N, 2) points (centripetal Catmull-Rom)."""
    points = points.astype(np.float64)
    ends = [2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]]
    padded = np.concatenate(ends)
    # One pass takes the landmarks' noise and keeps the corners.
    padded[2:-2] += 0.25 * (padded[1:-3] + padded[3:-1] - 2 * padded[2:-2])
    knots = np.concatenate([[0], np.sqrt(np.maximum(np.linalg.norm(np.diff(padded, axis=0), axis=1), 1e-3)).cumsum()])
    dense = []
    for i in range(1, len(padded) - 2):
        t0, t1, t2, t3 = knots[i - 1 : i + 3]
        p0, p1, p2, p3 = padded[i - 1 : i + 3]
        t = np.linspace(t1, t2, 12, endpoint=False)[:, None]
        a1 = (t1 - t) / (t1 - t0) * p0 + (t - t0) / (t1 - t0) * p1
        a2 = (t2 - t) / (t2 - t1) * p1 + (t - t1) / (t2 - t1) * p2
        a3 = (t3 - t) / (t3 - t2) * p2 + (t - t2) / (t3 - t2) * p3
        b1 = (t2 - t) / (t2 - t0) * a1 + (t - t0) / (t2 - t0) * a2
        b2 = (t3 - t) / (t3 - t1) * a2 + (t - t1) / (t3 - t1) * a3
        dense.append((t2 - t) / (t2 - t1) * b1 + (t - t1) / (t2 - t1) * b2)
    line = np.concatenate([*dense, padded[-2:-1]])
    length = np.concatenate([[0], np.linalg.norm(np.diff(line, axis=0), axis=1).cumsum()])
    even = np.linspace(0, length[-1], _STEPS + 1)
    return np.stack([np.interp(even, length, line[:, axis]) for axis in (0, 1)], 1)
