"""The picture's eye taken apart: skin without it, the eyeball's white, its iris, and the lashes of both lids."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animator_core.arrays import AnyArray, BoolArray, DoubleArray, FloatArray
from animator_core.warp.eye_map import EyeMap
from animator_core.warp.eyeball import eyeball
from animator_core.warp.fur import furred
from animator_core.warp.iris import Iris
from animator_core.warp.lashes import LashReach, lashes_of
from animator_core.warp.lid_skin import bare_skin, hidden_share, joined_skin

_SEEN = 0.004


@dataclass(frozen=True)
class EyeLayers:
    """The layers of one eye in its patch, (H, W, 4) float32 each, see `eye_kernels.paint_eye`.

    changes: (H, W) bool. belongs_to: (2, H, W) float32. shade: the darkening at the upper lid, 0 to 1.
    """

    changes: BoolArray
    skin: FloatArray
    white: FloatArray
    iris: FloatArray
    upper_lashes: FloatArray
    lower_lashes: FloatArray
    belongs_to: FloatArray
    shade: float


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
    return EyeLayers(
        changes=(hides > _SEEN) | (eye.outside_of_widest < reach_of_lashes + 0.04 * eye.width),
        skin=_layer(skin, hides),
        white=_layer(ball.white, np.ones_like(ball.disc)),
        iris=_layer(ball.iris * ball.disc[..., None], ball.disc),
        upper_lashes=upper,
        lower_lashes=lower,
        belongs_to=np.stack([eye.at_upper, eye.at_lower]),
        shade=ball.shade,
    )


def _layer(colour: AnyArray, alpha: AnyArray) -> FloatArray:
    return np.ascontiguousarray(np.dstack([colour, alpha]), np.float32)
