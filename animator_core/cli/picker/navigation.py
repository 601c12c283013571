"""Zoom and pan of a picker's view by wheel, keys and the right mouse button."""

from __future__ import annotations

import cv2

from animator_core.cli.picker.view import PickView

HELP = "+ - wheel: zoom   arrows, right mouse button: move   Esc: cancel"
_STEP = 60
_ZOOM = 1.3
_MOVES = {"left": (_STEP, 0), "right": (-_STEP, 0), "up": (0, _STEP), "down": (0, -_STEP)}


class Navigation:
    """Moves a view; coordinates are pixels of the view."""

    def __init__(self, view: PickView, middle: tuple[int, int]) -> None:
        self._view = view
        self._moved_from: tuple[int, int] | None = None
        self._mouse = middle

    def on_key(self, key: str) -> None:
        """Handle a key if it is one of these."""
        if key in ("+", "=", "-"):
            self._view.zoom(1 / _ZOOM if key == "-" else _ZOOM, *self._mouse)
        elif key in _MOVES:
            self._view.move(*_MOVES[key])

    def on_mouse(self, event: int, place: tuple[int, int], flags: int) -> None:
        """Handle a mouse event if it is one of these."""
        x, y = self._mouse = place
        if event == cv2.EVENT_RBUTTONDOWN:
            self._moved_from = place
        elif event == cv2.EVENT_MOUSEMOVE and self._moved_from is not None:
            self._view.move(x - self._moved_from[0], y - self._moved_from[1])
            self._moved_from = place
        elif event == cv2.EVENT_RBUTTONUP:
            self._moved_from = None
        elif event == cv2.EVENT_MOUSEWHEEL:
            self._view.zoom(_ZOOM if flags > 0 else 1 / _ZOOM, x, y)
