"""Marking a face, without the window: takes mouse and key events, returns the window's frame."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from animator_core.arrays import AnyArray, UInt8Array
from animator_core.characters.face_picker import FacePicker, PickedFace, Step
from animator_core.cli.picker.navigation import HELP, Navigation
from animator_core.cli.picker.view import PickView
from animator_core.tracking.face_model import FACE_OVAL, INNER_LIPS, LEFT_EYE, OUTER_LIPS, RIGHT_EYE

WIDTH, HEIGHT = 1000, 700
BAR = 84
_WHITE, _GREY, _RED, _GREEN, _YELLOW = (255, 255, 255), (170, 170, 170), (80, 80, 255), (80, 220, 80), (60, 220, 255)


class PickController:
    """Passes the user's input to a `FacePicker`; picture: (H, W, 3) uint8 RGB."""

    def __init__(self, picture: UInt8Array, picker: FacePicker) -> None:
        self._picture = np.ascontiguousarray(picture[..., ::-1])
        self._picker = picker
        self._view = PickView((picture.shape[1], picture.shape[0]), (WIDTH, HEIGHT - BAR))
        self._pressed: tuple[float, float] | None = None
        self._navigation = Navigation(self._view, (WIDTH // 2, (HEIGHT - BAR) // 2))
        self.is_cancelled = False
        self.result: PickedFace | None = None

    @property
    def is_over(self) -> bool:
        """Whether the face is marked or the user cancelled."""
        return self.is_cancelled or self.result is not None

    def on_key(self, key: str) -> None:
        """Handle a key, named as by `live.outputs.key_name`."""
        if key == "escape":
            self.is_cancelled = True
        elif key == "enter":
            self.result = self._picker.accept()
        elif key == "space":
            self._picker.skip()
        elif key in ("u", "U", "backspace"):
            self._picker.undo()
        else:
            self._navigation.on_key(key)

    def on_mouse(self, event: int, position: tuple[int, int], flags: int) -> None:
        """Handle one of OpenCV's mouse events; position: x, y in window pixels."""
        x, y = position[0], position[1] - BAR
        self._navigation.on_mouse(event, (x, y), flags)
        place = self._view.to_picture(x, y)
        is_boxing = self._picker.step is Step.BOX
        # A double click is two answers: closed lips have both their edges in one place.
        if event in (cv2.EVENT_LBUTTONDOWN, cv2.EVENT_LBUTTONDBLCLK) and y >= 0:
            self._pressed = place
            if not is_boxing:
                self._picker.click(*place)
        elif event == cv2.EVENT_MOUSEMOVE and self._pressed is not None and is_boxing:
            self._picker.drag(self._pressed, place)
        elif event == cv2.EVENT_LBUTTONUP:
            self._pressed = None

    def frame(self) -> UInt8Array:
        """Return the window's frame, (HEIGHT, WIDTH, 3) uint8 BGR."""
        canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        shown = self._view.show(self._picture)
        self._draw_face(shown)
        if self._picker.box is not None and self._picker.step is not Step.POINTS:
            corners = self._in_window(np.array(self._picker.box).reshape(2, 2))
            cv2.rectangle(shown, corners[0].tolist(), corners[1].tolist(), _YELLOW, 2)
        canvas[BAR:] = shown
        write(canvas, self._picker.question, y=26, colour=_WHITE, size=0.55)
        write(canvas, self._picker.message, y=51, colour=_RED, size=0.55)
        write(canvas, f"U: undo   {HELP}", y=74, colour=_GREY, size=0.45)
        return canvas

    def _draw_face(self, shown: UInt8Array) -> None:
        landmarks = self._picker.landmarks
        if landmarks is not None:
            places: Any = self._in_window(landmarks[:, :2])
            for ring in (FACE_OVAL, RIGHT_EYE, LEFT_EYE, OUTER_LIPS, INNER_LIPS):
                cv2.polylines(shown, [places[list(ring)]], True, _GREEN, 1, cv2.LINE_AA)
        for point in self._picker.points.values():
            place = self._in_window(np.array([point]))[0].tolist()
            cv2.circle(shown, place, 5, (0, 0, 0), -1, cv2.LINE_AA)
            cv2.circle(shown, place, 3, _YELLOW, -1, cv2.LINE_AA)

    def _in_window(self, points: AnyArray) -> AnyArray:
        return np.asarray(np.rint(self._view.to_window(points)), np.int32)


def write(canvas: UInt8Array, text: str, *, y: int, colour: tuple[int, int, int], size: float) -> None:
    """Write a line into the window's bar."""
    cv2.putText(canvas, text, (12, y), cv2.FONT_HERSHEY_SIMPLEX, size, colour, 1, cv2.LINE_AA)
