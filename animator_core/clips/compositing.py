"""Converts the renderer's premultiplied frames for video files: opaque over a colour, or straight alpha.

The result depends only on a pixel's value and alpha, so each conversion is a 256×256 lookup table per channel.
"""

from __future__ import annotations

import re

import numpy as np

from animator_core.arrays import AnyArray, DoubleArray, UInt8Array
from animator_core.errors import AnimatorError
from animator_core.rendering.srgb import decode_srgb, encode_srgb

DEFAULT_BACKGROUND = "#2b2d31"
"""A dark, neutral grey, behind transparent characters in files without alpha."""

_NAMED_COLOURS = {
    "black": (0, 0, 0),
    "white": (255, 255, 255),
    "grey": (128, 128, 128),
    "gray": (128, 128, 128),
    "green": (0, 177, 64),
    "blue": (0, 71, 187),
    "magenta": (255, 0, 255),
}
"""Plain colours, and the usual shades of green and blue screens."""


def parse_colour(text: str) -> tuple[int, int, int]:
    """Return the (red, green, blue) of ``#rrggbb``, ``#rgb`` or a name; raises AnimatorError for anything else."""
    named = _NAMED_COLOURS.get(text.lower())
    if named is not None:
        return named
    digits = text[1:] if text.startswith("#") else text
    if re.fullmatch("[0-9a-fA-F]{3}", digits):
        digits = "".join(digit * 2 for digit in digits)
    if not re.fullmatch("[0-9a-fA-F]{6}", digits):
        raise AnimatorError(f"{text!r} is not a colour", f"use #rrggbb or one of {', '.join(sorted(_NAMED_COLOURS))}")
    return int(digits[0:2], 16), int(digits[2:4], 16), int(digits[4:6], 16)


def _to_bytes(values: DoubleArray) -> UInt8Array:
    return np.asarray(np.rint(np.clip(values, 0.0, 1.0) * 255.0), np.uint8)


class OverColour:
    """Composites frames over one colour, in linear light as OBS does."""

    def __init__(self, colour: tuple[int, int, int]) -> None:
        self.colour = colour
        premultiplied, alpha = _value_and_alpha()
        background = decode_srgb(np.array(colour) / 255.0)
        # out = encode(c·a + background·(1 − a)), and c·a is the decoded premultiplied value
        light = decode_srgb(premultiplied)[:, :, None] + background * (1.0 - alpha)[:, :, None]
        by_channel = _to_bytes(encode_srgb(light)).reshape(65536, 3)
        self._tables = [np.ascontiguousarray(by_channel[:, channel]) for channel in range(3)]

    def __call__(self, frame: UInt8Array) -> UInt8Array:
        """Return ``frame``, (H, W, 4) uint8 premultiplied BGRA, as (H, W, 3) uint8 RGB over the colour."""
        rgb = np.empty((*frame.shape[:2], 3), np.uint8)
        if (frame[..., 3] == 255).all():
            rgb[:] = frame[..., 2::-1]
            return rgb
        rows = _rows(frame)
        for channel, table in enumerate(self._tables):
            rgb[..., channel] = table[rows | frame[..., 2 - channel]]
        return rgb


class StraightAlpha:
    """Un-premultiplies frames, for files with straight alpha."""

    def __init__(self) -> None:
        premultiplied, alpha = _value_and_alpha()
        # c = encode(decode(c·a) / a); at a = 0 any colour will do, and black compresses best
        light = decode_srgb(premultiplied) / np.where(alpha > 0, alpha, np.inf)
        self._table = _to_bytes(encode_srgb(np.minimum(light, 1.0))).reshape(65536)

    def __call__(self, frame: UInt8Array) -> UInt8Array:
        """Return ``frame``, (H, W, 4) uint8 premultiplied BGRA, as (H, W, 4) uint8 straight RGBA."""
        rgba = np.empty_like(frame)
        rgba[..., 3] = frame[..., 3]
        rows = _rows(frame)
        for channel in range(3):
            rgba[..., channel] = self._table[rows | frame[..., 2 - channel]]
        return rgba


def _value_and_alpha() -> tuple[DoubleArray, DoubleArray]:
    """Return the values and alphas of all (alpha, value) pairs, (256, 256) float64 in [0, 1] each."""
    alpha, value = np.meshgrid(np.arange(256) / 255.0, np.arange(256) / 255.0, indexing="ij")
    return value, alpha


def _rows(frame: UInt8Array) -> AnyArray:
    """Return the table offsets of a frame's alphas, (H, W) uint16; a value is added with ``|``."""
    return frame[..., 3].astype(np.uint16) << 8
