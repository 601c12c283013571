"""LivePortrait's seven networks, loaded, with one method for each of their tasks."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from animator_core.liveportrait.execution.kernel_choice import choose_operations
from animator_core.liveportrait.execution.optimized.generator import OptimizedGenerator
from animator_core.liveportrait.execution.optimized.operations import use_operations
from animator_core.liveportrait.execution.optimized.warping import OptimizedWarping, WarpingSource
from animator_core.liveportrait.networks.appearance import AppearanceFeatureExtractor
from animator_core.liveportrait.networks.keypoints import KeypointMotion
from animator_core.liveportrait.networks.motion_extractor import MotionExtractor
from animator_core.liveportrait.networks.stitching import EyeRetargeting, LipRetargeting, StitchingNetwork
from animator_core.liveportrait.networks.warping import Warping


@dataclass(frozen=True)
class Networks:
    """All on one device, without gradients; inputs may be of any float type.

    dtype: of appearance, warping and generator; keypoints, motion and deformation are always float32.
    version: hex digest of the weights, a key for everything computed with them.
    """

    appearance_feature_extractor: AppearanceFeatureExtractor
    motion_extractor: MotionExtractor
    warping_module: OptimizedWarping
    spade_generator: OptimizedGenerator
    stitching: StitchingNetwork
    lip: LipRetargeting
    eye: EyeRetargeting
    device: torch.device
    dtype: torch.dtype
    version: str

    def __post_init__(self) -> None:
        operations = choose_operations(self.device, self.dtype)
        for network in (self.warping_module, self.spade_generator):
            use_operations(network, operations)

    def extract_appearance(self, source: torch.Tensor) -> torch.Tensor:
        """Return the appearance features, (B, 32, 16, 64, 64) of `dtype`; source: (B, 3, 256, 256) RGB in [0, 1]."""
        features: torch.Tensor = self.appearance_feature_extractor(source.to(self.dtype))
        return features

    def extract_motion(self, image: torch.Tensor) -> KeypointMotion:
        """Return pose, expression and canonical keypoints of faces; image: (B, 3, 256, 256) RGB in [0, 1]."""
        motion: KeypointMotion = self.motion_extractor(image)
        return motion

    def prepare_warp(self, appearance: torch.Tensor, keypoints_source: torch.Tensor) -> WarpingSource:
        """Precompute a character's inputs of `warp`; appearance: (B, 32, 16, 64, 64), keypoints: (B, 21, 3)."""
        return self.warping_module.prepare(appearance.to(self.dtype), keypoints_source)

    def warp(self, source: WarpingSource, keypoints_driving: torch.Tensor) -> Warping:
        """Warp the features to the driving keypoints, (B, 21, 3); a source of B = 1 serves all of them."""
        warping: Warping = self.warping_module(source, keypoints_driving)
        return warping

    def generate(self, warped: torch.Tensor) -> torch.Tensor:
        """Return the picture, (B, 3, 512, 512) float32 RGB in [0, 1]; warped: (B, 256, 64, 64)."""
        picture: torch.Tensor = self.spade_generator(warped.to(self.dtype))
        return picture.float()

    def stitch(self, keypoints_source: torch.Tensor, keypoints_driving: torch.Tensor) -> torch.Tensor:
        """Return the driving keypoints fitted to the still parts of the source; all (B, 21, 3)."""
        return self.stitching.stitch(keypoints_source.float(), keypoints_driving.float())

    def retarget_lips(self, keypoints_source: torch.Tensor, ratios: torch.Tensor) -> torch.Tensor:
        """Return the delta for the driving keypoints that opens or closes the lips, (B, 21, 3).

        keypoints_source: (B, 21, 3). ratios: (B, 2), the source's lip opening and the wanted one.
        """
        return self.lip.retarget(keypoints_source.float(), ratios.float())

    def retarget_eyes(self, keypoints_source: torch.Tensor, ratios: torch.Tensor) -> torch.Tensor:
        """Return the delta for the driving keypoints that opens or closes the eyes, (B, 21, 3).

        keypoints_source: (B, 21, 3). ratios: (B, 3), the source's left and right eye opening and the wanted one.
        """
        return self.eye.retarget(keypoints_source.float(), ratios.float())
