"""The character's still picture, decoded by libobs on a thread of its own; needs no worker."""

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
from typing import Callable, Iterator

from animator_core.ipc import character_names
from animator_core.ipc.protocol import CharacterEntry
from obs_plugin import character_list, libobs, picture_header
from obs_plugin.libobs import LibObs
from obs_plugin.plain_copy import PlainCopy, read_plain_copy
from obs_plugin.problem import Problem, told
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
    """Pixels that libobs decoded, at address ``pixels``, to be freed with `free`; or the reason why there are none.

    character: the file name in the settings. format: a ``gs_color_format``. buffer: owns the pixels, None if libobs
    does.
    """

    character: str
    lib: LibObs
    pixels: int = 0
    width: int = 0
    height: int = 0
    format: int = 0
    problem: Problem | None = None
    buffer: object = None

    def make_texture(self) -> Texture | None:
        """Return the picture as a texture, or None; needs the graphics context. Free the pixels afterwards."""
        if not self.pixels:
            return None
        data = ctypes.c_void_p(self.pixels)
        handle = self.lib.gs_texture_create(self.width, self.height, self.format, 1, ctypes.byref(data), 0)
        return Texture(handle, self.width, self.height) if handle else None

    def free(self) -> None:
        if self.pixels and self.buffer is None:
            self.lib.bfree(self.pixels)


def header_problem(entry: CharacterEntry) -> Problem | None:
    """Return why a picture's header rules out showing it, or None."""
    name = entry.file
    try:
        size = picture_header.read_size(entry.path)
    except OSError as exc:
        return told("Unreadable", name=name, reason=exc.strerror or exc)
    if size is None:
        return told("NotAPicture", name=name)
    if max(size) > _MAX_SIDE or size[0] * size[1] > _MAX_PIXELS:
        return told("TooLarge", name=name, width=size[0], height=size[1], most=_MAX_SIDE // 2)
    return None


def decode(lib: LibObs, character: str, entry: CharacterEntry) -> DecodedPicture:
    """Return the picture of ``entry`` as OBS's own image source would load it, for the setting ``character``."""
    path, name = entry.path, entry.file
    problem = header_problem(entry)
    if problem is not None:
        return DecodedPicture(character, lib, problem=problem)
    try:
        copy = read_plain_copy(path)
        with _decodable(path, copy) as decodable:
            picture = _decode_file(lib, character, decodable)
    except OSError as exc:
        problem = told("Unreadable", name=name, reason=exc.strerror or exc)
        return DecodedPicture(character, lib, problem=problem)
    if not picture.pixels:
        fault = "OnlyAnimated" if copy.is_animated else "Damaged"
        return DecodedPicture(character, lib, problem=told(fault, name=name))
    return _upright(picture, copy)


@contextlib.contextmanager
def _decodable(path: str, copy: PlainCopy) -> Iterator[str]:
    """Yield the name of a file for libobs to decode: the picture itself, or a plain copy that is then deleted."""
    # FFmpeg takes a percent sign for the pattern of numbered pictures.
    if (not copy.is_needed and "%" not in path) or not copy.kept:
        yield path
        return
    handle, temporary = tempfile.mkstemp(suffix=os.path.splitext(path)[1])
    try:
        with os.fdopen(handle, "wb") as file:
            copy.write(path, file)
        yield character_names.as_text(temporary)
    finally:
        os.unlink(temporary)


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
    return DecodedPicture(
        character, lib, pixels=pixels or 0, width=width.value, height=height.value, format=pixel_format.value
    )


def _upright(picture: DecodedPicture, copy: PlainCopy) -> DecodedPicture:
    """Return a decoded copy on its canvas, turned upright."""
    pixel_bytes = _PIXEL_BYTES.get(picture.format)
    if (copy.orientation == 1 and copy.canvas is None) or pixel_bytes is None or (copy.canvas and pixel_bytes != 4):
        return picture
    decoded = (ctypes.c_uint8 * (picture.width * picture.height * pixel_bytes)).from_address(picture.pixels)
    content, width, height = copy.upright(memoryview(decoded), picture.width, pixel_bytes)
    buffer = (ctypes.c_uint8 * len(content)).from_buffer_copy(content)
    picture.free()
    return replace(picture, pixels=ctypes.addressof(buffer), width=width, height=height, buffer=buffer)


@dataclass(frozen=True)
class StillRequest:
    """A picture to decode, for the setting ``character``; all functions are called on the loader's thread.

    is_wanted: called first; if false, nothing is decoded. find: returns the picture. deliver: gets the result.
    """

    character: str
    find: Callable[[], CharacterEntry | None]
    deliver: Callable[[DecodedPicture], None]
    is_wanted: Callable[[], bool]


class StillLoader:
    """Decodes pictures one after the other, from `start` to `stop`; before and after, requests have no effect."""

    def __init__(self, lib: LibObs, folder: str) -> None:
        """folder: the path of the character folder."""
        self._lib, self._folder = lib, folder
        self._requests: queue.Queue[StillRequest | None] = queue.Queue()
        self._thread = threading.Thread(target=self._run, name="sma-stills", daemon=True)
        self._is_running = False

    def start(self) -> None:
        self._is_running = True
        self._thread.start()

    def request(self, request: StillRequest) -> None:
        """Queue a request and return at once."""
        if self._is_running:
            self._requests.put(request)

    def _run(self) -> None:
        while True:
            request = self._requests.get()
            if request is None:
                return
            try:
                if request.is_wanted():
                    self._serve(request)
            except Exception:
                logger.exception("a still picture could not be loaded")

    def _serve(self, request: StillRequest) -> None:
        character, entry = request.character, request.find()
        if entry is not None:
            picture = decode(self._lib, character, entry)
        else:
            problem = character_list.missing_picture(self._folder)
            if character:
                problem = told("NotThere", name=character)
            picture = DecodedPicture(character, self._lib, problem=problem)
        if picture.problem is not None:
            logger.warning("%s", picture.problem)
        request.deliver(picture)

    def stop(self) -> None:
        """Finish the present picture, drop the other requests, end the thread."""
        if not self._is_running:
            return
        self._is_running = False
        while not self._requests.empty():
            try:
                self._requests.get_nowait()
            except queue.Empty:
                break
        self._requests.put(None)
        self._thread.join(_STOP_SECONDS)
