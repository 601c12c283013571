"""Marking something in a picture, without the window: takes mouse and key events, returns the window's frame."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, NamedTuple, TypeVar

import cv2
import numpy as np

from animator_core.arrays import AnyArray, UInt8Array
from animator_core.cli.picker.navigation import HELP, Navigation
from animator_core.cli.picker.view import PickView

WIDTH, HEIGHT = 1000, 700
BAR = 84
WHITE, GREY, RED, YELLOW = (255, 255, 255), (170, 170, 170), (80, 80, 255), (60, 220, 255)

Marked = TypeVar("Marked")


class Line(NamedTuple):
    """A line of text in the window's bar."""

    text: str
    colour: tuple[int, int, int]


class Controller(ABC, Generic[Marked]):
    """Passes the user's input to a picker; the class for each kind of mark says how.

    picture: (H, W, 3) uint8 RGB. side: window pixels kept free at the right of the picture.
    """

    undo_help = "U: undo"

    def __init__(self, picture: UInt8Array, side: int = 0) -> None:
        self._picture = np.ascontiguousarray(picture[..., ::-1])
        self._view_width = WIDTH - side
        size = self._view_width, HEIGHT - BAR
        self._view = PickView((picture.shape[1], picture.shape[0]), size)
        self._navigation = Navigation(self._view, (size[0] // 2, size[1] // 2))
        self._pressed: tuple[float, float] | None = None
        self.is_cancelled = False
        self.result: Marked | None = None
        """The user's answer, None before there is one."""

    @property
    def is_over(self) -> bool:
        """Whether there is an answer, or the user cancelled."""
        return self.is_cancelled or self.result is not None

    def on_key(self, key: str) -> None:
        """Handle a key, named as by `live.outputs.key_name`."""
        if key == "escape":
            self.is_cancelled = True
        elif key == "enter":
            self.result = self._accept()
        elif key == "space":
            self._on_space()
        elif key in ("u", "U", "backspace"):
            self._undo()
        else:
            self._navigation.on_key(key)

    def on_mouse(self, event: int, position: tuple[int, int], flags: int) -> None:
        """Handle one of OpenCV's mouse events; position: x, y in window pixels."""
        x, y = position[0], position[1] - BAR
        self._navigation.on_mouse(event, (x, y), flags)
        place = self._view.to_picture(x, y)
        # A double click is two answers: closed lips have both their edges in one place.
        if event in (cv2.EVENT_LBUTTONDOWN, cv2.EVENT_LBUTTONDBLCLK) and y >= 0 and x < self._view_width:
            self._pressed = place
            self._press(place)
        elif event == cv2.EVENT_MOUSEMOVE and self._pressed is not None:
            self._drag(self._pressed, place)
        elif event == cv2.EVENT_LBUTTONUP:
            self._pressed = None

    def frame(self) -> UInt8Array:
        """Return the window's frame, (HEIGHT, WIDTH, 3) uint8 BGR."""
        canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        shown = self._view.show(self._picture)
        self._draw(shown)
        canvas[BAR:, : self._view_width] = shown
        self._draw_side(canvas[BAR:, self._view_width :])
        question, message = self._lines()
        _write(canvas, question, y=26, size=0.55)
        _write(canvas, message, y=51, size=0.55)
        _write(canvas, Line(f"{self.undo_help}   {HELP}", GREY), y=74, size=0.45)
        return canvas

    @abstractmethod
    def _accept(self) -> Marked | None:
        """Return the answer; None if the mark is not complete, which `_lines` then tells."""

    @abstractmethod
    def _on_space(self) -> None:
        """Handle the space bar."""

    @abstractmethod
    def _undo(self) -> None:
        """Take the last step back."""

    def _press(self, place: tuple[float, float]) -> None:
        """Handle a press of the left button; place: x, y in pixels of the picture."""

    @abstractmethod
    def _drag(self, start: tuple[float, float], place: tuple[float, float]) -> None:
        """Handle a move of the mouse with the left button held since ``start``."""

    @abstractmethod
    def _draw(self, shown: UInt8Array) -> None:
        """Draw the mark over the picture's view, (h, w, 3) uint8 BGR, in place."""

    def _draw_side(self, free: UInt8Array) -> None:
        """Draw beside the view, (h, side, 3) uint8 BGR, in place."""

    @abstractmethod
    def _lines(self) -> tuple[Line, Line]:
        """Return the question and the message of the bar."""

    def _in_window(self, points: AnyArray) -> AnyArray:
        return np.asarray(np.rint(self._view.to_window(points)), np.int32)


def _write(canvas: UInt8Array, line: Line, *, y: int, size: float) -> None:
    cv2.putText(canvas, line.text, (12, y), cv2.FONT_HERSHEY_SIMPLEX, size, line.colour, 1, cv2.LINE_AA)
