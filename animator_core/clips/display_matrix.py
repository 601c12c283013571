"""How a decoded picture is turned and mirrored before it is shown: the display matrix of a track or frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from av.sidedata.sidedata import Type


def upright(frame: Any, picture: np.ndarray) -> np.ndarray:
    """Return the picture of a decoded frame, (H, W, C), as its display matrix says, to the nearest quarter turn."""
    matrix = frame.side_data.get(Type.DISPLAYMATRIX)
    if matrix is None:
        return picture
    # Pixel (x, y) is shown at (a x + c y, b x + d y), the third column being the projection; 16.16 fixed point.
    a, b, _, c, d = (int(number) for number in np.frombuffer(matrix, np.int32)[:5])
    if abs(a) + abs(d) < abs(b) + abs(c):
        picture, flips_x, flips_y = picture.transpose(1, 0, 2), c < 0, b < 0
    else:
        flips_x, flips_y = a < 0, d < 0
    return np.ascontiguousarray(picture[:: -1 if flips_y else 1, :: -1 if flips_x else 1])
