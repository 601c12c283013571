"""Finds the landmarks of a face in a still picture, as exactly as possible."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import DoubleArray, FloatArray, UInt8Array
from animator_core.tracking.face_mesh import FaceMeshTracker
from animator_core.tracking.face_model import face_model
from animator_core.tracking.observation import FaceObservation, FaceTracker

_CROP_SIDE = 640
_SEARCH_SIDE = 1280
_SECOND_LOOK_SIDE = 320
_SECOND_LOOKS = (
    # is mirrored, angle, size of the square, offset in x and y as shares of it
    (True, 0.0, 1.0, 0.0, 0.0),
    (False, 0.0, 1.25, 0.12, -0.08),
    (True, 0.0, 0.9, -0.12, 0.1),
    (False, 0.2, 1.0, 0.0, 0.0),
)


def detect_face(picture: UInt8Array, tracker: FaceTracker | None = None) -> FloatArray | None:
    """Return the landmarks of the largest face in ``picture`` as (478, 3) float32 pixels, or None.

    picture: (H, W, 3) uint8 RGB. tracker: a static tracker, by default the face mesh.
    The face is found in the whole picture; its landmarks come from a crop around it, resized to a standard size.
    """
    own = FaceMeshTracker(min_detection_confidence=0.3, is_static=True) if tracker is None else None
    used = tracker or own
    assert used is not None
    try:
        found = _first_look(picture, used)
        if found is None:
            return None
        for _ in range(2):
            closer = _look(picture, used, _face_square(found))
            if closer is None:
                break
            found = closer
        return found
    finally:
        if own is not None:
            own.close()


def shifts_between_looks(picture: UInt8Array, landmarks: FloatArray, tracker: FaceTracker) -> FloatArray:
    """Return how far the landmarks are elsewhere when their face is looked at again mirrored, shifted and turned.

    A face is found at the same place each time; a pattern that looked like one is not.
    picture: (H, W, 3) uint8 RGB. landmarks: (478, 3) pixels. tracker: a static one.
    Returns (4,) float32, ascending: the median distance of a look in heights of the face, infinity if it found none.
    """
    x, y, side = _face_square(landmarks)
    height = max(float(np.ptp(landmarks[:, 1])), 1e-6)
    shifts = []
    for is_mirrored, angle, size, right, down in _SECOND_LOOKS:
        centre = (x + right * side, y + down * side)
        crop_from_picture = _similarity(centre, _SECOND_LOOK_SIDE / (side * size), angle=angle, is_mirrored=is_mirrored)
        crop = _cropped(picture, crop_from_picture, _SECOND_LOOK_SIDE)
        seen: FaceObservation | None = tracker.track(crop, 0)
        if seen is None:
            shifts.append(np.inf)
            continue
        back = cv2.invertAffineTransform(crop_from_picture)
        points = seen.landmarks[:, :2] @ back[:, :2].T + back[:, 2]
        if is_mirrored:
            points = points[face_model().mirror]
        shifts.append(float(np.median(np.linalg.norm(points - landmarks[:, :2], axis=1))) / height)
    return np.sort(np.array(shifts, np.float32))


def _similarity(centre: tuple[float, float], scale: float, *, angle: float, is_mirrored: bool) -> DoubleArray:
    """Return the (2, 3) matrix that takes ``centre`` to the middle of a second look's crop."""
    cos, sin = scale * np.cos(angle), scale * np.sin(angle)
    matrix = np.array([[-cos if is_mirrored else cos, sin if is_mirrored else -sin], [sin, cos]])
    return np.column_stack([matrix, _SECOND_LOOK_SIDE / 2 - matrix @ centre])


def _cropped(picture: UInt8Array, crop_from_picture: DoubleArray, size: int) -> UInt8Array:
    """Return (size, size, 3) uint8 of the picture; beyond the picture its edge is replicated."""
    scale = abs(np.linalg.det(crop_from_picture[:, :2])) ** 0.5
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    crop = cv2.warpAffine(picture, crop_from_picture, (size, size), flags=method, borderMode=cv2.BORDER_REPLICATE)
    return np.ascontiguousarray(crop, np.uint8)


def _first_look(picture: UInt8Array, tracker: FaceTracker) -> FloatArray | None:
    """Track in the whole picture, then in parts of its upper half, in which a small face is larger."""
    height, width = picture.shape[:2]
    side = max(height, width)
    regions = [(width / 2, height / 2, float(side))]
    for share in (0.6, 0.4):
        half = side * share / 2
        regions += [(x, y, side * share) for y in (half, height / 2) for x in (width / 2, half, width - half)]
    for region in regions:
        found = _look(picture, tracker, region)
        if found is not None:
            return found
    return None


def _look(picture: UInt8Array, tracker: FaceTracker, square: tuple[float, float, float]) -> FloatArray | None:
    """Track in a square (centre x, centre y, side) of the picture."""
    x, y, side = square
    scale = (_CROP_SIDE if side < min(picture.shape[:2]) else min(_SEARCH_SIDE, max(side, _CROP_SIDE))) / side
    size = max(8, round(side * scale))
    crop_from_picture = np.array([[scale, 0, size / 2 - scale * x], [0, scale, size / 2 - scale * y]])
    observation: FaceObservation | None = tracker.track(_cropped(picture, crop_from_picture, size), 0)
    if observation is None:
        return None
    landmarks = observation.landmarks / scale
    landmarks[:, :2] += np.array([x - side / 2, y - side / 2], np.float32)
    return landmarks.astype(np.float32)


def _face_square(landmarks: FloatArray) -> tuple[float, float, float]:
    low, high = landmarks[:, :2].min(0), landmarks[:, :2].max(0)
    x, y = (low + high) / 2
    return float(x), float(y), float((high - low).max() * 1.7)
