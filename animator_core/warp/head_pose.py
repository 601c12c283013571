"""Limits the head pose to the room that a picture has: small motions unchanged, large ones compressed."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animator_core.motion.driving import DrivingMotion
from animator_core.motion.rotation import euler_angles, rotation_from_euler
from animator_core.tracking.pose import HeadPose

_MOST_YAW, _MOST_PITCH, _MOST_ROLL = 34.0, 26.0, 32.0
_MOST_SHIFT = 0.3
_MOST_SCALE_LOG = 0.22


@dataclass(frozen=True)
class HeadLimits:
    """Room around the head in the picture, in face sizes; the largest shift in each direction."""

    left: float
    right: float
    up: float
    down: float


def soft_limit(value: float, most: float) -> float:
    """Return ``value`` unchanged up to half of ``most``, and beyond it compressed smoothly towards ±``most``."""
    knee = 0.5 * most
    size = abs(value)
    if size <= knee:
        return value
    room = most - knee
    return float(np.copysign(knee + room * np.tanh((size - knee) / room), value))


def moved_pose(source: HeadPose, motion: DrivingMotion, limits: HeadLimits) -> HeadPose:
    """Return the pose of a head that is ``source`` in its picture, moved by ``motion`` within ``limits``."""
    yaw, pitch, roll = euler_angles(motion.rotation)
    own_yaw, own_pitch, own_roll = euler_angles(source.rotation)
    # The limits apply to the turn away from the picture's own pose, and are tighter if that is turned already.
    yaw = own_yaw + _one_sided(yaw, own_yaw, _MOST_YAW)
    pitch = own_pitch + _one_sided(pitch, own_pitch, _MOST_PITCH)
    roll = own_roll + soft_limit(roll, _MOST_ROLL)
    shift_x = soft_limit(
        float(motion.translation[0]), min(_MOST_SHIFT, limits.left if motion.translation[0] < 0 else limits.right)
    )
    shift_y = soft_limit(
        float(motion.translation[1]), min(_MOST_SHIFT, limits.up if motion.translation[1] < 0 else limits.down)
    )
    scale = float(np.exp(soft_limit(float(np.log(motion.scale)), _MOST_SCALE_LOG)))
    shift = np.array([shift_x, shift_y, 0.0], np.float32) * source.scale
    return HeadPose(rotation_from_euler(yaw, pitch, roll), source.translation + shift, source.scale * scale)


def _one_sided(turn: float, own: float, most: float) -> float:
    """Return a turn limited to ``most``, with less room away from frontal than towards it."""
    room = max(most - abs(own), 0.35 * most) if turn * own > 0 else most
    return soft_limit(turn, room)
