"""The window in which a face is picked."""

from __future__ import annotations

import cv2

from animator_core.characters.face_picker import PickedFace
from animator_core.cli.pick_controller import PickController
from animator_core.live.outputs import key_name, open_window

TITLE = "Where is the face?"
_NO_WINDOW = "use a computer with a screen, or write crop or landmarks into the character's yaml yourself"


def pick(controller: PickController) -> PickedFace | None:
    """Return what was picked, None where the user left; raises AnimatorError where there can be no window."""
    # Not resizable: what the mouse says are pixels of the picture that is shown then, whatever the toolkit is.
    open_window(TITLE, cv2.WINDOW_AUTOSIZE | cv2.WINDOW_GUI_NORMAL, _NO_WINDOW)
    try:
        cv2.setMouseCallback(TITLE, lambda event, x, y, flags, _: _on_mouse(controller, event, x, y, flags))
        while not controller.is_over:
            cv2.imshow(TITLE, controller.frame())
            key = key_name(cv2.waitKeyEx(20))
            if key is not None:
                controller.on_key(key)
            if cv2.getWindowProperty(TITLE, cv2.WND_PROP_VISIBLE) < 1:
                return None
        return controller.result
    except cv2.error:
        return None  # the window was closed between two looks at it
    finally:
        cv2.destroyAllWindows()


def _on_mouse(controller: PickController, event: int, x: int, y: int, flags: int) -> None:
    # OpenCV's Qt windows zoom by the wheel themselves, and say the pixels of what is in them all the same.
    if event != cv2.EVENT_MOUSEWHEEL or not cv2.currentUIFramework().startswith("QT"):
        controller.on_mouse(event, x, y, flags)
