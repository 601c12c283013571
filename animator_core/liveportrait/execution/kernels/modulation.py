"""SPADE in one pass: normalise, modulate, activate, all in float32 between reading and writing.

The bias of the convolutions that make scale and shift is added in it too: torch adds it to what cuDNN gives in a pass
of its own.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
import triton
import triton.language as tl
from torch import nn

from animator_core.liveportrait.execution.optimized.operations import EPSILON, SLOPE

_CHANNELS = 64
"""Of one program; with 32 places and half precision each thread of 128 reads 16 bytes at once."""
_PLACES = 32
_CHUNK = 128
"""Places whose mean and variance one program takes."""
_FEW_CHANNELS, _FEW_CHUNKS = 8, 64
"""Whose chunks one program joins: a sector of memory; so many at once."""


def modulated(x: torch.Tensor, scale_shift: nn.Conv2d, hidden: torch.Tensor) -> torch.Tensor:
    """See `optimized.operations.modulated`; the result is channels-last."""
    out, _ = _modulated(x, scale_shift, hidden, None)
    return out


def modulated_enlarged(
    x: torch.Tensor,
    scale_shift: nn.Conv2d,
    hidden: torch.Tensor,
    shortcut_scale: nn.Conv2d,
    shortcut_hidden: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """See `optimized.operations.modulated_enlarged`; the results are channels-last."""
    return _modulated(x, scale_shift, hidden, (shortcut_scale, shortcut_hidden))


def statistics(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return each channel's mean and 1 / sqrt(variance + ε), (B, C) float32; x: (B, C, H, W).

    torch's var_mean of half precision has to be given a float32 copy, which is three times as many bytes to move.
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
    x: torch.Tensor, scale_shift: nn.Conv2d, hidden: torch.Tensor, shortcut_by: tuple[nn.Conv2d, torch.Tensor] | None
) -> tuple[torch.Tensor, torch.Tensor]:
    mean, gain = statistics(x)
    both, biases = _without_bias(scale_shift, hidden)
    third, third_biases = (both, biases) if shortcut_by is None else _without_bias(*shortcut_by)
    scale, shift = both.chunk(2, 1)
    batch, channels, height, width = scale.shape
    places = height * width
    out = torch.empty_like(scale, memory_format=torch.channels_last)
    has_shortcut = shortcut_by is not None
    shortcut = torch.empty_like(out) if has_shortcut else out
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
            shortcut,
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
    return out, shortcut


def _without_bias(conv: nn.Conv2d, hidden: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what ``conv`` gives but for its bias, and the bias."""
    assert conv.bias is not None
    return F.conv2d(hidden, conv.weight, None, conv.stride, conv.padding), conv.bias


@triton.jit
def _chunk_statistics(
    x, means, squares, channels, width, places, xb, xc, xh, xw, PLACES: tl.constexpr, CHANNELS: tl.constexpr
):
    """Mean, and sum of squared distances from it, of every channel over a chunk of places."""
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
    """Those of all chunks together, without the difference of two large numbers."""
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
    """x is read FACTOR times smaller than everything else; what is written is channels-last without gaps."""
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
    # Leaky for a slope in 0…1; with a comparison in its place Triton 3.7 runs out of registers on sm_80.
    tl.store(out + to, tl.maximum(modulated, modulated * slope), is_there)
    if HAS_SHORTCUT:
        third_at = batch * third_b + (row * third_h + column * third_w)[:, None] + channel_row * third_c
        third_bias = tl.load(shortcut_biases + channel, is_channel, 0.0).to(tl.float32)[None, :]
        third = tl.load(shortcut_scales + third_at, is_there, 0.0).to(tl.float32) + third_bias
        tl.store(shortcut + to, value * third, is_there)
