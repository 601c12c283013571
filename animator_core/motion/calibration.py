"""Finds the person's neutral pose: what every motion is measured against."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.motion.face_state import FaceState
from animator_core.tracking.face_model import face_model
from animator_core.tracking.pose import HeadPose, rotation_from_vector, vector_from_rotation

STABLE_SECONDS = 1.0
_LEAST_STATES = 8
"""A slow camera needs longer for as many, but none is looked at that is older than `_OLDEST_SECONDS`."""
_OLDEST_SECONDS = 3.0
_GIVE_UP_SECONDS = 6.0
_BUTTON_SECONDS = 0.4
_MAX_TURN_DEGREES = 3.0
_MAX_SHAPE_CHANGE = 0.008
_MAX_MOUTH_CHANGE = 0.012
_LIPS = (13, 14)
_RESTING_SHARE = 0.25
_MAX_FRONTAL_DEGREES = 25.0


@dataclass(frozen=True)
class Neutral:
    """The neutral pose: a pose, a shape ((478, 3) face units), eye ratios (2,) and gaze (2, 2).

    frame_width: of the frames it was seen in, in pixels.
    """

    pose: HeadPose
    shape: np.ndarray
    eye_ratio: np.ndarray
    gaze: np.ndarray
    frame_width: int

    @functools.cached_property
    def arrays(self) -> dict[str, FloatArray]:
        """Its numbers by name, for another run of the program; see `kept_neutral`."""
        pose = self.pose
        numbers = {
            "rotation": pose.rotation,
            "translation": pose.translation,
            "scale": pose.scale,
            "shape": self.shape,
            "eye_ratio": self.eye_ratio,
            "gaze": self.gaze,
            "frame_width": self.frame_width,
        }
        return {name: np.asarray(value, np.float32) for name, value in numbers.items()}

    def mirrored(self) -> Neutral:
        """Return the neutral pose that the mirrored frames would have given, see `face_state.mirrored`."""
        flip = np.array([-1.0, 1.0, 1.0], np.float32)
        pose, x = self.pose, self.frame_width - self.pose.translation[0]
        return Neutral(
            # M R M, for M that turns x round
            HeadPose(
                pose.rotation * np.outer(flip, flip), np.array([x, *pose.translation[1:]], np.float32), pose.scale
            ),
            self.shape[face_model().mirror] * flip,
            self.eye_ratio[::-1].copy(),
            self.gaze[::-1] * flip[:2],
            self.frame_width,
        )


def neutral_of(states: Sequence[FaceState]) -> Neutral:
    """Return the neutral pose that the states have in common (medians, so that one blink does not count)."""
    base = states[0].pose.rotation
    turns = np.median([vector_from_rotation(s.pose.rotation @ base.T) for s in states], axis=0)
    pose = HeadPose(
        rotation_from_vector(turns) @ base,
        np.median([s.pose.translation for s in states], axis=0).astype(np.float32),
        float(np.median([s.pose.scale for s in states])),
    )
    return Neutral(
        pose,
        np.median([s.shape for s in states], axis=0).astype(np.float32),
        np.median([s.eye_ratio for s in states], axis=0).astype(np.float32),
        np.median([s.gaze for s in states], axis=0).astype(np.float32),
        states[0].frame_width,
    )


def resting(states: Sequence[FaceState]) -> Sequence[FaceState]:
    """Return the states in which the mouth is closed most: somebody who talks has a neutral face between the words."""
    openings = np.array([_mouth_opening(s) for s in states])
    most = np.quantile(openings, _RESTING_SHARE)
    return [s for s, opening in zip(states, openings) if opening <= most]


def _mouth_opening(state: FaceState) -> float:
    upper, lower = _LIPS
    return float(state.shape[lower, 1] - state.shape[upper, 1])


class Calibration:
    """Watches face states until a second of them is stable; after six seconds it takes the calmest second seen.

    A camera of fewer than eight frames a second is given the time that eight take; of one that is slower still, what
    there is counts after six seconds.
    """

    def __init__(self) -> None:
        self._recent: deque[FaceState] = deque()
        self._first_ns: int | None = None
        self._best: tuple[float, Neutral] | None = None

    def restart(self) -> None:
        """Forget what was seen."""
        self._recent.clear()
        self._first_ns = self._best = None

    def watch(self, state: FaceState) -> Neutral | None:
        """Take one more state; return the neutral pose once it is found."""
        self.remember(state)
        if self._first_ns is None:
            self._first_ns = state.captured_ns
        span = (state.captured_ns - self._recent[0].captured_ns) * 1e-9
        if span >= STABLE_SECONDS * 0.9 and len(self._recent) >= _LEAST_STATES:
            unrest = _unrest(self._recent)
            if self._best is None or unrest < self._best[0]:
                self._best = (unrest, neutral_of(resting(self._recent)))
            if unrest <= 1.0:
                return self._best[1]
        if (state.captured_ns - self._first_ns) * 1e-9 >= _GIVE_UP_SECONDS:
            return self._best[1] if self._best else neutral_of(resting(self._recent))
        return None

    def remember(self, state: FaceState) -> None:
        """Keep a state of the last moments, for `from_recent`."""
        self._recent.append(state)
        while True:
            age = (state.captured_ns - self._recent[0].captured_ns) * 1e-9
            if age <= STABLE_SECONDS or (len(self._recent) <= _LEAST_STATES and age <= _OLDEST_SECONDS):
                break
            self._recent.popleft()

    def from_recent(self) -> Neutral | None:
        """Return the neutral pose of the last moment: the person has pressed "calibrate"."""
        if not self._recent:
            return None
        newest = self._recent[-1].captured_ns
        return neutral_of([s for s in self._recent if (newest - s.captured_ns) * 1e-9 <= _BUTTON_SECONDS])


def _unrest(states: Sequence[FaceState]) -> float:
    """Return how far from still, frontal and expressionless the states are; up to 1 is stable."""
    angles = np.array([s.angles for s in states])
    turn = float(np.ptp(angles, axis=0).max()) / _MAX_TURN_DEGREES
    # Without the slowest part of the lids' motion: a blink belongs to a resting face.
    change = float(np.percentile(np.std([s.shape for s in states], axis=0), 90)) / _MAX_SHAPE_CHANGE
    mouth = float(np.std([_mouth_opening(s) for s in states])) / _MAX_MOUTH_CHANGE
    aside = float(np.abs(angles.mean(0))[:2].max()) / _MAX_FRONTAL_DEGREES
    return max(turn, change, mouth, aside)
