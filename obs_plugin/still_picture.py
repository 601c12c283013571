"""The character's still picture, decoded by libobs on a thread of its own: it needs no worker."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import contextlib
import ctypes
import logging
import os
import queue
import tempfile
import threading
from dataclasses import dataclass, replace
from typing import Callable, Iterator, Optional, Tuple

from animator_core.ipc import character_names
from animator_core.ipc.protocol import CharacterEntry
from obs_plugin import character_list, libobs, picture_header, picture_parts
from obs_plugin.libobs import LibObs
from obs_plugin.texture import Texture

logger = logging.getLogger(__name__)

_MAX_SIDE = 8192
_MAX_PIXELS = 40_000_000
_STOP_SECONDS = 3.0
_PIXEL_BYTES = {
    libobs.GS_R8: 1,
    libobs.GS_RGBA: 4,
    libobs.GS_BGRX: 4,
    libobs.GS_BGRA: 4,
    libobs.GS_RGBA16: 8,
    libobs.GS_RGBA16F: 8,
}


@dataclass(frozen=True)
class DecodedPicture:
    """Pixels that libobs decoded (``pixels`` is their address, to be freed with `free`), or why there are none.

    character: the file name that was asked for. problem: "" or what is wrong with the file. own: what holds the pixels
    where they are not libobs's any more.
    """

    character: str
    lib: LibObs
    pixels: int = 0
    width: int = 0
    height: int = 0
    format: int = 0
    problem: str = ""
    own: object = None

    def make_texture(self) -> Texture | None:
        """Return the picture as a texture, or None; needs the graphics context. Free the pixels afterwards."""
        if not self.pixels:
            return None
        data = ctypes.c_void_p(self.pixels)
        handle = self.lib.gs_texture_create(self.width, self.height, self.format, 1, ctypes.byref(data), 0)
        return Texture(handle, self.width, self.height) if handle else None

    def free(self) -> None:
        if self.pixels and self.own is None:
            self.lib.bfree(self.pixels)


def header_problem(entry: CharacterEntry) -> str:
    """Return why the picture's first bytes say that it cannot be shown, and what to do, or ""."""
    name = entry.file
    try:
        size = picture_header.read_size(entry.path)
    except OSError as exc:
        return f"{name} cannot be read: {exc.strerror or exc}; make the file readable and press Refresh"
    if size is None:
        return f"{name} is no PNG, JPEG or WebP picture; save it as one of these and press Refresh"
    if max(size) > _MAX_SIDE or size[0] * size[1] > _MAX_PIXELS:
        return f"{name} has {size[0]}x{size[1]} pixels; make it {_MAX_SIDE // 2} pixels or less a side"
    return ""


def decode(lib: LibObs, character: str, entry: CharacterEntry) -> DecodedPicture:
    """Return the picture of ``entry`` as OBS's own image source would load it, for the setting ``character``."""
    path, name = entry.path, entry.file
    problem = header_problem(entry)
    if problem:
        return DecodedPicture(character, lib, problem=problem)
    try:
        parts = picture_parts.read_parts(path)
        with _decodable(path, parts) as decodable:
            picture = _decode_file(lib, character, decodable)
    except OSError as exc:
        return DecodedPicture(character, lib, problem=f"{name} cannot be read: {exc.strerror or exc}")
    if not picture.pixels:
        reason = "is animated in a way that has no still" if parts.is_animated else "is damaged"
        return DecodedPicture(character, lib, problem=f"{name} {reason}; save it again as PNG")
    return _as_seen(picture, parts)


@contextlib.contextmanager
def _decodable(path: str, parts: picture_parts.PictureParts) -> Iterator[str]:
    """Yield the name of a file that libobs decodes as it lies: the picture itself, or a copy that is then deleted."""
    # FFmpeg takes a percent sign for the pattern of numbered pictures.
    if (parts.is_plain and "%" not in path) or not parts.kept:
        yield path
        return
    handle, copy = tempfile.mkstemp(suffix=os.path.splitext(path)[1])
    try:
        with os.fdopen(handle, "wb") as file:
            picture_parts.write_copy(path, parts, file)
        yield character_names.as_text(copy)
    finally:
        os.unlink(copy)


def _decode_file(lib: LibObs, character: str, path: str) -> DecodedPicture:
    pixel_format, width, height, space = ctypes.c_int(), ctypes.c_uint32(), ctypes.c_uint32(), ctypes.c_int()
    pixels = lib.gs_create_texture_file_data3(
        path.encode("utf-8", "surrogateescape"),
        libobs.GS_IMAGE_ALPHA_PREMULTIPLY_SRGB,
        ctypes.byref(pixel_format),
        ctypes.byref(width),
        ctypes.byref(height),
        ctypes.byref(space),
    )
    return DecodedPicture(character, lib, pixels or 0, width.value, height.value, pixel_format.value)


def _as_seen(picture: DecodedPicture, parts: picture_parts.PictureParts) -> DecodedPicture:
    """Return the pixels of a copy as the picture is to be seen."""
    pixel_bytes = _PIXEL_BYTES.get(picture.format)
    if (parts.orientation == 1 and parts.canvas is None) or pixel_bytes is None or (parts.canvas and pixel_bytes != 4):
        return picture
    decoded = (ctypes.c_uint8 * (picture.width * picture.height * pixel_bytes)).from_address(picture.pixels)
    content, width, height = picture_parts.seen(memoryview(decoded), picture.width, pixel_bytes, parts)
    own = (ctypes.c_uint8 * len(content)).from_buffer_copy(content)
    picture.free()
    return replace(picture, pixels=ctypes.addressof(own), width=width, height=height, own=own)


_Request = Tuple[str, Callable[[], Optional[CharacterEntry]], Callable[[DecodedPicture], None], Callable[[], bool]]


class StillLoader:
    """Decodes pictures one after the other; started and stopped with the script. folder: of the characters."""

    def __init__(self, lib: LibObs, folder: str) -> None:
        self._lib, self._folder = lib, folder
        self._requests: queue.Queue[_Request | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="sma-stills", daemon=True)
        self._thread.start()

    def request(
        self,
        character: str,
        find: Callable[[], CharacterEntry | None],
        deliver: Callable[[DecodedPicture], None],
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        """Decode the picture that ``find`` returns and call ``deliver`` with it, both on the loader's thread.

        is_wanted: asked before; where the filter wants another one by then, nothing is decoded.
        """
        self._requests.put((character, find, deliver, is_wanted))

    def _run(self) -> None:
        while True:
            request = self._requests.get()
            if request is None:
                return
            try:
                self._serve(*request)
            except Exception:
                logger.exception("a still picture could not be loaded")

    def _serve(
        self,
        character: str,
        find: Callable[[], CharacterEntry | None],
        deliver: Callable[[DecodedPicture], None],
        is_wanted: Callable[[], bool] = lambda: True,
    ) -> None:
        if not is_wanted():
            return
        entry = find()
        if entry is not None:
            picture = decode(self._lib, character, entry)
        elif character:
            problem = f"{character} is not in assets/characters; choose another character"
            picture = DecodedPicture(character, self._lib, problem=problem)
        else:
            picture = DecodedPicture(character, self._lib, problem=character_list.missing_picture(self._folder))
        if picture.problem:
            logger.warning("%s", picture.problem)
        deliver(picture)

    def stop(self) -> None:
        """Finish the picture in work, drop the rest, end the thread."""
        while not self._requests.empty():
            try:
                self._requests.get_nowait()
            except queue.Empty:
                break
        self._requests.put(None)
        self._thread.join(_STOP_SECONDS)
