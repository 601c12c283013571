"""A neutral face of MediaPipe's 478 landmarks, and the landmarks' names, rings and triangles.

The numbers in face_model.npz are our own measurements: the mean of tracked neutral frames, made symmetric; the
triangles are the 852 of MediaPipe's face mesh, with holes for eyes and mouth. Its axes are x right, y down and
z away from the viewer; its origin lies between the eyes; one unit is the height from forehead (10) to chin (152).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from animator_core.arrays import AnyArray, DoubleArray, FloatArray, IntArray
from animator_core.errors import CharacterError
from animator_core.tracking.observation import LANDMARK_COUNT

# "right" is the person's own right, which is left in the picture.
RIGHT_EYE = (33, 246, 161, 160, 159, 158, 157, 173, 133, 155, 154, 153, 145, 144, 163, 7)
LEFT_EYE = (263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249)
"""Rings of the eye openings: outer corner, upper lid, inner corner (index 8), lower lid."""
RIGHT_BROW = (46, 53, 52, 65, 55)
LEFT_BROW = (276, 283, 282, 295, 285)
"""Lower edges of the brows, outer end first."""
INNER_LIPS = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
OUTER_LIPS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
"""Rings of the lips: right corner, upper lip, left corner (index 10), lower lip."""
LIP_RINGS = (
    INNER_LIPS,
    (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292, 325, 319, 403, 316, 15, 86, 179, 89, 96),
    (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306, 307, 320, 404, 315, 16, 85, 180, 90, 77),
    OUTER_LIPS,
)
"""All of the lips' landmarks, from the inner rim to the outline."""
FACE_OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)  # fmt: skip
RIGHT_IRIS, LEFT_IRIS = 468, 473
"""Centres of the irises; the four points of the rim follow each."""
RIGID_POINTS = (4, 6, 10, 33, 54, 67, 117, 119, 121, 127, 129, 132, 133, 136, 143, 147, 198, 205,
                263, 284, 297, 346, 348, 350, 356, 358, 361, 362, 365, 372, 376, 420, 425)  # fmt: skip
"""Landmarks that expression moves little; MediaPipe aligns its own face geometry by them."""
FOREHEAD, CHIN, NOSE_TIP, NOSE_BRIDGE = 10, 152, 1, 6

NAMED_POINTS: Mapping[str, int] = {
    "right_eye_outer": 33, "right_eye_inner": 133, "right_eye_top": 159, "right_eye_bottom": 145,
    "right_eye_top_outer": 160, "right_eye_top_inner": 158,
    "right_eye_bottom_outer": 144, "right_eye_bottom_inner": 153,
    "left_eye_outer": 263, "left_eye_inner": 362, "left_eye_top": 386, "left_eye_bottom": 374,
    "left_eye_top_outer": 387, "left_eye_top_inner": 385,
    "left_eye_bottom_outer": 373, "left_eye_bottom_inner": 380,
    "right_iris": 468, "right_iris_outer": 471, "right_iris_top": 470, "right_iris_inner": 469,
    "right_iris_bottom": 472,
    "left_iris": 473, "left_iris_outer": 474, "left_iris_top": 475, "left_iris_inner": 476,
    "left_iris_bottom": 477,
    "right_brow_outer": 70, "right_brow_middle": 105, "right_brow_inner": 107,
    "left_brow_outer": 300, "left_brow_middle": 334, "left_brow_inner": 336,
    "nose_bridge": 6, "nose_tip": 1, "nose_bottom": 2, "nose_right": 129, "nose_left": 358,
    "mouth_right": 61, "mouth_left": 291,
    "upper_lip_top": 0, "upper_lip_bottom": 13, "lower_lip_top": 14, "lower_lip_bottom": 17,
    "forehead": 10, "chin": 152, "jaw_right": 172, "jaw_left": 397, "cheek_right": 234, "cheek_left": 454,
}  # fmt: skip
"""Landmark indices of the key points that a character's yaml may name; "right" is the character's own right."""
REQUIRED_POINTS = ("right_eye_outer", "right_eye_inner", "left_eye_inner", "left_eye_outer",
                   "mouth_right", "mouth_left", "chin")  # fmt: skip


@dataclass(frozen=True)
class FaceModel:
    """The mean face and the topology of the 478 landmarks.

    mean: (478, 3) float32 neutral face in face units. mirror: (478,) intp, the landmark on the other side.
    triangles: (852, 3) int32, clockwise on the screen.
    """

    mean: FloatArray
    mirror: AnyArray
    triangles: IntArray


@functools.lru_cache(maxsize=1)
def face_model() -> FaceModel:
    """Return the face model, loaded from the file beside this module."""
    with np.load(Path(__file__).with_name("face_model.npz"), allow_pickle=False) as data:
        return FaceModel(data["mean"], data["mirror"].astype(np.intp), data["triangles"].astype(np.int32))


def fit_landmarks(named_points: Mapping[str, Sequence[float]]) -> FloatArray:
    """Return all 478 landmarks of a face from some key points, as (478, 3) float32 in pixels.

    named_points: x, y in pixels by a name of `NAMED_POINTS` or a landmark's index; `REQUIRED_POINTS` must be there.
    A thin-plate spline (Bookstein 1989) fits the neutral face to the points; depth is scaled with it.
    Raises CharacterError for unknown or missing names.
    """
    known: dict[int, tuple[float, float]] = {}
    for name, point in named_points.items():
        index = NAMED_POINTS.get(name, int(name) if str(name).isdigit() else -1)
        if not 0 <= index < LANDMARK_COUNT:
            raise CharacterError(f"landmarks.{name} is not a key point", f"use one of {', '.join(NAMED_POINTS)}")
        if len(point) < 2:
            raise CharacterError(f"landmarks.{name} is {point!r}", "write [x, y] in pixels")
        known[index] = (float(point[0]), float(point[1]))
    missing = [name for name in REQUIRED_POINTS if NAMED_POINTS[name] not in known]
    if missing:
        raise CharacterError(f"landmarks lack {', '.join(missing)}", "add them as [x, y] in pixels")
    model = face_model()
    indices = np.array(sorted(known))
    destination = np.array([known[i] for i in indices], np.float64)
    source = model.mean[:, :2].astype(np.float64)
    points = _thin_plate_spline(source[indices], destination, source)
    points[indices] = destination
    for iris in (RIGHT_IRIS, LEFT_IRIS):
        _round_iris(points, iris, known)
    scale = np.linalg.norm(points[FOREHEAD] - points[CHIN]) / np.linalg.norm(source[FOREHEAD] - source[CHIN])
    return np.column_stack([points, model.mean[:, 2] * scale]).astype(np.float32)


def _thin_plate_spline(source: DoubleArray, destination: DoubleArray, query: DoubleArray) -> DoubleArray:
    def kernel(a: DoubleArray, b: DoubleArray) -> DoubleArray:
        squared = ((a[:, None] - b[None]) ** 2).sum(-1)
        return np.asarray(squared * np.log(squared + 1e-12))

    count = len(source)
    affine = np.column_stack([np.ones(count), source])
    # A little regularisation: points placed by hand contradict each other by a pixel or two.
    system = np.block([[kernel(source, source) + 1e-4 * np.eye(count), affine], [affine.T, np.zeros((3, 3))]])
    weights = np.linalg.solve(system, np.vstack([destination, np.zeros((3, 2))]))
    linear = np.column_stack([np.ones(len(query)), query]) @ weights[count:]
    return np.asarray(kernel(query, source) @ weights[:count] + linear)


def _round_iris(points: DoubleArray, iris: int, known: Mapping[int, tuple[float, float]]) -> None:
    """Make an iris' rim a circle, unless it is given: the spline may have bent it with the lids."""
    rim = range(iris + 1, iris + 5)
    if any(i in known for i in rim):
        return
    radius = float(np.linalg.norm(points[iris + 1 : iris + 5] - points[iris], axis=1).mean())
    directions = face_model().mean[iris + 1 : iris + 5, :2] - face_model().mean[iris, :2]
    points[iris + 1 : iris + 5] = points[iris] + radius * directions / np.linalg.norm(directions, axis=1, keepdims=True)
