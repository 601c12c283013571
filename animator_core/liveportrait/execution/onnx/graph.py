"""The warping module and the generator in the form that is exported: one frame, 4-D data and plain operators only."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.liveportrait.execution.onnx.slices import SliceConv, SliceEnlargingConv, sampled, translated
from animator_core.liveportrait.execution.optimized.generator import LeanGenerator
from animator_core.liveportrait.execution.optimized.warping import LeanHourglass, LeanWarping
from animator_core.liveportrait.networks.appearance import FEATURE_CHANNELS, FEATURE_DEPTH, FEATURE_SIDE
from animator_core.liveportrait.networks.keypoints import KEYPOINT_COUNT
from animator_core.liveportrait.networks.warping import HEAT_VARIANCE, axis_places

INPUTS = ("features", "keypoints", "compressed", "resting", "keypoints_driving")
OUTPUTS = ("picture", "deformation")


class PaintingGraph(nn.Module):
    """Does what `TorchPainter.paint` does of one source and one frame; takes the networks' own weights."""

    def __init__(self, warping: LeanWarping, generator: LeanGenerator, side: int = FEATURE_SIDE) -> None:
        """side: height and width of the features, fixed in what is exported."""
        super().__init__()
        self.warping = WarpingGraph(warping, (FEATURE_DEPTH, side, side))
        self.generator = generator

    def forward(self, *inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Takes a `WarpingSource`'s tensors and (1, 21, 3) keypoints, as in `INPUTS`; returns a `Painting`'s."""
        warped, deformation = self.warping(*inputs)
        return self.generator(warped), deformation


class WarpingGraph(nn.Module):
    """A `LeanWarping` of one frame."""

    def __init__(self, lean: LeanWarping, size: tuple[int, int, int]) -> None:
        """size: depth, height and width of the features."""
        super().__init__()
        self._size = size
        dense = lean.dense_motion_network
        self.hourglass = HourglassGraph(dense.hourglass)
        self.mask = SliceConv(dense.mask)
        self.occlusion = _reordered(dense.occlusion, dense.mask.in_channels)
        self.third = _reordered(lean.third.conv, FEATURE_CHANNELS)
        self.negative_slope = lean.third.negative_slope
        self.fourth = lean.fourth

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
        deformed = translated(compressed, shift, self._size).permute(2, 0, 1, 3)
        moving = torch.cat((_heat(driving, self._size) - _heat(source, self._size), deformed), 2)
        still = resting.reshape(-1, depth, height * width).transpose(0, 1).reshape(depth, 1, -1, height * width)
        still = torch.cat((still.new_zeros(depth, 1, 1, height * width), still), 2)
        both = torch.cat((still, moving), 1)

        prediction = self.hourglass(both.reshape(depth, -1, height, width))
        mask = self.mask(prediction).softmax(1)
        # Σ m (grid + shift) = grid + Σ m shift, since the shares of a place add up to 1; the first one does not shift.
        moved = shift.transpose(0, 1) @ mask[:, 1:].reshape(depth, -1, height * width)
        z, y, x = (axis_places(size, features.device) for size in self._size)
        grid = torch.stack(torch.meshgrid(z, y, x, indexing="ij")[::-1], 1).reshape(depth, 3, -1)
        places = grid + moved
        occlusion_map = self.occlusion(prediction.reshape(1, -1, height, width)).sigmoid()
        x, y, z = (places[:, axis : axis + 1].reshape(-1, 1) for axis in range(3))
        volume = sampled(features, (x, y, z), self._size)
        volume = volume.reshape(depth, height * width, -1).transpose(1, 2).reshape(1, -1, height, width)
        warped = self.fourth(F.leaky_relu(self.third(volume), self.negative_slope)) * occlusion_map
        return warped, places.transpose(1, 2).reshape(1, depth, height, width, 3)


class HourglassGraph(nn.Module):
    """A `LeanHourglass`; (16, 110, 64, 64) to (16, 142, 64, 64)."""

    def __init__(self, lean: LeanHourglass) -> None:
        super().__init__()
        self.down_convs = nn.ModuleList(SliceConv(block.conv) for block in lean.encoder.down_blocks)
        self.up_convs = nn.ModuleList(SliceEnlargingConv(conv) for conv in lean.up_convs)
        self.conv = SliceConv(lean.conv)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        steps = [x]
        for conv in self.down_convs:
            steps.append(F.avg_pool2d(F.relu(conv(steps[-1])), 2))
        *finer, y = steps
        for up_conv, step in zip(self.up_convs, reversed(finer)):
            y = torch.cat((F.relu(up_conv(y)), step), 1)
        return F.relu(self.conv(y))


def _heat(keypoints: torch.Tensor, size: tuple[int, int, int]) -> torch.Tensor:
    """Return a Gaussian around each of (21, 3) keypoints, the product of one along each axis: (D, 21, 1, H·W)."""
    z, y, x = (
        (-0.5 / HEAT_VARIANCE * _squared(axis_places(length, keypoints.device) - keypoints[:, axis : axis + 1])).exp()
        for length, axis in zip(size, (2, 1, 0))
    )
    _, height, width = size
    picture = y.reshape(KEYPOINT_COUNT, height, 1) * x.reshape(KEYPOINT_COUNT, 1, width)
    return z.transpose(0, 1).reshape(-1, KEYPOINT_COUNT, 1, 1) * picture.reshape(1, KEYPOINT_COUNT, 1, height * width)


def _squared(x: torch.Tensor) -> torch.Tensor:
    return x * x


def _reordered(conv: nn.Conv2d, channels: int) -> nn.Conv2d:
    """Return ``conv``, which takes a volume's channels each with all its slices, for slices each with all channels."""
    weight = conv.weight.detach().unflatten(1, (channels, -1)).transpose(1, 2).flatten(1, 2)
    with torch.device("meta"):
        reordered = nn.Conv2d(conv.in_channels, conv.out_channels, conv.kernel_size, padding=conv.padding)
    reordered.weight, reordered.bias = (
        nn.Parameter(each, requires_grad=False) for each in (weight, conv.bias.detach())
    )
    return reordered
