"""The squares of faces in pictures and frames, and the crops of them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np

from animator_core.arrays import AnyArray
from animator_core.errors import CharacterError

SOURCE_CROP_SIZE = 512
DRIVING_CROP_SIZE = 256
"""Pixels a side of the crop that is pasted back, and of the picture that the networks look at."""
_FEATHER = 16

_BROWS = (70, 63, 105, 66, 107, 336, 296, 334, 293, 300)
_EYES = (468, 473)
# Not the lips' middle: that follows the jaw and would rock the crop while the person talks.
_MOUTH_CORNERS = (61, 291)

_SOURCE_SCALE, _SOURCE_SHIFT = 2.3, -0.125
_DRIVING_SCALE, _DRIVING_SHIFT = 2.2, -0.1
_LEAST_FACE_PIXELS = 8.0


@dataclass(frozen=True)
class FaceSquare:
    """A square around a face in a picture.

    centre: (2,) float64 pixels. size: pixels a side. angle_rad: how far it is turned, clockwise as seen.
    """

    centre: AnyArray
    size: float
    angle_rad: float

    def places(self, points: AnyArray) -> AnyArray:
        """Return points, (N, 2 or more) pixels, in the unturned square: (N, 2) in its sides, 0 to 1."""
        return np.asarray((points[:, :2] - self.centre) / self.size + 0.5)


def face_square(points: AnyArray, axis: AnyArray, scale: float, shift_x: float, shift_y: float) -> FaceSquare:
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


def crop_transform(square: FaceSquare, crop_size: int, is_turned: bool = True) -> AnyArray:
    """Return crop_from_image, (3, 3) float32: pixels of the picture → pixels of its crop."""
    scale = crop_size / square.size
    right, down = _axes(square.angle_rad if is_turned else 0.0)
    rows = scale * np.stack((right, down))
    crop_from_image = np.eye(3)
    crop_from_image[:2, :2] = rows
    crop_from_image[:2, 2] = crop_size / 2 - rows @ square.centre
    return crop_from_image.astype(np.float32)


def warp_to_crop(picture: AnyArray, crop_from_image: AnyArray, crop_size: int) -> AnyArray:
    """Return the crop, (crop_size, crop_size, C) as ``picture``, bilinear; 0 outside the picture."""
    matrix = crop_from_image[:2].astype(np.float64)
    return cv2.warpAffine(picture, matrix, (crop_size, crop_size), flags=cv2.INTER_LINEAR, borderValue=(0, 0, 0, 0))


def reduced_to_networks(crop: AnyArray) -> AnyArray:
    """Return a source crop in the 256 pixels that the networks look at."""
    return cv2.resize(crop, (DRIVING_CROP_SIZE, DRIVING_CROP_SIZE), interpolation=cv2.INTER_AREA)


def feather_mask(size: int = SOURCE_CROP_SIZE) -> AnyArray:
    """Return (size, size) uint8: 255 inside the crop, falling to 0 over its outer 16 pixels, rounded at the corners."""
    index = np.arange(size)
    outside = np.maximum(np.maximum(_FEATHER - index, index - (size - _FEATHER)), 0).astype(np.float64)
    distance = np.sqrt(outside[:, None] ** 2 + outside[None, :] ** 2)
    return np.asarray(np.floor(255 * (1 - np.minimum(distance / _FEATHER, 1))), np.uint8)


@dataclass(frozen=True)
class SourceCrop:
    """The part of a picture that LivePortrait sees and draws.

    pixels: (512, 512, C) as the picture. crop_from_image: (3, 3), pixels of the picture → of the crop.
    """

    pixels: AnyArray
    crop_from_image: AnyArray


def source_square(landmarks: AnyArray) -> FaceSquare:
    """Return the square of a source's face; landmarks: (478, 2 or more) pixels."""
    return _square(landmarks, _SOURCE_SCALE, _SOURCE_SHIFT)


def source_crop(picture: AnyArray, landmarks: AnyArray) -> SourceCrop:
    """Return the crop of a picture, (H, W, C) uint8, upright along the face; raises CharacterError.

    landmarks: (478, 2 or more) pixels of the picture.
    """
    square = source_square(landmarks)
    if not math.isfinite(square.size) or square.size < _LEAST_FACE_PIXELS * _SOURCE_SCALE:
        raise CharacterError(
            f"the face in the picture is less than {_LEAST_FACE_PIXELS:g} pixels large", "use a larger picture of it"
        )
    crop_from_image = crop_transform(square, SOURCE_CROP_SIZE)
    pixels = warp_to_crop(picture, crop_from_image, SOURCE_CROP_SIZE)
    return SourceCrop(pixels, crop_from_image)


def driving_square(landmarks: AnyArray) -> FaceSquare:
    """Return the upright square of a driver's face; landmarks: (478, 2 or more) pixels."""
    return replace(_square(landmarks, _DRIVING_SCALE, _DRIVING_SHIFT), angle_rad=0.0)


def crop_driving(frame: AnyArray, square: FaceSquare) -> AnyArray:
    """Return the motion extractor's input, (256, 256, C) as ``frame``."""
    transform = crop_transform(square, DRIVING_CROP_SIZE, is_turned=False)
    return warp_to_crop(frame, transform, DRIVING_CROP_SIZE)


def _square(landmarks: AnyArray, scale: float, shift: float) -> FaceSquare:
    points = np.asarray(landmarks, np.float64)[:, :2]
    axis = np.stack((points[list(_EYES)].mean(0), points[list(_MOUTH_CORNERS)].mean(0)))
    # MediaPipe's mesh covers the forehead, the landmarks that LivePortrait was trained with do not.
    height = points @ (axis[1] - axis[0])
    return face_square(points[height >= height[list(_BROWS)].min()], axis, scale=scale, shift_x=0.0, shift_y=shift)


def _axes(angle_rad: float) -> tuple[AnyArray, AnyArray]:
    cosine, sine = math.cos(angle_rad), math.sin(angle_rad)
    return np.array([cosine, sine]), np.array([-sine, cosine])
