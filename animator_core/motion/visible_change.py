"""The visible part of a motion, in units of a change that nobody sees.

Two motions look the same if no number of `signature` differs by more than 1. The tolerances are shifts of the drawn
points by face sizes, and by pixels if a face has more of them than `USUAL_FACE_PIXELS`; docs/PERFORMANCE.md has what
pictures differ by that are not drawn again within them. Lids, lips and gaze have the narrower one: a blink or a word
begins with a small shift and must not be late.
"""

from __future__ import annotations

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.motion.driving import DrivingMotion
from animator_core.tracking.face_model import INNER_LIPS, LEFT_EYE, OUTER_LIPS, RIGHT_EYE, face_model

USUAL_FACE_PIXELS = 180
"""The usual face in a picture of 512."""
# 0.6 and 0.4 pixels of such a face.
HEAD_TOLERANCE = 0.6 / 180
LID_AND_LIP_TOLERANCE = 0.4 / 180
_CHEST_TOLERANCE = 0.2 / 180
"""Breath is slow: it would be seen to go in steps."""
_TORSO_TOLERANCE = 0.05

_EYE_OPENING = 0.065
_EYE_WIDTH = 0.16
_CHEST_LIFT = 0.012
"""Face sizes of a fully open eye's opening, of an eye, and of the chest's lift by breath, in `face_model().mean`."""

_LIPS = np.array(sorted({*INNER_LIPS, *OUTER_LIPS}))
# Lids and irises are drawn by their openness and gaze.
_SKIN = np.setdiff1d(np.arange(468), (*RIGHT_EYE, *LEFT_EYE))


def signature(motion: DrivingMotion, face_pixels: float = USUAL_FACE_PIXELS) -> FloatArray:
    """Return all that a picture shows of a motion, (N,) float32; face_pixels: the drawn face's size, `Pose.scale`."""
    # x = s · R (x_mean + e) + t
    shape = face_model().mean[_SKIN] + motion.expression[_SKIN]
    placed = motion.scale * (shape @ motion.rotation.T)[:, :2] + motion.translation
    chest = motion.breath * _CHEST_LIFT / _CHEST_TOLERANCE
    body = [chest, motion.torso / _TORSO_TOLERANCE]
    shifts = np.concatenate((placed.ravel() / HEAD_TOLERANCE, lids_and_lips(motion), body), dtype=np.float32)
    return shifts * np.float32(magnification(face_pixels / USUAL_FACE_PIXELS))


def magnification(size: float) -> float:
    """Return by how much larger shifts show in a picture of ``size`` times the usual; small ones may be enlarged."""
    return max(1.0, size)


def lids_and_lips(motion: DrivingMotion) -> FloatArray:
    """Return the part of it that must never be late, (N,) float32."""
    shifts = (
        motion.eye_openness * _EYE_OPENING,
        (motion.gaze * _EYE_WIDTH).ravel(),
        motion.expression[_LIPS, :2].ravel(),
    )
    return np.concatenate(shifts, dtype=np.float32) / np.float32(LID_AND_LIP_TOLERANCE)
