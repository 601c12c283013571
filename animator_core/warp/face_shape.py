"""The face's shape by expression: lids, lips and the skin around them."""

from __future__ import annotations

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.motion.driving import DrivingMotion
from animator_core.tracking.face_model import LEFT_EYE, RIGHT_EYE
from animator_core.warp.expression_limits import PictureExpression
from animator_core.warp.lip_contact import keep_lips_apart
from animator_core.warp.unfolding import Unfolding

EYES = (RIGHT_EYE, LEFT_EYE)
_LID_REACH = 0.085
"""Distance from the lids' rims within which skin moves with them, in face units: up to the brow's lower edge."""
_MEET_SHARE = 0.2
"""Closing lids meet this share of the opening above the lower lid."""
_CLOSING_CURVE, _WIDENING = 0.8, 1.6
_EYE_CALM = 0.05


class FaceShape:
    """The face of one character; ``shape`` is (478, 3) float32 in face units in the head's axes."""

    def __init__(self, shape: FloatArray) -> None:
        self.shape = shape.astype(np.float32)
        self._eyes = [_Eye(self.shape, ring) for ring in EYES]
        self._expression = PictureExpression(self.shape)
        self._unfolding = Unfolding(self.shape)
        self._calm = np.maximum(self._eyes[0].calm, self._eyes[1].calm)[:, None]

    def bent(self, motion: DrivingMotion) -> FloatArray:
        """Return the (478, 3) float32 shape with the motion's expression and lids."""
        expression = self._expression.carried(motion)
        # Around the eyes the eye openness replaces the tracker's lids: it is more exact and closes fully.
        around_eyes = np.where(self.shape[:, :1] < 0, *(expression[eye.corners].mean(0)[None] for eye in self._eyes))
        bent = self.shape + expression + self._calm * (around_eyes - expression)
        keep_lips_apart(bent)
        bent = self.shape + self._unfolding.evened(bent - self.shape)
        for eye, openness in zip(self._eyes, motion.eye_openness):
            bent += eye.lid_shift(float(openness))
        keep_lips_apart(bent)
        shape: FloatArray = bent.astype(np.float32)
        return shape


class _Eye:
    """One eye's lids and the skin around them, as it closes or widens."""

    def __init__(self, shape: FloatArray, ring: tuple[int, ...]) -> None:
        self.corners = [ring[0], ring[8]]
        upper, lower = np.array(ring[1:8]), np.array(ring[:8:-1])
        meet = shape[lower] + _MEET_SHARE * (shape[upper] - shape[lower])
        self._close = np.concatenate([meet - shape[upper], meet - shape[lower]])
        lids = np.concatenate([upper, lower])
        self._weights = _skin_weights(shape, upper=upper, lower=lower, ring=ring)
        distance = np.linalg.norm(shape[:, None, :2] - shape[None, lids, :2], axis=2).min(1)
        self.calm = np.clip(1 - distance / _EYE_CALM, 0, 1) ** 0.7
        self.calm[lids] = 1.0
        self.calm[468:] = 1.0

    def lid_shift(self, openness: float) -> FloatArray:
        """Return the (478, 3) shift of all landmarks; openness: 0 closed, 1 as in the picture, above 1 wider."""
        closing = 1 - openness
        # From tracking the drawn frames: lids that move linearly look half as moved midway, and wide eyes less wide.
        closing = closing**_CLOSING_CURVE if closing > 0 else closing * _WIDENING
        shift: FloatArray = closing * (self._weights @ self._close)
        return shift


def _skin_weights(shape: FloatArray, upper: FloatArray, lower: FloatArray, ring: tuple[int, ...]) -> FloatArray:
    """Return (478, 14) weights of the lid points for each landmark; skin above the eye follows the upper lid."""
    weights = np.zeros((478, 14), np.float32)
    middle = shape[list(ring), 1].mean()
    for first, lid, side in ((0, upper, -1.0), (7, lower, 1.0)):
        offset = shape[:468, None, :2] - shape[None, lid, :2]
        distance = np.linalg.norm(offset, axis=2)
        near = np.exp(-0.5 * (offset[..., 0] / 0.02) ** 2) + 1e-9
        near /= near.sum(1, keepdims=True)
        reach = np.clip(1 - distance.min(1) / _LID_REACH, 0, 1) ** 1.5
        is_on_side = (shape[:468, 1] - middle) * side > 0
        weights[:468, first : first + 7] = near * (reach * is_on_side)[:, None]
    for first, lid in ((0, upper), (7, lower)):
        weights[lid] = 0
        weights[lid, first + np.arange(7)] = 1
    weights[[ring[0], ring[8]]] = 0
    return weights
