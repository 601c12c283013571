"""From the motion of landmarks to what LivePortrait can make of it."""

from __future__ import annotations

import numpy as np
import torch

from animator_core.liveportrait.motion.landmark_motion import LandmarkMotion
from animator_core.motion.driving import DrivingMotion

_UPPER_LIP, _LOWER_LIP = 13, 14
_RIGHT_CORNER, _LEFT_CORNER = 61, 291
_BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
_NARROWEST_MOUTH = 0.05


def landmark_motion(motion: DrivingMotion, units_of_face_size: float) -> LandmarkMotion:
    """Return a driving motion for `LiveMotion.follow`; units_of_face_size: the source's face size in crop units."""
    shifts = motion.expression
    right, left = shifts[_RIGHT_CORNER], shifts[_LEFT_CORNER]
    width = max(motion.mouth_width + float(left[0] - right[0]), _NARROWEST_MOUTH)
    gaze_x, gaze_down = motion.gaze.mean(0)
    return LandmarkMotion(
        turn=_tensor(motion.rotation),
        shift=_tensor(motion.translation) * units_of_face_size,
        size=float(motion.scale),
        eye_openness=_tensor(motion.eye_openness),
        lip_opening=float(shifts[_LOWER_LIP, 1] - shifts[_UPPER_LIP, 1]) / width,
        widening=width / max(motion.mouth_width, _NARROWEST_MOUTH) - 1,
        lifting=-float(right[1] + left[1]) / 2,
        gaze=(float(gaze_x), -float(gaze_down)),
        brows=-float(shifts[list(_BROWS), 1].mean()),
    )


def _tensor(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(array, np.float32))
