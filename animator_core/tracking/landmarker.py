"""MediaPipe Tasks' face landmarker: 478 landmarks and 52 blendshapes, from a model file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.errors import ModelError, loading
from animator_core.tracking.closing import Closer
from animator_core.tracking.observation import FaceObservation

_BLENDSHAPES_MODEL = b"face_blendshapes.tflite"
_WIRE = np.dtype(
    [("head", "V3"), ("x", "<f4"), ("y_head", "V1"), ("y", "<f4"), ("z_head", "V1"), ("z", "<f4")],
)
"""A landmark in protobuf's wire format: a header of two bytes, then x, y and z with a tag byte each."""


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
        self._packets = None if is_static else packets_of(self._landmarker, with_blendshapes)
        self._is_static = is_static
        self._last_ms = -1

    def track(self, frame: UInt8Array, captured_ns: int) -> FaceObservation | None:
        """Return the face in ``frame``, (H, W, 3) uint8 RGB, or None."""
        # The task refuses a time stamp that does not rise, and two frames may fall into one millisecond.
        self._last_ms = max(self._last_ms + 1, captured_ns // 1_000_000)
        scores = None
        if self._packets is not None:
            shares, scores = self._packets.detect(frame, self._last_ms)
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


def packets_of(landmarker: Any, with_blendshapes: bool) -> LandmarkPackets | None:
    """Return a reader of MediaPipe's packets, or None if this version has none."""
    try:
        return LandmarkPackets(landmarker, with_blendshapes)
    except (ImportError, AttributeError):
        return None


class LandmarkPackets:
    """Finds one face in the frames of a video, with a ``FaceLandmarker``.

    The documented API copies a frame twice and makes a Python object of each landmark. This class calls its internals,
    which changed in MediaPipe 0.10.30; with that and later versions only the documented API works.
    """

    def __init__(self, landmarker: Any, with_blendshapes: bool) -> None:
        """Look up MediaPipe's internals; raises ImportError or AttributeError if this version lacks them."""
        from mediapipe import ImageFormat
        from mediapipe.python import packet_creator, packet_getter
        from mediapipe.tasks.python.components.containers.rect import NormalizedRect
        from mediapipe.tasks.python.vision import face_landmarker as streams

        self._process = landmarker._process_video_data
        self._create_image, self._format = packet_creator.create_image, ImageFormat.SRGB
        self._get_list = packet_getter.get_proto_list
        self._image, self._region = streams._IMAGE_IN_STREAM_NAME, streams._NORM_RECT_STREAM_NAME
        self._landmarks = streams._NORM_LANDMARKS_STREAM_NAME
        self._blendshapes = streams._BLENDSHAPES_STREAM_NAME if with_blendshapes else None
        whole = NormalizedRect(x_center=0.5, y_center=0.5, width=1, height=1)
        self._whole_frame = packet_creator.create_proto(whole.to_pb2())

    def detect(self, frame: UInt8Array, timestamp_ms: int) -> tuple[FloatArray | None, dict[str, float] | None]:
        """Return the landmarks, (478, 3) float32 as shares of the frame, and the blendshapes, or None for each.

        frame: (H, W, 3) uint8, copied.
        """
        time_us = timestamp_ms * 1000
        image = self._create_image(frame, image_format=self._format, copy=True)
        found = self._process({self._image: image.at(time_us), self._region: self._whole_frame.at(time_us)})
        packet = found[self._landmarks]
        if packet.is_empty():
            return None, None
        scores = None
        if self._blendshapes is not None and not found[self._blendshapes].is_empty():
            each = self._get_list(found[self._blendshapes])[0].classification
            scores = {score.label: score.score for score in each}
        return points_of(self._get_list(packet)[0]), scores


def points_of(landmarks: Any) -> FloatArray:
    """Return a ``NormalizedLandmarkList`` of MediaPipe as (N, 3) float32."""
    wire, count = landmarks.SerializeToString(), len(landmarks.landmark)
    if len(wire) != count * _WIRE.itemsize:
        # Landmarks with more fields than x, y and z.
        return np.array([(p.x, p.y, p.z) for p in landmarks.landmark], np.float32)
    records = np.frombuffer(wire, _WIRE)
    return np.stack([records["x"], records["y"], records["z"]], axis=1)
