"""Render reuse: a frame whose motion nobody could tell from the last one's is not drawn again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animator_core.motion.driving import DrivingMotion

# About a tenth of a pixel at a face of 300 pixels.
_ANGLE_RAD = 3e-4
_FACE_SIZES = 3e-4
_OPENNESS = 2e-3


@dataclass(frozen=True)
class RenderReuseInfo:
    """How much work was saved.

    hit_rate: share of frames, 0 to 1, that needed no rendering. rendered, reused: frames so far.
    """

    hit_rate: float
    rendered: int
    reused: int


class RenderReuse:
    """Tells which frames need rendering; one for each pipeline."""

    def __init__(self, is_enabled: bool = True) -> None:
        self._is_enabled = is_enabled
        self._last: DrivingMotion | None = None
        self._rendered = 0
        self._reused = 0

    def needs_rendering(self, motion: DrivingMotion) -> bool:
        """Return whether ``motion`` differs visibly from the last one that was rendered; counts the answer."""
        if self._is_enabled and self._last is not None and _is_same(motion, self._last):
            self._reused += 1
            return False
        self._last = motion
        self._rendered += 1
        return True

    def forget(self) -> None:
        """Have the next frame rendered whatever its motion is: the character or the renderer changed."""
        self._last = None

    def get_info(self) -> RenderReuseInfo:
        """Return the counts so far."""
        total = self._rendered + self._reused
        return RenderReuseInfo(self._reused / total if total else 0.0, self._rendered, self._reused)


def _is_same(one: DrivingMotion, other: DrivingMotion) -> bool:
    return (
        abs(one.scale - other.scale) <= _FACE_SIZES
        and abs(one.breath - other.breath) <= _OPENNESS
        and _differ_at_most(one.rotation, other.rotation, _ANGLE_RAD)
        and _differ_at_most(one.translation, other.translation, _FACE_SIZES)
        and _differ_at_most(one.eye_openness, other.eye_openness, _OPENNESS)
        and _differ_at_most(one.gaze, other.gaze, _OPENNESS)
        and _differ_at_most(one.expression, other.expression, _FACE_SIZES)
    )


def _differ_at_most(one: np.ndarray, other: np.ndarray, most: float) -> bool:
    return bool(np.abs(one - other).max() <= most)
