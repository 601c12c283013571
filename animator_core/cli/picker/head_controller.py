"""Marking a head, without the window."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import UInt8Array
from animator_core.characters.head_picker import RADIUS, HeadPicker
from animator_core.characters.head_place import HeadPlace
from animator_core.cli.picker.controller import RED, WHITE, YELLOW, Controller, Line

_PREVIEW_WIDTH = 208
_QUESTION = "Drag from the forehead outwards: the small circles belong on the eyes. Space: snap to them. Enter: save."
_EYES = ((-21.0, 16.0), (21.0, 16.0))
"""Eyes in network pixels from the head's middle, as `anime.response` wants them."""
_EYE_RADIUS = 9.0


class HeadPickController(Controller[HeadPlace]):
    """Passes the user's input to a `HeadPicker`; picture: (H, W, 3) uint8 RGB."""

    undo_help = "U: back to the first place"

    def __init__(self, picture: UInt8Array, picker: HeadPicker) -> None:
        super().__init__(picture, side=_PREVIEW_WIDTH)
        self._picker = picker

    def frame(self) -> UInt8Array:
        """Return the window's frame, (H, W, 3) uint8 BGR; goes on with the preview while the mouse rests."""
        if self._pressed is None:
            self._picker.advance()
        return super().frame()

    def _accept(self) -> HeadPlace | None:
        (x, y), (height, width) = self._picker.place.center, self._picture.shape[:2]
        if 0 <= x < width and 0 <= y < height:
            return self._picker.place
        self._picker.message = "The circle's middle is outside of the picture."
        return None

    def _on_space(self) -> None:
        self._picker.improve()

    def _undo(self) -> None:
        self._picker.undo()

    def _drag(self, start: tuple[float, float], place: tuple[float, float]) -> None:
        self._picker.draw(start, place)

    def _draw(self, shown: UInt8Array) -> None:
        place = self._picker.place
        centre = np.array(place.center)
        eyes = centre + np.array(_EYES) / place.scale
        at = self._in_window(np.vstack([centre, eyes]))
        # Window pixels per network pixel.
        scale = self._view.scale / place.scale
        for point, size, thickness in zip(at, (RADIUS, _EYE_RADIUS, _EYE_RADIUS), (2, 1, 1)):
            cv2.circle(shown, point.tolist(), max(1, round(size * scale)), YELLOW, thickness, cv2.LINE_AA)

    def _draw_side(self, free: UInt8Array) -> None:
        preview = self._picker.preview
        if preview is not None:
            picture = preview.picture[: free.shape[0], :, ::-1]
            left = (free.shape[1] - picture.shape[1]) // 2
            free[: picture.shape[0], left : left + picture.shape[1]] = picture

    def _lines(self) -> tuple[Line, Line]:
        preview, message = self._picker.preview, self._picker.message
        is_shown = preview is not None and preview.place == self._picker.place
        verdict = preview.verdict if preview is not None and is_shown else "The preview is being drawn."
        return Line(_QUESTION, WHITE), Line(message, RED) if message else Line(verdict, YELLOW)
