"""The driver's neutral face: found in a calm second, kept for other renderers and runs, and mirrored."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Callable

import numpy as np
import torch

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.liveportrait.motion.crop import FaceSquare
from animator_core.liveportrait.motion.face_motion import (
    FaceMotion,
    joined,
    motion_from_arrays,
    motion_to_arrays,
    rotation_from_vector,
    vector_from_rotation,
)
from animator_core.motion.calibration import Calibration
from animator_core.motion.kept_neutral import are_sound

_PREFIX = "liveportrait_"
_SQUARE, _IS_MIRRORED = f"{_PREFIX}square", f"{_PREFIX}is_mirrored"
_SHAPES = {
    **{
        f"{_PREFIX}{name}": shape
        for name, shape in (
            ("rotation", (1, 3, 3)),
            ("expression", (1, 21, 3)),
            ("scale", (1, 1)),
            ("translation", (1, 3)),
            ("canonical_keypoints", (1, 21, 3)),
            ("eye_ratios", (1, 2)),
            ("lip_ratio", (1, 1)),
        )
    },
    _SQUARE: (3,),
    _IS_MIRRORED: (),
}


class FaceComparison:
    """The comparison of face motions, one frame each, for `Calibration`."""

    mouth_at_rest = 0.03

    def mouth_openings(self, faces: Sequence[FaceMotion]) -> FloatArray:
        """Return the lip ratios, (N,); 0 for faces without one."""
        return np.array([0.0 if face.lip_ratio is None else float(face.lip_ratio) for face in faces], np.float32)

    def turns(self, faces: Sequence[FaceMotion]) -> FloatArray:
        """Return the rotation vectors against the first face, (N, 3) degrees."""
        rotation = torch.cat([face.rotation for face in faces])
        return vector_from_rotation(rotation @ rotation[:1].transpose(1, 2)).rad2deg().numpy()

    def aside(self, faces: Sequence[FaceMotion]) -> float:
        """Return the angle in degrees between the faces' mean depth axis and the camera's."""
        # The third row of a rotation for row vectors is the direction of the face's depth axis.
        straight = float(torch.cat([face.rotation[:, 2, 2] for face in faces]).mean())
        return math.degrees(math.acos(min(max(straight, -1.0), 1.0)))

    def shape_change(self, faces: Sequence[FaceMotion]) -> float:
        """Return 0: the extractor's expression is not still even for a still face."""
        return 0.0

    def median(self, faces: Sequence[FaceMotion]) -> FaceMotion:
        """Return the motion that the faces have in common."""
        together = joined(faces)
        base = together.rotation[:1]
        turns = vector_from_rotation(together.rotation @ base.transpose(1, 2))
        rotation = rotation_from_vector(turns.median(0, keepdim=True).values) @ base
        return replace(together.median(), rotation=rotation)


def new_calibration() -> Calibration[FaceMotion, FaceMotion]:
    """Return a search for the neutral face among face motions of one frame each."""
    return Calibration(FaceComparison())


def mirrored(neutral: FaceMotion, pixels: UInt8Array, look: Callable[[UInt8Array], FaceMotion]) -> FaceMotion:
    """Return the neutral face (N = 1) in the mirror.

    Pose and ratios are mirrored by themselves. Keypoints cannot be mirrored by themselves, so those are of the crop
    of the neutral face, (256, 256, 3) uint8 RGB, mirrored; look: returns the motion in a crop.
    """
    seen = look(np.ascontiguousarray(pixels[:, ::-1]))
    flip = torch.tensor([-1.0, 1.0, 1.0])
    return replace(
        neutral,
        # M R M, for M that turns x round
        rotation=neutral.rotation * torch.outer(flip, flip),
        translation=neutral.translation * flip,
        eye_ratios=None if neutral.eye_ratios is None else neutral.eye_ratios.flip(1),
        expression=seen.expression,
        canonical_keypoints=seen.canonical_keypoints,
    )


def to_arrays(neutral: FaceMotion, square: FaceSquare, is_mirrored: bool) -> dict[str, FloatArray]:
    """Return a neutral face and the crop in whose coordinates it is, by name."""
    arrays = {f"{_PREFIX}{name}": value for name, value in motion_to_arrays(neutral).items()}
    arrays[_SQUARE] = np.array([*square.centre, square.size], np.float32)
    arrays[_IS_MIRRORED] = np.array(float(is_mirrored), np.float32)
    return arrays


def from_arrays(arrays: Mapping[str, FloatArray]) -> tuple[FaceMotion, FaceSquare, bool] | None:
    """Return the arguments of `to_arrays`; None if the arrays are not its result."""
    if not are_sound(arrays, _SHAPES):
        return None
    names = [name for name in _SHAPES if name not in (_SQUARE, _IS_MIRRORED)]
    neutral = motion_from_arrays({name.removeprefix(_PREFIX): arrays[name] for name in names})
    x, y, size = (float(value) for value in arrays[_SQUARE])
    return neutral, FaceSquare(np.array([x, y]), size, 0.0), bool(arrays[_IS_MIRRORED])
