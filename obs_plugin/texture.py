"""The animated picture on the GPU, refilled in place from the ring; a torn frame is never shown."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import itertools
from dataclasses import dataclass, field

from obs_plugin import libobs
from obs_plugin.filter_rings import FilterRings
from obs_plugin.libobs import LibObs

_ATTEMPTS = 3
_fills = itertools.count(1)


@dataclass
class Texture:
    """A ``gs_texture_t`` and its size in pixels; colour premultiplied in linear light, sRGB-encoded.

    version: unique to each fill of each texture.
    """

    handle: int
    width: int
    height: int
    version: int = field(default_factory=_fills.__next__)


class AnimatedTexture:
    """A double buffer: one texture is shown while the other is filled.

    Every method must run in the graphics context.
    """

    def __init__(self, lib: LibObs) -> None:
        self._lib = lib
        self._front: Texture | None = None
        self._back: Texture | None = None
        self.is_filled = False

    @property
    def texture(self) -> Texture | None:
        """The texture to draw, or None before the first frame."""
        return self._front if self.is_filled else None

    def refill(self, rings: FilterRings) -> bool:
        """Upload the newest frame of the ring, and return whether there was a new one."""
        for _ in range(_ATTEMPTS):
            info = rings.poll()
            if info is None:
                return False
            if not self._make_back(info.width, info.height) or self._back is None:
                return False
            self._lib.gs_texture_set_image(self._back.handle, rings.pixels(info), info.stride, False)
            if rings.is_intact(info):
                rings.mark_shown(info)
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
        """Show no frame until a new one comes; the textures are kept."""
        self.is_filled = False

    def destroy(self) -> None:
        for texture in (self._front, self._back):
            if texture is not None:
                self._lib.gs_texture_destroy(texture.handle)
        self._front = self._back = None
        self.is_filled = False
