"""Damps differences between a face's sides that are smaller than the tracker's noise, and closes eyes fully.

A difference d becomes d · d² / (d² + n²): nothing at rest, half at the noise n, 0.9 at 3 n; smooth and monotone.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.regions import POINTS, Region, region_weights
from animator_core.smoothstep import smoothstep
from animator_core.tracking.face_model import face_model

_EYE_NOISE = 0.02
"""Half the difference of two openings (neutral is 1). This and `_SHAPE_NOISE` are the tracker's disagreement with
itself: half the sum of a clip's differences and those of the mirrored clip, which cancel in a tracker without error.
Four clips: 0.005 to 0.019 in the median, 0.07 in the worst twentieth of the one that turns its head most."""
_SHAPE_NOISE = {Region.MOUTH: 0.002, Region.BROWS: 0.0015}
"""Root mean square of the region's asymmetric shift in face units: 0.0010 to 0.0016 in the median in both regions;
true asymmetry reaches 0.02 to 0.045 around the mouth and 0.007 to 0.02 at the brows."""
_FLIP = np.array([-1.0, 1.0, 1.0], np.float32)
_CLOSING_NOISE, _CLOSING = 0.06, (0.2, 0.6)
"""The noise rises by so much as the eyes' mean opening falls from the second to the first of `_CLOSING`."""
_SHUT, _AJAR = 0.15, 0.35
"""Openings below `_SHUT` are closed; those above `_AJAR` are kept."""


def steadied(motion: DrivingMotion) -> DrivingMotion:
    """Return ``motion`` with asymmetry below the noise damped, and lids that all but meet closed."""
    expression = motion.expression
    other = expression[face_model().mirror] * _FLIP
    asymmetry = (expression - other) / 2
    kept = np.ones(len(expression), np.float32)
    for region, noise in _SHAPE_NOISE.items():
        size = float((asymmetry[list(POINTS[region])] ** 2).sum(1).mean())
        kept -= region_weights()[:, region] * np.float32(noise**2 / (size + noise**2))
    damped = np.asarray(expression - asymmetry * (1 - kept)[:, None], np.float32)
    return replace(motion, expression=damped, eye_openness=_lids(motion.eye_openness))


def _lids(openness: FloatArray) -> FloatArray:
    """Return the openness, (2,), of lids that close fully and differ only by more than the noise."""
    middle = openness.mean()
    noise = _EYE_NOISE + _CLOSING_NOISE * (1 - smoothstep(middle, *_CLOSING))
    half = (openness - middle).astype(np.float32)
    together = np.maximum(middle + half * half**2 / (half**2 + noise**2), 0.0)
    # The cubic with value and slope 0 at _SHUT, and value _AJAR and slope 1 at _AJAR.
    share = np.clip((together - _SHUT) / (_AJAR - _SHUT), 0.0, 1.0)
    closing = _AJAR * share**2 * (3 - 2 * share) + (_AJAR - _SHUT) * share**2 * (share - 1)
    return np.where(together < _AJAR, closing, together).astype(np.float32)
