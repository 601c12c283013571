"""Live motion: calibrated, smoothed without lag, and never jumping."""

from __future__ import annotations

from dataclasses import replace

import torch

from animator_core.liveportrait.motion.face_motion import FaceMotion, rotation_from_vector, vector_from_rotation
from animator_core.liveportrait.motion.landmark_motion import LandmarkMotion
from animator_core.liveportrait.motion.neutral_face import new_calibration
from animator_core.liveportrait.motion.retargeting import EYE_KEYPOINTS, Retargeters
from animator_core.liveportrait.motion.transfer import MotionTransfer
from animator_core.liveportrait.networks.keypoints import KEYPOINT_COUNT
from animator_core.motion.filters import Ease, OneEuroFilter, resting_cutoff_hz
from animator_core.motion.options import MotionOptions

_MAX_STEP_SECONDS = 0.2
_SHIFT_FREE, _SHIFT_MOST = 0.3, 0.5
_SIZE_FREE, _SIZE_MOST = 0.25, 0.45
"""Shift (crop units) and growth (logarithm) that pass unchanged, and the bounds of larger ones: beyond them the face
would leave its crop."""


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

    def drive(self, seen: FaceMotion, captured_ns: int) -> torch.Tensor:
        """Return the driving keypoints, (1, 21, 3), for the motion extractor's view of one frame (N = 1).

        seen: in one and the same crop's coordinates, see `driving_view.DrivingCrop`; unsmoothed.
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
        return self._ease(self._transfer.keypoints_driving(motion, self._neutral), captured_ns)

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
