"""Crops as the official LivePortrait code computes them, for comparison with ours."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.liveportrait.motion.crop import FaceSquare, feather_mask

# Which points of a landmark set make the first eye, the second eye and the lips, by the number of its points.
_AXIS_POINTS: dict[int, tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]] = {
    203: ((0, 6, 12, 18), (24, 30, 36, 42), (48, 66)),
    106: ((33, 35, 40, 39), (87, 89, 94, 93), (52, 61)),
    101: ((39, 42, 45, 48), (51, 54, 57, 60), (75, 81)),
    68: ((36, 39), (42, 45), (48, 54)),
    5: ((0,), (1,), (3, 4)),
    9: ((2, 3), (0, 1), (5, 6)),
    478: ((468,), (473,), (14,)),
}


def face_axis(landmarks: np.ndarray, uses_lips: bool = True) -> np.ndarray:
    """Return (2, 2) float64 pixels: the middle of the eyes and that of the lips, the face's upright axis.

    landmarks: (N, 2), N one of 5, 9, 68, 101, 106, 203, 478; other sets of more than 101 begin with the 101.
    Without the lips the second point is a right angle away from the line through the eyes.
    """
    points = np.asarray(landmarks, np.float64)
    if len(points) > 101 and len(points) not in _AXIS_POINTS:
        points = points[:101]
    if len(points) not in _AXIS_POINTS:
        raise ValueError(f"{len(points)} landmarks are of no known set; known are {sorted(_AXIS_POINTS)}")
    first_eye, second_eye, lips = (points[list(indices)].mean(0) for indices in _AXIS_POINTS[len(points)])
    if uses_lips:
        return np.stack(((first_eye + second_eye) / 2, lips))
    x, y = second_eye - first_eye
    return np.stack((first_eye, first_eye + np.array([-y, x])))


def square_corners(square: FaceSquare, is_turned: bool = True) -> np.ndarray:
    """Return (4, 2) pixels: top left, top right, bottom right, bottom left."""
    angle, half = square.angle_rad if is_turned else 0.0, square.size / 2
    right, down = np.array([np.cos(angle), np.sin(angle)]), np.array([-np.sin(angle), np.cos(angle)])
    steps = np.array([(-half, -half), (half, -half), (half, half), (-half, half)])
    return square.centre + steps @ np.stack((right, down))


def inverse_transform(transform: np.ndarray) -> np.ndarray:
    """Return the inverse of a (3, 3) transform, float64."""
    return np.linalg.inv(transform.astype(np.float64))


def box_square(square: FaceSquare) -> np.ndarray:
    """Return the upright box (left, top, right, bottom) of a square that is not turned."""
    half = square.size / 2
    return np.concatenate((square.centre - half, square.centre + half))


def square_of_box(box: np.ndarray) -> FaceSquare:
    """Return the square of an upright box (left, top, right, bottom); its width is the size."""
    return FaceSquare((box[:2] + box[2:]) / 2, float(box[2] - box[0]), 0.0)


def paste_mask(image_from_crop: np.ndarray, width: int, height: int) -> np.ndarray:
    """Return (height, width) float32 in [0, 1]: how much of the crop shows in each pixel of the picture."""
    matrix = image_from_crop[:2].astype(np.float64)
    mask = cv2.warpAffine(feather_mask(), matrix, (width, height), flags=cv2.INTER_LINEAR, borderValue=0)
    return mask.astype(np.float32) / np.float32(255)
