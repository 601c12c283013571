"""Triton kernels of the generator: SPADE in one pass, and the final picture.

SPADE normalises, modulates and activates in float32 between reading and writing. It also adds the bias of the scale and
shift convolutions, for which torch would run another pass after cuDNN.
"""

# Triton's language has no types that mypy knows.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators

from __future__ import annotations

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import nn

from animator_core.liveportrait.execution.optimized.operations import EPSILON, SLOPE

_CHANNELS = 64
"""Per program; with 32 places in fp16, each of 128 threads reads 16 bytes at once."""
_PLACES = 32
_CHUNK = 128
"""Places per program in the first pass of the statistics."""
_FEW_CHANNELS, _FEW_CHUNKS = 8, 64
"""Per program in the second pass: the channels of a memory sector, and the chunks at once."""
_PIXELS = 1024


def modulated(x: torch.Tensor, scale_shift: nn.Conv2d, hidden: torch.Tensor) -> torch.Tensor:
    """See `optimized.operations.modulated`; the result is channels-last."""
    return _modulated(x, scale_shift, hidden)[0]


def modulated_upsampled(
    x: torch.Tensor,
    scale_shift: nn.Conv2d,
    hidden: torch.Tensor,
    shortcut_scale: nn.Conv2d,
    shortcut_hidden: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """See `optimized.operations.modulated_upsampled`; the results are channels-last."""
    return _modulated(x, scale_shift, hidden, shortcut=(shortcut_scale, shortcut_hidden))


def picture(x: torch.Tensor) -> torch.Tensor:
    """See `optimized.operations.picture`; the result is float32 and contiguous."""
    batch, channels, height, width = x.shape
    out = x.new_empty((batch, channels // 4, height * 2, width * 2), dtype=torch.float32)
    pixels = out[0].numel()
    with torch.cuda.device_of(x):
        _show[(triton.cdiv(pixels, _PIXELS), batch)](x, out, height * 2, width * 2, pixels, *x.stride(), PIXELS=_PIXELS)
    return out


def statistics(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return mean and 1 / sqrt(variance + ε) of each channel, (B, C) float32; x: (B, C, H, W).

    For fp16, torch's var_mean would need a float32 copy, three times the memory traffic.
    """
    batch, channels, height, width = x.shape
    places = height * width
    chunks = triton.cdiv(places, _CHUNK)
    parts = x.new_empty((2, batch, chunks, channels), dtype=torch.float32)
    joined = x.new_empty((2, batch, channels), dtype=torch.float32)
    with torch.cuda.device_of(x):
        _chunk_statistics[(chunks, triton.cdiv(channels, _CHANNELS), batch)](
            x, parts[0], parts[1], channels, width, places, *x.stride(), PLACES=_CHUNK, CHANNELS=_CHANNELS
        )
        _join_statistics[(triton.cdiv(channels, _FEW_CHANNELS), batch)](
            parts[0],
            parts[1],
            joined[0],
            joined[1],
            channels,
            places,
            chunks,
            EPSILON,
            PLACES=_CHUNK,
            CHUNKS=_FEW_CHUNKS,
            CHANNELS=_FEW_CHANNELS,
        )
    return joined[0], joined[1]


def _modulated(
    x: torch.Tensor,
    scale_shift: nn.Conv2d,
    hidden: torch.Tensor,
    *,
    shortcut: tuple[nn.Conv2d, torch.Tensor] | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    mean, gain = statistics(x)
    both, biases = _without_bias(scale_shift, hidden)
    third, third_biases = (both, biases) if shortcut is None else _without_bias(*shortcut)
    scale, shift = both.chunk(2, 1)
    batch, channels, height, width = scale.shape
    places = height * width
    out = torch.empty_like(scale, memory_format=torch.channels_last)
    has_shortcut = shortcut is not None
    shortcut_out = torch.empty_like(out) if has_shortcut else out
    with torch.cuda.device_of(x):
        _modulate[(triton.cdiv(places, _PLACES), triton.cdiv(channels, _CHANNELS), batch)](
            x,
            mean,
            gain,
            scale,
            shift,
            third,
            biases,
            third_biases,
            out,
            shortcut_out,
            channels,
            width,
            places,
            SLOPE,
            *x.stride(),
            *both.stride(),
            *third.stride(),
            FACTOR=2 if has_shortcut else 1,
            HAS_SHORTCUT=has_shortcut,
            PLACES=_PLACES,
            CHANNELS=_CHANNELS,
        )
    return out, shortcut_out


def _without_bias(conv: nn.Conv2d, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the convolution of ``hidden`` without its bias, and the bias."""
    assert conv.bias is not None
    return F.conv2d(hidden, conv.weight, None, conv.stride, conv.padding), conv.bias


@triton.jit
def _chunk_statistics(
    x, means, squares, channels, width, places, xb, xc, xh, xw, PLACES: tl.constexpr, CHANNELS: tl.constexpr
):
    """Mean and sum of squared deviations of every channel over a chunk of places."""
    chunk, batch = tl.program_id(0), tl.program_id(2).to(tl.int64)
    place = chunk * PLACES + tl.arange(0, PLACES)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    is_there = (place < places)[:, None] & (channel < channels)[None, :]
    offset = (place // width * xh + place % width * xw)[:, None] + channel[None, :] * xc
    values = tl.load(x + batch * xb + offset, is_there, 0.0).to(tl.float32)
    mean = tl.sum(values, 0) / tl.minimum(places - chunk * PLACES, PLACES)
    distance = tl.where(is_there, values - mean[None, :], 0.0)
    to = (batch * tl.num_programs(0) + chunk) * channels + channel
    tl.store(means + to, mean, channel < channels)
    tl.store(squares + to, tl.sum(distance * distance, 0), channel < channels)


@triton.jit
def _join_statistics(
    means,
    squares,
    mean_out,
    gain_out,
    channels,
    places,
    chunks,
    epsilon,
    PLACES: tl.constexpr,
    CHUNKS: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """Combine the statistics of all chunks without cancellation."""
    batch = tl.program_id(1).to(tl.int64)
    channel = tl.program_id(0) * CHANNELS + tl.arange(0, CHANNELS)
    is_channel = (channel < channels)[None, :]
    means += batch * chunks * channels
    squares += batch * chunks * channels
    total = tl.zeros((CHUNKS, CHANNELS), tl.float32)
    for first in range(0, chunks, CHUNKS):
        chunk = first + tl.arange(0, CHUNKS)
        is_there = (chunk < chunks)[:, None] & is_channel
        count = tl.minimum(places - chunk * PLACES, PLACES).to(tl.float32)[:, None]
        total += tl.load(means + chunk[:, None] * channels + channel[None, :], is_there, 0.0) * count
    mean = tl.sum(total, 0) / places
    # Σ (x − mean)² = Σ over chunks of Σ (x − chunk's mean)² + count · (chunk's mean − mean)²
    total = tl.zeros((CHUNKS, CHANNELS), tl.float32)
    for first in range(0, chunks, CHUNKS):
        chunk = first + tl.arange(0, CHUNKS)
        is_there = (chunk < chunks)[:, None] & is_channel
        at = chunk[:, None] * channels + channel[None, :]
        count = tl.minimum(places - chunk * PLACES, PLACES).to(tl.float32)[:, None]
        apart = tl.load(means + at, is_there, 0.0) - mean[None, :]
        total += tl.where(is_there, tl.load(squares + at, is_there, 0.0) + count * apart * apart, 0.0)
    variance = tl.sum(total, 0) / places
    to = batch * channels + channel
    tl.store(mean_out + to, mean, channel < channels)
    tl.store(gain_out + to, 1.0 / tl.sqrt(variance + epsilon), channel < channels)


@triton.jit
def _modulate(
    x,
    means,
    gains,
    scales,
    shifts,
    shortcut_scales,
    biases,
    shortcut_biases,
    out,
    shortcut,
    channels,
    width,
    places,
    slope,
    xb,
    xc,
    xh,
    xw,
    both_b,
    both_c,
    both_h,
    both_w,
    third_b,
    third_c,
    third_h,
    third_w,
    FACTOR: tl.constexpr,
    HAS_SHORTCUT: tl.constexpr,
    PLACES: tl.constexpr,
    CHANNELS: tl.constexpr,
):
    """x is FACTOR times smaller than everything else; the results are dense channels-last."""
    batch = tl.program_id(2).to(tl.int64)
    place = tl.program_id(0) * PLACES + tl.arange(0, PLACES)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    is_channel = channel < channels
    is_there = (place < places)[:, None] & is_channel[None, :]
    row, column, channel_row = place // width, place % width, channel[None, :]
    x_at = (row // FACTOR * xh + column // FACTOR * xw)[:, None] + channel_row * xc
    both_at = batch * both_b + (row * both_h + column * both_w)[:, None] + channel_row * both_c
    mean = tl.load(means + batch * channels + channel, is_channel, 0.0)[None, :]
    gain = tl.load(gains + batch * channels + channel, is_channel, 0.0)[None, :]
    value = (tl.load(x + batch * xb + x_at, is_there, 0.0).to(tl.float32) - mean) * gain
    scale_bias = tl.load(biases + channel, is_channel, 0.0).to(tl.float32)[None, :]
    shift_bias = tl.load(biases + channels + channel, is_channel, 0.0).to(tl.float32)[None, :]
    scale = tl.load(scales + both_at, is_there, 0.0).to(tl.float32) + scale_bias
    shift = tl.load(shifts + both_at, is_there, 0.0).to(tl.float32) + shift_bias
    modulated = value * scale + shift
    to = batch * places * channels + place[:, None] * channels + channel_row
    # Leaky ReLU for a slope in 0…1; with a comparison instead, Triton 3.7 runs out of registers on sm_80.
    tl.store(out + to, tl.maximum(modulated, modulated * slope), is_there)
    if HAS_SHORTCUT:
        third_at = batch * third_b + (row * third_h + column * third_w)[:, None] + channel_row * third_c
        third_bias = tl.load(shortcut_biases + channel, is_channel, 0.0).to(tl.float32)[None, :]
        third = tl.load(shortcut_scales + third_at, is_there, 0.0).to(tl.float32) + third_bias
        tl.store(shortcut + to, value * third, is_there)


@triton.jit
def _show(x, out, height, width, pixels, xb, xc, xh, xw, PIXELS: tl.constexpr):
    batch = tl.program_id(1).to(tl.int64)
    pixel = tl.program_id(0) * PIXELS + tl.arange(0, PIXELS)
    row, column, colour = pixel // width % height, pixel % width, pixel // (width * height)
    channel = colour * 4 + row % 2 * 2 + column % 2
    at = batch * xb + channel * xc + row // 2 * xh + column // 2 * xw
    value = tl.load(x + at, pixel < pixels, 0.0).to(tl.float32)
    tl.store(out + batch * pixels + pixel, tl.sigmoid(value), pixel < pixels)
