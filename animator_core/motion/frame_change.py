"""Carries places over when driving frames change their size in mid-clip; standard library only.

Cameras, calls and recordings that adapt their quality do so, and the person does not move.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class FrameChange:
    """A similarity about the frames' middles: new = (old - old_middle) · factor + new_middle, in pixels."""

    factor: float
    old_middle: tuple[float, float]
    new_middle: tuple[float, float]


def frame_change(old: tuple[int, int], new: tuple[int, int], face_growth: float = 1.0) -> FrameChange:
    """Return how pixels of frames of size ``old`` become those of frames of size ``new``, both (width, height).

    face_growth: the face's size in the new frame by that in the old one, which tells how they were cut if the frames
    differ in shape as well: a camera's 4:3 mode may lack the sides of its 16:9 mode, or 16:9 top and bottom.
    """
    sides = [(new[0], old[0]), (new[1], old[1]), (max(new), max(old)), (min(new), min(old))]
    factors = [after / before for after, before in sides]
    factor = min(factors, key=lambda each: abs(math.log(each / max(face_growth, 1e-6))))
    return FrameChange(factor, (old[0] / 2, old[1] / 2), (new[0] / 2, new[1] / 2))
