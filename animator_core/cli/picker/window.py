"""The window in which the user marks a face or a head."""

from __future__ import annotations

import cv2

from animator_core.cli.picker.controller import Controller, Marked
from animator_core.live.outputs import key_name, open_window

TITLE = "Where is the face?"
_NO_WINDOW = "use a computer with a screen, or write crop, landmarks or anime into the character's yaml yourself"


def pick(controller: Controller[Marked]) -> Marked | None:
    """Return the marked face or head, None if the user cancelled; raises AnimatorError if no window can be opened."""
    # Not resizable, so that mouse coordinates are pixels of the shown frame in every toolkit.
    open_window(TITLE, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL, _NO_WINDOW)
    try:
        cv2.setMouseCallback(TITLE, lambda event, x, y, flags, _: _on_mouse(controller, event, (x, y), flags=flags))
        while not controller.is_over:
            cv2.imshow(TITLE, controller.frame())
            key = key_name(cv2.waitKeyEx(20))
            if key is not None:
                controller.on_key(key)
            if cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
                return None
        return controller.result
    except cv2.error:
        return None  # the window was closed in between
    finally:
        cv2.destroyAllWindows()


def _on_mouse(controller: Controller[Marked], event: int, place: tuple[int, int], *, flags: int) -> None:
    # OpenCV's Qt windows zoom by the wheel themselves, and still report unzoomed pixels.
    if event != cv2.EVENT_MOUSEWHEEL or not cv2.currentUIFramework().startswith("QT"):
        controller.on_mouse(event, place, flags)
