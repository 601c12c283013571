"""How far an observed face can be trusted, region by region; what cannot be trusted eases to calm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.filters import OneEuroFilter
from animator_core.motion.lip_colour import LipColour, sampled
from animator_core.motion.regions import POINTS, Region, region_weights
from animator_core.motion.rotation import rotation_from_vector, vector_from_rotation
from animator_core.motion.symmetry import steadied
from animator_core.motion.trouble import TroubleReport
from animator_core.motion.trust import Trust
from animator_core.smoothstep import smoothstep
from animator_core.tracking.face_model import face_model
from animator_core.tracking.observation import FaceObservation, TrackedFrame

_SIDES = (234, 454)
"""Landmarks before the ears: their distance is the face's width, however it is turned."""
_CLEAR_PIXELS, _TINY_PIXELS, _LOST_PIXELS = 100.0, 50.0, 30.0
"""Widths of a face: from the first down its motion is calmed, from the second on it is mistrusted."""
_BRIGHT, _DIM, _BLACK = 32.0, 18.0, 8.0
"""The same for the level, of 255, of the face's brighter parts."""
_LEAST_LEVEL = 40.0
"""Darker lips are not judged: noise hides their colour."""
_INSIDE_SHARES = (0.45, 0.1)
"""Shares of a region's landmarks outside the frame at which it is mistrusted and trusted."""
_NOISY_CUTOFF_HZ, _NOISY_BETA = 1.0, 25.0
"""Of the smoothing of noisy faces, for the One-Euro filter: it stills their shaking and lets words through."""
_HEAD_SECONDS = 0.25
_FLIP = np.array([-1.0, 1.0, 1.0], np.float32)
_FACE_POINTS = slice(0, 468, 6)
_FRAME_STEP = 32


class Confidence:
    """Watches one person's observations, and calms the motion that comes of doubtful ones; used by one thread."""

    def __init__(self) -> None:
        self._lips = LipColour()
        self._trust = Trust(len(Region))
        self._blur = 0.0
        self._expression_filter = OneEuroFilter(_NOISY_CUTOFF_HZ, _NOISY_BETA)
        self._gaze_filter = OneEuroFilter(_NOISY_CUTOFF_HZ, _NOISY_BETA / 4)
        self._slow: DrivingMotion | None = None
        self._observed_ns = 0
        self._eased_ns = 0
        self._report = TroubleReport()

    @property
    def trouble(self) -> tuple[str, str]:
        """Why the face is followed badly and the remedy, or two empty texts; any thread may ask."""
        return self._report.told

    def is_trusted(self, *regions: Region) -> bool:
        """Return whether every one of ``regions`` (none: all) is seen well enough to learn from it."""
        return bool(self._trust.is_trusted[list(regions or Region)].all())

    def summary(self) -> tuple[str, ...]:
        """Return a sentence for each trouble that was told so far, with its share of the frames."""
        return self._report.summary()

    def observe(self, tracked: TrackedFrame | None, now_ns: int) -> None:
        """Take a new driving frame as the tracker gave it, not mirrored; None for none since the last call."""
        if tracked is None:
            self._report.note_silence(now_ns)
            return
        observation = tracked.observation
        if observation is None:
            self._report.note("dark" if tracked.frame is not None and _is_black(tracked.frame) else "", now_ns)
            return
        seconds = min(max((observation.captured_ns - self._observed_ns) * 1e-9, 1e-3), 0.2)
        self._observed_ns = observation.captured_ns
        width, level = _face_width(observation), _level(tracked.frame, observation)
        self._blur = float(
            max(smoothstep(width, _CLEAR_PIXELS, _TINY_PIXELS), smoothstep(level, _BRIGHT, _DIM)),
        )
        inside = smoothstep(_outside(observation), *_INSIDE_SHARES)
        confidence = inside * smoothstep(width, _LOST_PIXELS, _TINY_PIXELS) * smoothstep(level, _BLACK, _DIM)
        if tracked.frame is not None and level >= _LEAST_LEVEL:
            visibility = self._lips.visibility(tracked.frame, observation.landmarks, observation.captured_ns)
            confidence[Region.MOUTH] *= visibility
        self._trust.observe(confidence, seconds)
        self._report.note(self._reason(width=width, level=level, inside=inside), now_ns)

    def _reason(self, *, width: float, level: float, inside: FloatArray) -> str:
        if level < (_BRIGHT + _DIM) / 2:
            return "dark"
        if width < (_CLEAR_PIXELS + _TINY_PIXELS) / 2:
            return "far"
        if inside.min() < 1 / 2:
            return "outside"
        return "" if self.is_trusted(Region.MOUTH) else "mouth"

    def ease(self, motion: DrivingMotion, is_mirrored: bool) -> DrivingMotion:
        """Return ``motion`` with its doubtful regions calm and its sides steady.

        is_mirrored: whether its right eye is the person's left.
        """
        shares = self._trust.shares
        if is_mirrored:
            shares = shares[[Region.HEAD, Region.BROWS, Region.LEFT_EYE, Region.RIGHT_EYE, Region.MOUTH]]
        motion = steadied(self._smoothed(motion, float(1 - shares[Region.HEAD])))
        return motion if shares.min() >= 1 else calmed(motion, shares)

    def _smoothed(self, motion: DrivingMotion, head_doubt: float) -> DrivingMotion:
        """Return ``motion`` as smooth as its noise asks for."""
        seconds = min(max((motion.captured_ns - self._eased_ns) * 1e-9, 1e-3), 0.2)
        self._eased_ns = motion.captured_ns
        if self._blur > 0:
            expression = self._expression_filter(motion.expression, seconds)
            gaze = self._gaze_filter(motion.gaze, seconds)
            expression = _between(motion.expression, expression, self._blur)
            motion = replace(motion, expression=expression, gaze=_between(motion.gaze, gaze, self._blur))
        else:
            self._expression_filter.reset()
            self._gaze_filter.reset()
        slow = self._slow
        if slow is not None and head_doubt > 0:
            share = 1 / (1 + head_doubt * _HEAD_SECONDS / seconds)
            turn = vector_from_rotation(motion.rotation @ slow.rotation.T)
            motion = replace(
                motion,
                rotation=rotation_from_vector(turn * share) @ slow.rotation,
                translation=_between(slow.translation, motion.translation, share),
                scale=slow.scale + (motion.scale - slow.scale) * share,
            )
        self._slow = motion
        return motion


def calmed(motion: DrivingMotion, shares: FloatArray) -> DrivingMotion:
    """Return ``motion`` with each region followed by its share, (5,) in [0, 1]; an unseen eye does as the other."""
    eyes = shares[[Region.RIGHT_EYE, Region.LEFT_EYE]]
    borrowed = (1 - eyes) * eyes[::-1]
    weights, expression = region_weights(), motion.expression
    mirrored = expression[face_model().mirror] * _FLIP
    taken = weights[:, [Region.RIGHT_EYE, Region.LEFT_EYE]] @ borrowed
    opening, gaze = motion.eye_openness - 1, motion.gaze
    return replace(
        motion,
        expression=np.asarray(expression * (weights @ shares)[:, None] + mirrored * taken[:, None], np.float32),
        eye_openness=np.asarray(1 + opening * eyes + opening[::-1] * borrowed, np.float32),
        gaze=np.asarray(gaze * eyes[:, None] + gaze[::-1] * borrowed[:, None], np.float32),
    )


def _between(start: FloatArray, end: FloatArray, share: float) -> FloatArray:
    return np.asarray(start + (end - start) * np.float32(share), np.float32)


def _face_width(observation: FaceObservation) -> float:
    return float(np.linalg.norm(np.subtract(*observation.landmarks[list(_SIDES)])))


def _level(frame: UInt8Array | None, observation: FaceObservation) -> float:
    """Return the level, 0 to 255, that a quarter of the face's points exceed; 255 without a frame."""
    if frame is None:
        return 255.0
    points = observation.landmarks[_FACE_POINTS, :2]
    levels = np.sort(sampled(frame, points).max(1))
    return float(levels[3 * len(levels) // 4])


def _is_black(frame: UInt8Array) -> bool:
    return float(np.percentile(frame[::_FRAME_STEP, ::_FRAME_STEP].max(2), 75)) < _BRIGHT


def _outside(observation: FaceObservation) -> FloatArray:
    """Return the share of each region's landmarks outside the frame, (5,)."""
    x, y = observation.landmarks[:, 0], observation.landmarks[:, 1]
    out = (x < 0) | (y < 0) | (x >= observation.frame_width) | (y >= observation.frame_height)
    if not out.any():
        return np.zeros(len(Region), np.float32)
    return np.array([out[list(POINTS[region])].mean() for region in Region], np.float32)
