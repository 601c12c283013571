"""The warp's driver: landmarks tell everything that it draws."""

from __future__ import annotations

from typing import Protocol

from animator_core.motion.driving import DrivingMotion
from animator_core.motion.estimator import MotionEstimator
from animator_core.rendering.contract import Placement
from animator_core.rendering.estimator_driver import EstimatorDriver
from animator_core.tracking.observation import TrackedFrame


class PlacesMotion(Protocol):
    """A renderer that landmark motion is enough for."""

    def place(self, motion: DrivingMotion) -> Placement:
        """Return the character in ``motion``."""
        ...


class LandmarkDriver(EstimatorDriver):
    """Drives a renderer by the estimator's motion alone; see `rendering.contract.Driver`."""

    def __init__(self, renderer: PlacesMotion, estimator: MotionEstimator) -> None:
        super().__init__(estimator)
        self._renderer = renderer
        self._motion = DrivingMotion()

    def place(self, tracked: TrackedFrame | None, now_ns: int) -> Placement:
        """Return the character at ``now_ns``."""
        self._motion = self._estimator.follow(tracked, now_ns)
        return self.place_again()

    def place_again(self) -> Placement:
        """Return the last motion of the character that is set now."""
        return self._renderer.place(self._motion)
