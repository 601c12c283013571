"""The warping module W: moves the appearance features to where the driving keypoints are."""

from __future__ import annotations

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
    folded_conv,
)

_COMPRESSED_CHANNELS = 4
_MOTIONS = KEYPOINT_COUNT + 1
HEAT_VARIANCE = 0.01
_HOURGLASS_CHANNELS = _MOTIONS * (_COMPRESSED_CHANNELS + 1)


@dataclass(frozen=True)
class Warping:
    """What one warp gives.

    warped: (B, 256, 64, 64) features for the generator. deformation: (B, 16, 64, 64, 3) float32, where each place of
    the volume comes from: x, y, z in [-1, 1] with align_corners=False. occlusion_map: (B, 1, 64, 64) in [0, 1], 0
    where the source shows nothing that could be moved there. mask: (B, 22, 16, 64, 64), each motion's share.
    """

    warped: torch.Tensor
    deformation: torch.Tensor
    occlusion_map: torch.Tensor
    mask: torch.Tensor


class HourglassEncoder(nn.Module):
    """Halves height and width five times and keeps every step."""

    def __init__(self) -> None:
        super().__init__()
        channels = (_HOURGLASS_CHANNELS, 64, 128, 256, 512, 1024)
        self.down_blocks = nn.ModuleList(DownBlock3d(fine, coarse) for fine, coarse in zip(channels, channels[1:]))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        steps = [x]
        for block in self.down_blocks:
            steps.append(block(steps[-1]))
        return steps


class HourglassDecoder(ConvBlock3d):
    """Doubles height and width five times, each time joining what the encoder had in that size."""

    out_channels = 32 + _HOURGLASS_CHANNELS

    def __init__(self) -> None:
        super().__init__(self.out_channels, self.out_channels)
        channels = ((1024, 512), (1024, 256), (512, 128), (256, 64), (128, 32))
        self.up_blocks = nn.ModuleList(UpBlock3d(coarse, fine) for coarse, fine in channels)

    def forward(self, steps: list[torch.Tensor]) -> torch.Tensor:
        *finer, x = steps
        for block, step in zip(self.up_blocks, reversed(finer)):
            x = torch.cat((block(x), step), 1)
        return super().forward(x)


class Hourglass(nn.Module):
    """(B, 110, 16, 64, 64) to (B, 142, 16, 64, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = HourglassEncoder()
        self.decoder = HourglassDecoder()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.decoder(self.encoder(x))


class DenseMotionNetwork(Foldable):
    """Turns 21 moved keypoints into a motion of every place; coordinates are float32 whatever the weights are."""

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
        batch, _, depth, height, width = features.shape
        grid = identity_grid(depth, height, width, features.device)
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
        folded_conv(self.compress, self.norm)
        self.norm = nn.Identity()


class WarpingModule(nn.Module):
    """W of the paper; run once a driving frame."""

    def __init__(self) -> None:
        super().__init__()
        self.dense_motion_network = DenseMotionNetwork()
        self.third = ConvBlock2d(FEATURE_CHANNELS * FEATURE_DEPTH, 256, negative_slope=0.01)
        self.fourth = nn.Conv2d(256, 256, 1)

    def forward(self, feature_3d: torch.Tensor, kp_driving: torch.Tensor, kp_source: torch.Tensor) -> Warping:
        """feature_3d: (B, 32, 16, 64, 64). kp_driving, kp_source: (B, 21, 3) float32."""
        deformation, occlusion_map, mask = self.dense_motion_network(feature_3d, kp_driving, kp_source)
        moved = sample(feature_3d.float(), deformation).to(feature_3d.dtype).flatten(1, 2)
        warped = self.fourth(self.third(moved)) * occlusion_map
        return Warping(warped, deformation, occlusion_map, mask)


def identity_grid(depth: int, height: int, width: int, device: torch.device) -> torch.Tensor:
    """Return each place's own coordinates: (1, 1, depth, height, width, 3) float32, x, y, z from -1 at one end to 1."""
    z, y, x = torch.meshgrid(*(axis_places(size, device) for size in (depth, height, width)), indexing="ij")
    return torch.stack((x, y, z), -1)[None, None]


def axis_places(size: int, device: torch.device) -> torch.Tensor:
    """Return ``size`` coordinates from -1 to 1, float32."""
    return torch.arange(size, dtype=torch.float32, device=device) * 2 / (size - 1) - 1


def sample(volume: torch.Tensor, coordinates: torch.Tensor) -> torch.Tensor:
    """Return (B, C, D, H, W) ``volume`` at (B, D, H, W, 3) ``coordinates``, zero outside."""
    # The networks were trained with a corner-aligned grid and samples that are not: both must stay.
    return F.grid_sample(volume, coordinates, mode="bilinear", padding_mode="zeros", align_corners=False)


def _spread(keypoints: torch.Tensor) -> torch.Tensor:
    return keypoints.float()[:, :, None, None, None]


def _heat(grid: torch.Tensor, keypoints: torch.Tensor) -> torch.Tensor:
    """Return a Gaussian around each keypoint, (B, 21, D, H, W)."""
    return (-0.5 / HEAT_VARIANCE * (grid - keypoints).square().sum(-1)).exp()
