"""Convolutions of pictures that were enlarged by repeating pixels, in the way that is quickest on the device.

All ways give ``conv(F.interpolate(x, scale_factor=factor))`` for a 3×3 (×3) convolution, up to rounding; only height
and width are enlarged: (B, C, [D,] H, W) to (B, out_channels, [D,] factor·H, factor·W).
"""

from __future__ import annotations

import copy
import logging
import time
from collections.abc import Sequence
from typing import Callable, Union

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.errors import first_line
from animator_core.liveportrait.execution.trial import finish

logger = logging.getLogger(__name__)

Conv = Union[nn.Conv2d, nn.Conv3d]
Way = Callable[[Conv, int], nn.Module]
Choose = Callable[[Conv, int, Sequence[int]], nn.Module]
"""Convolution, factor and size ([D,] H, W) of the small picture → the module that does it."""
Seconds = Callable[[Callable[[], object]], float]

_WARM_UP_RUNS, _TIMED_RUNS = 3, 10


class EnlargingConv(nn.Module):
    """Without the enlarged picture, as one transposed convolution whose kernel is the taps blurred by the repetition.

    16 products in place of 36 a pixel and channel for a factor of 2, 36 in place of 144 for 4 (counted for all pixels
    that one small pixel becomes). The quickest on a CPU.
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


class PhaseConv(nn.Module):
    """Without the enlarged picture, as one convolution of two taps an axis for all places that one pixel becomes.

    A place of the enlarged picture sees two small pixels an axis at most: the first places the pixel before and their
    own, the last one its own and the next. 16 products for a factor of 2, 64 for 4, by the kernels of a forward
    convolution, which libraries know best; putting the places side by side costs one copy.
    """

    def __init__(self, conv: Conv, factor: int) -> None:
        super().__init__()
        weight = _two_taps(_two_taps(conv.weight.double(), -1, factor), -2, factor)
        self.weight = nn.Parameter(weight.flatten(0, 2).to(conv.weight.dtype).contiguous(), requires_grad=False)
        self.bias = None if conv.bias is None else nn.Parameter(conv.bias.clone(), requires_grad=False)
        self._factor = factor

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # One more along height and width than x has: every place finds its two taps in it, or in the next one.
        convolve = F.conv3d if self.weight.dim() == 5 else F.conv2d
        taps = convolve(x, self.weight, None, padding=1).unflatten(1, (self._factor, self._factor, -1))
        taps = taps.movedim(3, -1)
        (batch, *_, channels), (*depth, height, width) = taps.shape, x.shape[2:]
        # Channels last, as a GPU wants it: a place's channels are copied in one piece.
        places = x.new_empty((batch, *depth, height, self._factor, width, self._factor, channels))
        for row in range(self._factor):
            for column in range(self._factor):
                top, left = row == self._factor - 1, column == self._factor - 1
                part = taps[:, row, column, ..., top : top + height, left : left + width, :]
                places[..., row, :, column, :] = part
        enlarged = places.reshape(batch, *depth, height * self._factor, width * self._factor, channels).movedim(-1, 1)
        return enlarged if self.bias is None else enlarged.add_(self.bias.reshape(-1, *[1] * (x.dim() - 2)))


class RepeatingConv(nn.Module):
    """As it is written down: with the enlarged picture. More products, but the most usual of all convolutions."""

    def __init__(self, conv: Conv, factor: int) -> None:
        super().__init__()
        self.conv = conv
        self._scale = (1, factor, factor) if conv.weight.dim() == 5 else (factor, factor)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        enlarged: torch.Tensor = self.conv(F.interpolate(x, scale_factor=self._scale))
        return enlarged


WAYS: tuple[Way, ...] = (EnlargingConv, PhaseConv, RepeatingConv)


def with_least_arithmetic(conv: Conv, factor: int, size: Sequence[int]) -> nn.Module:
    """Return the way with the fewest products."""
    return EnlargingConv(conv, factor)


class QuickestOnDevice:
    """Chooses by trying every way on the device, with made-up pictures; some ten milliseconds a convolution on a GPU.

    Which of them a GPU's library is good at differs with sizes, precision, card and version. A way that fails there is
    left out. Made-up weights' layout is that of `build.to_channels_last`.
    """

    def __init__(self, device: torch.device, dtype: torch.dtype, seconds: Seconds | None = None) -> None:
        """seconds: returns what calling its argument takes."""
        self._device, self._dtype = device, dtype
        self._seconds = seconds or (lambda run: _seconds_on(device, run))

    def __call__(self, conv: Conv, factor: int, size: Sequence[int]) -> nn.Module:
        """Return the quickest way for one small picture of this size."""
        layout = torch.channels_last_3d if len(size) == 3 else torch.channels_last
        x = torch.randn(1, conv.in_channels, *size, device=self._device, dtype=self._dtype)
        x = x.contiguous(memory_format=layout)
        taken = {way: self._taken(way, conv, factor, x, layout) for way in WAYS}
        best = min(taken, key=lambda way: taken[way])
        logger.debug("%s enlarged by %d: %s", conv, factor, {way.__name__: taken[way] for way in taken})
        return best(conv, factor)

    def _taken(self, way: Way, conv: Conv, factor: int, x: torch.Tensor, layout: torch.memory_format) -> float:
        try:
            module = copy.deepcopy(way(conv, factor)).to(self._device, self._dtype)
            module.to(memory_format=layout)
            with torch.inference_mode():
                return self._seconds(lambda: module(x))
        except RuntimeError as exc:
            logger.warning("%s does not run on %s: %s", way.__name__, self._device, first_line(exc, 120))
            return float("inf")


def _seconds_on(device: torch.device, run: Callable[[], object]) -> float:
    for _ in range(_WARM_UP_RUNS):
        run()
    finish(device)
    started = time.perf_counter()
    for _ in range(_TIMED_RUNS):
        run()
    finish(device)
    return (time.perf_counter() - started) / _TIMED_RUNS


def _blurred(weight: torch.Tensor, dim: int, factor: int) -> torch.Tensor:
    padding = [0] * (2 * weight.dim())
    position = 2 * (-dim - 1)
    padding[position] = padding[position + 1] = factor - 1
    return F.pad(weight, padding).unfold(dim, factor, 1).sum(-1)


def _two_taps(weight: torch.Tensor, dim: int, factor: int) -> torch.Tensor:
    """Return the kernel with two taps along ``dim`` in place of three, one for each place: (factor, *weight.shape)."""
    before, middle, after = weight.unbind(dim)
    nothing = torch.zeros_like(middle)
    places = [(before, middle + after)]
    places += [(nothing, before + middle + after)] * (factor - 2)
    places += [(before + middle, after)]
    return torch.stack([torch.stack(taps, dim) for taps in places])
