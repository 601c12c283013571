"""Landmarks of a face that is given by ARKit's scores and a head pose, as if a camera had seen it.

So every renderer, the neutral pose and all strengths work as with a camera. Scores become `anatomy.MEASURES`, and these
move the mean face by the modes that were measured on people.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.motion.anatomy import MEASURES, expression_modes, mean_shape
from animator_core.motion.rotation import rotation_from_euler
from animator_core.tracking.face_model import LEFT_IRIS, RIGHT_IRIS
from animator_core.tracking.pose import DEPTH_SCALE, HeadPose
from animator_core.vmc.names import ARKIT, Scores

FRAME_SIZE = (1280, 720)
"""Width and height in pixels of the frame that the landmarks are in."""
_FACE_PIXELS = 300.0
_PLACE = (640.0, 300.0, 0.0)
_USUAL_PITCH = 8.0
"""Degrees of the mean face of a person who looks at the camera."""
_EYE_WIDTH = 0.168
_GAZE = np.array([0.24, 0.13])
"""Shift of an iris in eye widths, sideways and up or down, at the score 1."""
_LEAST_OPENING = -0.03
_LEAST_EYE = -0.28
"""Changes of the mean face's lips and lids at which they touch."""

# Changes of the measures at the score 1, in face units and, of the lids, eye widths; "_" stands for the side, r or l.
_CHANGES: Mapping[str, Mapping[str, float]] = {
    "jawOpen": {"opening": 0.17, "corner_drop_r": -0.03, "corner_drop_l": -0.03, "corner_out_r": -0.012,
                "corner_out_l": -0.012},
    "mouthClose": {"opening": -0.17},
    "mouthFunnel": {"opening": 0.03, "corner_out_r": -0.03, "corner_out_l": -0.03, "lips": 0.015},
    "mouthPucker": {"corner_out_r": -0.045, "corner_out_l": -0.045, "lips": 0.02},
    "mouthLeft": {"corner_out_l": 0.03, "corner_out_r": -0.03},
    "mouthRight": {"corner_out_r": 0.03, "corner_out_l": -0.03},
    "jawLeft": {"corner_out_l": 0.012, "corner_out_r": -0.012},
    "jawRight": {"corner_out_r": 0.012, "corner_out_l": -0.012},
    "mouthRollLower": {"lips": -0.015},
    "mouthRollUpper": {"lips": -0.015, "upper_lip": 0.006},
    "mouthShrugLower": {"upper_lip": -0.006},
    "mouthShrugUpper": {"upper_lip": -0.01},
    "browInnerUp": {"inner_brow_r": 0.03, "inner_brow_l": 0.03, "brow_r": 0.01, "brow_l": 0.01},
    "mouthSmile": {"corner_out_": 0.03, "corner_drop_": -0.045},
    "mouthFrown": {"corner_drop_": 0.03},
    "mouthDimple": {"corner_out_": 0.015},
    "mouthStretch": {"corner_out_": 0.03, "corner_drop_": 0.006},
    "mouthPress": {"lips": -0.01},
    "mouthUpperUp": {"upper_lip": -0.01, "opening": 0.01},
    "mouthLowerDown": {"opening": 0.02},
    "browDown": {"brow_": -0.02, "inner_brow_": -0.025},
    "browOuterUp": {"brow_": 0.025},
    "eyeBlink": {"eye_": -0.28},
    "eyeSquint": {"eye_": -0.09},
    "cheekSquint": {"eye_": -0.03},
    "eyeWide": {"eye_": 0.09},
    "eyeLookDown": {"eye_": -0.05},
    "noseSneer": {"upper_lip": -0.006, "inner_brow_": -0.006},
}  # fmt: skip


@functools.lru_cache(maxsize=1)
def _changes_by_name() -> dict[str, FloatArray]:
    """Return the change of all measures, (13,) float32, by ARKit's name."""
    found = {}
    for name, changes in _CHANGES.items():
        for side in ("",) if name in ARKIT else ("Left", "Right"):
            vector = np.zeros(len(MEASURES), np.float32)
            for measure, change in changes.items():
                full = f"{measure}{side[0].lower()}" if measure.endswith("_") else measure
                vector[MEASURES.index(full)] += change
            found[name + side] = vector
    return found


def shape_of(scores: Scores) -> FloatArray:
    """Return the face with ARKit's ``scores``, (478, 3) float32 face units in true depth."""
    change = np.zeros(len(MEASURES), np.float32)
    for name, vector in _changes_by_name().items():
        change += scores.get(name, 0.0) * vector
    change[0] = max(change[0], _LEAST_OPENING)
    change[-2:] = np.maximum(change[-2:], _LEAST_EYE)
    shape = mean_shape() + np.tensordot(change, expression_modes(), 1)
    for side, iris, inward in (("Right", RIGHT_IRIS, 1.0), ("Left", LEFT_IRIS, -1.0)):
        aside = scores.get(f"eyeLookIn{side}", 0.0) - scores.get(f"eyeLookOut{side}", 0.0)
        down = scores.get(f"eyeLookDown{side}", 0.0) - scores.get(f"eyeLookUp{side}", 0.0)
        shape[iris : iris + 5, :2] += (_EYE_WIDTH * _GAZE * (inward * aside, down)).astype(np.float32)
    return np.asarray(shape, np.float32)


def landmarks_of(scores: Scores, rotation: FloatArray) -> FloatArray:
    """Return what a tracker would see, (478, 3) float32 pixels of a frame of `FRAME_SIZE`.

    rotation: (3, 3) of the head against a look at the camera.
    """
    looking = rotation_from_euler(0.0, _USUAL_PITCH, 0.0)
    pose = HeadPose(rotation @ looking, np.array(_PLACE, np.float32), _FACE_PIXELS)
    return pose.to_frame(shape_of(scores)) / np.array([1.0, 1.0, DEPTH_SCALE], np.float32)
