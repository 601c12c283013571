"""The warping module W with less arithmetic, and with what depends on the character alone computed once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.liveportrait.execution.optimized.enlarging import Choose, with_least_arithmetic
from animator_core.liveportrait.execution.optimized.operations import Operated
from animator_core.liveportrait.networks.appearance import FEATURE_DEPTH, FEATURE_SIDE
from animator_core.liveportrait.networks.warping import (
    DenseMotionNetwork,
    Hourglass,
    Warping,
    WarpingModule,
    identity_grid,
    sample,
)


@dataclass(frozen=True)
class WarpingSource:
    """What the warp of one character starts from; every size B may be 1 where many frames are warped.

    features: (B, 32, 16, 64, 64). keypoints: (B, 21, 3) float32. compressed: (B, 4, 16, 64, 64) float32, the features
    that are moved to find the deformation. resting: (B, 1, 4, 16, 64, 64), the same where nothing moves.
    """

    features: torch.Tensor
    keypoints: torch.Tensor
    compressed: torch.Tensor
    resting: torch.Tensor


class LeanWarping(nn.Module):
    """Does what a folded `WarpingModule` does."""

    def __init__(self, folded: WarpingModule, choose: Choose = with_least_arithmetic) -> None:
        """choose: how pictures are convolved that are enlarged before."""
        super().__init__()
        self.dense_motion_network = LeanDenseMotion(folded.dense_motion_network, choose)
        self.third = folded.third
        self.fourth = folded.fourth

    def prepare(self, features: torch.Tensor, keypoints_source: torch.Tensor) -> WarpingSource:
        """Return what does not depend on the driver; features: (B, 32, 16, 64, 64), keypoints: (B, 21, 3)."""
        return self.dense_motion_network.prepare(features, keypoints_source)

    def forward(self, source: WarpingSource, keypoints_driving: torch.Tensor) -> Warping:
        """keypoints_driving: (B, 21, 3)."""
        deformation, occlusion_map, mask, moved = self.dense_motion_network(source, keypoints_driving)
        warped = self.fourth(self.third(moved)) * occlusion_map
        return Warping(warped, deformation, occlusion_map, mask)


class LeanDenseMotion(Operated):
    """A folded `DenseMotionNetwork`, given what the character is."""

    def __init__(self, folded: DenseMotionNetwork, choose: Choose) -> None:
        super().__init__()
        self.compress = folded.compress
        self.hourglass = LeanHourglass(folded.hourglass, choose)
        self.mask = folded.mask
        self.occlusion = folded.occlusion

    def prepare(self, features: torch.Tensor, keypoints_source: torch.Tensor) -> WarpingSource:
        if features.is_cuda:
            # The kernels read all channels of a place at once.
            features = features.contiguous(memory_format=torch.channels_last_3d)
        compressed = F.relu(self.compress(features)).float()
        keypoints = keypoints_source.float()
        grid = identity_grid(*features.shape[2:], features.device)
        resting = sample(compressed, grid[0].expand(len(features), -1, -1, -1, -1))
        return WarpingSource(features, keypoints, compressed, resting[:, None])

    def forward(
        self, source: WarpingSource, keypoints_driving: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return deformation, occlusion map and mask (see `Warping`), and the moved features, (B, 512, 64, 64)."""
        features, driving, operations = source.features, keypoints_driving.float(), self.operations
        prediction = self.hourglass(
            operations.hourglass_input(source.compressed, source.resting, source.keypoints, driving, features.dtype)
        )
        deformation, mask, moved = operations.moved(features, self.mask(prediction), source.keypoints - driving)
        occlusion_map = self.occlusion(prediction.flatten(1, 2)).sigmoid()
        return deformation, occlusion_map, mask, moved


class LeanHourglass(nn.Module):
    """A folded `Hourglass`."""

    def __init__(self, folded: Hourglass, choose: Choose) -> None:
        super().__init__()
        self.encoder = folded.encoder
        blocks = folded.decoder.up_blocks
        sides = (FEATURE_SIDE >> steps for steps in range(len(blocks), 0, -1))
        self.up_convs = nn.ModuleList(
            choose(block.conv, 2, (FEATURE_DEPTH, side, side)) for block, side in zip(blocks, sides)
        )
        self.conv = folded.decoder.conv

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        *finer, y = self.encoder(x)
        for up_conv, step in zip(self.up_convs, reversed(finer)):
            y = torch.cat((F.relu(up_conv(y)), step), 1)
        return F.relu(self.conv(y))
