"""Convolutions of pictures that were enlarged by repeating pixels, without the enlarged picture."""

from __future__ import annotations

from typing import Union

import torch
import torch.nn.functional as F
from torch import nn

Conv = Union[nn.Conv2d, nn.Conv3d]


class EnlargingConv(nn.Module):
    """``conv(F.interpolate(x, scale_factor=factor))`` for a 3×3 (×3) convolution; only height and width are enlarged.

    Repeating a pixel and summing it with three taps is one transposed convolution whose kernel is the three taps
    blurred by the repetition: 16 products in place of 36 a pixel and channel for a factor of 2, 36 in place of 144 for
    4 (counted for all pixels that one small pixel becomes).

    (B, C, [D,] H, W) to (B, out_channels, [D,] factor·H, factor·W).
    """

    def __init__(self, conv: Conv, factor: int) -> None:
        super().__init__()
        weight = conv.weight.double().transpose(0, 1).flip(*range(2, conv.weight.dim()))
        for dim in (-1, -2):
            weight = _blurred(weight, dim, factor)
        self.weight = nn.Parameter(weight.to(conv.weight.dtype).contiguous(), requires_grad=False)
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.clone(), requires_grad=False)
        self._factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.weight.dim() == 5:
            return F.conv_transpose3d(x, self.weight, self.bias, (1, self._factor, self._factor), 1)
        return F.conv_transpose2d(x, self.weight, self.bias, self._factor, 1)


def _blurred(weight: torch.Tensor, dim: int, factor: int) -> torch.Tensor:
    padding = [0] * (2 * weight.dim())
    position = 2 * (-dim - 1)
    padding[position] = padding[position + 1] = factor - 1
    return F.pad(weight, padding).unfold(dim, factor, 1).sum(-1)
