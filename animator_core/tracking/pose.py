"""Head pose: the similarity that carries a face's own shape onto what the camera saw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animator_core.tracking.face_model import RIGID_POINTS, face_model

DEPTH_SCALE = 0.8
"""MediaPipe's landmark depths are too large: with them head turns come out 1.25 times those of its own metric
geometry (standard deviations of yaw and pitch over four clips, docs/PERFORMANCE.md)."""


def with_true_depth(landmarks: np.ndarray) -> np.ndarray:
    """Return tracked landmarks ((N, 3) pixels) with their depth in the scale of x and y."""
    return landmarks * np.array([1.0, 1.0, DEPTH_SCALE], np.float32)


@dataclass(frozen=True)
class HeadPose:
    """Where a head is: landmark = scale · rotation · shape + translation.

    rotation: (3, 3) float32, right-handed in x right, y down, z away. translation: (3,) float32 in pixels.
    scale: pixels a face unit (`face_model`), the face size.
    """

    rotation: np.ndarray
    translation: np.ndarray
    scale: float

    def to_head(self, landmarks: np.ndarray) -> np.ndarray:
        """Return (N, 3) pixels of the frame as (N, 3) face units in the head's own frontal axes."""
        return ((landmarks - self.translation) @ self.rotation / self.scale).astype(np.float32)

    def to_frame(self, shape: np.ndarray) -> np.ndarray:
        """Return (N, 3) face units in the head's axes as (N, 3) pixels of the frame."""
        return (self.scale * shape @ self.rotation.T + self.translation).astype(np.float32)


def fit_pose(landmarks: np.ndarray, shape: np.ndarray | None = None) -> HeadPose:
    """Return the pose of ``landmarks``: the least-squares similarity of `RIGID_POINTS` from ``shape`` (Umeyama 1991).

    landmarks: (478, 3) pixels, `with_true_depth`. shape: (478, 3) face units, the mean face where None.
    """
    rigid = list(RIGID_POINTS)
    shape = (with_true_depth(face_model().mean) if shape is None else shape)[rigid].astype(np.float64)
    seen = landmarks[rigid].astype(np.float64)
    centre_shape, centre_seen = shape.mean(0), seen.mean(0)
    centred = shape - centre_shape
    # Kabsch: H = U S V^T, R = V diag(1, 1, det) U^T.
    u, singular, vt = np.linalg.svd(centred.T @ (seen - centre_seen))
    signs = np.array([1.0, 1.0, np.sign(np.linalg.det(vt.T @ u.T))])
    rotation = (vt.T * signs) @ u.T
    scale = float((singular * signs).sum() / (centred * centred).sum())
    translation = centre_seen - scale * rotation @ centre_shape
    return HeadPose(rotation.astype(np.float32), translation.astype(np.float32), max(scale, 1e-6))


def euler_angles(rotation: np.ndarray) -> tuple[float, float, float]:
    """Return (yaw, pitch, roll) in degrees of R = R_z(roll) R_y(yaw) R_x(pitch).

    In axes x right, y down, z away: yaw > 0 turns the face to the left of the picture, pitch > 0 tips it down,
    roll > 0 tilts it clockwise as seen in the picture.
    """
    pitch = np.degrees(np.arctan2(rotation[2, 1], rotation[2, 2]))
    yaw = np.degrees(np.arcsin(np.clip(-rotation[2, 0], -1.0, 1.0)))
    roll = np.degrees(np.arctan2(rotation[1, 0], rotation[0, 0]))
    return float(yaw), float(pitch), float(roll)


def rotation_from_euler(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Return R = R_z(roll) R_y(yaw) R_x(pitch) as (3, 3) float32; angles in degrees as in `euler_angles`."""
    (cy, cp, cr), (sy, sp, sr) = np.cos(np.radians([yaw, pitch, roll])), np.sin(np.radians([yaw, pitch, roll]))
    around_x = np.array([[1, 0, 0], [0, cp, -sp], [0, sp, cp]])
    around_y = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
    around_z = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return (around_z @ around_y @ around_x).astype(np.float32)


def rotation_from_vector(vector: np.ndarray) -> np.ndarray:
    """Return the (3, 3) rotation about ``vector`` by its length in radians (Rodrigues)."""
    angle = float(np.linalg.norm(vector))
    if angle < 1e-8:
        return np.eye(3, dtype=np.float32)
    x, y, z = vector / angle
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return (np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross).astype(np.float32)


def vector_from_rotation(rotation: np.ndarray) -> np.ndarray:
    """Return the (3,) rotation vector in radians of a rotation of less than half a turn."""
    skew = np.array([rotation[2, 1] - rotation[1, 2], rotation[0, 2] - rotation[2, 0], rotation[1, 0] - rotation[0, 1]])
    sine, cosine = float(np.linalg.norm(skew)) / 2, (float(np.trace(rotation)) - 1) / 2
    if sine < 1e-8:
        return np.zeros(3, np.float32)
    return (skew / (2 * sine) * np.arctan2(sine, cosine)).astype(np.float32)
