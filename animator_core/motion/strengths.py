"""Strength of each part of the motion: head, brows, eyes, mouth and gaze."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np

from animator_core.arrays import DoubleArray
from animator_core.ipc.face_settings import FaceSettings
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.rotation import euler_angles, rotation_from_euler
from animator_core.tracking.face_model import face_model

_BELOW_BROWS, _BELOW_EYES = (-0.1, -0.05), (0.1, 0.26)
"""Heights on the mean face between which brows and eyes, and eyes and mouth, give way to each other."""


def strengthened(motion: DrivingMotion, settings: FaceSettings) -> DrivingMotion:
    """Return the motion with the strengths of ``settings``; an eye's openness never falls below 0."""
    if settings.has_natural_strengths:
        return motion
    head, face = settings.sensitivity_pose, settings.sensitivity_expression
    regions = np.array([settings.sensitivity_brows, settings.sensitivity_eyes, settings.sensitivity_mouth])
    each = (face * (_regions() @ regions)).astype(np.float32)
    lids = face * settings.sensitivity_eyes
    return replace(
        motion,
        rotation=rotation_from_euler(*(head * np.array(euler_angles(motion.rotation)))),
        translation=motion.translation * np.float32(head),
        scale=float(motion.scale**head),
        expression=motion.expression * each[:, None],
        eye_openness=np.maximum(1 + (motion.eye_openness - 1) * np.float32(lids), 0),
        gaze=motion.gaze * np.float32(face * settings.sensitivity_gaze),
    )


@functools.lru_cache(maxsize=1)
def _regions() -> DoubleArray:
    """Return (478, 3), each landmark's shares of brows, eyes and mouth; they add up to 1."""
    height = face_model().mean[:, 1].astype(np.float64)
    not_brows, mouth = (_step(height, limits) for limits in (_BELOW_BROWS, _BELOW_EYES))
    return np.column_stack([1 - not_brows, not_brows - mouth, mouth])


def _step(values: DoubleArray, limits: tuple[float, float]) -> DoubleArray:
    share = np.clip((values - limits[0]) / (limits[1] - limits[0]), 0, 1)
    return np.asarray(share * share * (3 - 2 * share))
