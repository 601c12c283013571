"""Driving frames that are hard to follow: a painted face, and hands, darkness and borders over any face."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.tracking.face_model import INNER_LIPS, OUTER_LIPS, face_model
from animator_core.tracking.observation import FaceObservation
from animator_core.tracking.pose import DEPTH_SCALE, with_true_depth

FRAME_NS = 33_333_333
SKIN, LIPS, HAND = (190, 140, 118), (165, 88, 84), (184, 134, 112)


def observed(number: int, width: float = 200.0, middle: tuple[float, float] = (320, 210)) -> FaceObservation:
    """Return a neutral face, ``width`` pixels wide, around ``middle`` (x, y) in a frame of 640 x 480."""
    shape = with_true_depth(face_model().mean).copy()
    shape[:, 2] /= DEPTH_SCALE
    size = width / float(np.linalg.norm(shape[234] - shape[454]))
    points = shape * size + (*middle, 0)
    return FaceObservation(points.astype(np.float32), 640, 480, number * FRAME_NS)


def painted(observation: FaceObservation, lips: tuple[int, int, int] = LIPS) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB of a face of skin with lips, with a camera's noise."""
    frame = np.full((observation.frame_height, observation.frame_width, 3), SKIN, np.uint8)
    rings = [observation.landmarks[list(ring), :2].round().astype(np.int32) for ring in (OUTER_LIPS, INNER_LIPS)]
    cv2.fillPoly(frame, rings, lips)
    return noisy(frame)


def noisy(frame: np.ndarray, deviation: float = 3.0) -> np.ndarray:
    """Return the frame with a camera's noise."""
    noise = np.empty(frame.shape, np.int16)
    cv2.randn(noise, (0, 0, 0), (deviation,) * 3)
    return np.asarray(cv2.add(frame, noise, dtype=cv2.CV_8U))


def with_hand(frame: np.ndarray, mouth: tuple[float, float], width: float, colour: tuple[int, int, int]) -> np.ndarray:
    """Return the frame with four fingers of ``colour`` before the mouth of a face of ``width`` pixels."""
    spoiled = frame.copy()
    thick = int(0.17 * width)
    for number in range(4):
        x, top = int(mouth[0] + (number - 1.5) * thick), int(mouth[1] - (0.2 - 0.07 * abs(number - 1.4)) * width)
        for inset in range(thick // 2, 0, -1):
            shade = 1 - 0.35 * (inset / (thick / 2)) ** 3
            tint = tuple(float(level * shade) for level in colour)
            cv2.rectangle(spoiled, (x - inset, top + thick // 2 - inset), (x + inset, frame.shape[0]), tint, -1)
    return spoiled
