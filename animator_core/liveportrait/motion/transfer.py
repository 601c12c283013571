"""From the driver's motion to the keypoints that the character is warped by."""

from __future__ import annotations

from dataclasses import replace

import torch

from animator_core.liveportrait.motion.editing import gaze_expression
from animator_core.liveportrait.motion.face_motion import (
    FaceMotion,
    rotation_from_vector,
    vector_from_rotation,
)
from animator_core.liveportrait.motion.landmark_motion import LandmarkMotion, opening_correction
from animator_core.liveportrait.motion.retargeting import (
    EYE_KEYPOINTS,
    LIP_KEYPOINTS,
    Retargeters,
    eye_correction,
    eye_delta,
    lip_closing_delta,
    lip_correction,
    lip_delta,
)
from animator_core.liveportrait.networks.keypoints import KEYPOINT_COUNT
from animator_core.motion.options import MotionOptions

# Absolute motion and smoothed clips take only these from the driver: the rest is the shape of the head.
_EXPRESSIVE_KEYPOINTS = (1, 2, 6, *range(11, 21))
_EXPRESSIVE_COORDINATES = ((3, 1), (4, 1), (5, 2), (8, 2), (9, 1), (9, 2))
_GAZE_KEYPOINTS = (11, 15)
_SHUT_EYE_RATIO, _OPEN_EYE_RATIO = 0.18, 0.39
"""A source video whose first frame's eyes are below the one holds them open as far as the other."""


class MotionTransfer:
    """Carries motion from a driver to one source; precomputes everything that does not depend on the driver.

    source: N = 1, or the N frames of a source video, with canonical keypoints; all motions on one device.
    """

    def __init__(self, source: FaceMotion, networks: Retargeters, options: MotionOptions) -> None:
        self.source = source
        self.options = options
        self.keypoints_source = source.keypoints
        self._networks = networks
        device = source.expression.device
        self._weights = expression_weights(options).to(device)
        self._gaze = gaze_expression(options.gaze_x, options.gaze_y).to(device)
        self._added = torch.zeros_like(self.keypoints_source)
        if options.normalize_lips and options.is_relative:
            self._added = self._added + lip_closing_delta(networks, source, options.lip_normalize_threshold)
        if options.source_video_eye_retargeting and len(source) > 1:
            self._added = self._added + self._first_frame_eyes()

    def keypoints_driving(self, driving: FaceMotion, neutral: FaceMotion) -> torch.Tensor:
        """Return the driving keypoints, (N, 21, 3); neutral: N = 1, which relative motion is measured against."""
        return self.finish(self.combine(driving, neutral).keypoints, driving, neutral)

    def combine(self, driving: FaceMotion, neutral: FaceMotion) -> FaceMotion:
        """Return the source's motion with the driver's in it, before stitching and retargeting."""
        source, options = self.source, self.options
        start = neutral if options.is_relative else source
        expression = source.expression + self._weights * (driving.expression - start.expression) + self._gaze
        rotation, scale, translation = source.rotation, source.scale, source.translation
        if options.moves_pose:
            strength = options.sensitivity_pose
            turn = driving.rotation @ start.rotation.transpose(1, 2)
            if strength != 1:
                turn = rotation_from_vector(strength * vector_from_rotation(turn))
            rotation = turn @ source.rotation
            translation = translation + strength * (driving.translation - start.translation)
        if options.region == "all" and options.is_relative:
            scale = scale * (driving.scale / start.scale) ** options.sensitivity_pose
        return replace(source, rotation=rotation, expression=expression, scale=scale, translation=translation)

    def finish(self, keypoints: torch.Tensor, driving: FaceMotion, neutral: FaceMotion) -> torch.Tensor:
        """Return placed keypoints retargeted, stitched and multiplied."""
        options, added = self.options, self._added
        if options.eye_retargeting or options.lip_retargeting:
            if options.retargeting_keeps_motion:
                keypoints = keypoints + self._corrections(driving, neutral)
            else:
                kept = self.keypoints_source if options.is_relative else keypoints
                keypoints, added = kept + self._replacements(driving), torch.zeros_like(added)
        return self._stitched(keypoints, added)

    def posed(self, motion: LandmarkMotion) -> torch.Tensor:
        """Return the driving keypoints, (1, 21, 3), of landmarks alone."""
        source, options = self.source, self.options
        # The strength of expression and pose is in the landmarks' motion already.
        weights = expression_weights(replace(options, is_relative=True, sensitivity_expression=1.0))
        expression = source.expression + weights.to(self._gaze.device) * motion.expression + self._gaze
        rotation, scale, translation = source.rotation, source.scale, source.translation
        if options.moves_pose:
            rotation = rotation @ motion.turn.transpose(0, 1)[None]
            translation = translation + torch.cat((motion.shift, motion.shift.new_zeros(1)))
        if options.region == "all":
            scale = scale * motion.size
        posed = replace(source, rotation=rotation, expression=expression, scale=scale, translation=translation)
        keypoints = posed.keypoints + opening_correction(self._networks, source, motion=motion, options=options)
        return self._stitched(keypoints, self._added)

    def _stitched(self, keypoints: torch.Tensor, added: torch.Tensor) -> torch.Tensor:
        if self.options.stitching:
            still = self.keypoints_source.expand(len(keypoints), -1, -1)
            keypoints = self._networks.stitch(still, keypoints.expand(len(still), -1, -1))
        # The official code adds these after stitching.
        keypoints = keypoints + added
        return self.keypoints_source + (keypoints - self.keypoints_source) * self.options.driving_multiplier

    def _corrections(self, driving: FaceMotion, neutral: FaceMotion) -> torch.Tensor:
        delta = torch.zeros_like(self.keypoints_source)
        if self.options.eye_retargeting:
            delta = delta + eye_correction(
                self._networks, self.source, driving=driving, neutral=neutral, options=self.options
            )
        if self.options.lip_retargeting:
            delta = delta + lip_correction(
                self._networks, self.source, driving=driving, neutral=neutral, options=self.options
            )
        return delta

    def _replacements(self, driving: FaceMotion) -> torch.Tensor:
        delta = torch.zeros_like(self.keypoints_source)
        if self.options.eye_retargeting:
            if driving.eye_ratios is None:
                raise ValueError("the driving motion has no eye ratios; turn eye_retargeting off")
            # The official code looks at the left eye only.
            delta = delta + eye_delta(self._networks, self.source, driving.eye_ratios[:, :1])
        if self.options.lip_retargeting:
            if driving.lip_ratio is None:
                raise ValueError("the driving motion has no lip ratio; turn lip_retargeting off")
            delta = delta + lip_delta(self._networks, self.source, driving.lip_ratio)
        return delta

    def _first_frame_eyes(self) -> torch.Tensor:
        if self.source.eye_ratios is None:
            raise ValueError("the source has no eye ratios; turn source_video_eye_retargeting off")
        wanted = float(self.source.eye_ratios[0].mean())
        wanted = _OPEN_EYE_RATIO if wanted < _SHUT_EYE_RATIO else wanted
        return eye_delta(self._networks, self.source, torch.full_like(self.source.eye_ratios[:, :1], wanted))


def expressive_mask() -> torch.Tensor:
    """Return which coordinates absolute motion and smoothed clips take from the driver, (21, 3) bool."""
    mask = torch.zeros(KEYPOINT_COUNT, 3, dtype=torch.bool)
    mask[list(_EXPRESSIVE_KEYPOINTS)] = True
    for keypoint, axis in _EXPRESSIVE_COORDINATES:
        mask[keypoint, axis] = True
    return mask


def expression_weights(options: MotionOptions) -> torch.Tensor:
    """Return how much of the driver's expression each coordinate takes, (21, 3) float32."""
    weights = torch.zeros(KEYPOINT_COUNT, 3)
    if options.moves_whole_expression:
        weights = torch.ones_like(weights) if options.is_relative else expressive_mask().float()
    elif options.region == "lips":
        weights[list(LIP_KEYPOINTS)] = 1
    elif options.region == "eyes":
        weights[list(EYE_KEYPOINTS)] = 1
    weights *= options.sensitivity_expression
    weights[list(EYE_KEYPOINTS)] *= options.sensitivity_eyes
    weights[list(LIP_KEYPOINTS)] *= options.sensitivity_mouth
    weights[list(_GAZE_KEYPOINTS), 0] *= options.sensitivity_gaze
    return weights
