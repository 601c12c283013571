"""The two rows of teeth and the tongue: parabolic arches in face units, and what is painted on them."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from animator_core.arrays import AnyArray, DoubleArray, FloatArray, UInt8Array
from animator_core.smoothstep import smoothstep

_MM = 0.0064
"""A millimetre in face units, for a mouth of 50 mm."""
_UPPER_WIDTHS = (8.5, 6.6, 7.7, 7.0, 6.8, 10.2)
_UPPER_HEIGHTS = (10.4, 9.2, 10.2, 8.6, 7.8, 7.4)
_LOWER_WIDTHS = (5.3, 5.9, 6.9, 7.0, 7.2, 11.0)
_LOWER_HEIGHTS = (8.8, 9.2, 10.2, 8.6, 7.9, 7.5)
"""Crowns from the middle outwards, in millimetres (means of Wheeler's Dental Anatomy, table 1-1)."""
_ARCH = 6.0
"""Depth of the upper arch by the square of the distance from its middle, in face units: canines lie 11 mm behind the
incisors, second premolars 20 mm."""
_FINEST = 520.0
_SHADE_DEPTH = 0.105
"""Depth behind the incisors, in face units, at which half of the light is left."""


@dataclass(frozen=True)
class Sheet:
    """Where the textures of one character lie: the same for all of them.

    density: texels in a face unit. half_width, above, below: reach from the origin in face units. The origin of a
    row's texture is the edge of its middle incisors, that of the tongue its top.
    """

    density: float
    half_width: float
    above: float
    below: float

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return round((self.above + self.below) * self.density) + 1, round(2 * self.half_width * self.density) + 1

    def grid(self, times: int) -> tuple[FloatArray, FloatArray]:
        """Return x and y in face units at the centres of texels that are ``times`` as fine, (rows, columns) each."""
        rows, columns = self.shape

        def axis(count: int, first: float) -> DoubleArray:
            return (np.arange(count * times) + 0.5 - times / 2) / (times * self.density) + first

        x, y = np.meshgrid(axis(columns, -self.half_width), axis(rows, -self.above))
        return x.astype(np.float32), y.astype(np.float32)


def sheet_for(pixels_per_unit: float, scale: float) -> Sheet:
    """Return the sheet for a face of this size; scale: the mouth's size, 1 for the mean face."""
    density = min(1.15 * pixels_per_unit, _FINEST / scale)
    return Sheet(density, half_width=0.19 * scale, above=0.16 * scale, below=0.2 * scale)


@dataclass(frozen=True)
class Crowns:
    """One row of teeth: widths and heights of half of its crowns from the middle, and its arch, in face units.

    direction: 1 for crowns that end downwards, the upper ones; -1 for lower ones. curve: how far the edge departs
    from a straight line, by the square of the distance from the middle.
    """

    widths: tuple[float, ...]
    heights: tuple[float, ...]
    arch: float
    direction: int
    curve: float


def upper_crowns(scale: float) -> Crowns:
    """Return the upper row of a mouth that is ``scale`` times the mean one."""
    widths, heights = (tuple(v * _MM * scale for v in row) for row in (_UPPER_WIDTHS, _UPPER_HEIGHTS))
    return Crowns(widths, heights, arch=_ARCH / scale, direction=1, curve=0.45 / scale)


def lower_crowns(scale: float) -> Crowns:
    """Return the lower row of a mouth that is ``scale`` times the mean one; its arch is narrower than the upper."""
    widths, heights = (tuple(v * _MM * scale for v in row) for row in (_LOWER_WIDTHS, _LOWER_HEIGHTS))
    return Crowns(widths, heights, arch=1.15 * _ARCH / scale, direction=-1, curve=0.25 / scale)


def row_texture(
    sheet: Sheet, crowns: Crowns, *, ivory: DoubleArray, gum: DoubleArray, shade: DoubleArray, relief: float
) -> UInt8Array:
    """Return a row of teeth with its gum, (rows, columns, 4) uint8 BGRA, straight alpha.

    ivory, gum, shade: (3,) BGR, the last of what gets no light. relief: 1 for crowns with all their shading, 0 for a
    plain band.
    """
    times = 3 if sheet.density < 300 else 2
    x, y = sheet.grid(times)
    places = np.linspace(0, 1.2 * sheet.half_width, 400)
    lengths = np.concatenate([[0], np.cumsum(np.hypot(np.diff(places), np.diff(crowns.arch * places**2)))])
    along = np.interp(np.abs(x[0]), places, lengths)
    ends = np.cumsum(crowns.widths)
    which = np.minimum(np.searchsorted(ends, along), len(ends) - 1)
    width = np.array(crowns.widths)[which]
    across = np.clip(2 * (along - (ends[which] - width / 2)) / width, -1, 1)
    height = np.array(crowns.heights)[which]
    # Canines end in a point, the others in round corners; lateral incisors are a little shorter than their neighbours.
    tip = np.where(which == 2, 0.1 * np.abs(across) ** 1.4, 0.07 * np.abs(across) ** 3.5 + 0.05 * (which == 1))
    tip = tip * height * relief
    off_edge = crowns.direction * y + (crowns.curve * x[0] ** 2 + tip)[None]
    off_gum = off_edge + (height * (1 - 0.13 * across**2 * relief))[None]
    soft = 0.4 / sheet.density
    is_on_row = _ramp(-off_edge, soft)
    is_crown = _ramp(off_gum, soft + 0.25 * _MM)
    depth = crowns.arch * x[0] ** 2
    fall = 1 - relief * (1 - 1 / (1 + (depth / _SHADE_DEPTH) ** 2))
    seam = 1 - relief * 0.24 * np.clip((np.abs(across) - (1 - 0.9 * _MM / width)) * width / (0.9 * _MM), 0, 1)
    round_side = 1 - relief * 0.1 * np.abs(across) ** 3
    # Enamel is a little darker at the gum, and bluish and dim at its edge.
    rise = np.clip(off_edge / height[None] + 1, 0, 1)
    enamel = 1 - relief * (0.16 * (1 - rise) ** 2 + 0.12 * np.clip((rise - 0.82) / 0.18, 0, 1))
    light = (enamel * (fall * seam * round_side)[None])[..., None]
    under = shade + fall[None, :, None] * (gum - shade)
    colour = under + is_crown[..., None] * (shade + light * (ivory - shade) - under)
    ends_at = _ramp(ends[-1] - along, 2 * soft)
    return _reduced(colour, is_on_row * ends_at[None], sheet)


def tongue_texture(sheet: Sheet, scale: float, flesh: DoubleArray, relief: float) -> UInt8Array:
    """Return the tongue, (rows, columns, 4) uint8 BGRA, its top at the sheet's origin; relief: as in `row_texture`."""
    times = 2
    x, y = sheet.grid(times)
    half = 0.112 * scale
    side = np.clip(np.abs(x) / half, 0, 1)
    top = 0.085 * scale * (1 - np.sqrt(1 - side**2))
    inside = (y - top) / (0.09 * scale)
    soft = (0.4 + 2.5 * relief) / sheet.density
    alpha = _ramp(y - top, soft) * _ramp(half - np.abs(x), soft)
    groove = np.exp(-((x / (0.012 * scale)) ** 2)) * np.clip(inside, 0, 1)
    light = 1 - relief * (0.42 * np.clip(1 - inside, 0, 1) ** 1.5 + 0.3 * side**4 + 0.14 * groove)
    return _reduced(flesh * light[..., None], alpha, sheet)


def _ramp(distance: AnyArray, half: float) -> FloatArray:
    """Return 0 at -half, 1 at half and smoothly between."""
    return smoothstep(distance, -half, half)


def _reduced(colour: AnyArray, alpha: AnyArray, sheet: Sheet) -> UInt8Array:
    texture = np.dstack([np.clip(colour, 0, 255), 255 * alpha]).astype(np.float32)
    rows, columns = sheet.shape
    small = cv2.resize(texture, (columns, rows), interpolation=cv2.INTER_AREA)
    return np.asarray(np.rint(small)).astype(np.uint8)
