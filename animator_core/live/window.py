"""The window of ``run``: preview, statistics, character strip and buttons, by mouse and keys."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field

import cv2
import numpy as np

from animator_core.arrays import UInt8Array
from animator_core.live.layout import STRIP_HEIGHT, THUMBNAIL, Box, Layout, lay_out, rooms
from animator_core.live.lettering import Colour, shortened, text_width, write
from animator_core.live.outputs import WINDOW_TITLE, key_name, open_window

SIZE = (1280, 720)
"""Width and height of the window's picture; the user may enlarge or shrink it."""
_BACK, _FACE, _EDGE = (36, 32, 30), (58, 52, 48), (92, 84, 78)
_TEXT, _DIM, _CHOSEN, _RECORDING, _WARNING = (
    (238, 236, 234),
    (170, 164, 160),
    (255, 180, 70),
    (80, 80, 240),
    (90, 200, 255),
)
_LABELS = {
    "record": ("Record", "Stop"),
    "virtual_camera": ("Virtual cam", "Virtual cam"),
    "calibrate": ("Calibrate", "Calibrate"),
    "freeze": ("Freeze", "Go on"),
    "toggle_stats": ("Statistics", "Statistics"),
    "toggle_controls": ("Hide this", "Hide this"),
}
"""Each button's label while its function is off and on."""


@dataclass(frozen=True)
class LiveView:
    """What the window shows beside the picture.

    names, labels: the characters' files and display names. current: the file of the wanted one. thumbnails: by file,
    (84, 84, 3) uint8 BGR. keys: the key of each command. active: the commands that are on. statistics: lines, none if
    they are hidden. message: news, or what is wrong if ``is_wrong``; "" for nothing.
    """

    names: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    current: str = ""
    thumbnails: Mapping[str, UInt8Array] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    active: frozenset[str] = frozenset()
    statistics: tuple[str, ...] = ()
    message: str = ""
    is_wrong: bool = False

    @property
    def strip(self) -> tuple[object, ...]:
        """All that the strip depends on."""
        return (self.names, self.labels, self.current, tuple(self.thumbnails), self.active)


class ControlWindow:
    """See `outputs.Output`; transparent pixels are black in it. ``view`` is set by the session."""

    def __init__(self) -> None:
        flags = cv2.WINDOW_NORMAL | cv2.WINDOW_KEEPRATIO | cv2.WINDOW_GUI_NORMAL
        open_window(WINDOW_TITLE, flags, "use --virtual-camera, or --no-window")
        cv2.resizeWindow(WINDOW_TITLE, *SIZE)
        self.painter = WindowPainter(SIZE)
        # Until the first character is loaded; otherwise the window would be empty.
        self.view = LiveView(message="loading…")
        self.show(np.zeros((SIZE[1], SIZE[0], 4), np.uint8))
        cv2.setMouseCallback(WINDOW_TITLE, lambda event, x, y, flags, _: self._on_mouse(event, (x, y), flags))

    def _on_mouse(self, event: int, place: tuple[int, int], flags: int) -> None:
        if event == cv2.EVENT_LBUTTONDOWN:
            self.painter.click(*place)
        elif event == cv2.EVENT_MOUSEMOVE:
            self.painter.mouse = place
        elif event == cv2.EVENT_MOUSEWHEEL:
            self.painter.scroll(-1 if flags > 0 else 1)

    def show(self, frame: UInt8Array) -> str | None:
        """Show a frame, and return the key that was pressed or the command that was clicked."""
        # A premultiplied colour is the colour over black.
        cv2.imshow(WINDOW_TITLE, self.painter.paint(frame[..., :3], self.view))
        return key_name(cv2.waitKeyEx(1)) or self.painter.take_command()

    @property
    def is_closed(self) -> bool:
        """Whether the user closed it."""
        try:
            return cv2.getWindowProperty(WINDOW_TITLE, cv2.WND_PROP_VISIBLE) < 1
        except cv2.error:
            return True

    def close(self) -> None:
        """Close it."""
        cv2.destroyAllWindows()


class WindowPainter:
    """Paints the window's picture of ``size`` (width, height), and knows what is where in it."""

    def __init__(self, size: tuple[int, int]) -> None:
        self._size = size
        self._picture = np.zeros((size[1], size[0], 3), np.uint8)
        self._view = LiveView()
        self._first = 0
        self._commands: deque[str] = deque()
        self._painted: tuple[object, ...] | None = None
        self.mouse = (-1, -1)
        self.layout = lay_out(size, (), 0)

    def click(self, x: int, y: int) -> None:
        """Take a click at a pixel of the picture."""
        if "toggle_controls" in self._view.active:
            self._commands.append("toggle_controls")
            return
        command = self.layout.command_at(x, y)
        if command in ("earlier", "later"):
            self.scroll(-1 if command == "earlier" else 1)
        elif command.startswith("choose "):
            self._commands.append(f"choose {self._view.names[int(command.split()[1])]}")
        elif command:
            self._commands.append(command)

    def scroll(self, steps: int) -> None:
        """Move the strip by so many characters."""
        most = max(0, len(self._view.names) - rooms(self._size[0]))
        self._first = min(max(self._first + steps, 0), most)

    def take_command(self) -> str | None:
        """Return the next command that was clicked, as `KeyCommands.press` takes it, or None."""
        return self._commands.popleft() if self._commands else None

    def paint(self, frame: UInt8Array, view: LiveView) -> UInt8Array:
        """Return the window's picture, (H, W, 3) uint8 BGR, reused by the next call; frame: (H, W, 3) uint8 BGR."""
        if view.current != self._view.current and view.current in view.names:
            self._reveal(view)
        self._view = view
        picture = self._picture
        if "toggle_controls" in view.active:  # they are hidden
            self._painted = None
            _fit(frame, picture)
            return picture
        self.scroll(0)
        self.layout = layout = lay_out(self._size, view.names, self._first)
        _fit(frame, picture[: layout.preview.height])
        hovered = layout.command_at(*self.mouse)
        wanted = (*view.strip, self._first, hovered)
        if wanted != self._painted:
            self._painted = wanted
            self._paint_strip(layout, view, hovered)
        if view.statistics:
            _paint_lines(picture, view.statistics, (12, 12), colour=_TEXT)
        if view.message:
            lines = _wrapped(view.message, self._size[0] - 48)
            place = (12, layout.preview.height - 20 - 22 * len(lines))
            _paint_lines(picture, lines, place, colour=_WARNING if view.is_wrong else _TEXT)
        return picture

    def _reveal(self, view: LiveView) -> None:
        """Scroll to the wanted character."""
        number, room = view.names.index(view.current), rooms(self._size[0])
        self._first = min(max(self._first, number - room + 1), number)

    def _paint_strip(self, layout: Layout, view: LiveView, hovered: str) -> None:
        picture = self._picture
        picture[-STRIP_HEIGHT:] = _BACK
        for number, box in layout.cells:
            is_current = view.names[number] == view.current
            if is_current or hovered == f"choose {number}":
                _fill(picture, box, _CHOSEN if is_current else _EDGE)
                _fill(picture, Box((box.x + 2, box.y + 2), (box.width - 4, box.height - 4)), _FACE)
            x, y = box.x + (box.width - THUMBNAIL) // 2, box.y + 5
            thumbnail = view.thumbnails.get(view.names[number])
            if thumbnail is not None:
                picture[y : y + THUMBNAIL, x : x + THUMBNAIL] = thumbnail
            else:
                _fill(picture, Box((x, y), (THUMBNAIL, THUMBNAIL)), _FACE)
            if number < 9:
                _fill(picture, Box((x, y), (17, 18)), _BACK)
                write(picture, str(number + 1), (x + 4, y + 1), size=12, colour=_TEXT, is_bold=True)
            label = shortened(view.labels[number], 12, box.width - 8)
            place = (box.x + (box.width - text_width(label, 12)) // 2, box.y + box.height - 20)
            write(picture, label, place, size=12, colour=_TEXT if is_current else _DIM)
        last = layout.cells[-1][0] + 1 if layout.cells else 0
        for arrow, text, is_possible in (
            (layout.earlier, "‹", self._first > 0),
            (layout.later, "›", last < len(view.names)),
        ):
            if arrow is not None:
                _fill(picture, arrow, _FACE)
                write(picture, text, (arrow.x + 8, arrow.y + 5), size=26, colour=_TEXT if is_possible else _EDGE)
        for command, box in layout.buttons:
            self._paint_button(command, box, command == hovered)

    def _paint_button(self, command: str, box: Box, is_hovered: bool) -> None:
        is_on = command in self._view.active
        _fill(self._picture, box, _EDGE if is_hovered else _FACE)
        x, colour = box.x + 10, _RECORDING if command == "record" else _CHOSEN
        if command == "record":
            centre = (x + 5, box.y + box.height // 2)
            cv2.circle(self._picture, centre, 5, _RECORDING, -1, cv2.LINE_AA)
            x += 18
        label = _LABELS[command][is_on]
        place = (x, box.y + 7)
        write(self._picture, label, place, size=13, colour=colour if is_on else _TEXT, is_bold=is_on)
        key = self._view.keys.get(command, "")
        place = (box.x + box.width - 9 - text_width(key, 12), box.y + 8)
        write(self._picture, key, place, size=12, colour=_DIM)


def _fit(frame: UInt8Array, into: UInt8Array) -> None:
    """Draw a frame centred into another one, as large as fits, on black."""
    height, width = into.shape[:2]
    factor = min(width / frame.shape[1], height / frame.shape[0])
    fitted = (max(1, round(frame.shape[1] * factor)), max(1, round(frame.shape[0] * factor)))
    left, top = (width - fitted[0]) // 2, (height - fitted[1]) // 2
    into[:, :left], into[:, left + fitted[0] :] = 0, 0
    into[:top], into[top + fitted[1] :] = 0, 0
    method = cv2.INTER_AREA if factor < 0.5 else cv2.INTER_LINEAR
    into[top : top + fitted[1], left : left + fitted[0]] = cv2.resize(frame, fitted, interpolation=method)


def _fill(picture: UInt8Array, box: Box, colour: Colour) -> None:
    picture[box.y : box.y + box.height, box.x : box.x + box.width] = colour


def _paint_lines(picture: UInt8Array, lines: tuple[str, ...], place: tuple[int, int], *, colour: Colour) -> None:
    """Draw lines of text on a darkened box."""
    x, y = place
    width = max(text_width(line, 13) for line in lines) + 20
    box = picture[y : y + 22 * len(lines) + 8, x : x + width]
    box[:] = box // 4 + np.array(_BACK, np.uint8) // 2
    for number, line in enumerate(lines):
        write(picture, line, (x + 10, y + 6 + 22 * number), size=13, colour=colour)


def _wrapped(text: str, width: int) -> tuple[str, ...]:
    """Return the text in at most three lines."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, 13) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    return (*lines[:2], shortened(" ".join(lines[2:]), 13, width)) if len(lines) > 3 else tuple(lines)
