"""Recorded templates as keypoints of a character."""

from __future__ import annotations

import torch

from animator_core.errors import MotionError
from animator_core.liveportrait.motion.face_motion import FaceMotion, motion_from_arrays
from animator_core.liveportrait.motion.retargeting import Retargeters
from animator_core.liveportrait.motion.template import MotionTemplate
from animator_core.liveportrait.motion.transfer import transfer_clip
from animator_core.motion.options import MotionOptions


def template_keypoints(
    template: MotionTemplate, source: FaceMotion, networks: Retargeters, options: MotionOptions
) -> torch.Tensor:
    """Return the driving keypoints of every frame, (N, 21, 3): the recorded motion exactly, not smoothed.

    Raises MotionError where the options ask for what the template lacks.
    """
    driving = motion_from_arrays(template.arrays())
    neutral = motion_from_arrays(template.neutral.arrays()) if template.neutral else None
    for is_asked, ratio, name in (
        (options.eye_retargeting, driving.eye_ratios, "eye_retargeting"),
        (options.lip_retargeting, driving.lip_ratio, "lip_retargeting"),
    ):
        if is_asked and ratio is None:
            raise MotionError(f"the template has nothing that {name} needs", f"turn liveportrait.{name} off")
    return transfer_clip(source, driving, networks, options, neutral).keypoints_driving
