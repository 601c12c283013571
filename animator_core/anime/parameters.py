"""The 45 pose parameters of Talking Head Anime 3, in the order in which its networks take them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from animator_core.arrays import FloatArray


def _both(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}_{side}" for name in names for side in ("left", "right"))


EYEBROWS = _both(*(f"eyebrow_{shape}" for shape in ("troubled", "angry", "lowered", "raised", "happy", "serious")))
"""0 to 1 each."""
FACE = (
    *_both(*(f"eye_{shape}" for shape in ("wink", "happy_wink", "surprised", "relaxed", "unimpressed"))),
    *_both("eye_raised_lower_eyelid", "iris_small"),
    *(f"mouth_{vowel}" for vowel in ("aaa", "iii", "uuu", "eee", "ooo", "delta")),
    *_both("mouth_lowered_corner", "mouth_raised_corner"),
    "mouth_smirk",
    "iris_rotation_x",
    "iris_rotation_y",
)
"""0 to 1; iris rotation -1 to 1."""
BODY = ("head_x", "head_y", "neck_z", "body_y", "body_z", "breathing")
"""-1 to 1; breathing 0 to 1."""
NAMES = (*EYEBROWS, *FACE, *BODY)
INDEX = {name: index for index, name in enumerate(NAMES)}
EYEBROW_PART = slice(0, len(EYEBROWS))
FACE_PART = slice(len(EYEBROWS), len(EYEBROWS) + len(FACE))
BODY_PART = slice(len(EYEBROWS) + len(FACE), len(NAMES))
SIGNED = ("iris_rotation_x", "iris_rotation_y", "head_x", "head_y", "neck_z", "body_y", "body_z")
"""From -1; all others from 0."""


def pose(values: Mapping[str, float] | None = None) -> FloatArray:
    """Return the parameters by name as (45,) float32, 0 for those that are not named; raises KeyError for others."""
    vector = np.zeros(len(NAMES), np.float32)
    for name, value in (values or {}).items():
        vector[INDEX[name]] = value
    return vector
