"""A character's picture as the anime networks take it: 512×512, the head in its box, premultiplied linear light."""

from __future__ import annotations

import numpy as np
import torch

from animator_core.anime.networks.chain import SIDE
from animator_core.arrays import AnyArray, FloatArray, UInt8Array
from animator_core.characters.head_place import HeadPlace
from animator_core.rendering.srgb import decode_srgb, encode_srgb

CENTER = (256.0, 128.0)
"""(x, y) of the head's middle in the networks' picture; the head fills about the 128×128 round it."""
_LINEAR = np.asarray(decode_srgb(np.arange(256) / 255), np.float32)
_WHOLE = slice(0, SIDE), slice(0, SIDE)


def network_picture(picture: UInt8Array, place: HeadPlace) -> torch.Tensor:
    """Return the picture for the networks, (1, 4, 512, 512) float32 in [-1, 1], transparent outside of the character's.

    picture: (H, W, 4) uint8 RGBA, straight alpha. Reduced by an area filter, enlarged by linear interpolation; at scale
    1 and whole pixels of `HeadPlace.center` exact.
    """
    return as_networks_take(sampled(linear_light(picture), place))


def linear_light(picture: UInt8Array) -> FloatArray:
    """Return an sRGB picture, (H, W, 4) uint8, straight alpha, as (4, H, W) float32 premultiplied linear light."""
    alpha = picture[..., 3].astype(np.float32) / 255
    return np.stack([*(_LINEAR[picture[..., channel]] * alpha for channel in range(3)), alpha])


def sampled(linear: FloatArray, place: HeadPlace, box: tuple[slice, slice] = _WHOLE) -> FloatArray:
    """Return a part of the networks' picture, (4, rows, columns) float32, 0 to 1.

    linear: of `linear_light`. box: rows and columns, which may lie outside of the networks' picture.
    """
    (x, y), scale = place.center, place.scale
    rows, columns = box
    middle_x = (np.arange(columns.start, columns.stop) + 0.5 - CENTER[0]) / scale + x
    middle_y = (np.arange(rows.start, rows.stop) + 0.5 - CENTER[1]) / scale + y
    # An average over one pixel is the linear interpolation between two.
    width = max(1.0, 1 / scale)
    across = (_averages(channel.T, middle_x, width).T for channel in linear)
    return np.stack([_averages(channel, middle_y, width) for channel in across]).astype(np.float32)


def as_networks_take(linear: FloatArray) -> torch.Tensor:
    """Return premultiplied linear light, (4, H, W) in 0 to 1, as a tensor (1, 4, H, W) in [-1, 1]."""
    return torch.from_numpy(linear * 2 - 1)[None]


def shown(picture: torch.Tensor) -> FloatArray:
    """Return a networks' picture, (1, 4, H, W), as it is shown: (H, W, 4) float32 BGRA, premultiplied and encoded."""
    values = ((picture[0].float().cpu().numpy() + 1) / 2).clip(0, 1)
    encoded = np.concatenate([encode_srgb(values[2::-1]), values[3:]])
    return np.ascontiguousarray(encoded.transpose(1, 2, 0), np.float32)


def _averages(values: FloatArray, middles: FloatArray, width: float) -> FloatArray:
    """Return the averages of (N, M) values over ``width`` of them round each middle, (K, M); beyond them are zeros."""
    sums = np.zeros((len(values) + 1, values.shape[1]))
    np.cumsum(values, axis=0, out=sums[1:])

    def integral(ends: AnyArray) -> AnyArray:
        ends = np.clip(ends, 0, len(values))
        first = np.minimum(ends.astype(np.int64), len(values) - 1)
        return np.asarray(sums[first] + (ends - first)[:, None] * values[first])

    return np.asarray((integral(middles + width / 2) - integral(middles - width / 2)) / width)
