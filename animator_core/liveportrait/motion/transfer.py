"""From the driver's motion to the keypoints that the character is warped by, frame by frame and live."""

from __future__ import annotations

from dataclasses import replace

import torch

from animator_core.liveportrait.motion.editing import gaze_expression
from animator_core.liveportrait.motion.emote import PlayedEmote, less_of
from animator_core.liveportrait.motion.face_motion import (
    FaceMotion,
    rotation_from_vector,
    vector_from_rotation,
)
from animator_core.liveportrait.motion.landmark_motion import LandmarkMotion, opening_correction
from animator_core.liveportrait.motion.neutral_face import new_calibration
from animator_core.liveportrait.motion.retargeting import (
    BROW_KEYPOINTS,
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
from animator_core.motion.filters import Ease, OneEuroFilter, resting_cutoff_hz
from animator_core.motion.options import MotionOptions

# Absolute motion and smoothed clips take only these from the driver: the rest is the shape of the head.
_EXPRESSIVE_KEYPOINTS = (1, 2, 6, *range(11, 21))
_EXPRESSIVE_COORDINATES = ((3, 1), (4, 1), (5, 2), (8, 2), (9, 1), (9, 2))
_GAZE_KEYPOINTS = (11, 15)
_SHUT_EYE_RATIO, _OPEN_EYE_RATIO = 0.18, 0.39
"""A source video whose first frame's eyes are below the one holds them open as far as the other."""
_MAX_STEP_SECONDS = 0.2
_SHIFT_FREE, _SHIFT_MOST = 0.3, 0.5
_SIZE_FREE, _SIZE_MOST = 0.25, 0.45
"""Shift (crop units) and growth (logarithm) that pass unchanged, and the bounds of larger ones: beyond them the face
would leave its crop."""


class MotionTransfer:
    """Carries motion from a driver to one source; precomputes everything that does not depend on the driver.

    source: N = 1, or the N frames of a source video, with canonical keypoints; all motions on one device.
    """

    def __init__(self, source: FaceMotion, networks: Retargeters, options: MotionOptions) -> None:
        self.source = source
        self.options = options
        self.keypoints_source = source.keypoints
        self._networks = networks
        self._moves_pose = options.moves_pose
        device = source.expression.device
        self._weights = expression_weights(options).to(device)
        self._gaze = gaze_expression(options.gaze_x, options.gaze_y).to(device)
        self._added = torch.zeros_like(self.keypoints_source)
        if options.normalize_lips and options.is_relative:
            self._added = self._added + lip_closing_delta(networks, source, options.lip_normalize_threshold)
        if options.source_video_eye_retargeting and len(source) > 1:
            self._added = self._added + self._first_frame_eyes()

    def keypoints_driving(
        self, driving: FaceMotion, neutral: FaceMotion, emote: PlayedEmote | None = None
    ) -> torch.Tensor:
        """Return the driving keypoints, (N, 21, 3); neutral: N = 1, which relative motion is measured against."""
        if emote is None:
            return self.finish(self.combine(driving, neutral).keypoints, driving, neutral)
        driving = less_of(driving, neutral, emote)
        keypoints = self._moved(self.combine(driving, neutral), emote.added).keypoints
        keypoints = keypoints + opening_correction(
            self._networks, self.source, motion=emote.added, options=self.options
        )
        return self.finish(keypoints, driving, neutral)

    def combine(self, driving: FaceMotion, neutral: FaceMotion) -> FaceMotion:
        """Return the source's motion with the driver's in it, before stitching and retargeting."""
        source, options = self.source, self.options
        start = neutral if options.is_relative else source
        expression = source.expression + self._weights * (driving.expression - start.expression) + self._gaze
        rotation, scale, translation = source.rotation, source.scale, source.translation
        if self._moves_pose:
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
        posed = self._moved(replace(source, expression=source.expression + self._gaze), motion)
        keypoints = posed.keypoints + opening_correction(self._networks, source, motion=motion, options=options)
        return self._stitched(keypoints, self._added)

    def _moved(self, face: FaceMotion, motion: LandmarkMotion) -> FaceMotion:
        """Return a face moved on by landmarks, but for its eyes' and lips' opening."""
        # The strength of each part is in the landmarks' motion already.
        weights = _region_weights(replace(self.options, is_relative=True))
        expression = face.expression + weights.to(self._gaze.device) * motion.expression
        rotation, scale, translation = face.rotation, face.scale, face.translation
        if self._moves_pose:
            rotation = rotation @ motion.turn.transpose(0, 1)[None]
            translation = translation + torch.cat((motion.shift, motion.shift.new_zeros(1)))
        if self.options.region == "all":
            scale = scale * motion.size
        return replace(face, rotation=rotation, expression=expression, scale=scale, translation=translation)

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
    weights = _region_weights(options) * options.sensitivity_expression
    weights[list(BROW_KEYPOINTS)] *= options.sensitivity_brows
    weights[list(EYE_KEYPOINTS)] *= options.sensitivity_eyes
    weights[list(LIP_KEYPOINTS)] *= options.sensitivity_mouth
    weights[list(_GAZE_KEYPOINTS), 0] *= options.sensitivity_gaze
    return weights


def _region_weights(options: MotionOptions) -> torch.Tensor:
    """Return which coordinates of the driver's expression the region takes, (21, 3) float32 of 0 and 1."""
    weights = torch.zeros(KEYPOINT_COUNT, 3)
    if options.moves_whole_expression:
        weights = torch.ones_like(weights) if options.is_relative else expressive_mask().float()
    elif options.region == "lips":
        weights[list(LIP_KEYPOINTS)] = 1
    elif options.region == "eyes":
        weights[list(EYE_KEYPOINTS)] = 1
    return weights


class MotionSmoother:
    """A causal filter over a face's motion; smoothing: 0 none to 1 strongest."""

    def __init__(self, smoothing: float) -> None:
        calm_hz = resting_cutoff_hz(smoothing)
        is_eye = torch.zeros(KEYPOINT_COUNT, 3)
        is_eye[list(EYE_KEYPOINTS)] = 1
        self._pose = OneEuroFilter(calm_hz, beta=30.0, speed_cutoff_hz=3.0)
        # A blink takes three frames: the speed of the lids must count at once.
        self._expression = OneEuroFilter(
            calm_hz * (1.5 + is_eye), beta=80.0 + 120.0 * is_eye, speed_cutoff_hz=8.0 + 52.0 * is_eye
        )
        self._ratios = OneEuroFilter(calm_hz * 2.0, beta=60.0, speed_cutoff_hz=60.0)
        self._anchor: torch.Tensor | None = None
        self._seen_ns = 0

    def reset(self) -> None:
        """Forget the past; the next motion passes unchanged."""
        self._anchor = None
        for each in (self._pose, self._expression, self._ratios):
            each.reset()

    def __call__(self, motion: FaceMotion, captured_ns: int) -> FaceMotion:
        """Return one frame's motion (N = 1) smoothed."""
        seconds = min(max((captured_ns - self._seen_ns) * 1e-9, 1e-3), _MAX_STEP_SECONDS)
        self._seen_ns = captured_ns
        if self._anchor is None:
            self._anchor = motion.rotation
        turn = vector_from_rotation(motion.rotation @ self._anchor.transpose(1, 2))
        pose = self._pose(torch.cat((turn, motion.translation, motion.scale.clamp(min=1e-6).log()), 1), seconds)
        smoothed = replace(
            motion,
            rotation=rotation_from_vector(pose[:, :3]) @ self._anchor,
            translation=pose[:, 3:6],
            scale=pose[:, 6:].exp(),
            expression=self._expression(motion.expression, seconds),
        )
        if motion.eye_ratios is None or motion.lip_ratio is None:
            return smoothed
        ratios = self._ratios(torch.cat((motion.eye_ratios, motion.lip_ratio), 1), seconds)
        return replace(smoothed, eye_ratios=ratios[:, :2], lip_ratio=ratios[:, 2:])


class LiveMotion:
    """One driver and one source at a time; used by one thread.

    source: N = 1 with canonical keypoints; None: `set_source` follows. All motions must be on one device; the CPU is
    quickest for so few numbers.
    """

    def __init__(self, source: FaceMotion | None, networks: Retargeters, options: MotionOptions | None = None) -> None:
        self._networks = networks
        self.options = options or MotionOptions()
        self._source = source
        self._transfer = self._new_transfer()
        self._smoother = MotionSmoother(self.options.smoothing)
        self._calibration = new_calibration()
        self._neutral: FaceMotion | None = None
        self._ease: Ease[torch.Tensor] = Ease(torch.lerp)
        self._is_driven = False
        self._now_ns = 0
        self.is_calibrated = False

    @property
    def neutral(self) -> FaceMotion | None:
        """The driver's neutral face (N = 1) that was found; None before."""
        return self._neutral if self.is_calibrated else None

    def set_source(self, source: FaceMotion) -> None:
        """Move another source from now on; the driver's neutral face is kept."""
        self._source = source
        self._transfer = self._new_transfer()
        self._ease.restart()

    def set_options(self, options: MotionOptions) -> None:
        """Take other options; the motion eases over to theirs."""
        if options.smoothing != self.options.smoothing:
            self._smoother = MotionSmoother(options.smoothing)
        self.options = options
        self._transfer = self._new_transfer()
        self._ease.begin(self._now_ns)

    def set_neutral(self, neutral: FaceMotion) -> None:
        """Measure motion against ``neutral`` (N = 1) from now on."""
        self._neutral, self.is_calibrated = neutral, True
        self._smoother.reset()
        self._ease.begin(self._now_ns)

    def calibrate(self) -> None:
        """Make the present moment the neutral face; without a face, the next calm second will be it."""
        neutral = self._calibration.from_recent() if self._is_driven else None
        if neutral is None:
            self.forget()
        else:
            self.set_neutral(neutral)

    def forget(self) -> None:
        """Forget the driver's neutral face and everything seen."""
        self._neutral, self.is_calibrated = None, False
        self._calibration.restart()

    def drive(self, seen: FaceMotion, captured_ns: int, emote: PlayedEmote | None = None) -> torch.Tensor:
        """Return the driving keypoints, (1, 21, 3), for the motion extractor's view of one frame (N = 1).

        seen: in one and the same crop's coordinates, see `crop.DrivingCrop`; unsmoothed.
        """
        self._now_ns = captured_ns
        if self._neutral is None:
            self._neutral = seen
        if self.is_calibrated:
            self._calibration.remember(seen, captured_ns)
        else:
            found = self._calibration.watch(seen, captured_ns)
            if found is not None:
                self.set_neutral(found)
        if not self._is_driven:
            self._is_driven = True
            self._smoother.reset()
            self._ease.begin(captured_ns)
        motion = _kept_in_crop(self._smoother(seen, captured_ns), self._neutral)
        assert self._transfer is not None
        return self._ease(self._transfer.keypoints_driving(motion, self._neutral, emote), captured_ns)

    def follow(self, motion: LandmarkMotion, now_ns: int) -> torch.Tensor:
        """Return the driving keypoints, (1, 21, 3), while only landmarks, or nobody, tell how to move."""
        self._now_ns = now_ns
        if self._is_driven:
            self._is_driven = False
            self._ease.begin(now_ns)
        assert self._transfer is not None
        return self._ease(self._transfer.posed(motion), now_ns)

    def _new_transfer(self) -> MotionTransfer | None:
        return None if self._source is None else MotionTransfer(self._source, self._networks, self.options)


def _kept_in_crop(motion: FaceMotion, neutral: FaceMotion) -> FaceMotion:
    shift = motion.translation - neutral.translation
    growth = (motion.scale / neutral.scale).clamp(min=1e-6).log()
    return replace(
        motion,
        translation=neutral.translation + _limited(shift, _SHIFT_FREE, _SHIFT_MOST),
        scale=neutral.scale * _limited(growth, _SIZE_FREE, _SIZE_MOST).exp(),
    )


def _limited(value: torch.Tensor, free: float, most: float) -> torch.Tensor:
    excess = (value.abs() - free).clamp(min=0) / (most - free)
    return value.clamp(-free, free) + value.sign() * (most - free) * torch.tanh(excess)
