"""The channels of an emote: named numbers of one moment, and the motion that they make of a live one.

Sides are the character's own. Head angles are in degrees (`rotation.euler_angles`), lengths in hundredths of the
height of the face (gaze: of an eye's width), ``closed`` is 1 for a closed eye and negative for a wide one. The other
names are those of `expression_coordinates`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.motion.anatomy import region_shares
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.expression_coordinates import NAMES as MOVEMENTS
from animator_core.motion.expression_coordinates import PAIR_NAMES, coordinates
from animator_core.motion.rotation import euler_angles, rotation_from_euler

HEAD = ("yaw", "pitch", "roll", "head_x", "head_y", "head_size")
EYES = ("closed_right", "closed_left")
GAZE = ("gaze_x", "gaze_y")
CHANNELS = (*HEAD, *EYES, *GAZE, *MOVEMENTS)
INDEX = {name: number for number, name in enumerate(CHANNELS)}
PAIRS: Mapping[str, tuple[str, str]] = {name: (f"{name}_right", f"{name}_left") for name in ("closed", *PAIR_NAMES)}
"""Names that stand for both sides at once."""
LIMITS: Mapping[str, float] = {
    **dict.fromkeys(("yaw", "pitch", "roll"), 45.0),
    **dict.fromkeys(("head_x", "head_y", "head_size"), 50.0),
    **dict.fromkeys((*EYES, "closed"), 1.0),
    **dict.fromkeys(GAZE, 40.0),
    **dict.fromkeys((*MOVEMENTS, *PAIR_NAMES), 15.0),
}
"""The furthest from 0 that each may be."""
PARTS = ("head", "eyes", "gaze", "brows", "mouth")
"""The parts of which an emote may leave less of the live motion."""

_HEAD, _EYES, _GAZE, _FACE = slice(0, 6), slice(6, 8), slice(8, 10), slice(10, len(CHANNELS))
_MOUTH_REGION, _BROW_REGION, _LID_REGIONS = 0, 1, slice(2, 4)


@dataclass(frozen=True)
class EmoteMoment:
    """What emotes add to one moment, and what they leave of it.

    values: (29,) float32 in the order of `CHANNELS`. live: (5,) float32, the share of the live motion that is left of
    each of `PARTS`, in [0, 1].
    """

    values: FloatArray
    live: FloatArray

    def over(self, motion: DrivingMotion) -> DrivingMotion:
        """Return the live motion with the emotes over it; eyes that either closes are closed."""
        head, eyes, gaze, brows, mouth = (float(share) for share in self.live)
        values = self.values
        regions = region_shares()
        lost = (1 - mouth) * regions[_MOUTH_REGION] + (1 - brows) * regions[_BROW_REGION]
        lost = lost + (1 - eyes) * regions[_LID_REGIONS].sum(0)
        added = coordinates().spread @ (values[_FACE] / 100)
        angles = head * np.array(euler_angles(motion.rotation)) + values[:3]
        openness = 1 + eyes * (motion.eye_openness - 1)
        return replace(
            motion,
            rotation=rotation_from_euler(*angles),
            translation=_float32(head * motion.translation + values[3:5] / 100),
            scale=float(motion.scale**head * math.exp(values[5] / 100)),
            expression=_float32(motion.expression * (1 - lost)[:, None] + added.reshape(-1, 3)),
            eye_openness=_float32(openness * np.maximum(1 - values[_EYES], 0)),
            gaze=_float32(gaze * motion.gaze + values[_GAZE] / 100),
        )

    @property
    def alone(self) -> DrivingMotion:
        """The motion of the emotes without a live one."""
        return self.over(DrivingMotion())


def values_of(motion: DrivingMotion) -> FloatArray:
    """Return the channels of a motion, (29,) float32; what no channel tells is left out."""
    movements = coordinates().measure @ motion.expression.reshape(-1)
    return np.array(
        [
            *euler_angles(motion.rotation),
            *(100 * motion.translation),
            100 * math.log(motion.scale),
            *(1 - motion.eye_openness),
            *(100 * motion.gaze.mean(0)),
            *(100 * movements),
        ],
        np.float32,
    )


def _float32(values: FloatArray) -> FloatArray:
    return np.asarray(values, np.float32)
