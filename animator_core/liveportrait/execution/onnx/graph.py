"""Warping module and generator for export: one frame, 4-D tensors and common operators only."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.liveportrait.execution.onnx.ops_2d import Conv3dBy2d, UpConv3dBy2d, sample_at, sample_shifted
from animator_core.liveportrait.execution.optimized.generator import OptimizedGenerator
from animator_core.liveportrait.execution.optimized.warping import OptimizedHourglass, OptimizedWarping
from animator_core.liveportrait.networks.appearance import FEATURE_CHANNELS, FEATURE_DEPTH, FEATURE_SIDE
from animator_core.liveportrait.networks.keypoints import KEYPOINT_COUNT
from animator_core.liveportrait.networks.layers import DownBlock3d
from animator_core.liveportrait.networks.warping import HEAT_VARIANCE, axis_coordinates

INPUTS = ("features", "keypoints", "compressed", "resting", "keypoints_driving")
OUTPUTS = ("picture", "deformation")


class PaintingGraph(nn.Module):
    """Equals `TorchPainter.paint` for one source and one frame; shares the networks' weights."""

    def __init__(self, warping: OptimizedWarping, generator: OptimizedGenerator, side: int = FEATURE_SIDE) -> None:
        """side: height and width of the features, constants of the graph."""
        super().__init__()
        self.warping = WarpingGraph(warping, (FEATURE_DEPTH, side, side))
        self.generator = generator

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return a `Painting`'s tensors for those of a `WarpingSource` and (1, 21, 3) keypoints, see `INPUTS`."""
        warped, deformation = self.warping(*inputs)
        picture = self.generator(warped)
        return picture, deformation


class WarpingGraph(nn.Module):
    """An `OptimizedWarping` for one frame."""

    def __init__(self, optimized: OptimizedWarping, size: tuple[int, int, int]) -> None:
        """size: depth, height and width of the features."""
        super().__init__()
        self._size = size
        dense = optimized.dense_motion_network
        self.hourglass = HourglassGraph(dense.hourglass)
        self.mask = Conv3dBy2d(dense.mask)
        self.occlusion = _slices_first(dense.occlusion, dense.mask.in_channels)
        self.third = _slices_first(optimized.third.conv, FEATURE_CHANNELS)
        self.negative_slope = optimized.third.negative_slope
        self.fourth = optimized.fourth

    def forward(
        self,
        features: torch.Tensor,
        keypoints: torch.Tensor,
        compressed: torch.Tensor,
        resting: torch.Tensor,
        keypoints_driving: torch.Tensor,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        depth, height, width = self._size
        driving, source = keypoints_driving.reshape(-1, 3), keypoints.reshape(-1, 3)
        shift = source - driving
        deformed = sample_shifted(compressed, shift, self._size).permute(2, 0, 1, 3)
        moving = torch.cat((_heat(driving, self._size) - _heat(source, self._size), deformed), 2)
        still = resting.reshape(-1, depth, height * width).transpose(0, 1).reshape(depth, 1, -1, height * width)
        still = torch.cat((still.new_zeros(depth, 1, 1, height * width), still), 2)
        both = torch.cat((still, moving), 1)

        prediction = self.hourglass(both.reshape(depth, -1, height, width))
        mask = self.mask(prediction).softmax(1)
        # See `operations.warped_features`.
        shifts = shift.transpose(0, 1) @ mask[:, 1:].reshape(depth, -1, height * width)
        z, y, x = (axis_coordinates(size, features.device) for size in self._size)
        grid = torch.stack(torch.meshgrid(z, y, x, indexing="ij")[::-1], 1).reshape(depth, 3, -1)
        coordinates = grid + shifts
        occlusion_map = self.occlusion(prediction.reshape(1, -1, height, width)).sigmoid()
        x, y, z = (coordinates[:, axis : axis + 1].reshape(-1, 1) for axis in range(3))
        volume = sample_at(features, (x, y, z), self._size)
        volume = volume.reshape(depth, height * width, -1).transpose(1, 2).reshape(1, -1, height, width)
        warped = self.fourth(F.leaky_relu(self.third(volume), self.negative_slope)) * occlusion_map
        return warped, coordinates.transpose(1, 2).reshape(1, depth, height, width, 3)


class HourglassGraph(nn.Module):
    """An `OptimizedHourglass`; (16, 110, 64, 64) to (16, 142, 64, 64)."""

    def __init__(self, optimized: OptimizedHourglass) -> None:
        super().__init__()
        down_blocks = optimized.encoder.down_blocks
        self.down_convs = nn.ModuleList(Conv3dBy2d(each.conv) for each in down_blocks if isinstance(each, DownBlock3d))
        self.up_convs = nn.ModuleList(UpConv3dBy2d(each) for each in optimized.up_convs)
        self.conv = Conv3dBy2d(optimized.conv)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        skips = [x]
        for conv in self.down_convs:
            skips.append(F.avg_pool2d(F.relu(conv(skips[-1])), 2))
        *skips, y = skips
        for up_conv, skip in zip(self.up_convs, reversed(skips)):
            y = torch.cat((F.relu(up_conv(y)), skip), 1)
        return F.relu(self.conv(y))


def _heat(keypoints: torch.Tensor, size: tuple[int, int, int]) -> torch.Tensor:
    """Return a Gaussian around each of (21, 3) keypoints, the product of one along each axis: (D, 21, 1, H·W)."""
    scale = -0.5 / HEAT_VARIANCE
    z, y, x = (
        (scale * _squared(axis_coordinates(length, keypoints.device) - keypoints[:, axis : axis + 1])).exp()
        for length, axis in zip(size, (2, 1, 0))
    )
    _, height, width = size
    picture = y.reshape(KEYPOINT_COUNT, height, 1) * x.reshape(KEYPOINT_COUNT, 1, width)
    return z.transpose(0, 1).reshape(-1, KEYPOINT_COUNT, 1, 1) * picture.reshape(1, KEYPOINT_COUNT, 1, height * width)


def _squared(x: torch.Tensor) -> torch.Tensor:
    return x * x


def _slices_first(conv: nn.Conv2d, channels: int) -> nn.Conv2d:
    """Return ``conv`` of a volume's (channels · slices) for the order (slices · channels)."""
    assert conv.bias is not None
    weight = conv.weight.detach().unflatten(1, (channels, -1)).transpose(1, 2).flatten(1, 2)
    size = conv.kernel_size[0]
    with torch.device("meta"):
        reordered = nn.Conv2d(conv.in_channels, conv.out_channels, size, padding=size // 2)
    reordered.weight = nn.Parameter(weight, requires_grad=False)
    reordered.bias = nn.Parameter(conv.bias.detach(), requires_grad=False)
    return reordered
