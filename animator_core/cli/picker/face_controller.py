"""Marking a face, without the window."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from animator_core.arrays import UInt8Array
from animator_core.characters.face_picker import FacePicker, PickedFace, Step
from animator_core.cli.picker.controller import RED, WHITE, YELLOW, Controller, Line
from animator_core.tracking.face_model import FACE_OVAL, INNER_LIPS, LEFT_EYE, OUTER_LIPS, RIGHT_EYE

_GREEN = (80, 220, 80)


class FacePickController(Controller[PickedFace]):
    """Passes the user's input to a `FacePicker`; picture: (H, W, 3) uint8 RGB."""

    def __init__(self, picture: UInt8Array, picker: FacePicker) -> None:
        super().__init__(picture)
        self._picker = picker

    def _accept(self) -> PickedFace | None:
        return self._picker.accept()

    def _on_space(self) -> None:
        self._picker.skip()

    def _undo(self) -> None:
        self._picker.undo()

    def _press(self, place: tuple[float, float]) -> None:
        if self._picker.step is not Step.BOX:
            self._picker.click(*place)

    def _drag(self, start: tuple[float, float], place: tuple[float, float]) -> None:
        if self._picker.step is Step.BOX:
            self._picker.drag(start, place)

    def _draw(self, shown: UInt8Array) -> None:
        landmarks = self._picker.landmarks
        if landmarks is not None:
            places: Any = self._in_window(landmarks[:, :2])
            for ring in (FACE_OVAL, RIGHT_EYE, LEFT_EYE, OUTER_LIPS, INNER_LIPS):
                cv2.polylines(shown, [places[list(ring)]], True, _GREEN, 1, cv2.LINE_AA)
        for point in self._picker.points.values():
            place = self._in_window(np.array([point]))[0].tolist()
            cv2.circle(shown, place, 5, (0, 0, 0), -1, cv2.LINE_AA)
            cv2.circle(shown, place, 3, YELLOW, -1, cv2.LINE_AA)
        if self._picker.box is not None and self._picker.step is not Step.POINTS:
            corners = self._in_window(np.array(self._picker.box).reshape(2, 2))
            cv2.rectangle(shown, corners[0].tolist(), corners[1].tolist(), YELLOW, 2)

    def _lines(self) -> tuple[Line, Line]:
        return Line(self._picker.question, WHITE), Line(self._picker.message, RED)
