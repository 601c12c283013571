"""The face's shape by expression; lids move over it, see `eyes`."""

from __future__ import annotations

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.motion.driving import DrivingMotion
from animator_core.tracking.face_model import LEFT_EYE, RIGHT_EYE
from animator_core.warp.expression_limits import PictureExpression
from animator_core.warp.lip_contact import keep_lips_apart
from animator_core.warp.unfolding import Unfolding

EYES = (RIGHT_EYE, LEFT_EYE)
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
        """Return the (478, 3) float32 shape with the motion's expression, the lids as in the picture."""
        expression = self._expression.carried(motion)
        # The eye openness replaces the tracker's lids: it is more exact and closes fully.
        around_eyes = np.where(self.shape[:, :1] < 0, *(expression[eye.corners].mean(0)[None] for eye in self._eyes))
        bent = self.shape + expression + self._calm * (around_eyes - expression)
        keep_lips_apart(bent)
        bent = self.shape + self._unfolding.evened(bent - self.shape)
        keep_lips_apart(bent)
        shape: FloatArray = bent.astype(np.float32)
        return shape


class _Eye:
    """The skin around one eye, which moves as its corners do."""

    def __init__(self, shape: FloatArray, ring: tuple[int, ...]) -> None:
        self.corners = [ring[0], ring[8]]
        lids = [*ring[1:8], *ring[9:]]
        distance = np.linalg.norm(shape[:, None, :2] - shape[None, lids, :2], axis=2).min(1)
        self.calm = np.clip(1 - distance / _EYE_CALM, 0, 1) ** 0.7
        self.calm[lids] = 1.0
        self.calm[468:] = 1.0
