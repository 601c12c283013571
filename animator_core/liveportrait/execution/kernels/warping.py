"""Triton kernels of the warping module: its two samplings, each fused with the computations around it."""

# Triton's language has no types that mypy knows.
# mypy: allow-untyped-defs, allow-incomplete-defs, allow-untyped-decorators

from __future__ import annotations

import torch
import triton
import triton.language as tl

from animator_core.liveportrait.networks.warping import HEAT_VARIANCE

_INPUT_PLACES = 8
"""Times 128 channels: 8 values a thread; twice as many do not fit into its registers."""
_WARPED_WIDTH = 4
"""Times 16 slices and 32 channels: 16 values a thread."""


def hourglass_input(
    compressed: torch.Tensor,
    resting: torch.Tensor,
    keypoints_source: torch.Tensor,
    keypoints_driving: torch.Tensor,
    dtype: torch.dtype,
) -> torch.Tensor:
    """See `optimized.operations.hourglass_input`; the result is channels-last.

    ``resting`` is not read: the identity is one more motion, without a shift.
    """
    batch, motions, _ = keypoints_driving.shape
    channels, depth, height, width = compressed.shape[1:]
    columns = (motions + 1) * (channels + 1)
    out = torch.empty(
        (batch, columns, depth, height, width),
        dtype=dtype,
        device=compressed.device,
        memory_format=torch.channels_last_3d,
    )
    compressed = compressed.expand(batch, -1, -1, -1, -1)
    source, driving = keypoints_source.contiguous().expand(batch, -1, -1), keypoints_driving.contiguous()
    places = depth * height * width
    with torch.cuda.device_of(compressed):
        _hourglass_input[(triton.cdiv(places, _INPUT_PLACES), batch)](
            compressed,
            source,
            driving,
            out,
            depth,
            height,
            width,
            source.stride(0),
            *compressed.stride(),
            CHANNELS=channels,
            MOTIONS=motions,
            HEAT=-0.5 / HEAT_VARIANCE,
            PLACES=_INPUT_PLACES,
            COLUMNS=triton.next_power_of_2(columns),
        )
    return out


def warped_features(
    features: torch.Tensor, logits: torch.Tensor, shift: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """See `optimized.operations.warped_features`; the warped features are channels-last."""
    batch, motions, depth, height, width = logits.shape
    channels = features.shape[1]
    features, shift = features.expand(batch, -1, -1, -1, -1), shift.contiguous()
    deformation = shift.new_empty((batch, depth, height, width, 3))
    mask = torch.empty_like(logits, dtype=torch.float32, memory_format=torch.channels_last_3d)
    out = torch.empty(
        (batch, channels * depth, height, width),
        dtype=features.dtype,
        device=features.device,
        memory_format=torch.channels_last,
    )
    with torch.cuda.device_of(features):
        _warp[(triton.cdiv(width, _WARPED_WIDTH), height, batch)](
            features,
            logits,
            shift,
            deformation,
            mask,
            out,
            depth,
            height,
            width,
            *features.stride(),
            *logits.stride(),
            CHANNELS=channels,
            MOTIONS=motions,
            WIDTH=_WARPED_WIDTH,
            DEPTH=triton.next_power_of_2(depth),
            CHANNEL_COLUMNS=triton.next_power_of_2(channels),
            MOTION_COLUMNS=triton.next_power_of_2(motions),
        )
    return deformation, mask, out


@triton.jit
def _own_coordinate(place, size):
    """The coordinate of a voxel along one axis, from -1 to 1."""
    return place.to(tl.float32) * 2.0 / (size - 1).to(tl.float32) - 1.0


@triton.jit
def _sampling_place(coordinate, size):
    """The fractional voxel index of a coordinate, with align_corners=False."""
    place = ((coordinate + 1.0) * size.to(tl.float32) - 1.0) * 0.5
    # Clamped: far outside is zero anyway, and might not fit into an integer.
    return tl.minimum(tl.maximum(place, -1.0), size.to(tl.float32))


@triton.jit
def _sampled(volume, x, y, z, depth, height, width, channel_at, is_there, vd, vh, vw):
    """Trilinear, zero outside; the coordinates x, y, z broadcast to ``channel_at`` (offsets) and ``is_there``."""
    x, y, z = _sampling_place(x, width), _sampling_place(y, height), _sampling_place(z, depth)
    left, top, front = tl.floor(x), tl.floor(y), tl.floor(z)
    total = tl.zeros(is_there.shape, tl.float32)
    for step_z in tl.static_range(2):
        slice_at = front.to(tl.int32) + step_z
        weight_z = 1.0 - tl.abs(z - front - step_z)
        for step_y in tl.static_range(2):
            row = top.to(tl.int32) + step_y
            weight_y = weight_z * (1.0 - tl.abs(y - top - step_y))
            for step_x in tl.static_range(2):
                column = left.to(tl.int32) + step_x
                weight = weight_y * (1.0 - tl.abs(x - left - step_x))
                is_inside = (slice_at >= 0) & (slice_at < depth) & (row >= 0) & (row < height)
                is_inside = is_inside & (column >= 0) & (column < width) & is_there
                at = channel_at + slice_at * vd + row * vh + column * vw
                total += tl.load(volume + at, is_inside, 0.0).to(tl.float32) * weight
    return total


@triton.jit
def _heat(x, y, z, keypoint, is_moving, HEAT: tl.constexpr):
    """A Gaussian around the keypoint at a pointer."""
    x = x - tl.load(keypoint, is_moving, 0.0)
    y = y - tl.load(keypoint + 1, is_moving, 0.0)
    z = z - tl.load(keypoint + 2, is_moving, 0.0)
    return tl.exp((x * x + y * y + z * z) * HEAT)


@triton.jit
def _hourglass_input(
    compressed,
    source,
    driving,
    out,
    depth,
    height,
    width,
    source_b,
    vb,
    vc,
    vd,
    vh,
    vw,
    CHANNELS: tl.constexpr,
    MOTIONS: tl.constexpr,
    HEAT: tl.constexpr,
    PLACES: tl.constexpr,
    COLUMNS: tl.constexpr,
):
    """Every column is a motion's heat map or one of its warped channels."""
    batch = tl.program_id(1).to(tl.int64)
    place = tl.program_id(0) * PLACES + tl.arange(0, PLACES)
    column = tl.arange(0, COLUMNS)
    motion, kind = column // (CHANNELS + 1), column % (CHANNELS + 1)
    is_column = column < (MOTIONS + 1) * (CHANNELS + 1)
    # The first motion is the identity.
    is_moving = is_column & (motion > 0)
    from_source = source + batch * source_b + (motion - 1) * 3
    from_driving = driving + batch * MOTIONS * 3 + (motion - 1) * 3
    x = _own_coordinate(place % width, width)[:, None]
    y = _own_coordinate(place // width % height, height)[:, None]
    z = _own_coordinate(place // (width * height), depth)[:, None]
    shift_x = tl.load(from_source, is_moving, 0.0) - tl.load(from_driving, is_moving, 0.0)
    shift_y = tl.load(from_source + 1, is_moving, 0.0) - tl.load(from_driving + 1, is_moving, 0.0)
    shift_z = tl.load(from_source + 2, is_moving, 0.0) - tl.load(from_driving + 2, is_moving, 0.0)
    is_place = (place < depth * height * width)[:, None]
    is_sampled = is_place & (is_column & (kind > 0))[None, :]
    seen = _sampled(
        compressed + batch * vb,
        x + shift_x[None, :],
        y + shift_y[None, :],
        z + shift_z[None, :],
        depth,
        height,
        width,
        (kind - 1)[None, :] * vc,
        is_sampled,
        vd,
        vh,
        vw,
    )
    # For the identity both are the same.
    heat = _heat(x, y, z, from_driving[None, :], is_moving[None, :], HEAT)
    heat -= _heat(x, y, z, from_source[None, :], is_moving[None, :], HEAT)
    columns = (MOTIONS + 1) * (CHANNELS + 1)
    to = out + batch * depth * height * width * columns + place[:, None] * columns + column[None, :]
    tl.store(to, tl.where((kind == 0)[None, :], heat, seen), is_place & is_column[None, :])


@triton.jit
def _warp(
    features,
    logits,
    shift,
    deformation,
    mask,
    out,
    depth,
    height,
    width,
    fb,
    fc,
    fd,
    fh,
    fw,
    lb,
    lc,
    ld,
    lh,
    lw,
    CHANNELS: tl.constexpr,
    MOTIONS: tl.constexpr,
    WIDTH: tl.constexpr,
    DEPTH: tl.constexpr,
    CHANNEL_COLUMNS: tl.constexpr,
    MOTION_COLUMNS: tl.constexpr,
):
    """A few columns of one row in all slices, so that the outputs of a place are contiguous."""
    batch, row = tl.program_id(2).to(tl.int64), tl.program_id(1)
    index = tl.arange(0, WIDTH * DEPTH)
    column, slice_at = tl.program_id(0) * WIDTH + index // DEPTH, index % DEPTH
    is_place = ((column < width) & (slice_at < depth))[:, None]
    place = ((batch * depth + slice_at) * height + row) * width + column

    motion = tl.arange(0, MOTION_COLUMNS)
    is_motion = (motion < MOTIONS)[None, :]
    logit_at = (slice_at * ld + row * lh + column * lw)[:, None] + motion[None, :] * lc
    logit = tl.load(logits + batch * lb + logit_at, is_place & is_motion, 0.0).to(tl.float32)
    logit = tl.where(is_motion, logit, float("-inf"))
    powers = tl.exp(logit - tl.max(logit, 1)[:, None])
    weights = powers / tl.sum(powers, 1)[:, None]
    tl.store(mask + place[:, None] * MOTIONS + motion[None, :], weights, is_place & is_motion)

    # The first motion, the identity, has no shift.
    from_shift = shift + batch * (MOTIONS - 1) * 3 + (motion - 1) * 3
    is_shifting = (motion > 0) & (motion < MOTIONS)
    x = tl.sum(weights * tl.load(from_shift, is_shifting, 0.0)[None, :], 1) + _own_coordinate(column, width)
    y = tl.sum(weights * tl.load(from_shift + 1, is_shifting, 0.0)[None, :], 1) + _own_coordinate(row, height)
    z = tl.sum(weights * tl.load(from_shift + 2, is_shifting, 0.0)[None, :], 1) + _own_coordinate(slice_at, depth)
    is_written = (column < width) & (slice_at < depth)
    tl.store(deformation + place * 3, x, is_written)
    tl.store(deformation + place * 3 + 1, y, is_written)
    tl.store(deformation + place * 3 + 2, z, is_written)

    channel = tl.arange(0, CHANNEL_COLUMNS)[None, :]
    is_there = is_place & (channel < CHANNELS)
    values = _sampled(
        features + batch * fb,
        x[:, None],
        y[:, None],
        z[:, None],
        depth,
        height,
        width,
        channel * fc,
        is_there,
        fd,
        fh,
        fw,
    )
    to = ((batch * height + row) * width + column) * (CHANNELS * depth) + slice_at
    tl.store(out + to[:, None] + channel * depth, values, is_there)
