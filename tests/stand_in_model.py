"""A model with LivePortrait's methods and no networks: what it paints tells which source it was and what moved.

The driver's yaw is read from the driving square's red (mid grey looks straight ahead), lids from its blue. In the
painted square red is the source's own, green falls and rises with where the keypoints are to the right of the source's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from animator_core.liveportrait.model import Painting, SourceFeatures
from animator_core.liveportrait.networks.keypoints import KeypointMotion, transform_keypoints
from animator_core.motion.options import MotionOptions

_DEGREES_OF_RED = 60.0
_GREEN_OF_SHIFT = 4.0


class NoRetargeters:
    """Changes nothing."""

    def stitch(self, keypoints_source: torch.Tensor, keypoints_driving: torch.Tensor) -> torch.Tensor:
        return keypoints_driving

    def retarget_lips(self, keypoints_source: torch.Tensor, ratios: torch.Tensor) -> torch.Tensor:
        return torch.zeros_like(keypoints_source)

    retarget_eyes = retarget_lips


@dataclass(frozen=True)
class StandInSource:
    """As large as what the real networks start from."""

    features: torch.Tensor
    keypoints: torch.Tensor
    compressed: torch.Tensor
    resting: torch.Tensor


class StandInModel:
    name = "liveportrait"
    version = "stand-in"
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.options = MotionOptions()
        self.retargeters = NoRetargeters()
        self.extracted = self.motions = self.painted = 0

    def extract_features(self, source_tensor: torch.Tensor) -> SourceFeatures:
        self.extracted += 1
        motion = self._motion(torch.full((1, 3, 4, 4), 0.5))
        red = float(source_tensor[:, 0].mean())
        return SourceFeatures(torch.full((1, 32, 16, 64, 64), red), motion, transform_keypoints(motion))

    def extract_motion(self, driving_tensor: torch.Tensor) -> KeypointMotion:
        self.motions += 1
        return self._motion(driving_tensor)

    def prepare_warp(self, source: SourceFeatures) -> StandInSource:
        volume = (16, 64, 64)
        return StandInSource(
            source.appearance_features,
            source.keypoints_source,
            torch.zeros(1, 4, *volume),
            torch.zeros(1, 1, 4, *volume),
        )

    def paint(self, source: StandInSource, keypoints_driving: torch.Tensor) -> Painting:
        self.painted += 1
        count = len(keypoints_driving)
        moved = (keypoints_driving[:, 0, 0] - source.keypoints[:, 0, 0]) * _GREEN_OF_SHIFT + 0.5
        picture = torch.zeros(count, 3, 512, 512)
        picture[:, 0] = source.features.mean()
        picture[:, 1] = moved.clamp(0, 1)[:, None, None]
        steps = torch.arange(64) * 2 / 63 - 1
        y, x = torch.meshgrid(steps, steps, indexing="ij")
        still = torch.stack((x, y, torch.zeros_like(x)), -1)
        return Painting(picture, still.expand(count, 16, 64, 64, 3))

    @staticmethod
    def _motion(picture: torch.Tensor) -> KeypointMotion:
        zero = torch.zeros(1)
        yaw = (picture[:, 0].mean()[None] - 0.5) * _DEGREES_OF_RED
        canonical = torch.zeros(1, 21, 3)
        canonical[0, :, 0] = torch.linspace(-0.3, 0.3, 21)
        # The nose: what turns to the side goes to the side.
        canonical[0, 0] = torch.tensor([0.0, 0.0, -0.3])
        return KeypointMotion(zero, yaw, zero, torch.zeros(1, 3), torch.zeros(1, 21, 3), torch.ones(1, 1), canonical)


def shown(frame: np.ndarray) -> tuple[int, int]:
    """Return (source's red, shift's green) in the middle of a rendered frame of `face_character`."""
    height, width = frame.shape[:2]
    middle = frame[height // 2, width // 2]
    return int(middle[2]), int(middle[1])


def face_character(name: str = "ada.png", red: int = 200, side: int = 160, alpha: int = 255, number: int = 0):
    """Return a plain picture with the mean face in its middle."""
    from animator_core.characters.character import Character
    from animator_core.tracking.face_model import face_model

    picture = np.zeros((side, side, 4), np.uint8)
    picture[:] = (red, 90, 60, 255)
    if alpha < 255:
        picture[: side // 5, :, 3] = alpha
    landmarks = face_model().mean * (side * 0.35) + np.array([side / 2, side / 2, 0])
    return Character(name, name, picture, landmarks.astype(np.float32), f"{name}-{red}-{side}-{alpha}")
