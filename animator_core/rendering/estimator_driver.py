"""The part of a driver that the estimator alone knows, for renderers that landmark motion is enough for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from animator_core.arrays import FloatArray
from animator_core.ipc.face_settings import FaceSettings
from animator_core.motion.estimator import MotionEstimator
from animator_core.tracking.observation import TrackedFrame

_NOT_FOUND: Mapping[str, FloatArray] = {}


class EstimatorDriver:
    """A `rendering.contract.Driver` without its ``place`` and ``place_again``."""

    def __init__(self, estimator: MotionEstimator) -> None:
        self._estimator = estimator

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

    def forget_neutral(self) -> None:
        """Estimate the neutral pose anew."""
        self._estimator.forget_neutral()

    def calibrate_from(self, faces: Iterable[TrackedFrame]) -> None:
        """Find the neutral pose in the faces of a clip."""
        self._estimator.calibrate_from(each.observation for each in faces if each.observation is not None)

    def face_lost(self, now_ns: int) -> None:
        """Tell that no face is seen."""
        self._estimator.face_lost(now_ns)
