"""Where everything is in the window of ``run``, and what a click there means."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

STRIP_HEIGHT = 124
THUMBNAIL = 84
_CELL, _GAP, _ARROW = 104, 10, 28
_BUTTON_WIDTH, _BUTTON_HEIGHT = 132, 30
_COLUMNS = 2
BUTTONS = ("record", "virtual_camera", "calibrate", "freeze", "toggle_stats", "toggle_controls")
"""The commands with a button, row by row."""


@dataclass(frozen=True)
class Box:
    """A rectangle in pixels of the window: place (x, y) of its upper left corner, size (width, height)."""

    place: tuple[int, int]
    size: tuple[int, int]

    @property
    def x(self) -> int:
        return self.place[0]

    @property
    def y(self) -> int:
        return self.place[1]

    @property
    def width(self) -> int:
        return self.size[0]

    @property
    def height(self) -> int:
        return self.size[1]

    def has(self, x: int, y: int) -> bool:
        """Return whether the pixel is inside."""
        return self.x <= x < self.x + self.width and self.y <= y < self.y + self.height


@dataclass(frozen=True)
class Layout:
    """The boxes of one window.

    preview: the picture. strip: below it. cells: each shown character's number and box. earlier, later: the arrows of a
    strip that has not room for all, else None. buttons: by command.
    """

    preview: Box
    strip: Box
    cells: tuple[tuple[int, Box], ...]
    earlier: Box | None
    later: Box | None
    buttons: tuple[tuple[str, Box], ...]

    def command_at(self, x: int, y: int) -> str:
        """Return what a click does: a command of `KeyCommands.press`, "earlier", "later", or "" for nothing."""
        for command, box in self.buttons:
            if box.has(x, y):
                return command
        for number, box in self.cells:
            if box.has(x, y):
                return f"choose {number}"
        for command, arrow in (("earlier", self.earlier), ("later", self.later)):
            if arrow is not None and arrow.has(x, y):
                return command
        return ""


def rooms(width: int) -> int:
    """Return how many characters a strip has room for beside arrows and buttons."""
    return max(1, (width - _buttons_width() - 2 * (_ARROW + _GAP) - _GAP) // _CELL)


def lay_out(size: tuple[int, int], names: Sequence[str], first: int) -> Layout:
    """Return the layout of a window of ``size`` (width, height); first: number of the leftmost character."""
    width, height = size
    top = height - STRIP_HEIGHT
    room = rooms(width)
    is_scrolled = len(names) > room
    left = _GAP + (_ARROW + _GAP if is_scrolled else 0)
    shown = range(first, min(first + room, len(names)))
    cells = tuple(
        (number, Box((left + (number - first) * _CELL, top + 6), (_CELL - 6, STRIP_HEIGHT - 12))) for number in shown
    )
    middle = top + STRIP_HEIGHT // 2 - 24
    earlier = Box((_GAP, middle), (_ARROW, 48)) if is_scrolled else None
    later = Box((left + room * _CELL, middle), (_ARROW, 48)) if is_scrolled else None
    buttons = []
    for index, command in enumerate(BUTTONS):
        column, row = index % _COLUMNS, index // _COLUMNS
        x = width - _buttons_width() + column * (_BUTTON_WIDTH + 8)
        buttons.append((command, Box((x, top + 9 + row * (_BUTTON_HEIGHT + 8)), (_BUTTON_WIDTH, _BUTTON_HEIGHT))))
    return Layout(
        Box((0, 0), (width, top)),
        strip=Box((0, top), (width, STRIP_HEIGHT)),
        cells=cells,
        earlier=earlier,
        later=later,
        buttons=tuple(buttons),
    )


def _buttons_width() -> int:
    return _COLUMNS * (_BUTTON_WIDTH + 8) + 6
