"""A character's picture as the renderers draw it: BGRA, premultiplied in linear light, sRGB-encoded."""

from __future__ import annotations

import functools

import numpy as np

from animator_core.arrays import AnyArray, UInt8Array


def premultiplied_bgra(picture: UInt8Array) -> UInt8Array:
    """Return a straight-alpha picture as `frame_ring.FORMAT_BGRA_PREMULTIPLIED` wants it.

    picture: (H, W, 4) uint8 RGBA, sRGB. Opaque pixels keep their exact bytes. (H, W, 4) uint8 BGRA comes back.
    """
    out = np.ascontiguousarray(picture[..., [2, 1, 0, 3]])
    partial = out[..., 3] < 255
    if partial.any():
        pixels = out[partial]
        linear = decode_srgb(pixels[:, :3] / np.float32(255)) * (pixels[:, 3:] / np.float32(255))
        pixels[:, :3] = np.rint(encode_srgb(linear) * 255)
        out[partial] = pixels
    return out


@functools.cache
def premultiplied_limit() -> UInt8Array:
    """Return the largest premultiplied value of a colour at each alpha, (256,) uint8: white's."""
    return np.asarray(np.rint(encode_srgb(np.arange(256) / 255) * 255), np.uint8)


def decode_srgb(encoded: AnyArray) -> AnyArray:
    """Return linear light in [0, 1] of sRGB-encoded values in [0, 1] (IEC 61966-2-1)."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def encode_srgb(linear: AnyArray) -> AnyArray:
    """Return sRGB-encoded values in [0, 1] of linear light in [0, 1] (IEC 61966-2-1)."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0.0) ** (1 / 2.4) - 0.055)
