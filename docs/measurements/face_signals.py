"""A face as MediaPipe's landmarker sees it, and the signals by which a produced face is compared with its driver.

The tracker is one of its own, with blendshapes and MediaPipe's pose, and shares nothing with the product's motion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable

import cv2
import mediapipe
import numpy as np
from mediapipe.tasks.python import vision
from mediapipe.tasks.python.core.base_options import BaseOptions

from animator_core.config import MODELS_DIR
from animator_core.motion.rotation import euler_angles

_CONFIDENCE = 0.3
_FRAME_MS = 33
_EYES = ((33, 133, 159, 145, 468), (263, 362, 386, 374, 473))
"""Outer and inner corner, upper and lower lid, and iris of the right and the left eye."""


@dataclass(frozen=True)
class Sight:
    """One frame's face: (478, 3) float64 landmarks in pixels, the 52 blendshapes, and (yaw, pitch, roll) in degrees."""

    points: np.ndarray
    scores: dict[str, float]
    angles: tuple[float, float, float]


class Watcher:
    """Looks for one face; ``is_static`` in every picture anew, else as in a video."""

    def __init__(self, is_static: bool = False) -> None:
        self._is_static = is_static
        self._ms = 0
        options = vision.FaceLandmarkerOptions(
            base_options=BaseOptions(model_asset_buffer=(MODELS_DIR / "face_landmarker.task").read_bytes()),
            running_mode=vision.RunningMode.IMAGE if is_static else vision.RunningMode.VIDEO,
            num_faces=1,
            min_face_detection_confidence=_CONFIDENCE,
            min_face_presence_confidence=_CONFIDENCE,
            min_tracking_confidence=_CONFIDENCE,
            output_face_blendshapes=True,
            output_facial_transformation_matrixes=True,
        )
        self._landmarker = vision.FaceLandmarker.create_from_options(options)

    def look(self, picture: np.ndarray) -> Sight | None:
        """Return the face in (H, W, 3) uint8 RGB, the next frame of its video, or None."""
        image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(picture))
        self._ms += _FRAME_MS
        found: Any = (
            self._landmarker.detect(image) if self._is_static else self._landmarker.detect_for_video(image, self._ms)
        )
        if not found.face_landmarks:
            return None
        height, width = picture.shape[:2]
        points = np.array([(each.x * width, each.y * height, each.z * width) for each in found.face_landmarks[0]])
        turned = np.asarray(found.facial_transformation_matrixes[0])[:3, :3]
        # MediaPipe's y points up and its z to the viewer; the signs only make angles of one kind of both videos.
        rotation = turned / np.cbrt(np.linalg.det(turned))
        scores = {each.category_name: float(each.score) for each in found.face_blendshapes[0]}
        return Sight(points, scores, euler_angles(rotation))

    def close(self) -> None:
        self._landmarker.close()


def _distance(sight: Sight, one: int, other: int) -> float:
    return float(np.linalg.norm(sight.points[one, :2] - sight.points[other, :2]))


def _gaze(sight: Sight) -> np.ndarray:
    """Return (2,) the irises' mean place from the middles of the eyes, along and across them, in eye widths."""
    places = []
    for number, (outer, inner, _, _, iris) in enumerate(_EYES):
        ends = sight.points[[outer, inner] if number == 0 else [inner, outer], :2]
        along = ends[1] - ends[0]
        axes = np.array([along, [-along[1], along[0]]]) / (along @ along)
        places.append(axes @ (sight.points[iris, :2] - ends.mean(0)))
    return np.asarray(np.mean(places, axis=0))


def _lids(sight: Sight, eye: int) -> float:
    outer, inner, upper, lower, _ = _EYES[eye]
    return _distance(sight, upper, lower) / _distance(sight, outer, inner)


def _mean(*names: str) -> Callable[[Sight], float]:
    return lambda sight: float(np.mean([sight.scores[name] for name in names]))


def _sides(name: str) -> Callable[[Sight], float]:
    return _mean(f"{name}Left", f"{name}Right")


def _looks(sight: Sight, first: tuple[str, str], second: tuple[str, str]) -> float:
    return _mean(*(f"eyeLook{each}" for each in first))(sight) - _mean(*(f"eyeLook{each}" for each in second))(sight)


def _brow(sight: Sight) -> float:
    return _mean("browInnerUp", "browOuterUpLeft", "browOuterUpRight")(sight) - _sides("browDown")(sight)


SIGNALS: dict[str, Callable[[Sight], float]] = {
    "pitch": lambda sight: sight.angles[1],
    "yaw": lambda sight: sight.angles[0],
    "roll": lambda sight: sight.angles[2],
    "mouth": lambda sight: _distance(sight, 13, 14) / _distance(sight, 61, 291),
    "eye r": lambda sight: _lids(sight, 0),
    "eye l": lambda sight: _lids(sight, 1),
    "brow": _brow,
    "brow inner": _mean("browInnerUp"),
    "smile": _sides("mouthSmile"),
    "smile r": _mean("mouthSmileRight"),
    "smile l": _mean("mouthSmileLeft"),
    "smile l-r": lambda sight: sight.scores["mouthSmileLeft"] - sight.scores["mouthSmileRight"],
    "gaze x": lambda sight: float(_gaze(sight)[0]),
    "gaze y": lambda sight: float(_gaze(sight)[1]),
    "look x": lambda sight: _looks(sight, ("InRight", "OutLeft"), ("OutRight", "InLeft")),
    "look y": lambda sight: _looks(sight, ("DownLeft", "DownRight"), ("UpLeft", "UpRight")),
    "funnel": _mean("mouthFunnel"),
    "pucker": _mean("mouthPucker"),
    "upper lip": _sides("mouthUpperUp"),
    "eye wide": _sides("eyeWide"),
}
"""By name. Angles are in degrees, mouth and eyes are openings by width, gaze is in eye widths, and the others are
blendshapes: "look" is what "gaze" is of the irises, "smile l-r" is a one-sided smile."""
NAMES = tuple(SIGNALS)
FIRST_SIX = NAMES[:6]

NOISE = {
    "pitch": 0.30, "yaw": 0.17, "roll": 0.10, "mouth": 0.006, "eye r": 0.010, "eye l": 0.010, "brow": 0.036,
    "brow inner": 0.010, "smile": 0.020, "smile r": 0.020, "smile l": 0.020, "smile l-r": 0.010, "gaze x": 0.006,
    "gaze y": 0.004, "look x": 0.033, "look y": 0.024, "funnel": 0.003, "pucker": 0.020, "upper lip": 0.002,
    "eye wide": 0.003,
}  # fmt: skip
"""Standard deviation of each signal on a face that does not move (`face_retracking CLIP... --noise`), over four clips:
about the largest, but the middle of mouth, smile and pucker, whose noise grows with the signal."""
MOVES = 5.0
"""A driver moves a signal whose standard deviation is above so many times the noise. Noise of that size in both
videos alone takes a perfect likeness to r = 1 - 1 / 5² = .96, so that .95 can be reached."""


def signals(sight: Sight | None) -> np.ndarray:
    """Return (20,) the signals in the order of `NAMES`, NaN without a face."""
    if sight is None:
        return np.full(len(NAMES), np.nan)
    return np.array([measure(sight) for measure in SIGNALS.values()])


def thresholds() -> np.ndarray:
    """Return (20,) the standard deviation above which a driver moves each signal."""
    return np.array([MOVES * NOISE[name] for name in NAMES])


def still_noise(picture: np.ndarray, frames: int = 60) -> np.ndarray:
    """Return (20,) the signals' standard deviation over one still face before a camera that shakes and has noise.

    From frame to frame the picture is moved by 3 pixels and scaled by 2 % at random, with noise of 3 of 255.
    """
    generator, watcher, rows = np.random.default_rng(1), Watcher(), []
    height, width = picture.shape[:2]
    for _ in range(frames):
        scale, (x, y) = 1 + generator.normal(0, 0.02), generator.normal(0, 3, 2)
        matrix = np.array([[scale, 0, x + (1 - scale) * width / 2], [0, scale, y + (1 - scale) * height / 2]])
        moved = cv2.warpAffine(picture, matrix, (width, height), borderMode=cv2.BORDER_REPLICATE)
        noisy = moved + generator.normal(0, 3, picture.shape)
        rows.append(signals(watcher.look(np.clip(noisy, 0, 255).astype(np.uint8))))
    watcher.close()
    # The first frames of a track settle.
    return np.asarray(np.nanstd(rows[10:], axis=0))
