"""Rotation matrices, vectors and Euler angles, in axes x right, y down, z away from the viewer."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import FloatArray


def euler_angles(rotation: FloatArray) -> tuple[float, float, float]:
    """Return (yaw, pitch, roll) in degrees of the (3, 3) matrix R = R_z(roll) R_y(yaw) R_x(pitch).

    yaw > 0 turns the face to the left of the picture, pitch > 0 tips it down, roll > 0 tilts it clockwise as seen.
    """
    pitch = np.degrees(np.arctan2(rotation[2, 1], rotation[2, 2]))
    yaw = np.degrees(np.arcsin(np.clip(-rotation[2, 0], -1.0, 1.0)))
    roll = np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0]))
    return float(yaw), float(pitch), float(roll)


def rotation_from_euler(yaw: float, pitch: float, roll: float) -> FloatArray:
    """Return R = R_z(roll) R_y(yaw) R_x(pitch) as (3, 3) float32; angles in degrees as in `euler_angles`."""
    (cy, cp, cr), (sy, sp, sr) = np.cos(np.radians([yaw, pitch, roll])), np.sin(np.radians([yaw, pitch, roll]))
    around_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    around_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    around_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return np.asarray(around_z @ around_y @ around_x, np.float32)


def rotation_from_vector(vector: FloatArray) -> FloatArray:
    """Return the (3, 3) float32 rotation about ``vector`` by its length in radians."""
    return np.asarray(cv2.Rodrigues(np.asarray(vector, np.float64))[0], np.float32)


def vector_from_rotation(rotation: FloatArray) -> FloatArray:
    """Return the (3,) float32 rotation vector in radians of a (3, 3) rotation of less than half a turn."""
    return np.asarray(cv2.Rodrigues(np.asarray(rotation, np.float64))[0][:, 0], np.float32)
