"""The driver of anime characters: the estimator's motion as their parameters, with lids, breath and sway."""

from __future__ import annotations

import math
from typing import Protocol

import numpy as np

from animator_core.anime import parameters
from animator_core.anime.face_parameters import face_parameters
from animator_core.anime.lids import Lids
from animator_core.arrays import FloatArray
from animator_core.motion.estimator import MotionEstimator
from animator_core.motion.filters import Ease
from animator_core.rendering.contract import Placement
from animator_core.rendering.estimator_driver import EstimatorDriver
from animator_core.tracking.observation import TrackedFrame

_BREATH_SECONDS = 4.2
_SWAY = ((parameters.INDEX["body_y"], 0.15, 7.1), (parameters.INDEX["body_z"], 0.12, 11.3))
"""Parameter, size and seconds of each part of the idle sway."""


class PlacesParameters(Protocol):
    """A renderer of anime characters."""

    def place(self, parameters: FloatArray, captured_ns: int) -> Placement:
        """Return the character with ``parameters``, (45,) float32 in the order of `anime.parameters.NAMES`.

        captured_ns: capture time of the driving frame behind them; 0 for none.
        """
        ...


class AnimeDriver(EstimatorDriver):
    """Drives anime characters; see `rendering.contract.Driver`.

    They always breathe, and sway a little while nobody drives, unless the shoulders are to keep still.
    """

    def __init__(self, renderer: PlacesParameters, estimator: MotionEstimator) -> None:
        super().__init__(estimator)
        self._renderer = renderer
        self._lids = Lids()
        self._sway_share: Ease[float] = Ease(lambda start, end, share: start + (end - start) * share)
        self._had_face = False
        self._parameters = parameters.pose()
        self._captured_ns = 0

    def place(self, tracked: TrackedFrame | None, now_ns: int) -> Placement:
        """Return the character at ``now_ns``."""
        motion = self._estimator.follow(tracked, now_ns)
        vector = face_parameters(motion, self._lids(motion.eye_openness, now_ns))
        breathing = 0.5 - 0.5 * math.cos(_phase(now_ns, _BREATH_SECONDS))
        vector[parameters.INDEX["breathing"]] = motion.torso * breathing
        share = motion.torso * self._idle_share(now_ns)
        for index, size, seconds in _SWAY:
            vector[index] = np.clip(vector[index] + share * size * math.sin(_phase(now_ns, seconds)), -1.0, 1.0)
        self._parameters, self._captured_ns = vector, motion.captured_ns
        return self.place_again()

    def place_again(self) -> Placement:
        """Return the last parameters of the character that is set now."""
        return self._renderer.place(self._parameters, self._captured_ns)

    def _idle_share(self, now_ns: int) -> float:
        """Return how much of the sway is shown, in [0, 1]."""
        has_face = self._estimator.has_face
        if has_face != self._had_face:
            self._had_face = has_face
            self._sway_share.begin(now_ns)
        return self._sway_share(0.0 if has_face else 1.0, now_ns)


def _phase(now_ns: int, seconds: float) -> float:
    return 2 * math.pi * (now_ns * 1e-9 % seconds) / seconds
