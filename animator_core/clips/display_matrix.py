"""Applies the display matrix of a video track or frame: rotation and mirroring of the decoded picture."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.sidedata.sidedata import Type

from animator_core.arrays import UInt8Array


def upright(frame: Any, picture: UInt8Array) -> UInt8Array:
    """Return a decoded frame's picture, (H, W, C) uint8, with its display matrix applied, to the nearest quarter turn.

    frame: an ``av.VideoFrame``.
    """
    matrix = frame.side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return picture
    # Pixel (x, y) is shown at (a x + c y, b x + d y); the third column is the projection; 16.16 fixed point.
    a, b, _, c, d = (int(number) for number in np.frombuffer(matrix, np.int32)[:5])
    if abs(a) + abs(d) < abs(b) + abs(c):
        picture, flips_x, flips_y = picture.transpose(1, 0, 2), c < 0, b < 0
    else:
        flips_x, flips_y = a < 0, d < 0
    return np.ascontiguousarray(picture[:: -1 if flips_y else 1, :: -1 if flips_x else 1])
