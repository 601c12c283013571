"""One observed face, taken apart into pose, shape, eyes and gaze, without any smoothing; and its neutral pose."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.motion.anatomy import MIRRORED_REGIONS, REGION_COUNT
from animator_core.motion.frame_change import frame_change
from animator_core.motion.rotation import euler_angles, rotation_from_vector, vector_from_rotation
from animator_core.tracking.face_model import LEFT_IRIS, RIGHT_IRIS, face_model
from animator_core.tracking.observation import FaceObservation
from animator_core.tracking.pose import HeadPose, fit_pose, with_true_depth

# Per eye (right, left): outer and inner corner, then pairs of upper and lower lid.
_CORNERS = np.array([[33, 133], [263, 362]])
_UPPER_LIDS = np.array([[160, 159, 158], [387, 386, 385]])
_LOWER_LIDS = np.array([[144, 145, 153], [373, 374, 380]])
_IRISES = np.array([RIGHT_IRIS, LEFT_IRIS])
_FLIP = np.array([-1.0, 1.0, 1.0], np.float32)


@dataclass(frozen=True)
class FaceState:
    """A face in its own frontal axes.

    pose: of the head in the frame. shape: (478, 3) float32 face units in the head's axes.
    eye_ratio: (2,) lid opening by eye width, right and left. gaze: (2, 2) iris from the eye's middle, in eye widths.
    captured_ns: capture time of the frame. frame_width: its width in pixels.
    """

    pose: HeadPose
    shape: FloatArray
    eye_ratio: FloatArray
    gaze: FloatArray
    captured_ns: int
    frame_width: int

    @functools.cached_property
    def angles(self) -> tuple[float, float, float]:
        """Yaw, pitch and roll in degrees; calibration asks for those of a whole second with every frame."""
        return euler_angles(self.pose.rotation)


def face_state(observation: FaceObservation, neutral_shape: FloatArray | None = None) -> FaceState:
    """Return the state of an observed face; neutral_shape: (478, 3) face units, the person's own if known."""
    landmarks = with_true_depth(observation.landmarks)
    pose = fit_pose(landmarks, neutral_shape)
    shape = pose.to_head(landmarks)
    _, ratio, gaze = eye_measures(shape)
    return FaceState(
        pose,
        shape=shape,
        eye_ratio=ratio,
        gaze=gaze,
        captured_ns=observation.captured_ns,
        frame_width=observation.frame_width,
    )


def eye_measures(shape: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return (width (2,), opening by width (2,), gaze (2, 2)) of the eyes of a face shape ((478, 3), any unit)."""
    flat = shape[:, :2]
    corners = flat[_CORNERS]
    width = np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1)
    opening = np.linalg.norm(flat[_UPPER_LIDS] - flat[_LOWER_LIDS], axis=2).mean(1)
    gaze = (flat[_IRISES] - corners.mean(1)) / width[:, None]
    return width, (opening / width).astype(np.float32), gaze.astype(np.float32)


def mirrored(observation: FaceObservation) -> FaceObservation:
    """Return the observation that the mirrored frame would have given."""
    landmarks = observation.landmarks[face_model().mirror].copy()
    landmarks[:, 0] = observation.frame_width - landmarks[:, 0]
    scores = observation.blendshapes
    if scores is not None:
        scores = {_on_other_side(name): score for name, score in scores.items()}
    return replace(observation, landmarks=landmarks, blendshapes=scores)


def _on_other_side(name: str) -> str:
    for side, other in (("Left", "Right"), ("Right", "Left")):
        if name.endswith(side):
            return name[: -len(side)] + other
    return name


class SteadyFrame:
    """Puts one person's observations into the pixels of their first frame, whatever size later frames have.

    Used by one thread.
    """

    def __init__(self) -> None:
        self._newest: FaceObservation | None = None
        self._size = (0, 0)
        self._factor = 1.0
        self._middle = np.zeros(2, np.float32)
        """The middle of the frames, in pixels of the first one."""

    def observe(self, observation: FaceObservation) -> FaceObservation:
        """Return an observation as it would be in a frame of the first one's size."""
        before, self._newest = self._newest, observation
        size = (observation.frame_width, observation.frame_height)
        if before is None:
            self._size = size
            self._middle = np.array(size, np.float32) / 2
            return observation
        old_size = (before.frame_width, before.frame_height)
        if size != old_size:
            change = frame_change(old_size, size, _extent(observation.landmarks) / _extent(before.landmarks))
            self._factor /= change.factor
        if size == self._size and self._factor == 1.0:
            return observation
        landmarks = observation.landmarks * np.float32(self._factor)
        landmarks[:, :2] += self._middle - np.array(size, np.float32) / 2 * np.float32(self._factor)
        return replace(observation, landmarks=landmarks, frame_width=self._size[0], frame_height=self._size[1])


def _extent(landmarks: FloatArray) -> float:
    """Return the size of a face in pixels: the spread of its points, which a turn of the head changes least."""
    return max(float(np.linalg.norm(landmarks - landmarks.mean(0), axis=1).mean()), 1e-6)


@dataclass(frozen=True)
class NeutralPose:
    """A person's neutral pose, which motion is measured against: fields as in `FaceState`.

    calm_seconds: (5,) float32, how long each region of `anatomy.REGIONS`, and the head, was seen calm.
    is_chosen: the person said that this moment is neutral: it is not improved.
    """

    pose: HeadPose
    shape: FloatArray
    eye_ratio: FloatArray
    gaze: FloatArray
    frame_width: int
    calm_seconds: FloatArray = field(default_factory=lambda: np.zeros(REGION_COUNT, np.float32))
    is_chosen: bool = False

    @functools.cached_property
    def arrays(self) -> dict[str, FloatArray]:
        """Its numbers by name, for another run of the program; see `kept_neutral`."""
        pose = self.pose
        numbers = {
            "rotation": pose.rotation,
            "translation": pose.translation,
            "scale": pose.scale,
            "shape": self.shape,
            "eye_ratio": self.eye_ratio,
            "gaze": self.gaze,
            "frame_width": self.frame_width,
            "calm_seconds": self.calm_seconds,
            "is_chosen": self.is_chosen,
        }
        return {name: np.asarray(value, np.float32) for name, value in numbers.items()}

    def mirrored(self) -> NeutralPose:
        """Return the neutral pose that the mirrored frames would have given, see `mirrored`."""
        pose, x = self.pose, self.frame_width - self.pose.translation[0]
        # M R M, for M that turns x round
        rotation = pose.rotation * np.outer(_FLIP, _FLIP)
        return NeutralPose(
            pose=HeadPose(rotation, np.array([x, *pose.translation[1:]], np.float32), pose.scale),
            shape=self.shape[face_model().mirror] * _FLIP,
            eye_ratio=self.eye_ratio[::-1].copy(),
            gaze=self.gaze[::-1] * _FLIP[:2],
            frame_width=self.frame_width,
            calm_seconds=self.calm_seconds[list(MIRRORED_REGIONS)],
            is_chosen=self.is_chosen,
        )


def median_pose(faces: Sequence[FaceState]) -> NeutralPose:
    """Return the neutral pose that the faces have in common."""
    base = faces[0].pose.rotation
    turns = np.median([vector_from_rotation(face.pose.rotation @ base.T) for face in faces], axis=0)
    pose = HeadPose(
        rotation_from_vector(turns) @ base,
        np.median([face.pose.translation for face in faces], axis=0).astype(np.float32),
        float(np.median([face.pose.scale for face in faces])),
    )
    return NeutralPose(
        pose=pose,
        shape=np.median([face.shape for face in faces], axis=0).astype(np.float32),
        eye_ratio=np.median([face.eye_ratio for face in faces], axis=0).astype(np.float32),
        gaze=np.median([face.gaze for face in faces], axis=0).astype(np.float32),
        frame_width=faces[0].frame_width,
    )
