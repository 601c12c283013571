"""How a person's body follows the head: a neck that bends, and shoulders that shift and lean a little."""

from __future__ import annotations

import numpy as np

from animator_core.arrays import DoubleArray, FloatArray
from animator_core.motion.rotation import euler_angles
from animator_core.smoothstep import smoothstep
from animator_core.tracking.face_model import CHIN
from animator_core.tracking.pose import HeadPose

_NECK_BEGIN, _NECK_LENGTH = -0.03, 0.7
"""Where the neck begins to bend, in face units below the chin, and how far below that the head's motion ends."""
_HAIR_ABOVE, _HAIR_ASIDE = 1.2, 0.7
"""How far from the face hair, hats and earrings follow as one with the head, in face units."""
_NECK_ASIDE, _SHOULDERS_FROM, _SHOULDERS_TO = 0.15, -0.5, 0.3
"""The same beside the neck, and the heights in face units below the chin between which shoulders take over: slowly
enough for no fold in the largest roll."""
_FADE = 0.9
_SHIFT = np.array([0.4, 0.5], np.float32)
"""The torso's share of the chin's shift, aside and down."""
NOT_OVER_STILL_TORSO = np.array([0.5, 0.7], np.float32)
"""The share of its shift that the head gives up over a torso that keeps still, or the neck would fold."""
_LEAN, _PIVOT_BELOW = 0.12, 2.2
"""The torso's share of the head's roll, about a point so many face units below the chin."""
_GROWTH = 0.4


def head_share(below_chin: DoubleArray, outside: DoubleArray, direction: DoubleArray) -> DoubleArray:
    """Return (N,) in [0, 1], the share of the head's motion that points of a person follow; the torso's is the rest.

    below_chin, outside: (N,) face units below the chin and from the face's outline. direction: (N,) from the face, 1
    straight below to -1 straight above.
    """
    above = np.clip(-direction, 0, 1)
    beside_neck = smoothstep((below_chin - _SHOULDERS_FROM) / (_SHOULDERS_TO - _SHOULDERS_FROM))
    reach = _HAIR_ASIDE + above * (_HAIR_ABOVE - _HAIR_ASIDE) - beside_neck * (_HAIR_ASIDE - _NECK_ASIDE)
    return (1 - smoothstep((below_chin - _NECK_BEGIN) / _NECK_LENGTH)) * (1 - smoothstep((outside - reach) / _FADE))


class Torso:
    """Moves points of the torso after the head."""

    def __init__(self, source: HeadPose, landmarks: FloatArray) -> None:
        """source: the head's pose in the picture. landmarks: (478, 3) pixels."""
        self._source = source
        self._pivot = landmarks[CHIN, :2] + np.array([0, _PIVOT_BELOW * source.scale], np.float32)
        self._chin = landmarks[CHIN, :2] - source.translation[:2]
        self._roll = euler_angles(source.rotation)[2]

    def moved(self, points: FloatArray, pose: HeadPose) -> FloatArray:
        """Return (N, 2) float32 pixels of the frame for ``points``, (N, 2) of the picture, and a head in ``pose``."""
        ratio = pose.scale / self._source.scale
        # The chin's, less its swing when the head turns: a neck bends for that.
        shift = (pose.translation - self._source.translation)[:2] + (ratio - 1) * self._chin
        shift = shift * _SHIFT
        lean = np.radians(_LEAN * (euler_angles(pose.rotation)[2] - self._roll))
        growth = ratio**_GROWTH
        cosine, sine = growth * np.cos(lean), growth * np.sin(lean)
        turn = np.array([[cosine, -sine], [sine, cosine]])
        moved: FloatArray = ((points - self._pivot) @ turn.T + self._pivot + shift).astype(np.float32)
        return moved
