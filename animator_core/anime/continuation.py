"""Continues a picture beyond its edges, so that a body that they cut does not end there when it moves."""

from __future__ import annotations

import math

import numpy as np

from animator_core.anime.network_picture import CENTER
from animator_core.anime.networks.chain import SIDE
from animator_core.arrays import UInt8Array
from animator_core.characters.head_place import HeadPlace

_MOST_PIXELS = 4096
"""Padding on each side: beyond lies nothing that moves."""


def continued(picture: UInt8Array, place: HeadPlace) -> tuple[UInt8Array, HeadPlace]:
    """Return the picture with its edges, but the upper, repeated to the end of the networks', and its head's place.

    picture: (H, W, 4) uint8 RGBA.
    """
    height, width = picture.shape[:2]
    (x, y), scale = place.center, place.scale
    left = _padding(CENTER[0] / scale - x)
    right = _padding(x + (SIDE - CENTER[0]) / scale - width)
    below = _padding(y + (SIDE - CENTER[1]) / scale - height)
    return np.pad(picture, ((0, below), (left, right), (0, 0)), "edge"), HeadPlace((x + left, y), scale)


def _padding(pixels: float) -> int:
    return min(max(math.ceil(pixels), 0), _MOST_PIXELS)
