"""Bends a character's face: expression, lids and lips, in the head's own axes."""

from __future__ import annotations

import numpy as np

from animator_core.motion.driving import DrivingMotion
from animator_core.tracking.face_model import INNER_LIPS, LEFT_EYE, RIGHT_EYE

EYES = (RIGHT_EYE, LEFT_EYE)
_LIPS_UPPER = np.array(INNER_LIPS[1:10])
_LIPS_LOWER = np.array(INNER_LIPS[:10:-1])
_LID_REACH = 0.085
"""How far from the lids' rims skin moves with them, in face units: up to the brow's lower edge."""
_MEET_SHARE = 0.2
"""Where closing lids meet: this share of the opening above the lower lid."""
_CLOSING_CURVE, _WIDENING = 0.8, 1.6
_MOUTH_GAIN = 1.15
"""Re-tracking finds drawn mouths a little less open than they are drawn."""
_EYE_CALM = 0.05


class FaceShape:
    """The face of one character; ``shape`` is (478, 3) float32 in face units in the head's axes."""

    def __init__(self, shape: np.ndarray) -> None:
        self.shape = shape.astype(np.float32)
        self._eyes = [_Eye(self.shape, ring) for ring in EYES]
        self._mouth_width = float(np.linalg.norm(self.shape[61] - self.shape[291]))
        distance = np.linalg.norm(self.shape[:, :2] - self.shape[[61, 291], :2].mean(0), axis=1)
        self._around_mouth = np.clip(1.2 - distance / self._mouth_width, 0, 1)[:, None].astype(np.float32)
        self._calm = np.maximum(self._eyes[0].calm, self._eyes[1].calm)[:, None]

    def bent(self, motion: DrivingMotion) -> np.ndarray:
        """Return the (478, 3) float32 shape under the motion's expression and lids."""
        expression = motion.expression * self._mouth_scale(motion.mouth_width)
        # Around the eyes the tracker's lids are replaced by the opening, which is measured better and closes fully.
        around_eyes = np.where(self.shape[:, :1] < 0, *(expression[eye.corners].mean(0)[None] for eye in self._eyes))
        bent = self.shape + expression + self._calm * (around_eyes - expression)
        for eye, openness in zip(self._eyes, motion.eye_openness):
            bent += eye.lid_shift(float(openness))
        self._keep_lips_apart(bent)
        return bent.astype(np.float32)

    def _mouth_scale(self, driving_width: float) -> np.ndarray:
        """Return (478, 1): a wider mouth than the driving one opens wider, so that its shape is the same."""
        ratio = _MOUTH_GAIN * float(np.clip(self._mouth_width / max(driving_width, 1e-3), 0.75, 1.5))
        return 1 + self._around_mouth * (ratio - 1)

    def _keep_lips_apart(self, bent: np.ndarray) -> None:
        """Lips that would pass through each other meet halfway."""
        gap = bent[_LIPS_LOWER, 1] - bent[_LIPS_UPPER, 1]
        overlap = np.maximum(-gap, 0.0)
        bent[_LIPS_UPPER, 1] -= overlap / 2
        bent[_LIPS_LOWER, 1] += overlap / 2


class _Eye:
    """One eye: how its lids and the skin around them move when it closes or widens."""

    def __init__(self, shape: np.ndarray, ring: tuple[int, ...]) -> None:
        self.corners = [ring[0], ring[8]]
        upper, lower = np.array(ring[1:8]), np.array(ring[:8:-1])
        meet = shape[lower] + _MEET_SHARE * (shape[upper] - shape[lower])
        self._close = np.concatenate([meet - shape[upper], meet - shape[lower]])
        lids = np.concatenate([upper, lower])
        self._weights = _skin_weights(shape, upper, lower, ring)
        distance = np.linalg.norm(shape[:, None, :2] - shape[None, lids, :2], axis=2).min(1)
        self.calm = np.clip(1 - distance / _EYE_CALM, 0, 1) ** 0.7
        self.calm[lids] = 1.0
        self.calm[468:] = 1.0

    def lid_shift(self, openness: float) -> np.ndarray:
        """Return the (478, 3) shift of every landmark for an opening of 0 (closed), 1 (as in the picture) and more."""
        closing = 1 - openness
        # Measured by re-tracking: lids that move in proportion look half as moved in the middle, and wide eyes less.
        closing = closing**_CLOSING_CURVE if closing > 0 else closing * _WIDENING
        return closing * (self._weights @ self._close)


def _skin_weights(shape: np.ndarray, upper: np.ndarray, lower: np.ndarray, ring: tuple[int, ...]) -> np.ndarray:
    """Return (478, 14): how much each landmark follows each lid point; skin above the eye follows the upper lid."""
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
