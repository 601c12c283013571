"""Reads landmarks from the packets of MediaPipe's graph.

The documented API copies a frame twice and makes a Python object of each landmark. This module calls its internals,
which changed in MediaPipe 0.10.30; with that and later versions only the documented API works.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from animator_core.arrays import FloatArray, UInt8Array

_WIRE = np.dtype(
    [("head", "V3"), ("x", "<f4"), ("y_head", "V1"), ("y", "<f4"), ("z_head", "V1"), ("z", "<f4")],
)
"""A landmark in protobuf's wire format: a header of two bytes, then x, y and z with a tag byte each."""


class LandmarkPackets:
    """Finds one face in the frames of a video, with a ``FaceLandmarker`` that outputs landmarks only."""

    def __init__(self, landmarker: Any) -> None:
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
        whole = NormalizedRect(x_center=0.5, y_center=0.5, width=1, height=1)
        self._whole_frame = packet_creator.create_proto(whole.to_pb2())

    def detect(self, frame: UInt8Array, timestamp_ms: int) -> FloatArray | None:
        """Return the landmarks, (478, 3) float32 as shares of the frame, or None; frame: (H, W, 3) uint8, copied."""
        time_us = timestamp_ms * 1000
        image = self._create_image(frame, image_format=self._format, copy=True)
        found = self._process({self._image: image.at(time_us), self._region: self._whole_frame.at(time_us)})
        packet = found[self._landmarks]
        return None if packet.is_empty() else points_of(self._get_list(packet)[0])


def points_of(landmarks: Any) -> FloatArray:
    """Return a ``NormalizedLandmarkList`` of MediaPipe as (N, 3) float32."""
    wire, count = landmarks.SerializeToString(), len(landmarks.landmark)
    if len(wire) != count * _WIRE.itemsize:
        # Landmarks with more fields than x, y and z.
        return np.array([(p.x, p.y, p.z) for p in landmarks.landmark], np.float32)
    records = np.frombuffer(wire, _WIRE)
    return np.stack([records["x"], records["y"], records["z"]], axis=1)
