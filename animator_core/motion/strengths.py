"""Strength of each part of the motion: head, brows, eyes, mouth and gaze."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from animator_core.ipc.face_settings import FaceSettings
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.regions import Region, region_weights
from animator_core.motion.rotation import euler_angles, rotation_from_euler


def strengthened(motion: DrivingMotion, settings: FaceSettings) -> DrivingMotion:
    """Return the motion with the strengths of ``settings``; an eye's openness never falls below 0."""
    if settings.has_natural_strengths:
        return motion
    head, face = settings.sensitivity_pose, settings.sensitivity_expression
    regions = np.ones(len(Region), np.float32)
    regions[Region.BROWS], regions[Region.MOUTH] = settings.sensitivity_brows, settings.sensitivity_mouth
    regions[[Region.RIGHT_EYE, Region.LEFT_EYE]] = settings.sensitivity_eyes
    each = region_weights() @ (face * regions)
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
