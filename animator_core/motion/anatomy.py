"""Measures of a face's expression, and the movements of the landmarks that change one measure and no other.

The numbers in expression_modes.npz are our own measurements (docs/measurements/expression_modes.py): the landmarks of
four tracked people, regressed on these measures and made symmetric.
"""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np

from animator_core.arrays import AnyArray, FloatArray
from animator_core.motion.regions import Region, region_weights
from animator_core.tracking.face_model import LEFT_BROW, RIGHT_BROW, face_model
from animator_core.tracking.pose import with_true_depth

MEASURES = (
    "opening", "corner_out_r", "corner_out_l", "corner_drop_r", "corner_drop_l", "upper_lip", "lips",
    "brow_r", "brow_l", "inner_brow_r", "inner_brow_l", "eye_r", "eye_l",
)  # fmt: skip
"""Of the person's own right and left; face units, except the eyes, whose lid opening is in eye widths. The distance of
the lips, of a mouth corner sideways and down from the middle of nose and lips, of the upper lip from the nose, of the
outer edges of the lips without the opening, of brow and inner brow above the eye."""
MIRRORED = (0, 2, 1, 4, 3, 5, 6, 8, 7, 10, 9, 12, 11)
"""The measure of each on the other side of the face."""
MOUTH, BROWS, RIGHT_LIDS, LEFT_LIDS = slice(0, 7), slice(7, 11), slice(11, 12), slice(12, 13)
REGIONS = (MOUTH, BROWS, RIGHT_LIDS, LEFT_LIDS)
"""The measures of each region; what belongs to none of them is the head itself, region `HEAD`."""
HEAD = len(REGIONS)
REGION_COUNT = HEAD + 1
MIRRORED_REGIONS = (0, 1, 3, 2, HEAD)
"""The region of each on the other side of the face."""

_NOSE, _LIPS, _CORNERS, _OUTER_LIPS = 2, (13, 14), (61, 291), (0, 17)
_EYE_CORNERS = np.array([[33, 133], [263, 362]])
_INNER_EYE_CORNERS, _INNER_BROW_ENDS = np.array([133, 362]), np.array([55, 285])
_BROWS = np.array([RIGHT_BROW, LEFT_BROW])


def measures_of(shape: FloatArray, eye_ratio: FloatArray) -> FloatArray:
    """Return the measures of a face, (13,) float32 in the order of `MEASURES`.

    shape: (478, 3) face units in the head's axes. eye_ratio: (2,) lid opening by eye width.
    """
    upper, lower = shape[_LIPS[0]], shape[_LIPS[1]]
    opening = lower[1] - upper[1]
    right, left = shape[_CORNERS[0]], shape[_CORNERS[1]]
    middle_x, middle_y = shape[_NOSE, 0], (upper[1] + lower[1]) / 2
    brows = shape[_EYE_CORNERS, 1].mean(1) - shape[_BROWS, 1].mean(1)
    inner = shape[_INNER_EYE_CORNERS, 1] - shape[_INNER_BROW_ENDS, 1]
    mouth = (
        opening, middle_x - right[0], left[0] - middle_x, right[1] - middle_y, left[1] - middle_y,
        upper[1] - shape[_NOSE, 1], shape[_OUTER_LIPS[1], 1] - shape[_OUTER_LIPS[0], 1] - opening,
    )  # fmt: skip
    return np.array([*mouth, *brows, *inner, *eye_ratio], np.float32)


@functools.lru_cache(maxsize=1)
def expression_modes() -> FloatArray:
    """Return how landmarks move when one measure rises by 1 and the others stay, (13, 478, 3) float32 face units."""
    with np.load(Path(__file__).with_name("expression_modes.npz"), allow_pickle=False) as data:
        return np.asarray(data["modes"], np.float32)


@functools.lru_cache(maxsize=1)
def region_shares() -> FloatArray:
    """Return how much of each landmark belongs to each region, (5, 478) float32; nothing is `HEAD`'s."""
    columns = [Region.MOUTH, Region.BROWS, Region.RIGHT_EYE, Region.LEFT_EYE, Region.HEAD]
    return np.ascontiguousarray(region_weights()[:, columns].T)


def mean_shape() -> FloatArray:
    """Return the mean face in true depth, (478, 3) float32 face units."""
    return with_true_depth(face_model().mean)


def mirrored_modes(modes: AnyArray) -> AnyArray:
    """Return the modes of the faces in a mirror, (13, 478, 3)."""
    flipped = modes[list(MIRRORED)][:, face_model().mirror]
    return np.asarray(flipped * np.array([-1.0, 1.0, 1.0]))
