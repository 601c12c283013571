"""Volumes as the pictures they are sliced into, (depth, channels, height, width), worked on by 2-D operators alone.

Of 5-D data many of onnxruntime's providers know little: CoreML convolves pictures only, and none but the CPU's and
CUDA's samples volumes. What is here gives the same numbers.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.liveportrait.execution.optimized.enlarging import EnlargingConv
from animator_core.liveportrait.networks.keypoints import KEYPOINT_COUNT
from animator_core.liveportrait.networks.warping import axis_places


class SliceConv(nn.Module):
    """A `nn.Conv3d` that keeps the size: (D, C, H, W) to (D, out_channels, H, W).

    One 2-D convolution of every slice with all of the kernel's slices; the rest is moving data along the depth, before
    it or after it, wherever fewer channels are.
    """

    def __init__(self, conv: nn.Conv3d) -> None:
        super().__init__()
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


class SliceEnlargingConv(nn.Module):
    """An `EnlargingConv` of volumes by 2: (D, C, H, W) to (D, out_channels, 2·H, 2·W)."""

    def __init__(self, conv: EnlargingConv) -> None:
        super().__init__()
        weight = conv.weight.detach()
        self._out_channels, self._depth = weight.shape[1:3]
        # (in, out, depth, h, w) to (in, depth·out, h, w)
        self.weight = nn.Parameter(weight.transpose(1, 2).flatten(1, 2).contiguous(), requires_grad=False)
        self.bias = nn.Parameter(conv.bias.detach().clone(), requires_grad=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = F.conv_transpose2d(x, self.weight, stride=2, padding=1)
        # A transposed convolution's kernel lies the other way round.
        return _summed(y, self._out_channels, reversed(range(self._depth))) + self.bias.reshape(1, -1, 1, 1)


Size = tuple[int, int, int]
Places = tuple[torch.Tensor, torch.Tensor, torch.Tensor]


def translated(volume: torch.Tensor, shift: torch.Tensor, size: Size) -> torch.Tensor:
    """Return what `warping.sample` gives of a volume at its own places, each moved by a shift that is one for all.

    volume: (C, *size). shift: (K, 3) x, y, z. size: depth, height, width, numbers since what a tracer sees of a shape
    becomes part of the graph. Returns (K, C, D, H·W). Such a sampling is one along each axis, and
    each of those a product with a matrix of hats.
    """
    depth, height, width = size
    along_z, along_y, along_x = (_hats(length, shift[:, axis : axis + 1]) for length, axis in zip(size, (2, 1, 0)))
    moved = volume.reshape(1, 1, -1, width) @ along_x.transpose(2, 3)
    moved = along_y @ moved.reshape(KEYPOINT_COUNT, -1, height, width)
    return along_z @ moved.reshape(KEYPOINT_COUNT, -1, depth, height * width)


def sampled(volume: torch.Tensor, coordinates: Places, size: Size) -> torch.Tensor:
    """Return what `warping.sample` gives of a volume at any places, by gathering and multiplying.

    volume: (C, *size). coordinates: x, y and z of N places, each (N, 1). size: depth, height, width. Returns (N, C).
    """
    depth, height, width = size
    places = [_pixels(each, length) for each, length in zip(coordinates, (width, height, depth))]
    # The pair of neighbours is kept inside; of a place outside, a hat is zero for the one that it does not touch.
    lower = [place.clamp(0, length - 2).int() for place, length in zip(places, (width, height, depth))]
    x, y, z = ((_hat(place - near.float()), _hat(place - (near + 1).float())) for place, near in zip(places, lower))
    first = (lower[2] * height + lower[1]) * width + lower[0]
    rows = volume.reshape(-1, depth * height * width).transpose(0, 1)
    corners = [
        rows.index_select(0, (first + ((dz * height + dy) * width + dx)).reshape(-1)) * (z[dz] * y[dy] * x[dx])
        for dz, dy, dx in itertools.product((0, 1), repeat=3)
    ]
    return sum(corners[1:], corners[0])


def _hats(size: int, shift: torch.Tensor) -> torch.Tensor:
    """Return (K, 1, size, size): how much of each place, the last, is seen at each place moved by (K, 1) ``shift``."""
    seen_from = _pixels(axis_places(size, shift.device).reshape(1, 1, size, 1) + shift.reshape(-1, 1, 1, 1), size)
    return _hat(seen_from - torch.arange(size, dtype=torch.float32, device=shift.device))


def _pixels(coordinate: torch.Tensor, size: int) -> torch.Tensor:
    """Return which pixel a coordinate in [-1, 1] is, with align_corners=False."""
    return ((coordinate + 1) * size - 1) / 2


def _hat(distance: torch.Tensor) -> torch.Tensor:
    # The distance's amount by an operator that CoreML has too.
    return F.relu(1 - torch.maximum(distance, 0 - distance))


def _neighbours(x: torch.Tensor, count: int) -> torch.Tensor:
    """Return each slice's neighbourhood of ``count`` slices side by side: (D, count·C, H, W), zero outside."""
    return torch.cat([_moved(x, step - count // 2) for step in range(count)], 1)


def _summed(y: torch.Tensor, channels: int, order: Iterable[int]) -> torch.Tensor:
    """Return the sum of (D, count·channels, H, W) over the kernel's slices, each from the slice that it looks at."""
    parts = y.split(channels, 1)
    total = None
    for step, part in zip(order, parts):
        moved = _moved(part, step - len(parts) // 2)
        total = moved if total is None else total + moved
    return total


def _moved(x: torch.Tensor, step: int) -> torch.Tensor:
    """Return (D, C, H, W) with each slice replaced by the one ``step`` further on, zero where there is none."""
    if step == 0:
        return x
    empty = x.new_zeros(abs(step), *x.shape[1:])
    return torch.cat((x[step:], empty) if step > 0 else (empty, x[:step]))
