"""The warp's driver: landmarks tell everything that it draws."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from animator_core.arrays import FloatArray
from animator_core.ipc.face_settings import FaceSettings
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.estimator import MotionEstimator
from animator_core.rendering.contract import Placement
from animator_core.tracking.observation import TrackedFrame

_NOT_FOUND: Mapping[str, FloatArray] = {}


class PlacesMotion(Protocol):
    """A renderer that landmark motion is enough for."""

    def place(self, motion: DrivingMotion) -> Placement:
        """Return the character in ``motion``."""
        ...


class LandmarkDriver:
    """Drives a renderer by the estimator's motion alone; see `rendering.contract.Driver`."""

    def __init__(self, renderer: PlacesMotion, estimator: MotionEstimator) -> None:
        self._renderer, self._estimator = renderer, estimator
        self._motion = DrivingMotion()

    @property
    def neutral(self) -> Mapping[str, FloatArray]:
        """The estimator's neutral pose."""
        neutral = self._estimator.neutral
        return _NOT_FOUND if neutral is None else neutral.arrays

    def set_neutral(self, arrays: Mapping[str, FloatArray]) -> None:
        """Take nothing: the estimator knows it all."""

    def set_settings(self, settings: FaceSettings) -> None:
        """Take other settings."""
        self._estimator.set_settings(settings)

    def calibrate(self) -> None:
        """Make the present moment the neutral pose."""
        self._estimator.calibrate()

    def calibrate_from(self, beginning: Sequence[TrackedFrame]) -> None:
        """Find the neutral pose in the first second of a clip."""
        self._estimator.calibrate_from([each.observation for each in beginning if each.observation is not None])

    def face_lost(self, now_ns: int) -> None:
        """Tell that no face is seen."""
        self._estimator.face_lost(now_ns)

    def place(self, tracked: TrackedFrame | None, now_ns: int) -> Placement:
        """Return the character at ``now_ns``."""
        self._motion = self._estimator.follow(tracked, now_ns)
        return self.place_again()

    def place_again(self) -> Placement:
        """Return the last motion of the character that is set now."""
        return self._renderer.place(self._motion)
