"""Head pose: the similarity transform from a face's own shape to the observed landmarks."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animator_core.arrays import DoubleArray, FloatArray
from animator_core.tracking.face_model import RIGID_POINTS, face_model

DEPTH_SCALE = 0.8
"""MediaPipe's landmark depths are too large: they make head turns 1.25 times those of its own metric geometry
(standard deviations of yaw and pitch over four clips, docs/PERFORMANCE.md)."""


def with_true_depth(landmarks: FloatArray) -> FloatArray:
    """Return tracked landmarks, (N, 3) pixels, with their depth in the scale of x and y."""
    return landmarks * np.array([1.0, 1.0, DEPTH_SCALE], np.float32)


@dataclass(frozen=True)
class HeadPose:
    """A similarity transform: landmark = scale · rotation · shape + translation.

    rotation: (3, 3) float32, right-handed in x right, y down, z away. translation: (3,) float32 in pixels.
    scale: pixels per face unit (`face_model`), the face size.
    """

    rotation: FloatArray
    translation: FloatArray
    scale: float

    @property
    def frontal_plane(self) -> DoubleArray:
        """The (2, 2) float64 matrix from face units in the head's frontal plane to pixels."""
        return self.scale * self.rotation[:2, :2].astype(np.float64)

    def to_head(self, landmarks: FloatArray) -> FloatArray:
        """Return (N, 3) pixels of the frame as (N, 3) face units in the head's own frontal axes."""
        shape: FloatArray = ((landmarks - self.translation) @ self.rotation / self.scale).astype(np.float32)
        return shape

    def to_frame(self, shape: FloatArray) -> FloatArray:
        """Return (N, 3) face units in the head's axes as (N, 3) pixels of the frame."""
        landmarks: FloatArray = (self.scale * shape @ self.rotation.T + self.translation).astype(np.float32)
        return landmarks


def fit_pose(landmarks: FloatArray, shape: FloatArray | None = None) -> HeadPose:
    """Return the pose of ``landmarks``: the least-squares similarity of `RIGID_POINTS` from ``shape`` (Umeyama 1991).

    landmarks: (478, 3) pixels, `with_true_depth`. shape: (478, 3) face units, by default the mean face.
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


def strangeness(landmarks: FloatArray, pose: HeadPose) -> FloatArray:
    """Return each landmark's distance from the mean face in face units, (478,) float32.

    landmarks: (478, 3) pixels, `with_true_depth`. pose: from `fit_pose`. The median is up to .04 for people, .05 to .08
    for animals, and up to .09 for drawings.
    """
    return np.asarray(np.linalg.norm(pose.to_head(landmarks) - with_true_depth(face_model().mean), axis=1), np.float32)
