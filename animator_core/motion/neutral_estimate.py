"""The running estimate of a person's neutral pose: people's usual one at first, then more and more the person's own.

Every face counts, without its expression, by how calm it is: each region of it apart, and the head's pose. So one calm
moment outweighs seconds of laughter, and a person who is never calm is measured against the calmest of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.motion import anatomy
from animator_core.motion.face_state import FaceState, NeutralPose
from animator_core.motion.neutrality import PRIOR, RANGES, Neutrality, judge, without_expression
from animator_core.motion.rotation import euler_angles, rotation_from_euler
from animator_core.tracking.pose import HeadPose

MEMORY_SECONDS = 150.0
"""Calm time that the estimate remembers: what is older fades."""
_PRIOR_SECONDS = 20.0
"""Calm time after which the person's own measures count as much as people's usual ones in judging what is calm."""
_UNREST_SCALE = 0.1
"""Unrest by which a face's weight falls to 1/e."""
_FLOOR_RISE = 0.02
"""The unrest a second that the calmest moment is forgotten by."""
_FIRST_SECONDS = 0.1
_DOUBTED_SECONDS = 0.3
_NONE_BELIEVED = 4.0
"""Unrest: any face is calmer."""
_LEAST_WEIGHT = 0.01
_LONGEST_STEP = 0.34
_USUAL_ANGLES = np.array([0.0, 8.0, 0.0])
"""Yaw, pitch and roll in degrees of people who look at their camera: the mean face looks a little up."""
_ANGLE_RANGES = np.array([10.0, 10.0, 4.0])
_FRONTAL_DEGREES = np.array([15.0, 15.0, 8.0])
_STILL_DEGREES = 12.0
"""Degrees a second of a head that rests, with the tracker's noise."""
_USUAL_GAZE = np.array([[-0.04, -0.09], [0.04, -0.09]], np.float32)
_GAZE_STEP = 0.08
_GLANCE = np.array([0.08, 0.1])
"""Eye widths, sideways and up, from a look at the camera by which a glance's weight falls to 1/e."""
_POSE_STEP = np.array([0.7, 0.7, 0.5, 0.02, 0.02, 0.1, 0.015])
"""Degrees, face sizes and the logarithm of the size: once the usual pose is known, one further from it counts as if it
were so far from it, as in a median."""
_POSE_SECONDS = 2.0
_NEAR = 0.25 * RANGES
"""Once the person's own measures are known, a face further from them is an expression."""
_CALMER = 0.05
"""Unrest by which a face must be calmer than those believed so far to be believed although it differs from them."""


class NeutralEstimate:
    """Takes one person's faces in order of time and estimates their neutral pose."""

    def __init__(self, known: NeutralPose | None = None) -> None:
        """known: the neutral pose of this person, found before."""
        self._face: _Sums | None = None if known is None else _Sums.of_known(known)
        self._measures: FloatArray | None = None
        self._angles = _USUAL_ANGLES
        self._seen_ns = 0
        self._floor = np.zeros(len(anatomy.REGIONS), np.float32)
        self._believed = np.full(len(anatomy.REGIONS), 0.0 if known is not None else _NONE_BELIEVED, np.float32)
        """Mean unrest of the faces that the estimate is made of."""

    @property
    def calm_seconds(self) -> FloatArray:
        """How long each region was seen calm, (5,) float32, at most `MEMORY_SECONDS`; the last is the head."""
        return np.zeros(anatomy.REGION_COUNT, np.float32) if self._face is None else self._face.seconds

    @property
    def neutral(self) -> NeutralPose | None:
        """The estimate; None before the first face."""
        return None if self._face is None else self._face.neutral

    def doubt(self) -> None:
        """Go on as if the person was seen calm for a moment only: it may be another one."""
        if self._face is not None:
            self._face.doubt()
            self._believed = np.full(len(anatomy.REGIONS), _NONE_BELIEVED, np.float32)

    def add(
        self, state: FaceState, scores: Mapping[str, float] | None = None, trusted: FloatArray | None = None
    ) -> None:
        """Take one more face, and the blendshapes of it if there are any; trusted: (5,) of the regions, 0 to 1."""
        measures = anatomy.measures_of(state.shape, state.eye_ratio)
        angles = np.array(state.angles)
        seconds = (state.captured_ns - self._seen_ns) * 1e-9
        speed, turning = None, 0.0
        if self._measures is not None and 0 < seconds < _LONGEST_STEP * 2:
            speed = (measures - self._measures) / seconds
            turning = float(np.abs(angles - self._angles).max()) / seconds
        step = min(max(seconds, 0.0), _LONGEST_STEP) if self._seen_ns else _FIRST_SECONDS
        self._measures, self._angles, self._seen_ns = measures, angles, state.captured_ns
        found = judge(measures, self._usual_measures(), speed=speed, scores=scores)
        self._floor = np.minimum(found.unrest, self._floor + _FLOOR_RISE * step)
        frontal = math.exp(-float(np.square((angles - _USUAL_ANGLES) / _FRONTAL_DEGREES).sum()))
        still = math.exp(-max(turning / _STILL_DEGREES - 1, 0.0))
        calmness = np.exp(-(found.unrest - self._floor) / _UNREST_SCALE) * self._agreement(measures, found.unrest)
        weights = np.array([*calmness, still], np.float32) * frontal
        if trusted is not None:
            weights *= trusted
        removal = self._doubtful(found)
        shape = without_expression(state.shape, removal)
        calm = replace(state, shape=shape, eye_ratio=state.eye_ratio + removal[11:13])
        if self._face is None:
            self._face = _Sums.of_first(calm, np.maximum(weights, _LEAST_WEIGHT))
            self._believed = found.unrest
        else:
            rates = self._face.add(calm, weights=weights, seconds=step)[: anatomy.HEAD]
            self._believed = self._believed + rates * (found.unrest - self._believed)

    def _doubtful(self, found: Neutrality) -> FloatArray:
        """Return the removal of what nobody is calmer than for minutes: less and less, it is the person's own."""
        removal = found.removal.copy()
        for number, region in enumerate(anatomy.REGIONS):
            removal[region] *= 1 - self._floor[number] / max(float(found.unrest[number]), 1e-6)
        return removal

    def _agreement(self, measures: FloatArray, unrest: FloatArray) -> FloatArray:
        """Return how far each region agrees with the known neutral face, or is calmer than that, (4,) in [0, 1]."""
        if self._face is None:
            return np.ones(len(anatomy.REGIONS), np.float32)
        own = anatomy.measures_of(self._face.shape, self._face.eye_ratio)
        apart = np.square((measures - own) / _NEAR)
        doubt = np.clip(1 + (unrest - self._believed) / _CALMER, 0, 1) * np.minimum(
            self._face.seconds[: anatomy.HEAD], 1
        )
        return np.exp([-doubt[number] * apart[region].max() for number, region in enumerate(anatomy.REGIONS)])

    def _usual_measures(self) -> FloatArray:
        """Return the measures of the neutral face as far as it is known, (13,)."""
        if self._face is None:
            return PRIOR
        own = anatomy.measures_of(self._face.shape, self._face.eye_ratio)
        share = np.empty(len(PRIOR), np.float32)
        for number, region in enumerate(anatomy.REGIONS):
            known = self._face.seconds[number]
            share[region] = known / (known + _PRIOR_SECONDS)
        return np.asarray(PRIOR + share * (own - PRIOR))


class _Sums:
    """Weighted means of a person's calm faces, and the time that they stand for."""

    def __init__(self, neutral: NeutralPose, seconds: FloatArray) -> None:
        self.shape, self.eye_ratio, self.gaze = neutral.shape, neutral.eye_ratio, neutral.gaze
        self.seconds = seconds.copy()
        self._gaze_seconds = float(seconds[2:4].min())
        self._place_seconds = float(seconds[anatomy.HEAD])
        self._frame_width = neutral.frame_width
        self._pose = _numbers_of(neutral.pose)

    @classmethod
    def of_known(cls, neutral: NeutralPose) -> _Sums:
        return cls(neutral, np.minimum(neutral.calm_seconds, np.float32(MEMORY_SECONDS)))

    @classmethod
    def of_first(cls, state: FaceState, weights: FloatArray) -> _Sums:
        """Begin with a face without expression: a head turned aside and a glance are not believed either."""
        angles = np.array(state.angles)
        away = (angles - _USUAL_ANGLES) / _ANGLE_RANGES
        kept = _USUAL_ANGLES + _ANGLE_RANGES * np.clip(away, -1, 1)
        gaze = _USUAL_GAZE + np.clip(state.gaze - _USUAL_GAZE, -_GAZE_STEP, _GAZE_STEP)
        pose = replace(state.pose, rotation=rotation_from_euler(*kept))
        return cls(
            NeutralPose(pose, shape=state.shape, eye_ratio=state.eye_ratio, gaze=gaze, frame_width=state.frame_width),
            weights * _FIRST_SECONDS,
        )

    @property
    def neutral(self) -> NeutralPose:
        return NeutralPose(
            _pose_of(self._pose),
            shape=self.shape,
            eye_ratio=self.eye_ratio,
            gaze=self.gaze,
            frame_width=self._frame_width,
            calm_seconds=self.seconds,
        )

    def doubt(self) -> None:
        """Count the face, and the head's place, as seen for a moment only; how the person looks at the camera stays."""
        self.seconds[: anatomy.HEAD] = np.minimum(self.seconds[: anatomy.HEAD], _DOUBTED_SECONDS)
        self._place_seconds = min(self._place_seconds, _DOUBTED_SECONDS)

    def add(self, state: FaceState, *, weights: FloatArray, seconds: float) -> FloatArray:
        """Take a face without its expression, and return how much of it was taken; weights and rates: (5,)."""
        added = weights * seconds
        rates = added / (self.seconds + added + 1e-9)
        self._place_head(state.pose, float(added[anatomy.HEAD]))
        self.seconds = np.minimum(self.seconds + added, np.float32(MEMORY_SECONDS))
        self.shape = self.shape + (rates @ anatomy.region_shares())[:, None] * (state.shape - self.shape)
        eyes = rates[2:4]
        self.eye_ratio = self.eye_ratio + eyes * (state.eye_ratio - self.eye_ratio)
        self._look(state.gaze, float(added[2:4].min()))
        return rates

    def _place_head(self, pose: HeadPose, added: float) -> None:
        """Take a head's pose; added: calm time of the head in it."""
        known = np.array([self.seconds[anatomy.HEAD]] * 3 + [self._place_seconds] * 4)
        step = _POSE_STEP * [1, 1, 1, *(3 * [math.exp(self._pose[6])]), 1]
        step /= np.minimum(known / _POSE_SECONDS, 1.0) ** 3 + 1e-9
        self._pose = self._pose + added / (known + added + 1e-9) * np.clip(_numbers_of(pose) - self._pose, -step, step)
        self._place_seconds = min(self._place_seconds + added, MEMORY_SECONDS)

    def _look(self, gaze: FloatArray, added: float) -> None:
        """Take a gaze, which counts by how near to the camera it is; added: calm time of the eyes in it."""
        glance = (gaze - _USUAL_GAZE).mean(0) / _GLANCE
        added *= math.exp(-float(np.square(glance).sum()))
        rate = added / (self._gaze_seconds + added + 1e-9)
        self._gaze_seconds = min(self._gaze_seconds + added, MEMORY_SECONDS)
        self.gaze = self.gaze + np.float32(rate) * np.clip(gaze - self.gaze, -_GAZE_STEP, _GAZE_STEP)


def _numbers_of(pose: HeadPose) -> FloatArray:
    """Return yaw, pitch and roll in degrees, the place in pixels, and the logarithm of the size, (7,) float64."""
    return np.array([*euler_angles(pose.rotation), *pose.translation, math.log(pose.scale)])


def _pose_of(numbers: FloatArray) -> HeadPose:
    rotation = rotation_from_euler(*numbers[:3])
    return HeadPose(rotation, numbers[3:6].astype(np.float32), math.exp(numbers[6]))
