"""MediaPipe Tasks' face landmarker: 478 landmarks and 52 blendshapes, from a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.errors import ModelError, loading
from animator_core.tracking.closing import Closer
from animator_core.tracking.landmark_packets import LandmarkPackets
from animator_core.tracking.observation import FaceObservation

_BLENDSHAPES_MODEL = b"face_blendshapes.tflite"


class LandmarkerTracker:
    """Tracks one face with the model file ``face_landmarker.task``."""

    name = "face_landmarker"

    def __init__(
        self,
        model: Path,
        min_detection_confidence: float = 0.5,
        min_tracking_confidence: float = 0.5,
        is_static: bool = False,
        with_blendshapes: bool = True,
    ) -> None:
        """Load the model; raises ModelError if it is missing or damaged."""
        with loading("mediapipe"):
            import mediapipe
            from mediapipe.tasks.python import vision
            from mediapipe.tasks.python.core.base_options import BaseOptions
        try:
            self._image, self._srgb = mediapipe.Image, mediapipe.ImageFormat.SRGB
            # Bytes instead of a path: MediaPipe cannot open paths with non-ASCII letters on Windows.
            bundle = model.read_bytes() if with_blendshapes else without_blendshapes(model.read_bytes())
            options = vision.FaceLandmarkerOptions(
                base_options=BaseOptions(model_asset_buffer=bundle),
                running_mode=vision.RunningMode.IMAGE if is_static else vision.RunningMode.VIDEO,
                num_faces=1,
                min_face_detection_confidence=min_detection_confidence,
                min_face_presence_confidence=min_tracking_confidence,
                min_tracking_confidence=min_tracking_confidence,
                output_face_blendshapes=with_blendshapes,
            )
            self._landmarker = vision.FaceLandmarker.create_from_options(options)
        except (RuntimeError, OSError, ValueError) as exc:
            raise ModelError(f"{model} cannot be loaded ({exc})", "run install.py again") from exc
        self._close = Closer(self, self._landmarker.close)
        self._packets = None if is_static or with_blendshapes else packets_of(self._landmarker)
        self._is_static = is_static
        self._last_ms = -1

    def track(self, frame: UInt8Array, captured_ns: int) -> FaceObservation | None:
        """Return the face in ``frame``, (H, W, 3) uint8 RGB, or None."""
        # The task refuses a time stamp that does not rise, and two frames may fall into one millisecond.
        self._last_ms = max(self._last_ms + 1, captured_ns // 1_000_000)
        scores = None
        if self._packets is not None:
            shares = self._packets.detect(frame, self._last_ms)
        else:
            shares, scores = self._detect(frame)
        if shares is None:
            return None
        height, width = frame.shape[:2]
        points = (shares * np.array([width, height, width], np.float64)).astype(np.float32)
        return FaceObservation(
            points, frame_width=width, frame_height=height, captured_ns=captured_ns, blendshapes=scores
        )

    def _detect(self, frame: UInt8Array) -> tuple[FloatArray | None, dict[str, float] | None]:
        """Return the landmarks as shares of the frame, and the blendshapes, by the documented API."""
        image = self._image(image_format=self._srgb, data=frame)
        detect = self._landmarker.detect
        result = detect(image) if self._is_static else self._landmarker.detect_for_video(image, self._last_ms)
        if not result.face_landmarks:
            return None, None
        shares = np.array([(p.x, p.y, p.z) for p in result.face_landmarks[0]], np.float32)
        scores = {c.category_name: c.score for c in result.face_blendshapes[0]} if result.face_blendshapes else None
        return shares, scores

    def close(self) -> None:
        """Free the tracker's models."""
        self._close()


def without_blendshapes(bundle: bytes) -> bytes:
    """Return the model file ``bundle``, an uncompressed zip, with the blendshape network hidden from MediaPipe.

    MediaPipe would run it on every frame, even if no blendshapes are asked for. The name is overwritten and the entry
    kept, so that every network stays aligned to four bytes, as TensorFlow Lite needs it.
    """
    return bundle.replace(_BLENDSHAPES_MODEL, b"x" * len(_BLENDSHAPES_MODEL))


def packets_of(landmarker: Any) -> LandmarkPackets | None:
    """Return a reader of MediaPipe's packets, or None if this version has none."""
    try:
        return LandmarkPackets(landmarker)
    except (ImportError, AttributeError):
        return None
