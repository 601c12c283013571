"""The animated picture on the GPU, refilled in place from the ring; a torn frame never becomes the shown one."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import itertools
from dataclasses import dataclass, field

from obs_plugin import libobs
from obs_plugin.libobs import LibObs
from obs_plugin.link import FilterLink

_ATTEMPTS = 3
_fills = itertools.count(1)


@dataclass
class Texture:
    """A ``gs_texture_t`` and its size in pixels; colour premultiplied in linear light, sRGB-encoded.

    version: another number after each time that a texture was filled; no two textures share one.
    """

    handle: int
    width: int
    height: int
    version: int = field(default_factory=_fills.__next__)


class AnimatedTexture:
    """Two textures by turns: one is shown while the other is filled.

    Every method must run in the graphics context.
    """

    def __init__(self, lib: LibObs) -> None:
        self._lib = lib
        self._front: Texture | None = None
        self._back: Texture | None = None
        self.is_filled = False

    @property
    def texture(self) -> Texture | None:
        """The texture to draw, or None where no frame has come yet."""
        return self._front if self.is_filled else None

    def refill(self, link: FilterLink) -> bool:
        """Take over the newest frame of the ring, if there is one, and return whether there was."""
        for _ in range(_ATTEMPTS):
            info = link.poll()
            if info is None:
                return False
            if not self._make_back(info.width, info.height) or self._back is None:
                return False
            self._lib.gs_texture_set_image(self._back.handle, link.pixels(info), info.stride, False)
            if link.is_intact(info):
                link.mark_shown(info)
                self._back.version = next(_fills)
                self._front, self._back = self._back, self._front
                self.is_filled = True
                return True
        return False

    def _make_back(self, width: int, height: int) -> bool:
        if self._back is not None and (self._back.width, self._back.height) == (width, height):
            return True
        if self._back is not None:
            self._lib.gs_texture_destroy(self._back.handle)
            self._back = None
        handle = self._lib.gs_texture_create(width, height, libobs.GS_BGRA, 1, None, libobs.GS_DYNAMIC)
        if handle:
            self._back = Texture(handle, width, height)
        return bool(handle)

    def forget(self) -> None:
        """Show no frame until a new one comes; the textures are kept for it."""
        self.is_filled = False

    def destroy(self) -> None:
        for texture in (self._front, self._back):
            if texture is not None:
                self._lib.gs_texture_destroy(texture.handle)
        self._front = self._back = None
        self.is_filled = False
