"""A face as one row of numbers, for a tracker and a renderer on different computers."""

from __future__ import annotations

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.tracking.observation import LANDMARK_COUNT, FaceObservation

BLENDSHAPES = (
    *("_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff"),
    *("cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft", "eyeLookDownRight"),
    *("eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight"),
    *("eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight"),
    *("mouthClose", "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel"),
    *("mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker"),
    *("mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft"),
    *("mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight"),
    *("noseSneerLeft", "noseSneerRight"),
)
"""MediaPipe's names in its order."""
_SIZE_LENGTH = 2
_POINTS_LENGTH = _SIZE_LENGTH + LANDMARK_COUNT * 3
_SCORED_LENGTH = _POINTS_LENGTH + len(BLENDSHAPES)
LENGTHS = (_SIZE_LENGTH, _POINTS_LENGTH, _SCORED_LENGTH)
"""Of a row without a face, with landmarks, and with blendshapes."""
_FURTHEST = float(1 << 20)


def to_row(observation: FaceObservation | None, frame_size: tuple[int, int]) -> FloatArray:
    """Return a row for `from_row`: (N,) float32, N one of `LENGTHS`.

    observation: None for no face. frame_size: (width, height) in pixels of the frame it was looked for in.
    """
    if observation is None:
        return np.array(frame_size, np.float32)
    parts = [np.array(frame_size, np.float32), observation.landmarks.reshape(-1)]
    if observation.blendshapes is not None:
        scores = observation.blendshapes
        parts.append(np.array([scores.get(name, 0.0) for name in BLENDSHAPES], np.float32))
    return np.asarray(np.concatenate(parts), np.float32)


def from_row(row: FloatArray, captured_ns: int) -> FaceObservation | None:
    """Return the face of a row, None if it says that there is none; raises ValueError for any other array."""
    if row.ndim != 1 or len(row) not in LENGTHS or not np.isfinite(row).all() or np.abs(row).max() > _FURTHEST:
        raise ValueError("no row of a face")
    width, height = (int(side) for side in row[:_SIZE_LENGTH])
    if width < 1 or height < 1:
        raise ValueError(f"a face in a frame of {width}x{height}")
    if len(row) == _SIZE_LENGTH:
        return None
    scores = row[_POINTS_LENGTH:].tolist()
    return FaceObservation(
        row[_SIZE_LENGTH:_POINTS_LENGTH].reshape(LANDMARK_COUNT, 3).astype(np.float32),
        frame_width=width,
        frame_height=height,
        captured_ns=captured_ns,
        blendshapes=dict(zip(BLENDSHAPES, scores)) if scores else None,
    )
