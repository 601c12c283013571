"""The white of an eye: the picture's own where it shows, and in the light of the skin where it does not."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import AnyArray, BoolArray, DoubleArray, FloatArray
from animator_core.warp.eye_map import EyeMap

_LEAST_LIGHT = 0.62
"""Least lightness of a white, as a share of the lit skin's around: darker pixels are its shadow."""
_UNSEEN_LIGHT = 0.8
"""The same of a white that the picture does not show."""
_SKIN_CAST = 0.5
"""Share of the skin's own colour in a synthesised white."""
_MOST_LIGHT = 1.12
"""The same of the brightest pixel of a white against its usual colour: vessels are darker, catch lights no part."""
_CURVATURE = 0.1
"""Darkening of the ball at the eye's corners."""
_MOST_SHADE = 0.38


def unshaded_white(
    patch: FloatArray,
    eye: EyeMap,
    *,
    has_iris: bool,
    skin: FloatArray,
    skin_light: DoubleArray,
    drawn: float,
) -> tuple[FloatArray, float]:
    """Return the eyeball without iris and lid's shadow, (H, W, 3) float32 BGR, and the strength of that shadow.

    patch, skin: (H, W, 3) BGR, with and without the eye. skin_light: (3,) BGR of the lit skin below the eye. drawn: 1
    for a drawing.
    """
    above, below, width = eye.above, eye.below, eye.width
    iris_distance = eye.iris_distance if has_iris else np.full_like(above, np.inf)
    inside = (above < -0.035 * width) & (below < -0.025 * width) & (iris_distance > 1.12)
    light = patch.mean(2)
    shade = _shade(light, inside=inside, above=above, width=width)
    lit = np.clip(patch / eye.shadow(shade)[..., None], 0, 255)
    base = white_colour(lit[inside], skin_light)
    fall = _fall_of_light(skin, inside, width) ** (1 - drawn)
    brightness = lit.mean(2) / np.maximum(base.mean() * fall, 1.0)
    lit = lit * np.minimum(1, _MOST_LIGHT / np.maximum(brightness, 0.1))[..., None]
    # Ducts at the corners keep their colour, but none is spread from them.
    spread = (inside * np.clip((brightness - 0.58 - 0.22 * drawn) / 0.15, 0, 1)).astype(np.float32)
    continued = (base * fall[..., None]).astype(np.float32)
    for sigma in (0.25 * width, 0.1 * width, 0.05 * width):
        share = cv2.GaussianBlur(spread, (0, 0), sigma)[..., None]
        near = cv2.GaussianBlur(lit * spread[..., None], (0, 0), sigma) / np.maximum(share, 1e-6)
        continued += np.clip(share * 4, 0, 1) * 0.85 * (near - continued)
    seen = (above < -0.02 * width) & (below < -0.01 * width) & (iris_distance > 1.12)
    seen &= (brightness > 0.5 + 0.35 * drawn) | ((iris_distance > 1.6) & (above < -0.07 * width) & (drawn < 0.5))
    kept: AnyArray = cv2.GaussianBlur(seen.astype(np.float32), (0, 0), max(0.7, 0.02 * width))
    kept = (kept * np.clip((iris_distance - 1.1) / 0.12, 0, 1))[..., None]
    return np.asarray(continued + kept * (lit - continued), np.float32), shade


def _fall_of_light(skin: FloatArray, inside: BoolArray, width: float) -> FloatArray:
    """Return (H, W) the light around against that on the visible white, as skin shows it, with the ball's curvature."""
    light = np.asarray(cv2.GaussianBlur(skin.mean(2), (0, 0), 0.12 * width))
    usual = float(np.median(light[inside])) if inside.any() else float(np.median(light))
    _, x = np.mgrid[: light.shape[0], : light.shape[1]]
    middle = light.shape[1] / 2
    curvature = 1 - _CURVATURE * np.clip(np.abs(x - middle) / (0.5 * width), 0, 1) ** 2
    return np.asarray(np.clip(light / max(usual, 1.0), 0.55, 1.1) * curvature, np.float32)


def white_colour(pixels: FloatArray, skin_light: DoubleArray) -> DoubleArray:
    """Return the BGR colour of a white, (3,): its visible pixels', (N, 3), within what the skin's light allows."""
    skin = float(skin_light.mean())
    synthesised = skin_light.max() + _SKIN_CAST * (skin_light - skin_light.max())
    synthesised = synthesised * (_UNSEEN_LIGHT * skin / max(float(synthesised.mean()), 1.0))
    if len(pixels) < 6:
        return np.asarray(synthesised)
    light = pixels.mean(1)
    own = np.median(pixels[light >= np.percentile(light, 15)], axis=0).astype(np.float64)
    lightness = max(float(own.mean()), _LEAST_LIGHT * skin)
    if own.mean() < lightness:
        own = own + 0.5 * (synthesised * own.mean() / synthesised.mean() - own)
    return np.asarray(np.clip(own * lightness / max(float(own.mean()), 1.0), 0, 252))


def _shade(light: FloatArray, *, inside: BoolArray, above: FloatArray, width: float) -> float:
    """Return the darkening of the white right below the upper lid against that further down, 0 to 1."""
    near = inside & (above > -0.1 * width)
    far = inside & (above < -0.14 * width)
    if near.sum() < 6 or far.sum() < 6:
        return 0.2
    ratio = float(np.median(light[near])) / max(float(np.percentile(light[far], 60)), 1.0)
    # Half of the shadow's strength is left at its middle.
    return float(np.clip(1.7 * (1 - ratio), 0.05, _MOST_SHADE))
