"""An emote over the driver's motion: the motion extractor sees the driver alone."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch

from animator_core.liveportrait.motion.face_motion import FaceMotion, rotation_from_vector, vector_from_rotation
from animator_core.liveportrait.motion.landmark_motion import LandmarkMotion
from animator_core.liveportrait.motion.retargeting import BROW_KEYPOINTS, EYE_KEYPOINTS, LIP_KEYPOINTS
from animator_core.liveportrait.networks.keypoints import KEYPOINT_COUNT


@dataclass(frozen=True)
class PlayedEmote:
    """An emote over the driver's motion.

    added: its own motion. head, eyes, brows, mouth: the share of the driver's motion that is left of each, 0 to 1.
    """

    added: LandmarkMotion
    head: float = 1.0
    eyes: float = 1.0
    brows: float = 1.0
    mouth: float = 1.0

    @property
    def left(self) -> torch.Tensor:
        """The share of the driver's expression that is left, (21, 1)."""
        left = torch.ones(KEYPOINT_COUNT, 1)
        left[list(BROW_KEYPOINTS)], left[list(LIP_KEYPOINTS)] = self.brows, self.mouth
        left[list(EYE_KEYPOINTS)] = self.eyes
        return left


def less_of(driving: FaceMotion, neutral: FaceMotion, emote: PlayedEmote) -> FaceMotion:
    """Return a motion (N = 1) of which as much is left as an emote leaves."""
    left = emote.left.to(driving.expression.device)
    turn = vector_from_rotation(driving.rotation @ neutral.rotation.transpose(1, 2))
    return replace(
        driving,
        rotation=rotation_from_vector(emote.head * turn) @ neutral.rotation,
        expression=torch.lerp(neutral.expression, driving.expression, left),
        scale=neutral.scale * (driving.scale / neutral.scale) ** emote.head,
        translation=torch.lerp(neutral.translation, driving.translation, emote.head),
    )
