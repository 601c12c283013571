"""Animates a character from a clip, frame for frame: what `animate` writes and `benchmark` measures."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from itertools import chain
from typing import Protocol

import numpy as np

from animator_core.driving_clip import DrivingMoment
from animator_core.motion.driving import DrivingMotion
from animator_core.render.contract import Renderer
from animator_core.timing import StageTimes
from animator_core.tracking.observation import FaceObservation

CALIBRATION_TIME = Fraction(1)
"""How much of a clip's start tells its neutral pose; that much is held back, and no more (a clip may be long)."""


class Estimator(Protocol):
    """What is needed of `animator_core.motion.estimator.MotionEstimator`."""

    def update(self, observation: FaceObservation | None, now_ns: int) -> DrivingMotion:
        """Return the motion of a moment; None: nothing new was seen."""
        ...

    def face_lost(self, now_ns: int) -> None:
        """Take note that the tracker sees no face."""
        ...

    def calibrate_from(self, observations: list[FaceObservation]) -> None:
        """Take the neutral pose from these."""
        ...


def calibrated(moments: Iterator[DrivingMoment], estimator: Estimator) -> Iterator[DrivingMoment]:
    """Yield every moment after the estimator has taken the neutral pose from the first second.

    Without a face in the first second the estimator finds its neutral pose by itself later, as it does live.
    """
    held: list[DrivingMoment] = []
    for moment in moments:
        held.append(moment)
        if moment.time >= CALIBRATION_TIME:
            break
    seen = [moment.observation for moment in held if moment.observation is not None]
    if seen:
        estimator.calibrate_from(seen)
    yield from chain(held, moments)


def animate_moments(
    moments: Iterator[DrivingMoment], estimator: Estimator, renderer: Renderer, times: StageTimes
) -> Iterator[tuple[DrivingMoment, np.ndarray]]:
    """Yield every moment with the character in it: (H, W, 4) uint8 premultiplied BGRA, reused by the next one."""
    for moment in calibrated(moments, estimator):
        with times.measure("motion"):
            if moment.observation is None:
                estimator.face_lost(moment.captured_ns)
            motion = estimator.update(moment.observation, moment.captured_ns)
        with times.measure("render"):
            frame = renderer.render(motion, moment.picture)
        yield moment, frame
