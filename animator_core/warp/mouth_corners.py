"""Takes a drawn mouth's corners to the ends of its line, which go on beyond the tracker's.

What lies beyond a corner stays closed as the mouth opens, and would stand beside it like whiskers.
"""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import DoubleArray, FloatArray, UInt8Array
from animator_core.tracking.face_model import LIP_RINGS
from animator_core.warp.mouth_colours import drawn_share, luminance

_REACH, _HALF_HEIGHT, _STEP = 0.2, 0.035, 0.008
"""How far beyond a corner, and around it across, the line is searched, and the step, in mouth widths."""
_CLIMB = 2
"""Most steps that the line goes up or down in one step sideways."""
_LEAST_CONTRAST, _ENDS = 0.12, 0.2
"""Contrast of a line, of skin's lightness, and the share of it below which the line has ended."""
_FALLOFF = 0.16
"""Distance from the corner, in mouth widths, by which the shift of what is around it falls to exp(-1/2)."""
_TUCKED = 0.04
"""Mouth widths by which the inner rings' corners lie before the line's end."""


def with_line_ends(picture: UInt8Array, landmarks: FloatArray) -> FloatArray:
    """Return the landmarks, (478, 3) pixels, with a drawn mouth's corners at the ends of its line.

    picture: (H, W, 3) uint8 BGR. Landmarks of photographs, and of mouths without a clear line, are as they were.
    """
    if drawn_share(picture, landmarks) < 0.5:
        return landmarks
    moved = landmarks.copy()
    middle = landmarks[[ring[0] for ring in LIP_RINGS] + [ring[10] for ring in LIP_RINGS], :2].mean(0)
    for place in (0, 10):
        rings = [ring[place] for ring in LIP_RINGS]
        outer = rings[-1]
        width = 2 * float(np.linalg.norm(landmarks[outer, :2] - middle))
        outwards = (landmarks[outer, :2].astype(np.float64) - middle) * 2 / max(width, 1e-6)
        end = _line_end(picture, landmarks[outer, :2], outwards=outwards, width=width)
        if end is None:
            continue
        distance = np.linalg.norm(landmarks[:, :2] - landmarks[outer, :2], axis=1) / width
        share = np.exp(-0.5 * (distance / _FALLOFF) ** 2)
        moved[:, :2] += (share[:, None] * (end - landmarks[outer, :2])).astype(np.float32)
        for number, corner in enumerate(rings):
            tucked = _TUCKED * width * (1 - number / (len(rings) - 1))
            moved[corner, :2] = end - tucked * outwards
    return moved


def _line_end(picture: UInt8Array, corner: FloatArray, *, outwards: DoubleArray, width: float) -> DoubleArray | None:
    """Return where the line through a corner, (2,) pixels, ends outwards; None without a line."""
    across = np.array([-outwards[1], outwards[0]])
    heights = np.arange(-_HALF_HEIGHT - _REACH, _HALF_HEIGHT + _REACH, _STEP)
    steps = np.arange(-0.05, _REACH, _STEP)
    places = corner + width * (steps[:, None, None] * outwards + heights[None, :, None] * across)
    at = places.astype(np.float32)
    pixels = cv2.remap(picture, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    light = luminance(np.asarray(pixels).astype(np.float64))
    skin = float(np.percentile(light, 75))
    row = len(heights) // 2
    near = round(_HALF_HEIGHT / _STEP)
    row = row - near + int(light[0, row - near : row + near + 1].argmin())
    contrast, last = 0.0, None
    for column, place in enumerate(steps):
        low = max(row - _CLIMB, 0)
        row = low + int(light[column, low : row + _CLIMB + 1].argmin())
        darker = skin - float(light[column, row])
        if place <= 0:
            contrast = max(contrast, darker)
        if contrast < _LEAST_CONTRAST * skin or darker < _ENDS * contrast:
            break
        last = column, row
    return None if last is None or steps[last[0]] <= 0 else np.asarray(places[last], np.float64)
