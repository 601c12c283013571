"""From observations of a face to the motion that drives a character: relative, smoothed, never jumping."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.ipc.face_settings import FaceSettings
from animator_core.motion.confidence import Confidence
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.emotes.player import EmotePlayer
from animator_core.motion.face_state import FaceState, NeutralPose, SteadyFrame, face_state, mirrored
from animator_core.motion.filters import Ease, OneEuroFilter, resting_cutoff_hz
from animator_core.motion.idle import IdleMotion
from animator_core.motion.neutral_face import NeutralFace
from animator_core.motion.regions import Region
from animator_core.motion.rotation import euler_angles, rotation_from_euler, rotation_from_vector, vector_from_rotation
from animator_core.motion.strengths import strengthened
from animator_core.tracking.observation import FaceObservation, TrackedFrame

_CLOSED_RATIO = 0.15
"""Share of the neutral lid opening at which MediaPipe's lids of a closed eye lie (measured: 0.05 to 0.2)."""
_HOLD_SECONDS = 0.3
_MOST_OPENNESS = 2.0
_MOST_WIDENED = 0.4
"""A neutral face taken with narrowed eyes has the usual ones look torn open; wide eyes approach this much more."""
_MOUTH_CORNERS = (61, 291)


class MotionEstimator:
    """Turns observations into `DrivingMotion`, one person at a time."""

    def __init__(self, settings: FaceSettings | None = None) -> None:
        self.settings = settings or FaceSettings()
        self._frame = SteadyFrame()
        self.confidence = Confidence()
        self.emotes = EmotePlayer()
        self._neutral = NeutralFace()
        self._noted: tuple[NeutralPose | None, NeutralPose | None] = (None, None)
        self._idle = IdleMotion()
        self._ease = Ease(blend)
        self._ease.restart(DrivingMotion())
        self._make_filters()
        self.has_face = False
        self._live: DrivingMotion | None = None
        self._lost_ns: int | None = None
        self._now_ns = 0
        self._filtered_ns = 0

    @property
    def is_calibrated(self) -> bool:
        """Whether the neutral pose was found: calm moments of the whole face were seen."""
        return self._neutral.is_found

    @property
    def neutral(self) -> NeutralPose | None:
        """The neutral pose that was found, of the frames as they are, not mirrored; None before.

        The same object until another is worth being kept.
        """
        kept = self._neutral.kept
        if kept is not self._noted[0]:
            self._noted = kept, None if kept is None else self._mirrored(kept)
        return self._noted[1]

    @property
    def live(self) -> DrivingMotion | None:
        """The motion of the face that drives; None without one."""
        return self._live if self.has_face else None

    @property
    def is_moving(self) -> bool:
        """Whether the motion changes by itself: frames are worth rendering without new observations."""
        return not self.has_face or self._lost_ns is not None or self._ease.is_easing or self.emotes.is_playing

    def set_settings(self, settings: FaceSettings) -> None:
        """Take other settings; mirroring mirrors the neutral pose with everything else."""
        if settings.mirror != self.settings.mirror:
            self._neutral.mirror()
        if (settings.mirror, settings.still_shoulders) != (self.settings.mirror, self.settings.still_shoulders):
            self._ease.begin(self._now_ns)
        self.settings = settings
        self._make_filters()

    def set_neutral(self, neutral: NeutralPose) -> None:
        """Take a neutral pose that `neutral` gave before, in another run for example."""
        self._neutral.take(self._mirrored(neutral))
        self._begin_again()

    def calibrate(self) -> None:
        """Make the present moment the neutral pose, until it is forgotten; without a face it is forgotten now."""
        self._neutral.choose()
        self._begin_again()

    def forget_neutral(self) -> None:
        """Estimate the neutral pose anew."""
        self._neutral.forget()
        self._begin_again()

    def calibrate_from(self, observations: Iterable[FaceObservation]) -> None:
        """Find the neutral pose in observations that are known beforehand (a clip's); nothing without any."""
        frame = SteadyFrame()
        if self._neutral.learn(self._state(frame.observe(observation), None) for observation in observations):
            # A clip begins as it is; live, the first frames of a track are unsettled, and the motion eases in.
            self._ease.restart()

    def follow(self, tracked: TrackedFrame | None, now_ns: int) -> DrivingMotion:
        """Return the motion at ``now_ns``; tracked: a new driving frame, or None for none since the last call."""
        self.confidence.observe(tracked, now_ns)
        if tracked is not None and tracked.observation is None:
            self.face_lost(now_ns)
        return self.update(None if tracked is None else tracked.observation, now_ns)

    def update(self, observation: FaceObservation | None, now_ns: int) -> DrivingMotion:
        """Return the motion at ``now_ns``; observation: a new one, or None for none since the last call."""
        seconds = min(max((now_ns - self._now_ns) * 1e-9, 1e-4), 0.5)
        self._now_ns = now_ns
        if observation is not None:
            self._observe(observation)
        if self._lost_ns is not None and (now_ns - self._lost_ns) * 1e-9 > _HOLD_SECONDS and self.has_face:
            self.has_face = False
            self._idle.restart()
            self._ease.begin(now_ns)
        target = self._live if self.has_face and self._live is not None else self._idle.advance(seconds)
        if self.settings.still_shoulders:
            target = replace(target, torso=0.0, breath=0.0)
        return self.emotes.over(self._ease(target, now_ns), now_ns)

    def face_lost(self, now_ns: int) -> None:
        """Tell that the tracker sees no face; after a short hold the character eases to its idle motion."""
        if self._lost_ns is None:
            self._lost_ns = now_ns

    def _observe(self, observation: FaceObservation) -> None:
        self._lost_ns = None
        steady = self._frame.observe(observation)
        known = self._neutral.pose
        state, scores = self._state(steady, known.shape if known else None)
        neutral = self._neutral.observe(state, scores, self._trusted())
        if not self.has_face:
            self.has_face = True
            self._reset_filters()
            self._ease.begin(self._now_ns)
        self._live = self.confidence.ease(self._relative(state, neutral), self.settings.mirror)

    def _state(
        self, observation: FaceObservation, neutral_shape: FloatArray | None
    ) -> tuple[FaceState, Mapping[str, float] | None]:
        """Return the state and the blendshapes of a face, in the mirror if that is set."""
        seen = mirrored(observation) if self.settings.mirror else observation
        return face_state(seen, neutral_shape), seen.blendshapes

    def _trusted(self) -> FloatArray:
        """Return which regions of `anatomy.REGIONS`, and the head, are seen well, (5,), mirrored like the face."""
        eyes = (Region.LEFT_EYE, Region.RIGHT_EYE) if self.settings.mirror else (Region.RIGHT_EYE, Region.LEFT_EYE)
        regions = (Region.MOUTH, Region.BROWS, *eyes, Region.HEAD)
        return np.array([self.confidence.is_trusted(region) for region in regions], np.float32)

    def _relative(self, state: FaceState, neutral: NeutralPose) -> DrivingMotion:
        settings = self.settings
        seconds = min(max((state.captured_ns - self._filtered_ns) * 1e-9, 1e-3), 0.2)
        self._filtered_ns = state.captured_ns
        turn = np.radians(np.subtract(euler_angles(state.pose.rotation), euler_angles(neutral.pose.rotation)))
        shift = (state.pose.translation - neutral.pose.translation)[:2] / neutral.pose.scale
        size = math.log(state.pose.scale / neutral.pose.scale)
        pose = self._pose_filter(np.array([*turn, *shift, size], np.float32), seconds)
        expression = self._expression_filter(state.shape - neutral.shape, seconds)
        closed = _CLOSED_RATIO
        openness = (state.eye_ratio / np.maximum(neutral.eye_ratio, 0.05) - closed) / (1 - closed)
        openness = self._eye_filter(np.clip(openness, 0.0, _MOST_OPENNESS), seconds)
        motion = DrivingMotion(
            rotation=rotation_from_euler(*np.degrees(pose[:3])),
            translation=pose[3:5],
            scale=float(np.exp(pose[5])),
            expression=expression,
            eye_openness=openness,
            gaze=self._gaze_filter(state.gaze - neutral.gaze, seconds),
            mouth_width=float(np.linalg.norm(neutral.shape[_MOUTH_CORNERS[0]] - neutral.shape[_MOUTH_CORNERS[1]])),
            captured_ns=state.captured_ns,
        )
        strong = strengthened(motion, settings)
        return replace(strong, eye_openness=_softened(strong.eye_openness))

    def _begin_again(self) -> None:
        self._reset_filters()
        self._ease.begin(self._now_ns)

    def _mirrored(self, neutral: NeutralPose) -> NeutralPose:
        """Return a neutral pose of the frames as they are for those that are looked at, and the other way round."""
        return neutral.mirrored() if self.settings.mirror else neutral

    def _make_filters(self) -> None:
        calm_hz = resting_cutoff_hz(self.settings.smoothing)
        self._pose_filter = OneEuroFilter(calm_hz, beta=30.0)
        self._expression_filter = OneEuroFilter(calm_hz * 1.5, beta=100.0, speed_cutoff_hz=8.0)
        # A blink takes three frames: its speed must count at once.
        self._eye_filter = OneEuroFilter(calm_hz * 2.0, beta=10.0, speed_cutoff_hz=60.0)
        self._gaze_filter = OneEuroFilter(calm_hz, beta=25.0)

    def _reset_filters(self) -> None:
        for each in (self._pose_filter, self._expression_filter, self._eye_filter, self._gaze_filter):
            each.reset()


def blend(start: DrivingMotion, end: DrivingMotion, share: float) -> DrivingMotion:
    """Return the motion between two: ``share`` 0 is ``start``, 1 is ``end``."""

    def mix(a: FloatArray, b: FloatArray) -> FloatArray:
        return np.asarray(a + (b - a) * share, np.float32)

    step = vector_from_rotation(end.rotation @ start.rotation.T)
    return DrivingMotion(
        rotation=rotation_from_vector(step * share) @ start.rotation,
        translation=mix(start.translation, end.translation),
        scale=math.exp((1 - share) * math.log(start.scale) + share * math.log(end.scale)),
        expression=mix(start.expression, end.expression),
        eye_openness=mix(start.eye_openness, end.eye_openness),
        gaze=mix(start.gaze, end.gaze),
        mouth_width=start.mouth_width + (end.mouth_width - start.mouth_width) * share,
        breath=start.breath + (end.breath - start.breath) * share,
        torso=start.torso + (end.torso - start.torso) * share,
        captured_ns=end.captured_ns,
    )


def _softened(openness: FloatArray) -> FloatArray:
    wider = np.maximum(openness - 1, 0.0)
    return np.asarray(np.minimum(openness, 1.0) + _MOST_WIDENED * np.tanh(wider / _MOST_WIDENED))
