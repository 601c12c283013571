"""Asks the user for a face that no detector finds: first a box, then single points.

The detector searches the box; if that fails, the face model is fitted to the points. All coordinates are pixels of the
picture. This module has no window, see `cli.picker.controller`.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Callable

import numpy as np

from animator_core.arrays import DoubleArray, FloatArray
from animator_core.tracking.face_model import NAMED_POINTS, REQUIRED_POINTS, fit_landmarks

_POINTS = (
    ("right_eye_outer", "the outer corner of the eye on the left"),
    ("right_eye_inner", "the inner corner of the eye on the left"),
    ("left_eye_inner", "the inner corner of the eye on the right"),
    ("left_eye_outer", "the outer corner of the eye on the right"),
    ("mouth_right", "the left corner of the mouth"),
    ("mouth_left", "the right corner of the mouth"),
    ("chin", "the lowest point of the chin"),
    ("right_eye_top", "the middle of the upper lid, eye on the left"),
    ("right_eye_bottom", "the middle of the lower lid, eye on the left"),
    ("left_eye_top", "the middle of the upper lid, eye on the right"),
    ("left_eye_bottom", "the middle of the lower lid, eye on the right"),
    ("right_iris", "the middle of the pupil on the left"),
    ("left_iris", "the middle of the pupil on the right"),
    ("nose_tip", "the tip of the nose"),
    ("upper_lip_bottom", "where the lips meet, in the middle (open mouth: the upper lip's lower edge)"),
    ("lower_lip_top", "the same place again (open mouth: the lower lip's upper edge)"),
    ("upper_lip_top", "the upper lip's upper edge, in the middle"),
    ("lower_lip_bottom", "the lower lip's lower edge, in the middle"),
    ("right_brow_outer", "the outer end of the brow on the left"),
    ("right_brow_inner", "the inner end of the brow on the left"),
    ("left_brow_inner", "the inner end of the brow on the right"),
    ("left_brow_outer", "the outer end of the brow on the right"),
    ("cheek_right", "the edge of the face on the left, as high as the nose"),
    ("cheek_left", "the edge of the face on the right, as high as the nose"),
    ("forehead", "the middle of the hairline"),
)
_SMALLEST_BOX = 16.0
_SMALLEST_FACE = 8.0


class Step(enum.Enum):
    """The present question."""

    BOX = 1
    FOUND = 2
    POINTS = 3


@dataclass(frozen=True)
class PickedFace:
    """The answer for a character's description: a region to search, or points by name (see `NAMED_POINTS`)."""

    crop: tuple[int, int, int, int] | None = None
    key_points: dict[str, tuple[float, float]] = field(default_factory=dict)


class FacePicker:
    """Takes the answers, one after the other; detect: gives the landmarks, (478, 3), in a crop, or None."""

    def __init__(
        self, width: int, height: int, detect: Callable[[tuple[int, int, int, int]], FloatArray | None]
    ) -> None:
        self.step = Step.BOX
        self.box: tuple[float, float, float, float] | None = None
        """(left, top, right, bottom) of the box so far."""
        self.found: FloatArray | None = None
        """Landmarks that the detector found in the box, (478, 3) float32."""
        self.message = ""
        """Problem with the last answer, "" for none."""
        self._size = width, height
        self._detect = detect
        self._answers: list[tuple[float, float] | None] = []

    @property
    def question(self) -> str:
        """Text of the present question."""
        if self.step is Step.BOX:
            return "Drag a box round the face. Enter: look for it there. Space: click its points instead."
        if self.step is Step.FOUND:
            return "Is this the face? Enter: yes, save. Space: no, click its points. U: another box."
        if len(self._answers) < len(_POINTS):
            name, place = _POINTS[len(self._answers)]
            what = "needed" if name in REQUIRED_POINTS else "better with it; Space: skip, Enter: save"
            return f"{len(self._answers) + 1}/{len(_POINTS)} Click {place} ({what})."
        return "That is all. Enter: save. U: take the last point back."

    @property
    def points(self) -> dict[str, tuple[float, float]]:
        """The points so far by name."""
        return {name: point for (name, _), point in zip(_POINTS, self._answers) if point is not None}

    @property
    def landmarks(self) -> FloatArray | None:
        """The face that would be saved, (478, 3) float32, None until the answers suffice."""
        if self.step is not Step.POINTS:
            return self.found
        points = self.points
        return None if self._lacking(points) or self._problem(points) else fit_landmarks(points)

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Take a box by two of its corners."""
        (width, height), (left, right), (top, bottom) = self._size, *(sorted(each) for each in zip(start, end))
        self.box = max(0.0, left), max(0.0, top), min(float(width), right), min(float(height), bottom)
        self.message = ""

    def click(self, x: float, y: float) -> None:
        """Take the point that is asked for."""
        width, height = self._size
        if self.step is not Step.POINTS or len(self._answers) == len(_POINTS):
            return
        if not (0 <= x < width and 0 <= y < height):
            self.message = "That is outside of the picture."
            return
        self._answers.append((round(x, 1), round(y, 1)))
        self.message = ""

    def skip(self) -> None:
        """Go on without an answer."""
        self.message = ""
        if self.step is not Step.POINTS:
            self.step = Step.POINTS
        elif len(self._answers) < len(_POINTS) and _POINTS[len(self._answers)][0] in REQUIRED_POINTS:
            self.message = "This point is needed."
        elif len(self._answers) < len(_POINTS):
            self._answers.append(None)

    def undo(self) -> None:
        """Take the last answer back."""
        self.message = ""
        if self.step is Step.POINTS and self._answers:
            self._answers.pop()
        else:
            self.step, self.found = Step.BOX, None

    def accept(self) -> PickedFace | None:
        """Return the face if the answers suffice; else search the box, or set `message`."""
        self.message = ""
        if self.step is Step.BOX:
            self._search()
            return None
        if self.step is Step.FOUND:
            return PickedFace(crop=self._crop())
        points = self.points
        lacking = self._lacking(points)
        self.message = f"{lacking} points are still needed." if lacking else self._problem(points)
        return None if self.message else PickedFace(key_points=points)

    def _search(self) -> None:
        crop = self._crop()
        if crop is None:
            self.message = "Drag a box first: press at one corner of it, release at the other."
            return
        self.found = self._detect(crop)
        self.step = Step.POINTS if self.found is None else Step.FOUND
        if self.found is None:
            self.message = "No face is seen there, so click its points."

    def _crop(self) -> tuple[int, int, int, int] | None:
        if self.box is None or min(self.box[2] - self.box[0], self.box[3] - self.box[1]) < _SMALLEST_BOX:
            return None
        left, top, right, bottom = (round(each) for each in self.box)
        return left, top, right - left, bottom - top

    @staticmethod
    def _lacking(points: dict[str, tuple[float, float]]) -> int:
        return sum(name not in points for name in REQUIRED_POINTS)

    @staticmethod
    def _problem(points: dict[str, tuple[float, float]]) -> str:
        """Return the reason why the points, all required ones given, are no face, "" for none."""

        def middle(*names: str) -> DoubleArray:
            return np.asarray(np.mean([points[name] for name in names], axis=0))

        across = middle("left_eye_outer", "left_eye_inner") - middle("right_eye_outer", "right_eye_inner")
        down = middle("mouth_right", "mouth_left") - middle("left_eye_inner", "right_eye_inner")
        if np.linalg.norm(across) < _SMALLEST_FACE or np.linalg.norm(down) < _SMALLEST_FACE:
            return "The face is too small, or two points are the same. U: take the last one back."
        if across[0] * down[1] - across[1] * down[0] <= 0:
            return "Left and right are mixed up: they are those of the picture. U: take the last point back."
        return ""


assert all(name in NAMED_POINTS for name, _ in _POINTS)
