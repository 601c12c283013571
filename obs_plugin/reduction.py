"""Makes a picture smaller without aliasing: each pixel becomes the mean of those that it covers, in linear light.

A texture is drawn with four of its pixels to each of the screen, so that one which is much larger loses fine lines.
OBS's area effect averages them all, but only where nothing turns or mirrors it; hence a target of its own here, which
is then drawn one to one.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import ctypes
import functools
from typing import Optional, Tuple

from obs_plugin import libobs
from obs_plugin.drawing import Placement
from obs_plugin.libobs import LibObs
from obs_plugin.texture import Texture

_Key = Tuple[int, int, Placement]


@functools.lru_cache(maxsize=1)
def _area_effect(lib: LibObs) -> tuple[int, int, int, int]:
    """Return OBS's area effect and its parameters: texture, size, and 1 / size."""
    effect = lib.obs_get_base_effect(libobs.EFFECT_AREA)
    image, size, inverse = (
        lib.gs_effect_get_param_by_name(effect, name) for name in (b"image", b"base_dimension", b"base_dimension_i")
    )
    return effect, image, size, inverse


class Reduction:
    """The last picture that was made smaller; kept until another one, or another size, is asked for.

    Every method must run in the graphics context.
    """

    def __init__(self, lib: LibObs) -> None:
        self._lib = lib
        self._target = 0
        self._made: Optional[_Key] = None  # noqa: UP045 - read at run time by Python 3.8

    def reduce(self, texture: Texture, where: Placement) -> tuple[Texture, Placement]:
        """Return what to draw in place of ``texture``, and where; the same where it is not made smaller."""
        if where.width >= where.cut_width and where.height >= where.cut_height:
            return texture, where
        key = (texture.handle, texture.version, where)
        if key != self._made and not self._render(texture, where):
            return texture, where
        self._made = key
        handle = self._lib.gs_texrender_get_texture(self._target)
        reduced = Texture(handle, where.width, where.height)
        return reduced, Placement(0, 0, where.width, where.height, where.x, where.y, where.width, where.height)

    def _render(self, texture: Texture, where: Placement) -> bool:
        lib = self._lib
        self._target = self._target or lib.gs_texrender_create(libobs.GS_BGRA, libobs.GS_ZS_NONE) or 0
        if not self._target:
            return False
        lib.gs_texrender_reset(self._target)
        if not lib.gs_texrender_begin_with_color_space(self._target, where.width, where.height, libobs.GS_CS_SRGB):
            return False
        was_enabled = lib.gs_framebuffer_srgb_enabled()
        lib.gs_enable_framebuffer_srgb(True)
        lib.gs_blend_state_push()
        try:
            lib.gs_blend_function(libobs.GS_BLEND_ONE, libobs.GS_BLEND_ZERO)
            lib.gs_ortho(0.0, float(where.cut_width), 0.0, float(where.cut_height), -100.0, 100.0)
            self._draw(texture, where)
        finally:
            lib.gs_blend_state_pop()
            lib.gs_enable_framebuffer_srgb(was_enabled)
            lib.gs_texrender_end(self._target)
        return True

    def _draw(self, texture: Texture, where: Placement) -> None:
        lib = self._lib
        effect, image, size, inverse = _area_effect(lib)
        lib.gs_effect_set_texture_srgb(image, texture.handle)
        vector = ctypes.c_float * 2
        lib.gs_effect_set_vec2(size, ctypes.byref(vector(texture.width, texture.height)))
        lib.gs_effect_set_vec2(inverse, ctypes.byref(vector(1 / texture.width, 1 / texture.height)))
        while lib.gs_effect_loop(effect, b"Draw"):
            lib.gs_draw_sprite_subregion(texture.handle, 0, where.cut_x, where.cut_y, where.cut_width, where.cut_height)

    def destroy(self) -> None:
        """Free the target; the next `reduce` makes it anew."""
        if self._target:
            self._lib.gs_texrender_destroy(self._target)
        self._target, self._made = 0, None
