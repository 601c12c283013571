"""Motion templates: the motion of a clip as LivePortrait sees it, in one .npz file that runs no code.

Members: ``format_version`` (1), ``kind`` ("liveportrait"), ``fps``, and for N frames, all float32: ``rotation``
(N, 3, 3), ``expression`` (N, 21, 3), ``scale`` (N, 1), ``translation`` (N, 3); optional ``canonical_keypoints``
(N, 21, 3), ``eye_ratios`` (N, 2), ``lip_ratio`` (N, 1). `face_motion.FaceMotion` explains them. All of
them again for one frame, each with ``neutral_`` before its name: the driver's neutral face, if it is known.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.atomic_file import DAMAGE, read_npz, write_npz
from animator_core.errors import MotionError

FORMAT_VERSION = 1
KIND = "liveportrait"
SUFFIX = ".npz"
MAX_FRAMES = 1_000_000
MAX_FRAME_RATE = 1000.0
_MAX_UNPACKED_BYTES = 1 << 29
_FRAME_SHAPES: dict[str, tuple[int, ...]] = {
    "rotation": (3, 3),
    "expression": (21, 3),
    "scale": (1,),
    "translation": (3,),
    "canonical_keypoints": (21, 3),
    "eye_ratios": (2,),
    "lip_ratio": (1,),
}
_REQUIRED = ("rotation", "expression", "scale", "translation")
_NEUTRAL = "neutral_"
_HEADER = ("kind", "format_version", "fps")
_LARGEST = 1e4


@dataclass(frozen=True)
class MotionTemplate:
    """A recorded motion; the arrays are float32 with one row a frame, as the file has them. Raises MotionError.

    fps: frames a second. canonical_keypoints, eye_ratios, lip_ratio: None if the recording lacks them.
    neutral: one frame, which the motion is measured against; None: the first frame, as in the official templates.
    """

    fps: float
    rotation: FloatArray
    expression: FloatArray
    scale: FloatArray
    translation: FloatArray
    canonical_keypoints: FloatArray | None = None
    eye_ratios: FloatArray | None = None
    lip_ratio: FloatArray | None = None
    neutral: MotionTemplate | None = None

    def __post_init__(self) -> None:
        """Refuse arrays that do not belong together or hold no possible motion."""
        if not math.isfinite(self.fps) or not 0 < self.fps <= MAX_FRAME_RATE:
            raise MotionError(f"the template's fps is {self.fps:g}", "record it again")
        for name, array in self.arrays().items():
            expected = (len(self), *_FRAME_SHAPES[name])
            if array.shape != expected or array.dtype != np.float32:
                raise MotionError(
                    f"the template's {name} is {array.dtype} {array.shape}, not float32 {expected}", "record it again"
                )
            if not (np.abs(array) <= _LARGEST).all():
                raise MotionError(f"the template's {name} holds no numbers of a face", "record it again")
        if not 0 < len(self) <= MAX_FRAMES:
            raise MotionError(f"the template has {len(self)} frames", f"record 1 to {MAX_FRAMES}")
        if not (self.scale > 0).all():
            raise MotionError("the template's scale is not positive", "record it again")
        if self.neutral is not None and (
            len(self.neutral) != 1 or self.neutral.arrays().keys() != self.arrays().keys()
        ):
            raise MotionError("the template's neutral face does not fit its frames", "record it again")

    def __len__(self) -> int:
        return len(self.rotation)

    def arrays(self) -> dict[str, FloatArray]:
        """Return the arrays that there are, by name."""
        found = {name: getattr(self, name) for name in _FRAME_SHAPES}
        return {name: array for name, array in found.items() if array is not None}


def template_from_arrays(fps: float, arrays: Mapping[str, FloatArray]) -> MotionTemplate:
    """Return a template of arrays by the names that the file has; raises MotionError."""
    neutral = {name[len(_NEUTRAL) :]: array for name, array in arrays.items() if name.startswith(_NEUTRAL)}
    if neutral:
        return replace(_frames(fps, arrays), neutral=_frames(fps, neutral))
    return _frames(fps, arrays)


def _frames(fps: float, arrays: Mapping[str, FloatArray]) -> MotionTemplate:
    for name in _REQUIRED:
        if name not in arrays:
            raise MotionError(f"the template has no {name}", "record it again")
    known = {name: np.asarray(array) for name, array in arrays.items() if name in _FRAME_SHAPES}
    for name, array in known.items():
        if array.dtype.kind not in "fiu" or array.ndim == 0:
            raise MotionError(f"the template's {name} is {array.dtype} {array.shape}", "record it again")
    arrays_by_name: dict[str, Any] = {name: array.astype(np.float32) for name, array in known.items()}
    return MotionTemplate(fps, **arrays_by_name)


def write_template(path: Path, template: MotionTemplate) -> None:
    """Write a template as a whole or not at all; raises MotionError if it cannot be written."""
    header = {
        "format_version": np.int64(FORMAT_VERSION),
        "kind": np.array(KIND),
        "fps": np.float64(template.fps),
    }
    neutral = template.neutral.arrays() if template.neutral else {}
    members = {**header, **template.arrays(), **{_NEUTRAL + name: array for name, array in neutral.items()}}
    try:
        write_npz(path, members)
    except OSError as exc:
        raise MotionError(f"cannot write the template {path}: {exc.strerror}", "choose another folder") from exc


def is_template(path: Path) -> bool:
    """Return whether an .npz file says that it is a template, and not a landmark motion; False for damaged ones."""
    try:
        kind = read_npz(path, ("kind",), _MAX_UNPACKED_BYTES).get("kind")
    except (OSError, *DAMAGE):
        return False
    return kind is not None and kind.dtype.kind == "U" and kind.shape == () and str(kind) == KIND


def read_template(path: Path) -> MotionTemplate:
    """Return the template in a file; raises MotionError for one that is missing, damaged or of another kind."""
    try:
        wanted = (*_HEADER, *_FRAME_SHAPES, *(_NEUTRAL + name for name in _FRAME_SHAPES))
        members = read_npz(path, wanted, _MAX_UNPACKED_BYTES)
    except OSError as exc:
        raise MotionError(f"cannot read the template {path}: {exc.strerror or exc}", "check the path") from exc
    except DAMAGE as exc:
        raise MotionError(f"{path} is no motion template or is damaged ({exc})", "record it again") from exc
    kind, version, fps = (members.pop(name, np.array(None)) for name in _HEADER)
    if kind.dtype.kind != "U" or kind.shape != () or str(kind) != KIND:
        raise MotionError(f"{path} is no LivePortrait template", "landmark motions are replayed as motions")
    if version.dtype.kind not in "iu" or version.shape != () or int(version) != FORMAT_VERSION:
        raise MotionError(f"{path} is of another format than {FORMAT_VERSION}", "record it again")
    if fps.dtype.kind not in "iuf" or fps.shape != ():
        raise MotionError(f"{path} has no usable fps", "record it again")
    try:
        return template_from_arrays(float(fps), members)
    except MotionError as exc:
        raise exc.about(str(path)) from exc
