"""Detects the bounding boxes of all faces in a frame, in two or three milliseconds."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import numpy as np

from animator_core.arrays import UInt8Array
from animator_core.errors import ModelError, loading
from animator_core.tracking.closing import Closer

_LEAST_SCORE = 0.6
_DETECTOR = "face_detector.tflite"


@dataclass(frozen=True)
class DetectedFace:
    """A face's centre and width in pixels of the frame."""

    x: float
    y: float
    size: float

    def distance(self, other: DetectedFace) -> float:
        """Return the distance of both centres in widths of the larger face."""
        return float(np.hypot(self.x - other.x, self.y - other.y)) / max(self.size, other.size)


class FaceDetector:
    """MediaPipe's face detector; used by one thread."""

    def __init__(self, detect: Callable[[UInt8Array], list[DetectedFace]], close: Callable[[], None]) -> None:
        self.detect = detect
        """Returns the faces in a frame, (H, W, 3) uint8 RGB."""
        self.close = Closer(self, close)
        """Frees the detector's model."""


def detector_of_bundle(model: Path) -> FaceDetector:
    """Return the detector inside the file ``face_landmarker.task``; raises ModelError if it cannot be loaded."""
    with loading("mediapipe"):
        import mediapipe
        from mediapipe.tasks.python import vision
        from mediapipe.tasks.python.core.base_options import BaseOptions
    try:
        with zipfile.ZipFile(model) as bundle:
            content = bundle.read(_DETECTOR)
        options = vision.FaceDetectorOptions(
            base_options=BaseOptions(model_asset_buffer=content), min_detection_confidence=_LEAST_SCORE
        )
        detector = vision.FaceDetector.create_from_options(options)
    except (RuntimeError, OSError, ValueError, KeyError, zipfile.BadZipFile) as exc:
        raise ModelError(f"the face detector in {model} cannot be loaded ({exc})", "run install.py again") from exc

    def detect(frame: UInt8Array) -> list[DetectedFace]:
        found = detector.detect(mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=frame)).detections
        return [_face(each.bounding_box) for each in found]

    return FaceDetector(detect, detector.close)


def detector_of_package() -> FaceDetector:
    """Return the detector that comes with MediaPipe up to 0.10.21; raises ModelError for a later MediaPipe."""
    with loading("mediapipe"):
        from mediapipe.python.solutions.face_detection import FaceDetection
    try:
        detector = FaceDetection(min_detection_confidence=_LEAST_SCORE)
    except (RuntimeError, OSError, ValueError) as exc:
        raise ModelError(f"the face detector cannot be loaded ({exc})", "run install.py again") from exc

    def detect(frame: UInt8Array) -> list[DetectedFace]:
        height, width = frame.shape[:2]
        boxes = [each.location_data.relative_bounding_box for each in detector.process(frame).detections or ()]
        return [
            DetectedFace((box.xmin + box.width / 2) * width, (box.ymin + box.height / 2) * height, box.width * width)
            for box in boxes
        ]

    return FaceDetector(detect, detector.close)


def _face(box: Any) -> DetectedFace:
    return DetectedFace(box.origin_x + box.width / 2, box.origin_y + box.height / 2, float(box.width))
