"""The warping module W with less arithmetic; everything that only the character determines is computed once."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.liveportrait.execution.optimized.operations import OperationsModule
from animator_core.liveportrait.execution.optimized.upsampling import MakeUpConv, fewest_products
from animator_core.liveportrait.networks.appearance import FEATURE_DEPTH, FEATURE_SIDE
from animator_core.liveportrait.networks.layers import UpBlock3d
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
    """The warp's precomputed inputs of one character; each B may be 1 for a batch of frames.

    features: (B, 32, 16, 64, 64). keypoints: (B, 21, 3) float32. compressed: (B, 4, 16, 64, 64) float32, the features
    for the dense motion. resting: (B, 1, 4, 16, 64, 64) float32, the same sampled by the identity.
    """

    features: torch.Tensor
    keypoints: torch.Tensor
    compressed: torch.Tensor
    resting: torch.Tensor


class OptimizedWarping(nn.Module):
    """Equals a folded `WarpingModule`; takes its weights."""

    def __init__(self, folded: WarpingModule, make_up_conv: MakeUpConv = fewest_products) -> None:
        """make_up_conv: makes the convolutions after upsampling."""
        super().__init__()
        self.dense_motion_network = OptimizedDenseMotion(folded.dense_motion_network, make_up_conv)
        self.third = folded.third
        self.fourth = folded.fourth

    def prepare(self, features: torch.Tensor, keypoints_source: torch.Tensor) -> WarpingSource:
        """Precompute a character's inputs; features: (B, 32, 16, 64, 64), keypoints: (B, 21, 3)."""
        return self.dense_motion_network.prepare(features, keypoints_source)

    def forward(self, source: WarpingSource, keypoints_driving: torch.Tensor) -> Warping:
        """Warp the source to keypoints_driving, (B, 21, 3)."""
        deformation, occlusion_map, mask, features = self.dense_motion_network(source, keypoints_driving)
        warped = self.fourth(self.third(features)) * occlusion_map
        return Warping(warped=warped, deformation=deformation, occlusion_map=occlusion_map, mask=mask)


class OptimizedDenseMotion(OperationsModule):
    """Equals a folded `DenseMotionNetwork` followed by the sampling of the features."""

    def __init__(self, folded: DenseMotionNetwork, make_up_conv: MakeUpConv) -> None:
        super().__init__()
        self.compress = folded.compress
        self.hourglass = OptimizedHourglass(folded.hourglass, make_up_conv)
        self.mask = folded.mask
        self.occlusion = folded.occlusion

    def prepare(self, features: torch.Tensor, keypoints_source: torch.Tensor) -> WarpingSource:
        """See `OptimizedWarping.prepare`."""
        if features.is_cuda:
            # The kernels read all channels of a voxel at once.
            features = features.contiguous(memory_format=torch.channels_last_3d)
        compressed = F.relu(self.compress(features)).float()
        grid = identity_grid(features.shape[2:], features.device)
        resting = sample(compressed, grid[0].expand(len(features), -1, -1, -1, -1))
        return WarpingSource(
            features=features, keypoints=keypoints_source.float(), compressed=compressed, resting=resting[:, None]
        )

    def forward(
        self, source: WarpingSource, keypoints_driving: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return deformation, occlusion map and mask (see `Warping`), and the warped features, (B, 512, 64, 64)."""
        features, driving, operations = source.features, keypoints_driving.float(), self.operations
        prediction = self.hourglass(
            operations.hourglass_input(
                compressed=source.compressed,
                resting=source.resting,
                keypoints_source=source.keypoints,
                keypoints_driving=driving,
                dtype=features.dtype,
            )
        )
        shift = source.keypoints - driving
        deformation, mask, warped = operations.warped_features(features, self.mask(prediction), shift)
        occlusion_map = self.occlusion(prediction.flatten(1, 2)).sigmoid()
        return deformation, occlusion_map, mask, warped


class OptimizedHourglass(nn.Module):
    """Equals a folded `Hourglass`."""

    def __init__(self, folded: Hourglass, make_up_conv: MakeUpConv) -> None:
        super().__init__()
        self.encoder = folded.encoder
        convs = [block.conv for block in folded.decoder.up_blocks if isinstance(block, UpBlock3d)]
        sides = (FEATURE_SIDE >> steps for steps in range(len(convs), 0, -1))
        self.up_convs = nn.ModuleList(
            make_up_conv(conv, 2, (FEATURE_DEPTH, side, side)) for conv, side in zip(convs, sides)
        )
        self.conv = folded.decoder.conv

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        *skips, y = self.encoder(x)
        for up_conv, skip in zip(self.up_convs, reversed(skips)):
            y = torch.cat((F.relu(up_conv(y)), skip), 1)
        return F.relu(self.conv(y))
