"""The driver's neutral face, kept so that it survives mirroring, another renderer and another run of the worker."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import replace
from typing import Callable

import numpy as np
import torch

from animator_core.liveportrait.motion.crop import FaceSquare
from animator_core.liveportrait.motion.driving_view import DrivingView
from animator_core.liveportrait.motion.face_motion import FaceMotion, motion_from_arrays, motion_to_arrays
from animator_core.motion.kept_neutral import are_sound

_PREFIX = "liveportrait_"
_SQUARE, _IS_MIRRORED = f"{_PREFIX}square", f"{_PREFIX}is_mirrored"
_SHAPES = {
    **{
        f"{_PREFIX}{name}": shape
        for name, shape in (
            ("rotation", (1, 3, 3)),
            ("expression", (1, 21, 3)),
            ("scale", (1, 1)),
            ("translation", (1, 3)),
            ("canonical_keypoints", (1, 21, 3)),
            ("eye_ratios", (1, 2)),
            ("lip_ratio", (1, 1)),
        )
    },
    _SQUARE: (3,),
    _IS_MIRRORED: (),
}
_EVERY_NS = 100_000_000
_VIEWS = 16


class RecentViews:
    """The crops of the last moments: one of them shows the neutral face, and can be looked at in a mirror."""

    def __init__(self) -> None:
        self._recent: deque[tuple[int, np.ndarray, FaceMotion]] = deque(maxlen=_VIEWS)

    def add(self, view: DrivingView, seen: FaceMotion, captured_ns: int) -> None:
        """Keep a view now and then; seen: the motion in it."""
        if not self._recent or captured_ns - self._recent[-1][0] >= _EVERY_NS:
            self._recent.append((captured_ns, view.pixels, seen))

    def nearest(self, neutral: FaceMotion) -> np.ndarray | None:
        """Return the pixels, (256, 256, 3) uint8 RGB, of the view whose expression is nearest to the neutral one."""
        if not self._recent:
            return None
        return min(self._recent, key=lambda each: float((each[2].expression - neutral.expression).abs().sum()))[1]

    def clear(self) -> None:
        """Forget them all."""
        self._recent.clear()


def mirrored(neutral: FaceMotion, pixels: np.ndarray, look: Callable[[np.ndarray], FaceMotion]) -> FaceMotion:
    """Return the neutral face (N = 1) in the mirror.

    Pose and ratios are mirrored by themselves. What the networks' keypoints mean is theirs, so those are of the crop
    of the neutral face, (256, 256, 3) uint8 RGB, mirrored; look: returns what the motion extractor sees in a crop.
    """
    seen = look(np.ascontiguousarray(pixels[:, ::-1]))
    flip = torch.tensor([-1.0, 1.0, 1.0])
    return replace(
        neutral,
        # M R M, for M that turns x round
        rotation=neutral.rotation * torch.outer(flip, flip),
        translation=neutral.translation * flip,
        eye_ratios=None if neutral.eye_ratios is None else neutral.eye_ratios.flip(1),
        expression=seen.expression,
        canonical_keypoints=seen.canonical_keypoints,
    )


def to_arrays(neutral: FaceMotion, square: FaceSquare, is_mirrored: bool) -> dict[str, np.ndarray]:
    """Return a neutral face and the crop in whose coordinates it is, by name."""
    arrays = {f"{_PREFIX}{name}": value for name, value in motion_to_arrays(neutral).items()}
    arrays[_SQUARE] = np.array([*square.centre, square.size], np.float32)
    arrays[_IS_MIRRORED] = np.array(float(is_mirrored), np.float32)
    return arrays


def from_arrays(arrays: Mapping[str, np.ndarray]) -> tuple[FaceMotion, FaceSquare, bool] | None:
    """Return what `to_arrays` was given; None where the arrays are none of it."""
    if not are_sound(arrays, _SHAPES):
        return None
    names = [name for name in _SHAPES if name not in (_SQUARE, _IS_MIRRORED)]
    neutral = motion_from_arrays({name.removeprefix(_PREFIX): arrays[name] for name in names})
    x, y, size = (float(value) for value in arrays[_SQUARE])
    return neutral, FaceSquare(np.array([x, y]), size, 0.0), bool(arrays[_IS_MIRRORED])
