"""Centre and radii of an iris, measured in the picture by its limbus."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from animator_core.arrays import AnyArray, DoubleArray, FloatArray
from animator_core.warp.canvas import polygon_mask

_WIDTH = 64.0
"""Eye width in pixels at which the iris is searched."""
_ANGLES = np.radians(np.linspace(-35, 215, 61))
"""Directions of the limbus looked at; the upper lid hides the rest."""
_SHARES = np.linspace(0.14, 0.42, 29)
_ASPECTS = (1.0, 1.12, 1.25, 1.4)
"""Height over width of an iris; only drawn ones are not round."""
_DOUBT = 0.9
"""Weight of a radius' logarithmic distance from the tracker's, in a photograph."""
_ROUND = 0.94
_AWAY = 0.08
"""Distance of a centre from the opening, in eye widths, that no iris has."""
_LEAST_STEP = 0.125
"""Least step of an iris' rim against the lightness around; eyes of a statue have no iris."""
_KEPT = 0.6
"""Share of the limbus that counts: lids hide some of it."""


@dataclass(frozen=True)
class Iris:
    """An iris in pixels: centre, (2,) float64, and radii of an upright ellipse.

    clarity: the step of lightness at its rim, in grey levels; 0 if it was not measured.
    """

    centre: DoubleArray
    radius_x: float
    radius_y: float
    clarity: float = 0.0

    def scaled(self, factor: float) -> Iris:
        """Return the iris in a picture that is larger by ``factor``."""
        return Iris(self.centre * factor, self.radius_x * factor, self.radius_y * factor, clarity=self.clarity)


def measured_iris(patch: FloatArray, polygon: FloatArray, *, guess: Iris, drawn: float, is_sure: bool = False) -> Iris:
    """Return the iris by an integro-differential operator (Daugman 1993) over ellipses around the tracker's.

    patch: (H, W, 3) BGR. polygon: (N, 2) pixels, the eye's opening. guess: the tracker's. drawn: 0 for a photograph, 1
    for a drawing, whose iris may have any size. is_sure: whether the guess' size is about right.
    """
    width = float(np.ptp(polygon[:, 0]))
    factor = _WIDTH / width
    grey = np.asarray(cv2.resize(patch.mean(2), None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA))
    grey = np.asarray(cv2.GaussianBlur(grey, (0, 0), 0.8))
    mask = polygon_mask(polygon * factor, grey.shape)
    # Of large irises the tracker's lids leave some out.
    visible = np.asarray(cv2.dilate(mask, np.ones((11, 11), np.uint8))).astype(np.float32) / 255
    best = _search(grey, visible, guess=guess.scaled(factor), drawn=drawn, sureness=4.0 if is_sure else 1.0)
    if cv2.pointPolygonTest(polygon * np.float32(factor), best.centre.tolist(), True) < -_AWAY * _WIDTH:
        return guess
    return best.scaled(1 / factor)


def _search(grey: AnyArray, visible: AnyArray, *, guess: Iris, drawn: float, sureness: float) -> Iris:
    best, most = guess, -np.inf
    steps = [np.arange(-9, 10, 3.0), np.arange(-2, 2.1, 1.0), np.array([-0.5, 0, 0.5])]
    for number, step in enumerate(steps):
        dx, dy = (each.ravel() for each in np.meshgrid(step, step))
        centres = best.centre + np.stack([dx, dy], 1)
        found = best
        for aspect in _ASPECTS if drawn > 0.5 else _ASPECTS[:1]:
            radii = _SHARES * _WIDTH if number == 0 else best.radius_x + np.linspace(-2, 2, 9) / (number or 1)
            scores = _scores(grey, visible, centres=centres, radii=radii, aspect=aspect)
            doubt = sureness * (_DOUBT + (0.15 - _DOUBT) * drawn) * np.abs(np.log(radii / guess.radius_x))
            away = np.linalg.norm(centres - guess.centre, axis=1) / (0.5 * _WIDTH)
            scores *= (
                (1 if aspect == 1 else _ROUND) * np.exp(-doubt)[None, :] * np.exp(-(1.2 - 0.8 * drawn) * away)[:, None]
            )
            place = np.unravel_index(scores.argmax(), scores.shape)
            if scores[place] > most:
                most = float(scores[place])
                radius = float(radii[place[1]])
                found = Iris(centres[place[0]], radius, radius * aspect, clarity=most)
        best = found
    return best if most > _LEAST_STEP * float(np.median(grey)) else guess


def _scores(grey: AnyArray, visible: AnyArray, *, centres: DoubleArray, radii: DoubleArray, aspect: float) -> AnyArray:
    """Return (C, R) mean steps from dark inside to light outside across each ellipse's visible best part."""
    around = np.stack([np.cos(_ANGLES), aspect * np.sin(_ANGLES)], 1)
    places = centres[:, None, None] + radii[None, :, None, None] * around
    away = 1.5 * around
    inner, outer = (_sample(grey, places + side * away) for side in (-1, 1))
    seen = _sample(visible, places)
    step = np.where(seen > 0.5, outer - inner, -np.inf)
    step.sort(axis=2)
    count = (step > -np.inf).sum(2)
    kept = np.maximum((_KEPT * count).astype(int), 1)
    total = np.where(step > -np.inf, step, 0)[..., ::-1].cumsum(2)
    mean = np.take_along_axis(total, (kept - 1)[..., None], 2)[..., 0] / kept
    return np.asarray(mean * np.clip(count / (0.3 * len(_ANGLES)), 0, 1) ** 0.5)


def _sample(image: AnyArray, places: DoubleArray) -> AnyArray:
    flat = places.reshape(places.shape[0], -1, 2).astype(np.float32)
    values = cv2.remap(image, flat[..., 0], flat[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(values).reshape(places.shape[:-1])
