"""How human a face is, by the places of its features."""

from __future__ import annotations

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.smoothstep import smooth_share
from animator_core.tracking.pose import HeadPose, strangeness

_HUMAN, _ANIMAL = 0.04, 0.06
"""Medians of `strangeness`, see there."""


def human_likeness(landmarks: FloatArray, pose: HeadPose) -> float:
    """Return 1 for a human face, 0 for an animal's; of drawings it says nothing.

    landmarks: (478, 3) pixels, `with_true_depth`. pose: from `fit_pose`.
    """
    strange = float(np.median(strangeness(landmarks, pose)))
    return 1 - smooth_share((strange - _HUMAN) / (_ANIMAL - _HUMAN))
