"""Drives LivePortrait from landmarks alone, without a frame for the motion extractor.

A recorded landmark motion, or the idle motion of nobody. Lids and lips open through the retargeting networks; gaze,
brows and smile are the official editor's sliders. The sliders' share of a landmark's motion is our own estimate
(their ends for the strongest seen in four clips); it was not compared with the official weights' pictures.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from animator_core.arrays import FloatArray
from animator_core.liveportrait.motion.editing import brow_expression, gaze_expression, smile_expression
from animator_core.liveportrait.motion.face_motion import FaceMotion
from animator_core.liveportrait.motion.retargeting import Retargeters, eye_correction, lip_correction
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.options import MotionOptions

_MAX_OPENNESS = 1.6
_MAX_GAZE, _MAX_BROWS, _MAX_SMILE, _LEAST_SMILE = 25.0, 30.0, 1.3, -0.3
_GAZE_PER_EYE_WIDTH = 100.0
_BROWS_PER_FACE_SIZE = 500.0
_BROAD_SMILE_WIDENS, _BROAD_SMILE_LIFTS = 0.34, 0.066
_UPPER_LIP, _LOWER_LIP = 13, 14
_RIGHT_CORNER, _LEFT_CORNER = 61, 291
_BROW_POINTS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
_NARROWEST_MOUTH = 0.05


@dataclass(frozen=True)
class LandmarkMotion:
    """A motion from the source's own pose and expression; the defaults leave it as it is.

    turn: (3, 3), the head's rotation for column vectors. shift: (2,) in crop units. size: relative to the source.
    eye_openness: (2,), the eyes left and right in the picture, 1 as in the source, 0 closed.
    lip_opening: by how much more of the mouth's width the lips are open. widening, lifting: of the mouth's corners,
    by its width and in face sizes. gaze: (right, up) in eye widths. brows: upwards in face sizes.
    """

    turn: torch.Tensor = field(default_factory=lambda: torch.eye(3))
    shift: torch.Tensor = field(default_factory=lambda: torch.zeros(2))
    size: float = 1.0
    eye_openness: torch.Tensor = field(default_factory=lambda: torch.ones(2))
    lip_opening: float = 0.0
    widening: float = 0.0
    lifting: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)
    brows: float = 0.0

    @property
    def expression(self) -> torch.Tensor:
        """The change of expression by gaze, brows and the mouth's corners, (21, 3)."""
        gaze_x, gaze_y = (_limited(each * _GAZE_PER_EYE_WIDTH, -_MAX_GAZE, _MAX_GAZE) for each in self.gaze)
        brows = _limited(self.brows * _BROWS_PER_FACE_SIZE, -_MAX_BROWS, _MAX_BROWS)
        smile = (self.widening / _BROAD_SMILE_WIDENS + self.lifting / _BROAD_SMILE_LIFTS) / 2
        # The lids are opened and closed by themselves.
        eyes = gaze_expression(gaze_x, gaze_y, moves_lids=False)
        return eyes + brow_expression(brows) + smile_expression(_limited(smile, _LEAST_SMILE, _MAX_SMILE))


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
        brows=-float(shifts[list(_BROW_POINTS), 1].mean()),
    )


def opening_correction(
    networks: Retargeters, source: FaceMotion, motion: LandmarkMotion, options: MotionOptions
) -> torch.Tensor:
    """Return the delta that opens or closes the source's (N = 1) eyes and lips as the motion does, (1, 21, 3)."""
    delta = torch.zeros_like(source.keypoints)
    still = MotionOptions(region="pose", normalize_lips=options.normalize_lips and options.is_relative)
    still = replace(still, lip_normalize_threshold=options.lip_normalize_threshold)
    moves = options.moves_whole_expression
    openness = motion.eye_openness.clamp(0, _MAX_OPENNESS)
    if (moves or options.region == "eyes") and source.eye_ratios is not None and bool((openness != 1).any()):
        ones = torch.ones_like(source.eye_ratios)
        neutral, seen = replace(source, eye_ratios=ones), replace(source, eye_ratios=ones * openness)
        delta = delta + eye_correction(networks, source, driving=seen, neutral=neutral, options=still)
    change = motion.lip_opening
    if (moves or options.region == "lips") and source.lip_ratio is not None and change != 0:
        is_closed = still.normalize_lips and float(source.lip_ratio) >= options.lip_normalize_threshold
        start = torch.zeros_like(source.lip_ratio) if is_closed else source.lip_ratio
        seen = replace(source, lip_ratio=(start + change).clamp(min=0))
        delta = delta + lip_correction(networks, source, driving=seen, neutral=source, options=still)
    return delta


def _limited(value: float, least: float, most: float) -> float:
    return min(max(value, least), most)


def _tensor(array: FloatArray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(array, np.float32))
