"""The eyeball of a picture: its white and its iris, both whole and without the lid's shadow."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animator_core.arrays import DoubleArray, FloatArray
from animator_core.warp.eye_map import EyeMap
from animator_core.warp.iris import Iris
from animator_core.warp.sclera import unshaded_white


@dataclass(frozen=True)
class Eyeball:
    """An eyeball in its patch: white and iris, (H, W, 3) float32 BGR; disc: (H, W), the iris' opacity.

    shade: the darkening at the upper lid, 0 to 1.
    """

    white: FloatArray
    iris: FloatArray
    disc: FloatArray
    shade: float


def eyeball(
    patch: FloatArray, eye: EyeMap, iris: Iris, *, skin: FloatArray, skin_light: DoubleArray, drawn: float
) -> Eyeball:
    """Return the eyeball of a patch, (H, W, 3) float32 BGR; see `sclera.unshaded_white`."""
    # A statue's eye has no iris.
    has_iris = iris.clarity > 0
    white, shade = unshaded_white(patch, eye, has_iris=has_iris, skin=skin, skin_light=skin_light, drawn=drawn)
    distance = eye.iris_distance
    softness = 0.7 / iris.radius_x + 0.03 * (1 - drawn)
    disc = np.clip((1.04 - distance) / (2 * softness) + 0.5, 0, 1).astype(np.float32) * np.float32(has_iris)
    margin = max(1.0, 0.03 * eye.width)
    lit = np.clip(patch / eye.shadow(shade)[..., None], 0, 255)
    seen = (np.clip(-eye.above - margin, 0, 1) * np.clip(-eye.below - 0.6 * margin, 0, 1)).astype(np.float32)
    return Eyeball(white, _whole_iris(lit, seen * disc, iris=iris, distance=distance), disc, shade=shade)


def _whole_iris(values: FloatArray, seen: FloatArray, *, iris: Iris, distance: FloatArray) -> FloatArray:
    """Return the iris with its hidden parts filled from the ring at the same distance.

    values: (H, W, 3). seen: (H, W) in [0, 1]. distance: (H, W) from the iris' centre, in its radii.
    """
    y = np.arange(len(values), dtype=np.float32)[:, None]
    rings = np.minimum(distance * iris.radius_x, 4 * iris.radius_x).astype(int).ravel()
    # The upper half is darker than the lower one: light comes from above, through the cornea.
    upper = np.clip(0.5 - (y - iris.centre[1]) / (0.8 * iris.radius_y), 0.05, 1)
    # At its rim white shines through.
    share = (seen * upper * (distance < 0.93)).ravel()
    weight = np.bincount(rings, share) + 1e-6
    known = np.flatnonzero(weight > 0.5)
    by_ring = np.zeros((len(weight), 3))
    flat, light = values.reshape(-1, 3), values.mean(2).ravel()
    for ring in known:
        pixels = np.flatnonzero((rings == ring) & (share > 0.2))
        if len(pixels):
            # The catch light is no part of the iris.
            matte = pixels[light[pixels] <= np.percentile(light[pixels], 65) + 4]
            by_ring[ring] = np.average(flat[matte], axis=0, weights=share[matte])
    known = np.flatnonzero(by_ring.any(1))
    if not len(known):
        near = distance.ravel() < 0.6
        by_ring[:] = np.median(flat[near], axis=0) if near.any() else np.median(flat, axis=0)
    else:
        indices = np.arange(len(weight))
        by_ring = np.stack([np.interp(indices, known, by_ring[known, c]) for c in range(3)], 1)
    filled = by_ring[rings.reshape(distance.shape)].astype(np.float32)
    return np.asarray(filled + seen[..., None] * (values - filled), np.float32)
