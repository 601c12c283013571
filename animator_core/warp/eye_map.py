"""Where each pixel of an eye's patch lies: by its distances from both lids and from the iris."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from animator_core.arrays import AnyArray, BoolArray, FloatArray
from animator_core.warp.eye_kernels import BEYOND
from animator_core.warp.eye_outline import EyeOutline, Lids
from animator_core.warp.iris import Iris
from animator_core.warp.lid_curves import distance_from, segments

SHADOW_REACH = 0.09
"""Distance from the upper lid, in eye widths, at which its shadow has faded to a third."""


@dataclass(frozen=True)
class LidSide:
    """A lid's surroundings, (H, W) each.

    outside: distance from the lid's margin in pixels, negative in the eye. belongs: share by which a place belongs to
    this lid rather than to the other one. near_iris: places whose dark may be the iris'.
    """

    outside: FloatArray
    belongs: FloatArray
    near_iris: BoolArray


@dataclass(frozen=True)
class EyeMap:
    """Distances in the patch of an eye in the picture, (H, W) float32 each.

    above, below: pixels outside of the upper and lower lid, negative in the eye. at_upper, at_lower: the nearest
    point's place along each lid, in segments. iris_distance: from the iris' centre in its radii. outside_of_widest:
    pixels outside of the widest opening. lids: (2, 5, S) `lid_curves.segments`. width: of the eye, and picture_pixel: a
    pixel of the picture, in pixels of the patch.
    """

    above: FloatArray
    below: FloatArray
    at_upper: FloatArray
    at_lower: FloatArray
    iris_distance: FloatArray
    outside_of_widest: FloatArray
    lids: FloatArray
    width: float
    picture_pixel: float

    @functools.cached_property
    def opened(self) -> FloatArray:
        """The share of the eyeball in each pixel."""
        share = np.clip(0.5 - self.above, 0, 1) * np.clip(0.5 - self.below, 0, 1)
        return np.asarray(share * np.clip(-self.above - self.below, 0, 1), np.float32)

    @functools.cached_property
    def outside(self) -> FloatArray:
        """Pixels outside of the opening, negative in it."""
        return np.maximum(self.above, self.below)

    def shadow(self, strength: float) -> FloatArray:
        """Return the light that the upper lid's shadow leaves; see `eye_kernels.paint_eye`."""
        return np.asarray(1 - strength * np.exp(np.minimum(self.above, 0) / (SHADOW_REACH * self.width)), np.float32)

    def from_corners(self) -> tuple[AnyArray, AnyArray]:
        """Return the distance along each lid from the nearer corner, in segments, negative beyond it."""
        last = self.lids.shape[2] - BEYOND
        upper, lower = (np.minimum(at - BEYOND, last - at) for at in (self.at_upper, self.at_lower))
        return upper, lower

    def lid_sides(self, *, has_iris: bool) -> Iterator[LidSide]:
        """Yield the upper and the lower lid's surroundings."""
        near_iris = (self.iris_distance < 1.25) & has_iris
        nearer = np.abs(self.below) - np.abs(self.above)
        upper, lower = self.from_corners()
        # Beyond the corners both are as near, and nothing moves.
        yield LidSide(self.above, (upper >= 0) * np.clip(1 + nearer / 2, 0, 1), near_iris)
        yield LidSide(self.below, (lower >= 0) * np.clip(-nearer / 2, 0, 1), near_iris)


def eye_map(outline: EyeOutline, iris: Iris, shape: tuple[int, ...], *, picture_pixel: float) -> EyeMap:
    """Return the map of a patch, (H, W, ...)."""
    (above, at_upper), (below, at_lower) = (
        distance_from(curve, shape) for curve in (outline.rest.upper, outline.rest.lower)
    )
    x, y = np.meshgrid(*(np.arange(size, dtype=np.float32) for size in shape[1::-1]))
    distance = np.hypot((x - iris.centre[0]) / iris.radius_x, (y - iris.centre[1]) / iris.radius_y)
    return EyeMap(
        above=above,
        below=-below,
        at_upper=at_upper,
        at_lower=at_lower,
        iris_distance=distance.astype(np.float32),
        lids=segments(np.stack([outline.rest.upper, outline.rest.lower])),
        outside_of_widest=np.maximum(*_outside(outline.widest, shape)),
        width=outline.width,
        picture_pixel=picture_pixel,
    )


def _outside(lids: Lids, shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Return the pixels outside of the upper and of the lower lid, (H, W) each."""
    return distance_from(lids.upper, shape)[0], -distance_from(lids.lower, shape)[0]
