"""Nearest-neighbour upsampling and a convolution as one module; the fastest variant for the device.

All variants compute ``conv(F.interpolate(x, scale_factor=factor))`` for a 3×3 (×3) convolution, up to rounding. Only
height and width are upsampled: (B, C, [D,] H, W) to (B, out_channels, [D,] factor·H, factor·W).
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence
from typing import Callable

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.errors import first_line
from animator_core.liveportrait.execution.device import synchronize
from animator_core.liveportrait.networks.layers import Conv, to_channels_last

logger = logging.getLogger(__name__)

MakeUpConv = Callable[[Conv, int, Sequence[int]], nn.Module]
"""Convolution, factor and size ([D,] H, W) before upsampling → the module."""
Seconds = Callable[[Callable[[], object]], float]

_WARM_UP_RUNS, _TIMED_RUNS = 3, 10


class TransposedUpConv(nn.Module):
    """One transposed convolution; its kernel is the given one, blurred by the repeated pixels.

    16 products for a pixel and channel instead of 36 for a factor of 2, 36 instead of 144 for 4 (for all the pixels
    made from one). The fastest on CPUs.
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


class SubpixelUpConv(nn.Module):
    """A sub-pixel convolution: two taps an axis for every output phase, then the phases are interleaved.

    An output pixel sees at most two input pixels an axis: the first phases the previous pixel and their own, the last
    one its own and the next. 16 products for a factor of 2, 64 for 4, by ordinary forward kernels, which libraries
    optimise best; interleaving costs one copy.
    """

    def __init__(self, conv: Conv, factor: int) -> None:
        super().__init__()
        weight = _two_taps(_two_taps(conv.weight.double(), -1, factor), -2, factor)
        self.weight = nn.Parameter(weight.flatten(0, 2).to(conv.weight.dtype).contiguous(), requires_grad=False)
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.clone(), requires_grad=False)
        self._factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # One row and column more than x: every phase finds its two taps at its own pixel or at the next.
        convolve = F.conv3d if self.weight.dim() == 5 else F.conv2d
        taps = convolve(x, self.weight, None, padding=1).unflatten(1, (self._factor, self._factor, -1))
        taps = taps.movedim(3, -1)
        (batch, *_, channels), (*depth, height, width) = taps.shape, x.shape[2:]
        # Channels-last, as GPUs prefer it: a pixel's channels are copied in one piece.
        pixels = x.new_empty((batch, *depth, height, self._factor, width, self._factor, channels))
        for row in range(self._factor):
            for column in range(self._factor):
                top, left = row == self._factor - 1, column == self._factor - 1
                phase = taps[:, row, column, ..., top : top + height, left : left + width, :]
                pixels[..., row, :, column, :] = phase
        upsampled = pixels.reshape(batch, *depth, height * self._factor, width * self._factor, channels).movedim(-1, 1)
        return upsampled if self.bias is None else upsampled.add_(self.bias.reshape(-1, *[1] * (x.dim() - 2)))


class InterpolatedUpConv(nn.Module):
    """The definition: interpolate, then convolve. The most products, but by the most common convolution."""

    def __init__(self, conv: Conv, factor: int) -> None:
        super().__init__()
        self.conv = conv
        self._scale = (1, factor, factor) if conv.weight.dim() == 5 else (factor, factor)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        upsampled: torch.Tensor = self.conv(F.interpolate(x, scale_factor=self._scale))
        return upsampled


Variant = Callable[[Conv, int], nn.Module]
VARIANTS: tuple[Variant, ...] = (TransposedUpConv, SubpixelUpConv, InterpolatedUpConv)


def fewest_products(conv: Conv, factor: int, size: Sequence[int]) -> nn.Module:
    """Return the variant with the fewest products, whatever the size."""
    return TransposedUpConv(conv, factor)


class UpConvAutotuner:
    """Picks the fastest variant for a convolution by timing each on the device, some 10 ms a convolution on a GPU.

    The fastest one differs with size, precision, GPU and library version. A variant that fails there is left out.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype, seconds: Seconds | None = None) -> None:
        """seconds: the timer, which runs its argument and returns the duration."""
        self._device, self._dtype = device, dtype
        self._seconds = seconds or (lambda run: _seconds_on(device, run))

    def __call__(self, conv: Conv, factor: int, size: Sequence[int]) -> nn.Module:
        """Return the fastest variant for a batch of one and this size before upsampling."""
        layout = torch.channels_last_3d if len(size) == 3 else torch.channels_last
        x = torch.randn(1, conv.in_channels, *size, device=self._device, dtype=self._dtype)
        x = x.contiguous(memory_format=layout)

        def seconds(variant: Variant) -> float:
            try:
                module = copy.deepcopy(variant(conv, factor)).to(self._device, self._dtype)
                to_channels_last(module)
                with torch.inference_mode():
                    return self._seconds(lambda: module(x))
            except RuntimeError as exc:
                logger.warning("%s does not run on %s: %s", variant.__name__, self._device, first_line(exc, 120))
                return float("inf")

        timings = {variant: seconds(variant) for variant in VARIANTS}
        logger.debug("%s upsampled by %d: %s", conv, factor, {each.__name__: timings[each] for each in timings})
        return min(timings, key=lambda variant: timings[variant])(conv, factor)


def _seconds_on(device: torch.device, run: Callable[[], object]) -> float:
    for _ in range(_WARM_UP_RUNS):
        run()
    synchronize(device)
    started = time.perf_counter()
    for _ in range(_TIMED_RUNS):
        run()
    synchronize(device)
    return (time.perf_counter() - started) / _TIMED_RUNS


def _blurred(weight: torch.Tensor, dim: int, factor: int) -> torch.Tensor:
    padding = [0] * (2 * weight.dim())
    position = 2 * (-dim - 1)
    padding[position] = padding[position + 1] = factor - 1
    return F.pad(weight, padding).unfold(dim, factor, 1).sum(-1)


def _two_taps(weight: torch.Tensor, dim: int, factor: int) -> torch.Tensor:
    """Return the kernel with two taps along ``dim`` instead of three, one for each phase: (factor, *weight.shape)."""
    before, middle, after = weight.unbind(dim)
    nothing = torch.zeros_like(middle)
    phases = [(before, middle + after)]
    phases += [(nothing, before + middle + after)] * (factor - 2)
    phases += [(before + middle, after)]
    return torch.stack([torch.stack(taps, dim) for taps in phases])
