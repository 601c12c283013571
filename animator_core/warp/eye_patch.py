"""The picture's eye taken apart: skin without it, the eyeball's white, its iris, and the lashes of both lids."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np

from animator_core.arrays import AnyArray, BoolArray, DoubleArray, FloatArray, UInt8Array, UInt32Array
from animator_core.warp.eye_kernels import (
    AT_REST,
    HAS_REST,
    HAS_SKIN,
    LOWER_LASHES,
    MAY_CHANGE,
    SKIN,
    UPPER_LASHES,
)
from animator_core.warp.eye_map import EyeMap
from animator_core.warp.eyeball import eyeball
from animator_core.warp.fur import furred
from animator_core.warp.iris import Iris
from animator_core.warp.lashes import LashReach, lashes_of, seen_reach
from animator_core.warp.lid_skin import bare_skin, hidden_share, joined_skin

_SEEN = 0.004


@dataclasses.dataclass(frozen=True)
class EyeLayers:
    """The layers of one eye in its patch, see `eye_kernels.paint_eye`.

    needs: (H, W) uint8. packed: (6, H · W) uint32. belongs_to: (2, H, W) float32. reach: (2, 2, S) float32. shade: the
    darkening at the upper lid, 0 to 1.
    """

    needs: UInt8Array
    packed: UInt32Array
    belongs_to: FloatArray
    reach: FloatArray
    shade: float

    def with_rest(self, at_rest: FloatArray) -> EyeLayers:
        """Return the layers with what they make at rest, (H, W, 4) float32 premultiplied BGRA of 0 to 255."""
        packed = self.packed.copy()
        packed[AT_REST] = _packed(at_rest)
        changes = self.needs != 0
        needs = changes * MAY_CHANGE
        for layer, bit in ((SKIN, HAS_SKIN), (AT_REST, HAS_REST)):
            needs = np.where(changes & _touched(packed[layer] >> 24, changes.shape), needs | bit, needs)
        return dataclasses.replace(self, needs=needs.astype(np.uint8), packed=packed)


def eye_layers(
    patch: FloatArray, eye: EyeMap, iris: Iris, *, skin_light: DoubleArray, drawn: float, fur: float, reach: LashReach
) -> EyeLayers:
    """Return the layers of an eye.

    patch: (H, W, 3) float32 BGR. skin_light: (3,) BGR of the lit skin below the eye. drawn: 0 for a photograph, 1 for a
    drawing. fur: 0 for bare skin, 1 for an animal's.
    """
    bare = bare_skin(patch, eye, drawn=drawn)
    ball = eyeball(patch, eye, iris, skin=bare, skin_light=skin_light, drawn=drawn)
    seen = ball.white + ball.disc[..., None] * (ball.iris - ball.white)
    behind = bare + eye.opened[..., None] * (seen * eye.shadow(ball.shade)[..., None] - bare)
    upper, lower = (
        lashes_of(patch, behind, side, reach=reach, drawn=drawn) for side in eye.lid_sides(has_iris=iris.clarity > 0)
    )
    lashes = np.maximum(upper[..., 3], lower[..., 3])
    hides = hidden_share(patch, bare, eye, lashes=lashes, drawn=drawn)
    reach_of_lashes = float(eye.outside[lashes > _SEEN].max()) if (lashes > _SEEN).any() else 0.0
    skin = joined_skin(patch, bare, hides, width=eye.width, drawn=drawn)
    if fur > 0:
        skin += fur * (furred(patch, bare, eye) - skin)
    changes = (hides > _SEEN) | (eye.outside_of_widest < reach_of_lashes + 0.04 * eye.width)
    layers = (
        _layer(skin, hides),
        _layer(ball.white, np.ones_like(ball.disc)),
        _layer(ball.iris * ball.disc[..., None], ball.disc),
        _layer(upper[..., :3], upper[..., 3]),
        _layer(lower[..., :3], lower[..., 3]),
        np.zeros((*hides.shape, 4), np.float32),
    )
    reaches = [
        seen_reach(np.rint(layer), curve, outwards, most=reach)
        for layer, curve, outwards in zip(layers[UPPER_LASHES : LOWER_LASHES + 1], eye.lids, (1, -1))
    ]
    unpainted = EyeLayers(
        needs=changes.astype(np.uint8) * np.uint8(MAY_CHANGE),
        packed=np.stack([_packed(layer) for layer in layers]),
        belongs_to=np.stack([eye.at_upper, eye.at_lower]),
        reach=np.stack(reaches),
        shade=ball.shade,
    )
    return unpainted.with_rest(layers[AT_REST])


def _layer(colour: AnyArray, alpha: AnyArray) -> FloatArray:
    return np.dstack([colour, 255 * alpha]).astype(np.float32)


def _packed(layer: FloatArray) -> UInt32Array:
    """Return (H, W, 4) BGRA of 0 to 255 as (H · W,) uint32."""
    levels = np.ascontiguousarray(np.rint(np.clip(layer, 0, 255)), np.uint8)
    packed: UInt32Array = levels.view(np.uint32).ravel()
    return packed


def _touched(values: AnyArray, shape: tuple[int, ...]) -> BoolArray:
    """Return whether interpolation at a pixel, towards its right and lower neighbours, meets a value above 0."""
    seen = (values.reshape(shape) > 0).astype(np.uint8)
    return np.asarray(cv2.dilate(seen, np.ones((2, 2), np.uint8), anchor=(0, 0)) > 0)
