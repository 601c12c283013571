"""The warping module W: warps the appearance features from the source to the driving keypoints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.liveportrait.networks.appearance import FEATURE_CHANNELS, FEATURE_DEPTH
from animator_core.liveportrait.networks.keypoints import KEYPOINT_COUNT
from animator_core.liveportrait.networks.layers import (
    ConvBlock2d,
    ConvBlock3d,
    DownBlock3d,
    Foldable,
    UpBlock3d,
    fold_norm,
)

_COMPRESSED_CHANNELS = 4
_MOTIONS = KEYPOINT_COUNT + 1
HEAT_VARIANCE = 0.01
_HOURGLASS_CHANNELS = _MOTIONS * (_COMPRESSED_CHANNELS + 1)


@dataclass(frozen=True)
class Warping:
    """The warped features of a batch, and how they were found.

    warped: (B, 256, 64, 64) features for the generator. deformation: (B, 16, 64, 64, 3) float32, the sampling
    coordinates of each voxel: x, y, z in [-1, 1] with align_corners=False. occlusion_map: (B, 1, 64, 64) in [0, 1], 0
    for places hidden in the source. mask: (B, 22, 16, 64, 64), the weight of each motion.
    """

    warped: torch.Tensor
    deformation: torch.Tensor
    occlusion_map: torch.Tensor
    mask: torch.Tensor


class HourglassEncoder(nn.Module):
    """Halves height and width five times; returns the input and every step, for the skip connections."""

    def __init__(self) -> None:
        super().__init__()
        channels = (_HOURGLASS_CHANNELS, 64, 128, 256, 512, 1024)
        self.down_blocks = nn.ModuleList(DownBlock3d(fine, coarse) for fine, coarse in zip(channels, channels[1:]))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        skips = [x]
        for block in self.down_blocks:
            skips.append(block(skips[-1]))
        return skips


class HourglassDecoder(ConvBlock3d):
    """The blocks that double height and width, and the convolution after the last; `Hourglass` adds the skips."""

    out_channels = 32 + _HOURGLASS_CHANNELS

    def __init__(self) -> None:
        super().__init__(self.out_channels, self.out_channels)
        channels = ((1024, 512), (1024, 256), (512, 128), (256, 64), (128, 32))
        self.up_blocks = nn.ModuleList(UpBlock3d(coarse, fine) for coarse, fine in channels)


class Hourglass(nn.Module):
    """A U-Net over height and width; (B, 110, 16, 64, 64) to (B, 142, 16, 64, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = HourglassEncoder()
        self.decoder = HourglassDecoder()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        *skips, x = self.encoder(x)
        for block, skip in zip(self.decoder.up_blocks, reversed(skips)):
            x = torch.cat((block(x), skip), 1)
        out: torch.Tensor = self.decoder(x)
        return out


class DenseMotionNetwork(Foldable):
    """Estimates the dense motion between two sets of 21 keypoints; coordinates stay float32 for any weights."""

    def __init__(self) -> None:
        super().__init__()
        self.compress = nn.Conv3d(FEATURE_CHANNELS, _COMPRESSED_CHANNELS, 1)
        self.norm: nn.Module = nn.BatchNorm3d(_COMPRESSED_CHANNELS)
        self.hourglass = Hourglass()
        channels = HourglassDecoder.out_channels
        self.mask = nn.Conv3d(channels, _MOTIONS, 7, padding=3)
        self.occlusion = nn.Conv2d(channels * FEATURE_DEPTH, 1, 7, padding=3)

    def forward(
        self, features: torch.Tensor, keypoints_driving: torch.Tensor, keypoints_source: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return deformation, occlusion map and mask (see `Warping`); keypoints: (B, 21, 3) float32."""
        batch = len(features)
        grid = identity_grid(features.shape[2:], features.device)
        driving, source = (_spread(points) for points in (keypoints_driving, keypoints_source))
        motions = torch.cat((grid.expand(batch, 1, -1, -1, -1, -1), grid - driving + source), 1)

        compressed = F.relu(self.norm(self.compress(features)))
        repeated = compressed.float().repeat_interleave(_MOTIONS, 0)
        deformed = sample(repeated, motions.flatten(0, 1)).unflatten(0, (batch, _MOTIONS))
        heat = F.pad(_heat(grid, driving) - _heat(grid, source), (0, 0, 0, 0, 0, 0, 1, 0))
        both = torch.cat((heat[:, :, None], deformed), 2).flatten(1, 2)

        prediction = self.hourglass(both.to(features.dtype))
        mask = self.mask(prediction).float().softmax(1)
        deformation = torch.einsum("bkdhw,bkdhwc->bdhwc", mask, motions)
        occlusion_map = self.occlusion(prediction.flatten(1, 2)).sigmoid()
        return deformation, occlusion_map, mask

    def fold(self) -> None:
        self.norm = fold_norm(self.compress, self.norm)


class WarpingModule(nn.Module):
    """W of the paper; run once a driving frame."""

    def __init__(self) -> None:
        super().__init__()
        self.dense_motion_network = DenseMotionNetwork()
        self.third = ConvBlock2d(FEATURE_CHANNELS * FEATURE_DEPTH, 256, negative_slope=0.01)
        self.fourth = nn.Conv2d(256, 256, 1)

    def forward(self, feature_3d: torch.Tensor, kp_driving: torch.Tensor, kp_source: torch.Tensor) -> Warping:
        """Warp feature_3d, (B, 32, 16, 64, 64), from kp_source to kp_driving, (B, 21, 3) float32."""
        deformation, occlusion_map, mask = self.dense_motion_network(feature_3d, kp_driving, kp_source)
        moved = sample(feature_3d.float(), deformation).to(feature_3d.dtype).flatten(1, 2)
        warped = self.fourth(self.third(moved)) * occlusion_map
        return Warping(warped=warped, deformation=deformation, occlusion_map=occlusion_map, mask=mask)


def identity_grid(size: Sequence[int], device: torch.device) -> torch.Tensor:
    """Return the coordinates of every voxel: (1, 1, *size, 3) float32, x, y, z from -1 to 1; size: D, H, W."""
    z, y, x = torch.meshgrid(*(axis_coordinates(length, device) for length in size), indexing="ij")
    return torch.stack((x, y, z), -1)[None, None]


def axis_coordinates(size: int, device: torch.device) -> torch.Tensor:
    """Return ``size`` coordinates from -1 to 1, float32."""
    return torch.arange(size, dtype=torch.float32, device=device) * 2 / (size - 1) - 1


def sample(volume: torch.Tensor, coordinates: torch.Tensor) -> torch.Tensor:
    """Sample (B, C, D, H, W) ``volume`` at (B, D, H, W, 3) ``coordinates``, trilinear, zero outside."""
    # The networks were trained with a corner-aligned grid but unaligned sampling: both must stay.
    return F.grid_sample(volume, coordinates, mode="bilinear", padding_mode="zeros", align_corners=False)


def _spread(keypoints: torch.Tensor) -> torch.Tensor:
    return keypoints.float()[:, :, None, None, None]


def _heat(grid: torch.Tensor, keypoints: torch.Tensor) -> torch.Tensor:
    """Return a Gaussian around each keypoint, (B, 21, D, H, W)."""
    return (-0.5 / HEAT_VARIANCE * (grid - keypoints).square().sum(-1)).exp()
