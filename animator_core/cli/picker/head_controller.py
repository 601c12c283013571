"""Marking a head, without the window: takes mouse and key events, returns the window's frame."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import AnyArray, UInt8Array
from animator_core.characters.head_picker import RADIUS, HeadPicker
from animator_core.characters.head_place import HeadPlace
from animator_core.cli.picker.controller import BAR, HEIGHT, WIDTH, write
from animator_core.cli.picker.navigation import HELP, Navigation
from animator_core.cli.picker.view import PickView

_PREVIEW_WIDTH = 208
_VIEW = WIDTH - _PREVIEW_WIDTH, HEIGHT - BAR
_QUESTION = "Drag from the forehead outwards: the small circles belong on the eyes. Space: snap to them. Enter: save."
_WHITE, _GREY, _RED, _YELLOW = (255, 255, 255), (170, 170, 170), (80, 80, 255), (60, 220, 255)
_EYES = ((-21.0, 16.0), (21.0, 16.0))
"""Eyes in network pixels from the head's middle, as `anime.response` wants them."""
_EYE_RADIUS = 9.0


class HeadPickController:
    """Passes the user's input to a `HeadPicker`; picture: (H, W, 3) uint8 RGB."""

    def __init__(self, picture: UInt8Array, picker: HeadPicker) -> None:
        self._picture = np.ascontiguousarray(picture[..., ::-1])
        self._picker = picker
        self._view = PickView((picture.shape[1], picture.shape[0]), _VIEW)
        self._navigation = Navigation(self._view, (_VIEW[0] // 2, _VIEW[1] // 2))
        self._pressed: tuple[float, float] | None = None
        self.is_cancelled = False
        self.result: HeadPlace | None = None

    @property
    def is_over(self) -> bool:
        """Whether the head is marked or the user cancelled."""
        return self.is_cancelled or self.result is not None

    def on_key(self, key: str) -> None:
        """Handle a key, named as by `live.outputs.key_name`."""
        if key == "escape":
            self.is_cancelled = True
        elif key == "enter":
            self.result = self._accepted()
        elif key == "space":
            self._picker.improve()
        elif key in ("u", "U", "backspace"):
            self._picker.undo()
        else:
            self._navigation.on_key(key)

    def on_mouse(self, event: int, position: tuple[int, int], flags: int) -> None:
        """Handle one of OpenCV's mouse events; position: x, y in window pixels."""
        x, y = position[0], position[1] - BAR
        self._navigation.on_mouse(event, (x, y), flags)
        place = self._view.to_picture(x, y)
        if event in (cv2.EVENT_LBUTTONDOWN, cv2.EVENT_LBUTTONDBLCLK) and y >= 0 and x < _VIEW[0]:
            self._pressed = place
        elif event == cv2.EVENT_MOUSEMOVE and self._pressed is not None:
            self._picker.draw(self._pressed, place)
        elif event == cv2.EVENT_LBUTTONUP:
            self._pressed = None

    def frame(self) -> UInt8Array:
        """Return the window's frame, (HEIGHT, WIDTH, 3) uint8 BGR; goes on with the preview while the mouse rests."""
        if self._pressed is None:
            self._picker.advance()
        canvas = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        shown = self._view.show(self._picture)
        self._draw_circle(shown)
        canvas[BAR:, : _VIEW[0]] = shown
        preview = self._picker.preview
        if preview is not None:
            picture = preview.picture[: HEIGHT - BAR, :, ::-1]
            left = WIDTH - _PREVIEW_WIDTH + (_PREVIEW_WIDTH - picture.shape[1]) // 2
            canvas[BAR : BAR + picture.shape[0], left : left + picture.shape[1]] = picture
        is_shown = preview is not None and preview.place == self._picker.place
        verdict = preview.verdict if preview is not None and is_shown else "The preview is being drawn."
        write(canvas, _QUESTION, y=26, colour=_WHITE, size=0.55)
        message = self._picker.message
        write(canvas, message or verdict, y=51, colour=_RED if message else _YELLOW, size=0.55)
        write(canvas, f"U: back to the first place   {HELP}", y=74, colour=_GREY, size=0.45)
        return canvas

    def _accepted(self) -> HeadPlace | None:
        (x, y), (height, width) = self._picker.place.center, self._picture.shape[:2]
        if 0 <= x < width and 0 <= y < height:
            return self._picker.place
        self._picker.message = "The circle's middle is outside of the picture."
        return None

    def _draw_circle(self, shown: UInt8Array) -> None:
        place = self._picker.place
        centre = np.array(place.center)
        eyes = centre + np.array(_EYES) / place.scale
        at = self._in_window(np.vstack([centre, eyes]))
        # Window pixels per network pixel.
        scale = self._view.scale / place.scale
        for point, size, thickness in zip(at, (RADIUS, _EYE_RADIUS, _EYE_RADIUS), (2, 1, 1)):
            cv2.circle(shown, point.tolist(), max(1, round(size * scale)), _YELLOW, thickness, cv2.LINE_AA)

    def _in_window(self, points: AnyArray) -> AnyArray:
        return np.asarray(np.rint(self._view.to_window(points)), np.int32)
