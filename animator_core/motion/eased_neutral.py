"""The neutral pose in use: follows the estimate so slowly that nobody sees it move."""

from __future__ import annotations

import math

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.motion import anatomy
from animator_core.motion.face_state import NeutralPose
from animator_core.motion.rotation import euler_angles, rotation_from_euler
from animator_core.tracking.pose import HeadPose

_FOLLOW_SECONDS = 0.25
_SLOW = 0.01
"""Face sizes a second: below the tracker's noise from frame to frame."""
_QUICK = 0.15
"""Face sizes a second while hardly anything is known of the person: as quick as an expression fades by itself."""
_KNOWN_SECONDS = 1.5
_DEGREES, _RATIOS = 200.0, 3.0
"""Degrees of the head, and eye widths of lids and irises, that move as fast as a face size."""


class EasedNeutral:
    """Moves a neutral pose towards others, each landmark no faster than its region's calm time allows."""

    def __init__(self, neutral: NeutralPose) -> None:
        self.neutral = neutral

    def follow(self, target: NeutralPose, seconds: float) -> NeutralPose:
        """Return the neutral pose ``seconds`` later on its way to ``target``."""
        now = self.neutral
        share = 1 - math.exp(-seconds / _FOLLOW_SECONDS)
        known = target.calm_seconds
        most = seconds * (_SLOW + _QUICK * np.exp(-known / _KNOWN_SECONDS))

        def stepped(old: FloatArray, new: FloatArray, limit: FloatArray) -> FloatArray:
            return np.asarray(old + np.clip((new - old) * share, -limit, limit), np.float32)

        of_head, of_eyes = most[anatomy.HEAD], most[2:4] * _RATIOS
        angles = stepped(_angles(now.pose), _angles(target.pose), of_head * _DEGREES)
        size = float(stepped(_log_size(now.pose), _log_size(target.pose), of_head))
        place = stepped(now.pose.translation, target.pose.translation, of_head * now.pose.scale)
        self.neutral = NeutralPose(
            HeadPose(rotation_from_euler(*(float(angle) for angle in angles)), place, math.exp(size)),
            shape=stepped(now.shape, target.shape, (most @ anatomy.region_shares())[:, None]),
            eye_ratio=stepped(now.eye_ratio, target.eye_ratio, of_eyes),
            gaze=stepped(now.gaze, target.gaze, of_eyes[:, None]),
            frame_width=target.frame_width,
            calm_seconds=known,
        )
        return self.neutral


def _angles(pose: HeadPose) -> FloatArray:
    return np.array(euler_angles(pose.rotation))


def _log_size(pose: HeadPose) -> FloatArray:
    return np.array(math.log(pose.scale))
