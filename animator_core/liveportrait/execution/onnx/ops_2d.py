"""3-D convolutions and sampling by 2-D operators, on volumes as batches of slices, (depth, channels, height, width).

Many onnxruntime providers lack 5-D operators: CoreML has only 2-D convolutions, and only the CPU and CUDA providers
sample volumes. The results are the same.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.liveportrait.execution.optimized.upsampling import TransposedUpConv
from animator_core.liveportrait.networks.keypoints import KEYPOINT_COUNT
from animator_core.liveportrait.networks.warping import axis_coordinates


class Conv3dBy2d(nn.Module):
    """An `nn.Conv3d` that keeps the size: (D, C, H, W) to (D, out_channels, H, W).

    One 2-D convolution of every slice with all kernel slices; neighbouring slices are joined before it or summed
    after it, on the side with fewer channels.
    """

    def __init__(self, conv: nn.Conv3d) -> None:
        super().__init__()
        assert conv.bias is not None
        weight = conv.weight.detach()
        self._out_channels, in_channels, self._depth, size, _ = weight.shape
        self._joins_first = in_channels < self._out_channels
        self._padding = size // 2
        # (out, in, depth, h, w) to (out, depth·in, h, w) or (depth·out, in, h, w)
        order = weight.transpose(1, 2).flatten(1, 2) if self._joins_first else weight.movedim(2, 0).flatten(0, 1)
        self.weight = nn.Parameter(order.contiguous(), requires_grad=False)
        self.bias = nn.Parameter(conv.bias.detach().clone(), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self._joins_first:
            return F.conv2d(_neighbours(x, self._depth), self.weight, self.bias, padding=self._padding)
        y = F.conv2d(x, self.weight, padding=self._padding)
        return _summed(y, self._out_channels, range(self._depth)) + self.bias.reshape(1, -1, 1, 1)


class UpConv3dBy2d(nn.Module):
    """A `TransposedUpConv` of volumes by 2: (D, C, H, W) to (D, out_channels, 2·H, 2·W)."""

    def __init__(self, conv: nn.Module) -> None:
        super().__init__()
        assert isinstance(conv, TransposedUpConv) and conv.bias is not None
        weight = conv.weight.detach()
        self._out_channels, self._depth = weight.shape[1:3]
        # (in, out, depth, h, w) to (in, depth·out, h, w)
        self.weight = nn.Parameter(weight.transpose(1, 2).flatten(1, 2).contiguous(), requires_grad=False)
        self.bias = nn.Parameter(conv.bias.detach().clone(), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.conv_transpose2d(x, self.weight, stride=2, padding=1)
        # The kernel of a transposed convolution is reversed.
        return _summed(y, self._out_channels, reversed(range(self._depth))) + self.bias.reshape(1, -1, 1, 1)


Size = tuple[int, int, int]
Coordinates = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def sample_shifted(volume: torch.Tensor, shift: torch.Tensor, size: Size) -> torch.Tensor:
    """Return `warping.sample` of a volume at its identity grid plus each shift: (K, C, D, H·W).

    volume: (C, *size). shift: (K, 3) x, y, z. size: depth, height, width, as numbers, because tensors' shapes would
    become part of the traced graph. The sampling is separable: a product with a matrix of linear weights per axis.
    """
    depth, height, width = size
    along_z, along_y, along_x = (_weights(length, shift[:, axis : axis + 1]) for length, axis in zip(size, (2, 1, 0)))
    sampled = volume.reshape(1, 1, -1, width) @ along_x.transpose(2, 3)
    sampled = along_y @ sampled.reshape(KEYPOINT_COUNT, -1, height, width)
    return along_z @ sampled.reshape(KEYPOINT_COUNT, -1, depth, height * width)


def sample_at(volume: torch.Tensor, coordinates: Coordinates, size: Size) -> torch.Tensor:
    """Return `warping.sample` of a volume at N points, by gathering and multiplying: (N, C).

    volume: (C, *size). coordinates: x, y and z, each (N, 1). size: depth, height, width.
    """
    depth, height, width = size
    points = [_voxel_index(each, length) for each, length in zip(coordinates, (width, height, depth))]
    # Both neighbours are kept inside; for a point outside, the weight of the one that it does not touch is zero.
    lower = [point.clamp(0, length - 2).int() for point, length in zip(points, (width, height, depth))]
    x, y, z = (
        (_weight(point - near.float()), _weight(point - (near + 1).float())) for point, near in zip(points, lower)
    )
    first = (lower[2] * height + lower[1]) * width + lower[0]
    rows = volume.reshape(-1, depth * height * width).transpose(0, 1)
    corners = [
        rows.index_select(0, (first + ((dz * height + dy) * width + dx)).reshape(-1)) * (z[dz] * y[dy] * x[dx])
        for dz, dy, dx in itertools.product((0, 1), repeat=3)
    ]
    return sum(corners[1:], corners[0])


def _weights(size: int, shift: torch.Tensor) -> torch.Tensor:
    """Return the linear weights along one axis for its grid plus each (K, 1) ``shift``: (K, 1, size, size)."""
    grid = axis_coordinates(size, shift.device).reshape(1, 1, size, 1)
    points = _voxel_index(grid + shift.reshape(-1, 1, 1, 1), size)
    return _weight(points - torch.arange(size, dtype=torch.float32, device=shift.device))


def _voxel_index(coordinate: torch.Tensor, size: int) -> torch.Tensor:
    """Return the fractional index of a coordinate in [-1, 1], with align_corners=False."""
    return ((coordinate + 1) * size - 1) / 2


def _weight(distance: torch.Tensor) -> torch.Tensor:
    # The absolute value by an operator that CoreML has too.
    return F.relu(1 - torch.maximum(distance, 0 - distance))


def _neighbours(x: torch.Tensor, count: int) -> torch.Tensor:
    """Join the ``count`` slices around each slice: (D, count·C, H, W), zero outside."""
    return torch.cat([_shifted(x, step - count // 2) for step in range(count)], 1)


def _summed(y: torch.Tensor, channels: int, order: Iterable[int]) -> torch.Tensor:
    """Sum (D, count·channels, H, W) over the kernel slices, each shifted to its own slice: (D, channels, H, W)."""
    parts = y.split(channels, 1)
    (step, part), *others = zip(order, parts)
    total = _shifted(part, step - len(parts) // 2)
    for step, part in others:
        total = total + _shifted(part, step - len(parts) // 2)
    return total


def _shifted(x: torch.Tensor, step: int) -> torch.Tensor:
    """Shift the slices of (D, C, H, W) by ``step``, filling with zeros."""
    if step == 0:
        return x
    empty = x.new_zeros(abs(step), *x.shape[1:])
    return torch.cat((x[step:], empty) if step > 0 else (empty, x[:step]))
