"""The motion of one moment, relative to the neutral pose, free of the person's proportions."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from animator_core.arrays import FloatArray


def _zeros(*shape: int) -> FloatArray:
    return np.zeros(shape, np.float32)


@dataclass(frozen=True)
class DrivingMotion:
    """The motion for the character; the defaults are the neutral pose.

    Axes: x right, y down, z away from the viewer, as in the driving frame. Lengths are in face sizes (`face_size`).

    rotation: (3, 3) float32 of the differences in yaw, pitch and roll from neutral (`pose.euler_angles`): added
    to a character's own angles they make it nod when the person nods, however either stood to the camera before.
    translation: (2,) float32, the head's shift in the picture plane, in face sizes.
    scale: the head's size relative to neutral (nearer is larger).
    expression: (478, 3) float32, each landmark's shift in the head's own frontal axes, in face sizes.
    eye_openness: (2,) float32, the person's right and left eye; 1 as in neutral, 0 closed.
    gaze: (2, 2) float32, right and left iris' shift (x, y) in the head's axes, in eye widths.
    mouth_width: the person's own mouth width in the neutral pose, in face sizes: the unit of mouth openings.
    breath: phase-free chest lift in [-1, 1] of the idle motion, 0 while a face drives.
    torso: share of the torso's own motion, 1 as a body follows its head, 0 still.
    captured_ns: capture time of the frame that this motion comes from; 0 for none.
    """

    rotation: FloatArray = field(default_factory=lambda: np.eye(3, dtype=np.float32))
    translation: FloatArray = field(default_factory=lambda: _zeros(2))
    scale: float = 1.0
    expression: FloatArray = field(default_factory=lambda: _zeros(478, 3))
    eye_openness: FloatArray = field(default_factory=lambda: np.ones(2, np.float32))
    gaze: FloatArray = field(default_factory=lambda: _zeros(2, 2))
    mouth_width: float = 0.28
    breath: float = 0.0
    torso: float = 1.0
    captured_ns: int = 0
