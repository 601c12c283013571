"""One observed face, taken apart into pose, shape, eyes and gaze, without any smoothing."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace

import numpy as np

from animator_core.tracking.face_model import LEFT_IRIS, RIGHT_IRIS, face_model
from animator_core.tracking.observation import FaceObservation
from animator_core.tracking.pose import HeadPose, euler_angles, fit_pose, with_true_depth

# Per eye (right, left): outer and inner corner, then pairs of upper and lower lid.
_CORNERS = np.array([[33, 133], [263, 362]])
_UPPER_LIDS = np.array([[160, 159, 158], [387, 386, 385]])
_LOWER_LIDS = np.array([[144, 145, 153], [373, 374, 380]])
_IRISES = np.array([RIGHT_IRIS, LEFT_IRIS])


@dataclass(frozen=True)
class FaceState:
    """A face in its own frontal axes.

    pose: where the head is in the frame. shape: (478, 3) float32 face units in the head's axes.
    eye_ratio: (2,) lid opening by eye width, right and left. gaze: (2, 2) iris from the eye's middle, in eye widths.
    captured_ns: capture time of the frame. frame_width: its width in pixels.
    """

    pose: HeadPose
    shape: np.ndarray
    eye_ratio: np.ndarray
    gaze: np.ndarray
    captured_ns: int
    frame_width: int

    @functools.cached_property
    def angles(self) -> tuple[float, float, float]:
        """Yaw, pitch and roll in degrees; calibration asks for those of a whole second with every frame."""
        return euler_angles(self.pose.rotation)


def face_state(observation: FaceObservation, neutral_shape: np.ndarray | None = None) -> FaceState:
    """Return the state of an observed face; neutral_shape: (478, 3) face units, the person's own where known."""
    landmarks = with_true_depth(observation.landmarks)
    pose = fit_pose(landmarks, neutral_shape)
    shape = pose.to_head(landmarks)
    _, ratio, gaze = eye_measures(shape)
    return FaceState(pose, shape, ratio, gaze, observation.captured_ns, observation.frame_width)


def eye_measures(shape: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return (width (2,), opening by width (2,), gaze (2, 2)) of the eyes of a face shape ((478, 3), any unit)."""
    flat = shape[:, :2]
    corners = flat[_CORNERS]
    width = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1)
    opening = np.linalg.norm(flat[_UPPER_LIDS] - flat[_LOWER_LIDS], axis=2).mean(1)
    gaze = (flat[_IRISES] - corners.mean(1)) / width[:, None]
    return width, (opening / width).astype(np.float32), gaze.astype(np.float32)


def mirrored(observation: FaceObservation) -> FaceObservation:
    """Return what the tracker would have seen in the mirrored frame."""
    landmarks = observation.landmarks[face_model().mirror].copy()
    landmarks[:, 0] = observation.frame_width - landmarks[:, 0]
    return replace(observation, landmarks=landmarks)
