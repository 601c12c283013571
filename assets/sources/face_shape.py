"""The key points of a drawn face, which of MediaPipe's landmarks they are, and the files of a character."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import cv2
import numpy as np
from drawing import Point, bezier, resample, smooth

SIZE = 1024
"""Width and height of a drawing; the face is symmetric about its middle."""

Bezier = tuple[Point, Point, Point, Point]
Side = Callable[[Any], np.ndarray]
"""`as_drawn` or `mirrored`: what places a part of the right side on either side of the face."""

# --- MediaPipe's landmark numbers, outer to inner, right eye and brow; the lips from the right corner to the left. ---
EYE_CORNERS = 33, 133
UPPER_LID_NUMBERS, LOWER_LID_NUMBERS = (246, 161, 160, 159, 158, 157, 173), (7, 163, 144, 145, 153, 154, 155)
CREASE_NUMBERS = 247, 30, 29, 27, 28, 56, 190
BROW_TOP_NUMBERS, BROW_BOTTOM_NUMBERS = (70, 63, 105, 66, 107), (46, 53, 52, 65, 55)
IRIS_NUMBERS, IRIS_NUMBERS_LEFT = (468, 469, 470, 471, 472), (473, 476, 475, 474, 477)
"""Centre, towards the nose, top, away from the nose, bottom."""
SEAM_NUMBERS_UPPER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308)
SEAM_NUMBERS_LOWER = (95, 88, 178, 87, 14, 317, 402, 318, 324)
LIP_TOP_NUMBERS = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291)
LIP_BOTTOM_NUMBERS = (146, 91, 181, 84, 17, 314, 405, 321, 375)
JAW_NUMBERS = (234, 93, 132, 58, 172, 136, 150, 149, 176, 148)
JAW_SHARES = 0.0, 0.114, 0.239, 0.376, 0.491, 0.58, 0.672, 0.746, 0.822, 0.904
"""Where on the outline from the ear to the chin each of them is."""
JAW_INSET = 0.95
"""They lie inside the outline by this factor: the line, a sharp contrast, shall not run along the mesh's edge."""
RIGHT_NUMBERS = (*EYE_CORNERS, *UPPER_LID_NUMBERS, *LOWER_LID_NUMBERS, *BROW_TOP_NUMBERS, *BROW_BOTTOM_NUMBERS)
RIGHT_NUMBERS += (*JAW_NUMBERS, 129, 127, 162, *CREASE_NUMBERS)
LEFT_NUMBERS = (263, 362, 466, 388, 387, 386, 385, 384, 398, 249, 390, 373, 374, 380, 381, 382)
LEFT_NUMBERS += (300, 293, 334, 296, 336, 276, 283, 282, 295, 285)
LEFT_NUMBERS += (454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 358, 356, 389, 467, 260, 259, 257, 258, 286, 414)
LEFT_OF = dict(zip(RIGHT_NUMBERS, LEFT_NUMBERS))


def shifted(curve: np.ndarray, x: float, y: float) -> np.ndarray:
    """Return ``curve`` moved by x, y pixels."""
    return curve + np.array([x, y])


def as_drawn(points: object) -> np.ndarray:
    """Return the points of the right side as they are, (N, 2)."""
    return np.array(points, np.float64)


def mirrored(points: object) -> np.ndarray:
    """Return the points on the other side of the face, (N, 2)."""
    return np.array([SIZE, 0.0]) + np.array(points, np.float64) * [-1, 1]


def both_halves(half: tuple[Point, ...]) -> list[Point]:
    """Return a whole outline from its right half, which runs from the middle to the middle."""
    other = [(SIZE - x, y) for x, y in half[::-1]]
    return [*half, *other[1:-1]]


def across(half: tuple[Point, ...]) -> np.ndarray:
    """Return the smooth line from a right corner through the middle to the left corner, (N, 2)."""
    return smooth([*half, *mirrored(half)[-2::-1].tolist()])


@dataclass(frozen=True)
class FaceShape:
    """The key points of a drawn face in pixels: its right half (the character's own right, left in the picture).

    Lids and crease run from the outer to the inner corner of the eye, brows from the outer to the inner end, lips from
    the corner to the middle, the seam from corner to corner. outline: from the top of the head to the chin.
    jaw_top: height on the outline at which the jaw's landmarks begin. temples: (landmarks 127 and 162).
    """

    upper_lid: Bezier
    lower_lid: Bezier
    lid_crease: Bezier
    iris_centre: Point
    iris_radius: float
    brow_top: tuple[Point, ...]
    brow_bottom: tuple[Point, ...]
    lip_seam: Bezier
    upper_lip: tuple[Point, ...]
    lower_lip: tuple[Point, ...]
    outline: tuple[Point, ...]
    jaw_top: float
    temples: tuple[Point, Point]
    forehead: Point
    chin: Point
    nose_bridge: Point
    nose_tip: Point
    nose_bottom: Point
    nose_wing: Point

    def landmarks(self) -> dict[int, Point]:
        """Return the landmarks of the face that the drawing fixes: x, y in pixels by MediaPipe's number."""
        right: dict[int, Any] = dict(zip(EYE_CORNERS, (self.upper_lid[0], self.upper_lid[-1])))
        right.update(zip(UPPER_LID_NUMBERS, bezier(*self.upper_lid, count=9)[1:-1]))
        right.update(zip(LOWER_LID_NUMBERS, bezier(*self.lower_lid, count=9)[1:-1]))
        right.update(zip(CREASE_NUMBERS, bezier(*self.lid_crease, count=9)[1:-1]))
        right.update(zip(BROW_TOP_NUMBERS, self.brow_top))
        right.update(zip(BROW_BOTTOM_NUMBERS, self.brow_bottom))
        right.update(zip(JAW_NUMBERS, self._jaw()))
        right.update(zip((127, 162, 129), (*self.temples, self.nose_wing)))
        points = {**right, **{LEFT_OF[number]: mirrored(point) for number, point in right.items()}}
        rim = np.array([[0, 0], [1, 0], [0, -1], [-1, 0], [0, 1]]) * self.iris_radius + self.iris_centre
        points.update(zip(IRIS_NUMBERS, rim))
        points.update(zip(IRIS_NUMBERS_LEFT, mirrored(rim)))
        seam = bezier(*self.lip_seam, count=13)[1:-1]
        points.update(zip(SEAM_NUMBERS_UPPER, seam))
        points.update(zip(SEAM_NUMBERS_LOWER, seam[1:-1]))
        points.update(zip(LIP_TOP_NUMBERS, resample(across(self.upper_lip), 11)))
        points.update(zip(LIP_BOTTOM_NUMBERS, resample(across(self.lower_lip), 11)[1:-1]))
        middle = self.forehead, self.chin, self.nose_bridge, self.nose_tip, self.nose_bottom
        points.update(zip((10, 152, 6, 1, 2), middle))
        return {number: (round(float(x), 1), round(float(y), 1)) for number, (x, y) in sorted(points.items())}

    def _jaw(self) -> np.ndarray:
        outline = smooth(self.outline)
        jaw = resample(outline[np.abs(outline[:, 1] - self.jaw_top).argmin() :], 201)
        middle = np.array([SIZE / 2, self.jaw_top])
        return middle + (jaw[[round(200 * share) for share in JAW_SHARES]] - middle) * JAW_INSET


@dataclass(frozen=True)
class AnimePlace:
    """The head's place for the anime networks: the face's centre, and pixels of their picture per pixel of ours."""

    centre: Point
    scale: float


def write_character(
    picture_path: Path, name: str, picture: np.ndarray, face: FaceShape, place: AnimePlace | None = None
) -> None:
    """Write a character's picture, (H, W, 4) uint8 RGBA, and beside it the .yaml with its name and key points."""
    lines = [f"name: {name}"]
    if place:
        lines += [f"anime: {{center: [{place.centre[0]}, {place.centre[1]}], scale: {place.scale}}}"]
    lines += ["# Pixels by MediaPipe's landmark number; written by assets/sources.", "landmarks:"]
    lines += [f"  {number}: [{x}, {y}]" for number, (x, y) in face.landmarks().items()]
    picture_path.with_suffix(".yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    picture = cv2.cvtColor(picture, cv2.COLOR_RGBA2BGRA)
    cv2.imwrite(str(picture_path), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
