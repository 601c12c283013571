"""The outputs of ``run``: window, virtual camera, both, or none."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Protocol

import cv2
import numpy as np

from animator_core.arrays import UInt8Array
from animator_core.clips.compositing import StraightAlpha
from animator_core.errors import AnimatorError, first_line
from animator_core.live.screen import find_screen

WINDOW_TITLE = "Stream Motion Animator"
_KEY_CODES = {
    # GTK and Qt (X11 key symbols), Windows, macOS
    "left": (65361, 2424832, 63234),
    "up": (65362, 2490368, 63232),
    "right": (65363, 2555904, 63235),
    "down": (65364, 2621440, 63233),
    "home": (65360, 2359296, 63273),
    "end": (65367, 2293760, 63275),
    "pageup": (65365, 2162688, 63276),
    "pagedown": (65366, 2228224, 63277),
    "space": (32,),
    "enter": (13, 10),
    "tab": (9,),
    "escape": (27,),
    "backspace": (8, 65288),
}
_NAMES_BY_CODE = {code: name for name, codes in _KEY_CODES.items() for code in codes}
_VIRTUAL_CAMERA_REMEDY = {
    "linux": "install v4l2loopback and load it: sudo modprobe v4l2loopback exclusive_caps=1 card_label=Animator",
    "win32": "install OBS Studio 28 or newer (it brings the camera), or Unity Capture",
    "darwin": "install OBS Studio 28 or newer and start its virtual camera once",
}


def open_window(title: str, flags: int, remedy: str) -> None:
    """Open a window of OpenCV's; raises AnimatorError with the ``remedy`` if that fails."""
    screen = find_screen()
    if not screen.is_there:
        detail = f" ({screen.name} cannot be used; is this machine headless?)" if screen.name else ""
        raise AnimatorError("there is no screen for a window", f"{remedy}{detail}")
    try:
        cv2.namedWindow(title, flags)
    except cv2.error as exc:
        raise AnimatorError(
            "this OpenCV cannot open a window (a headless build)",
            f"{remedy}, or have exactly one OpenCV, opencv-python: run install.py again",
        ) from exc


class Output(Protocol):
    """Takes frames of one size, (H, W, 4) uint8 premultiplied BGRA."""

    def show(self, frame: UInt8Array) -> str | None:
        """Show a frame, and return what `KeyCommands.press` takes: the key that was pressed, or a command; or None."""
        ...

    @property
    def is_closed(self) -> bool:
        """Whether the user closed it."""
        ...

    def close(self) -> None: ...


class VirtualCamera:
    """A camera that other programs see; with alpha if the system's virtual camera has it (Unity Capture)."""

    is_closed = False

    def __init__(self, width: int, height: int, fps: float, wants_alpha: bool) -> None:
        try:
            import pyvirtualcam
        except ImportError as exc:
            raise AnimatorError("the package pyvirtualcam is missing", "run install.py again") from exc
        self._camera: Any = None
        self._straight: StraightAlpha | None = None
        if wants_alpha and sys.platform == "win32":
            try:
                self._camera = pyvirtualcam.Camera(
                    width, height, fps, fmt=pyvirtualcam.PixelFormat.RGBA, backend="unitycapture"
                )
                self._straight = StraightAlpha()
            except RuntimeError:
                self._camera = None  # not installed: the plain one below
        try:
            self._camera = self._camera or pyvirtualcam.Camera(width, height, fps, fmt=pyvirtualcam.PixelFormat.BGR)
        except RuntimeError as exc:
            remedy = _VIRTUAL_CAMERA_REMEDY.get(sys.platform, "see pyvirtualcam's documentation")
            raise AnimatorError(f"there is no virtual camera ({first_line(exc)})", remedy) from exc
        self.device = str(self._camera.device)

    def show(self, frame: UInt8Array) -> str | None:
        self._camera.send(self._straight(frame) if self._straight else np.ascontiguousarray(frame[..., :3]))
        return None

    def close(self) -> None:
        self._camera.close()


class VirtualCameraSwitch:
    """A virtual camera that is opened and closed while frames are shown.

    open_camera: raises AnimatorError if there is none. tell: takes lines for the user.
    """

    is_closed = False

    def __init__(self, open_camera: Callable[[], VirtualCamera], tell: Callable[[str], None]) -> None:
        self._open, self._tell = open_camera, tell
        self._camera: VirtualCamera | None = None

    @property
    def is_on(self) -> bool:
        """Whether other programs see the frames."""
        return self._camera is not None

    def open(self) -> None:
        """Switch it on; raises AnimatorError if that fails."""
        self._camera = self._open()
        self._tell(f"the virtual camera is {self._camera.device}; choose it in the other program")

    def toggle(self) -> None:
        """Switch it on or off, and tell if that fails."""
        if self._camera is not None:
            self.close()
            self._tell("the virtual camera is off")
            return
        try:
            self.open()
        except AnimatorError as exc:
            self._tell(f"warning: {exc}")

    def show(self, frame: UInt8Array) -> str | None:
        """Send a frame if it is on."""
        return None if self._camera is None else self._camera.show(frame)

    def close(self) -> None:
        """Switch it off."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()


class OutputGroup:
    """Shows every frame in several outputs; any of them may have a key."""

    def __init__(self, *outputs: Output) -> None:
        self._outputs = outputs

    def show(self, frame: UInt8Array) -> str | None:
        keys = [output.show(frame) for output in self._outputs]
        return next((key for key in keys if key), None)

    @property
    def is_closed(self) -> bool:
        return any(output.is_closed for output in self._outputs)

    def close(self) -> None:
        for output in self._outputs:
            output.close()


class Canvas:
    """Fits frames of any size into one size, centred; background_alpha: of the black around and behind them."""

    def __init__(self, width: int, height: int, background_alpha: int) -> None:
        self._background_alpha = background_alpha
        self._picture = np.zeros((height, width, 4), np.uint8)
        self._fitted: tuple[int, int] | None = None

    def fit(self, frame: UInt8Array) -> UInt8Array:
        """Return ``frame``, (H, W, 4) uint8 premultiplied BGRA, in the canvas' size; reused by the next call."""
        height, width = self._picture.shape[:2]
        factor = min(width / frame.shape[1], height / frame.shape[0])
        fitted = (max(1, round(frame.shape[1] * factor)), max(1, round(frame.shape[0] * factor)))
        if fitted != self._fitted:
            self._picture[:] = (0, 0, 0, self._background_alpha)
            self._fitted = fitted
        left, top = (width - fitted[0]) // 2, (height - fitted[1]) // 2
        place = self._picture[top : top + fitted[1], left : left + fitted[0]]
        # Averaging takes nine times as long, and linear interpolation skips pixels only below half the size.
        method = cv2.INTER_AREA if factor < 0.5 else cv2.INTER_LINEAR
        place[:] = cv2.resize(frame, fitted, interpolation=method)
        if self._background_alpha:
            # out = a + b·(1 − a); black adds nothing to the colour.
            alpha = place[..., 3].astype(np.uint16)
            place[..., 3] = alpha + (self._background_alpha * (255 - alpha) + 127) // 255
        return self._picture


def key_name(code: int) -> str | None:
    """Return the name of a key from its `cv2.waitKeyEx` code, None for no key."""
    if code < 0:
        return None
    if code in _NAMES_BY_CODE:
        return _NAMES_BY_CODE[code]
    # GTK adds the state of Num Lock and Shift above the symbol.
    plain = code & 0xFFFF
    if plain in _NAMES_BY_CODE:
        return _NAMES_BY_CODE[plain]
    return chr(plain) if 33 <= plain < 127 else None
