"""Downscales a picture without aliasing: each pixel is the mean, in linear light, of those that it covers.

OBS draws a sprite with four samples a pixel, so that a much larger picture loses fine lines. Its area effect averages
all of them, but only for a draw without turn or mirror: hence a render target of its own, drawn one to one.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import ctypes
import functools
from dataclasses import replace
from typing import Tuple

from obs_plugin import libobs
from obs_plugin.drawing import Blit
from obs_plugin.libobs import LibObs
from obs_plugin.texture import Texture

_Key = Tuple[int, int, Blit]


@functools.lru_cache(maxsize=1)
def _area_effect(lib: LibObs) -> tuple[int, int, int, int]:
    """Return OBS's area effect and its parameters: texture, size, and 1 / size."""
    effect = lib.obs_get_base_effect(libobs.EFFECT_AREA)
    image, size, inverse = (
        lib.gs_effect_get_param_by_name(effect, name) for name in (b"image", b"base_dimension", b"base_dimension_i")
    )
    return effect, image, size, inverse


class Downscaler:
    """Keeps the last downscaled picture for as long as picture and size stay the same.

    Every method must run in the graphics context.
    """

    def __init__(self, lib: LibObs) -> None:
        self._lib = lib
        self._target = 0
        self._made: _Key | None = None

    def downscale(self, texture: Texture, blit: Blit) -> tuple[Texture, Blit]:
        """Return the texture and blit to draw instead; the given ones if the picture is not drawn smaller."""
        if blit.width >= blit.cut_width and blit.height >= blit.cut_height:
            return texture, blit
        key = (texture.handle, texture.version, blit)
        if key != self._made and not self._render(texture, blit):
            return texture, blit
        self._made = key
        smaller = Texture(self._lib.gs_texrender_get_texture(self._target), blit.width, blit.height)
        return smaller, replace(blit, cut_x=0, cut_y=0, cut_width=blit.width, cut_height=blit.height)

    def _render(self, texture: Texture, blit: Blit) -> bool:
        lib = self._lib
        self._target = self._target or lib.gs_texrender_create(libobs.GS_BGRA, libobs.GS_ZS_NONE) or 0
        if not self._target:
            return False
        lib.gs_texrender_reset(self._target)
        if not lib.gs_texrender_begin_with_color_space(self._target, blit.width, blit.height, libobs.GS_CS_SRGB):
            return False
        was_enabled = lib.gs_framebuffer_srgb_enabled()
        lib.gs_enable_framebuffer_srgb(True)
        lib.gs_blend_state_push()
        try:
            lib.gs_blend_function(libobs.GS_BLEND_ONE, libobs.GS_BLEND_ZERO)
            lib.gs_ortho(0.0, float(blit.cut_width), 0.0, float(blit.cut_height), -100.0, 100.0)
            self._draw(texture, blit)
        finally:
            lib.gs_blend_state_pop()
            lib.gs_enable_framebuffer_srgb(was_enabled)
            lib.gs_texrender_end(self._target)
        return True

    def _draw(self, texture: Texture, blit: Blit) -> None:
        lib = self._lib
        effect, image, size, inverse = _area_effect(lib)
        lib.gs_effect_set_texture_srgb(image, texture.handle)
        vector = ctypes.c_float * 2
        lib.gs_effect_set_vec2(size, ctypes.byref(vector(texture.width, texture.height)))
        lib.gs_effect_set_vec2(inverse, ctypes.byref(vector(1 / texture.width, 1 / texture.height)))
        while lib.gs_effect_loop(effect, b"Draw"):
            lib.gs_draw_sprite_subregion(texture.handle, 0, blit.cut_x, blit.cut_y, blit.cut_width, blit.cut_height)

    def destroy(self) -> None:
        """Free the target; the next `downscale` makes it anew."""
        if self._target:
            self._lib.gs_texrender_destroy(self._target)
        self._target, self._made = 0, None
