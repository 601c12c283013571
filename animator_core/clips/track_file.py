"""Recorded motions: the landmarks of a clip's frames in one .npz file.

Members: ``format_version`` (1), ``fps``, ``frame_size`` (width, height), ``landmarks`` (N, 478, 3) float32 in pixels
with NaN in frames without a face; optional ``blendshapes`` (N, 52) float32 with ``blendshape_names`` (52,).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from animator_core.arrays import AnyArray, FloatArray
from animator_core.atomic_file import DAMAGE, read_npz, write_npz
from animator_core.errors import MotionError
from animator_core.tracking.observation import LANDMARK_COUNT, FaceObservation

FORMAT_VERSION = 1
SUFFIX = ".npz"
MAX_FRAMES = 1_000_000
MAX_SIDE = 16384
MAX_FRAME_RATE = 1000.0
BLENDSHAPE_COUNT = 52
_MAX_UNPACKED_BYTES = 1 << 31
_MEMBERS = ("format_version", "fps", "frame_size", "landmarks", "blendshapes", "blendshape_names")
_REMEDY = "record it again with `animate --save-motion`"


@dataclass(frozen=True)
class MotionTrack:
    """A recorded motion.

    fps: frames a second. frame_width, frame_height: size of the recorded frames in pixels.
    landmarks: (N, 478, 3) float32 as `FaceObservation.landmarks`; a frame without a face is all NaN.
    blendshapes: (N, 52) float32 in the order of ``blendshape_names``, or None.
    """

    fps: float
    frame_width: int
    frame_height: int
    landmarks: FloatArray
    blendshapes: FloatArray | None = None
    blendshape_names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.landmarks)

    def captured_ns(self, index: int) -> int:
        """Return the time of frame ``index`` in nanoseconds from the start; never 0, which means "no frame"."""
        return 1 + round(index * 1e9 / self.fps)

    def observation(self, index: int) -> FaceObservation | None:
        """Return the tracker's observation in frame ``index``, or None without a face."""
        landmarks = self.landmarks[index]
        if np.isnan(landmarks[0, 0]):
            return None
        blendshapes = None
        if self.blendshapes is not None and not np.isnan(self.blendshapes[index, 0]):
            scores = self.blendshapes[index].tolist()
            blendshapes = dict(zip(self.blendshape_names, scores))
        return FaceObservation(
            landmarks,
            frame_width=self.frame_width,
            frame_height=self.frame_height,
            captured_ns=self.captured_ns(index),
            blendshapes=blendshapes,
        )


def track_from_observations(
    observations: list[FaceObservation | None], fps: float, frame_size: tuple[int, int]
) -> MotionTrack:
    """Return the motion of a clip from its frames' observations; frame_size: (width, height) in pixels."""
    landmarks = np.full((len(observations), LANDMARK_COUNT, 3), np.nan, np.float32)
    names = next((tuple(seen.blendshapes) for seen in observations if seen is not None and seen.blendshapes), ())
    blendshapes = np.full((len(observations), len(names)), np.nan, np.float32) if names else None
    for index, seen in enumerate(observations):
        if seen is None:
            continue
        landmarks[index] = seen.landmarks
        if blendshapes is not None and seen.blendshapes:
            blendshapes[index] = [seen.blendshapes.get(name, 0.0) for name in names]
    width, height = frame_size
    return MotionTrack(
        fps=fps,
        frame_width=width,
        frame_height=height,
        landmarks=landmarks,
        blendshapes=blendshapes,
        blendshape_names=names,
    )


def write_track(path: Path, track: MotionTrack) -> None:
    """Write a motion file atomically; raises MotionError if it cannot be written."""
    members: dict[str, Any] = {
        "format_version": np.int64(FORMAT_VERSION),
        "fps": np.float64(track.fps),
        "frame_size": np.array([track.frame_width, track.frame_height], np.int64),
        "landmarks": track.landmarks.astype(np.float32),
    }
    if track.blendshapes is not None:
        members["blendshapes"] = track.blendshapes.astype(np.float32)
        members["blendshape_names"] = np.array(track.blendshape_names)
    _validate(path, members)
    try:
        write_npz(path, members)
    except OSError as exc:
        raise MotionError(
            f"cannot write the motion {path}: {exc.strerror}", "choose a folder you can write to"
        ) from exc


def read_track(path: Path) -> MotionTrack:
    """Return the motion in a file; raises MotionError if it is missing, damaged or of another kind."""
    try:
        members = read_npz(path, _MEMBERS, _MAX_UNPACKED_BYTES)
    except OSError as exc:
        raise MotionError(f"cannot read the motion {path}: {exc.strerror or exc}", "check the path") from exc
    except DAMAGE as exc:
        raise MotionError(f"{path} is not a motion file, or is damaged ({exc})", _REMEDY) from exc
    return _validate(path, members)


def _require(path: Path, is_valid: bool, problem: str) -> None:
    if not is_valid:
        raise MotionError(f"the motion {path} is invalid: {problem}", _REMEDY)


def _validate(path: Path, members: Mapping[str, Any]) -> MotionTrack:
    arrays = {name: np.asarray(value) for name, value in members.items()}
    for name in ("format_version", "fps", "frame_size", "landmarks"):
        _require(path, name in arrays, f"`{name}` is missing")
    for name, kinds, shape in (("format_version", "iu", ()), ("fps", "iuf", ()), ("frame_size", "iu", (2,))):
        found = arrays[name]
        _require(path, found.dtype.kind in kinds and found.shape == shape, f"`{name}` is {found.dtype} {found.shape}")
    version, fps = int(arrays["format_version"]), float(arrays["fps"])
    width, height = (int(side) for side in arrays["frame_size"])
    _require(path, version == FORMAT_VERSION, f"format_version is {version}, this program reads {FORMAT_VERSION}")
    _require(path, math.isfinite(fps) and 0 < fps <= MAX_FRAME_RATE, f"fps is {fps:g}")
    _require(path, 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE, f"frame_size is {width}x{height}")
    landmarks = _valid_landmarks(path, arrays["landmarks"])
    blendshapes, names = _valid_blendshapes(path, arrays, frame_count=len(landmarks))
    return MotionTrack(
        fps=fps,
        frame_width=width,
        frame_height=height,
        landmarks=landmarks,
        blendshapes=blendshapes,
        blendshape_names=names,
    )


def _valid_landmarks(path: Path, landmarks: AnyArray) -> FloatArray:
    _require(
        path,
        landmarks.dtype.kind == "f" and landmarks.ndim == 3 and landmarks.shape[1:] == (LANDMARK_COUNT, 3),
        f"`landmarks` is {landmarks.dtype} {landmarks.shape}, expected float32 (N, {LANDMARK_COUNT}, 3)",
    )
    _require(path, 0 < len(landmarks) <= MAX_FRAMES, f"it has {len(landmarks)} frames")
    missing = np.isnan(landmarks).reshape(len(landmarks), -1)
    _require(path, bool((missing.all(1) | ~missing.any(1)).all()), "a frame's landmarks are partly NaN")
    _require(path, not bool(np.isinf(landmarks).any()), "a landmark is infinite")
    return landmarks.astype(np.float32)


def _valid_blendshapes(
    path: Path, arrays: Mapping[str, AnyArray], *, frame_count: int
) -> tuple[FloatArray | None, tuple[str, ...]]:
    blendshapes, names = arrays.get("blendshapes"), arrays.get("blendshape_names")
    if blendshapes is None and names is None:
        return None, ()
    if blendshapes is None or names is None:
        raise MotionError(f"the motion {path} has only one of `blendshapes` and `blendshape_names`", _REMEDY)
    _require(
        path,
        blendshapes.dtype.kind == "f" and blendshapes.shape == (frame_count, BLENDSHAPE_COUNT),
        f"`blendshapes` is {blendshapes.dtype} {blendshapes.shape}, expected ({frame_count}, {BLENDSHAPE_COUNT})",
    )
    _require(
        path,
        names.dtype.kind == "U" and names.shape == (BLENDSHAPE_COUNT,),
        f"`blendshape_names` is {names.dtype} {names.shape}, expected {BLENDSHAPE_COUNT} names",
    )
    return blendshapes.astype(np.float32), tuple(names.tolist())
