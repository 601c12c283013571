"""The regions of a face that are trusted, damped and calmed each on its own."""

from __future__ import annotations

import enum
import functools

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.smoothstep import smoothstep
from animator_core.tracking.face_model import (
    FACE_OVAL,
    LEFT_BROW,
    LEFT_EYE,
    OUTER_LIPS,
    RIGHT_BROW,
    RIGHT_EYE,
    face_model,
)

_BROW_ROWS = (-0.1, -0.05)
"""Rows of the mean face, in face units, between which the brows' region ends and the eyes' begins."""
_MOUTH_ROWS = (0.19, 0.29)
"""The same between eyes and mouth: the nose tip and the upper lip's root."""
_EYE_COLUMNS = (-0.08, 0.08)


class Region(enum.IntEnum):
    """A part of the face with a confidence of its own; "right" is the person's own right."""

    HEAD = 0
    BROWS = 1
    RIGHT_EYE = 2
    LEFT_EYE = 3
    MOUTH = 4


POINTS = {
    Region.HEAD: FACE_OVAL,
    Region.BROWS: RIGHT_BROW + LEFT_BROW,
    Region.RIGHT_EYE: RIGHT_EYE,
    Region.LEFT_EYE: LEFT_EYE,
    Region.MOUTH: OUTER_LIPS,
}
"""Landmarks by which a region is judged."""


@functools.lru_cache(maxsize=1)
def region_weights() -> FloatArray:
    """Return each landmark's share in each region, (478, 5) float32; rows add up to 1, HEAD has none."""
    x, y = face_model().mean[:, 0], face_model().mean[:, 1]
    above = 1 - smoothstep(y, *_BROW_ROWS)
    below = smoothstep(y, *_MOUTH_ROWS)
    left = smoothstep(x, *_EYE_COLUMNS)
    between = 1 - above - below
    columns = [0 * y, above, between * (1 - left), between * left, below]
    return np.asarray(np.stack(columns, axis=1), np.float32)
