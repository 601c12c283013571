"""The geometry of face crops: where a face's square lies, what carries a picture into it, and the way back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

SOURCE_CROP_SIZE = 512
DRIVING_CROP_SIZE = 256
"""Pixels a side of the crop that is pasted back, and of the picture that the networks look at."""
_FEATHER = 16


@dataclass(frozen=True)
class FaceSquare:
    """A square around a face in a picture.

    centre: (2,) float64 pixels. size: pixels a side. angle_rad: how far it is turned, clockwise as seen.
    """

    centre: np.ndarray
    size: float
    angle_rad: float

    def places(self, points: np.ndarray) -> np.ndarray:
        """Return where points, (N, 2 or more) pixels, are in the unturned square: (N, 2) in its sides, 0 to 1."""
        return np.asarray((points[:, :2] - self.centre) / self.size + 0.5)


def face_square(points: np.ndarray, axis: np.ndarray, scale: float, shift_x: float, shift_y: float) -> FaceSquare:
    """Return the square around ``points``, upright along ``axis``.

    points: (N, 2) pixels. axis: (2, 2) pixels, the middle of the eyes and a point below. scale: sides of the square by
    the larger extent of the points. shift_x, shift_y: how far it is moved along its own sides, in sides.
    """
    points = np.asarray(points, np.float64)
    down = axis[1] - axis[0]
    length = float(np.linalg.norm(down))
    down = np.array([0.0, 1.0]) if length <= 1e-3 else down / length
    # Rounded as in the official code, so that crops come out the same to the pixel.
    right = np.array([down[1], -down[0]], np.float32).astype(np.float64)
    angle = math.acos(min(max(right[0], -1.0), 1.0)) * (-1.0 if right[1] < 0 else 1.0)
    origin = points.mean(0)
    turned = (points - origin) @ np.stack((right, down)).T
    low, high = turned.min(0), turned.max(0)
    size = float((high - low).max()) * scale
    middle = (low + high) / 2 + np.array([shift_x, shift_y]) * size
    return FaceSquare(origin + middle @ np.stack((right, down)), size, angle)


def crop_transform(square: FaceSquare, crop_size: int, is_turned: bool = True) -> np.ndarray:
    """Return crop_from_image, (3, 3) float32: what carries a picture's pixels into its crop."""
    scale = crop_size / square.size
    right, down = _axes(square.angle_rad if is_turned else 0.0)
    rows = scale * np.stack((right, down))
    crop_from_image = np.eye(3)
    crop_from_image[:2, :2] = rows
    crop_from_image[:2, 2] = crop_size / 2 - rows @ square.centre
    return crop_from_image.astype(np.float32)


def warp_to_crop(picture: np.ndarray, crop_from_image: np.ndarray, crop_size: int) -> np.ndarray:
    """Return the crop, (crop_size, crop_size, C) as ``picture``, bilinear; 0 where the picture has nothing."""
    matrix = crop_from_image[:2].astype(np.float64)
    return cv2.warpAffine(picture, matrix, (crop_size, crop_size), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0, 0))


def reduced_to_networks(crop: np.ndarray) -> np.ndarray:
    """Return a source crop in the 256 pixels that the networks look at."""
    return cv2.resize(crop, (DRIVING_CROP_SIZE, DRIVING_CROP_SIZE), interpolation=cv2.INTER_AREA)


def feather_mask(size: int = SOURCE_CROP_SIZE) -> np.ndarray:
    """Return (size, size) uint8: 255 inside the crop, falling to 0 over its outer 16 pixels, rounded at the corners."""
    index = np.arange(size)
    outside = np.maximum(np.maximum(_FEATHER - index, index - (size - _FEATHER)), 0).astype(np.float64)
    distance = np.sqrt(outside[:, None] ** 2 + outside[None, :] ** 2)
    return np.floor(255 * (1 - np.minimum(distance / _FEATHER, 1))).astype(np.uint8)


def _axes(angle_rad: float) -> tuple[np.ndarray, np.ndarray]:
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([cosine, sine]), np.array([-sine, cosine])
