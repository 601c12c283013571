"""Draws a picture with background and label, and one that was moved into a frame that cuts off what leaves it.

OBS does not clip a source to its size, so that frame is a render target of its own. The picture comes into it at its
final size, and is drawn from there one to one.
"""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import ctypes
import functools
from typing import Tuple

from obs_plugin import drawing, libobs
from obs_plugin.downscaling import Downscaler
from obs_plugin.drawing import Blit
from obs_plugin.framing import Look
from obs_plugin.libobs import LibObs
from obs_plugin.texture import Texture

_LABEL_HEIGHT, _LABEL_MARGIN = 0.045, 0.02
"""In shares of the frame's height: 49 pixels of 1080."""
_Size = Tuple[int, int]
_Key = Tuple[int, Blit, _Size, Look, int]


@functools.lru_cache(maxsize=1)
def _solid_effect(lib: LibObs) -> tuple[int, int]:
    """Return OBS's effect of one colour and its parameter; both stay as long as OBS runs."""
    effect = lib.obs_get_base_effect(libobs.EFFECT_SOLID)
    return effect, lib.gs_effect_get_param_by_name(effect, b"color")


@functools.lru_cache(maxsize=8)
def _linear_color(color: int) -> tuple[float, float, float, float]:
    """Return an opaque colour ``0xAABBGGRR`` in linear light."""
    encoded = [(color >> shift & 0xFF) / 255 for shift in (0, 8, 16)]
    red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in encoded)
    return red, green, blue, 1.0


class Stage:
    """Keeps the last composed frame for as long as picture, place and look stay the same.

    Every method must run in the graphics context.
    """

    def __init__(self, lib: LibObs) -> None:
        self._lib = lib
        self._target = 0
        self._made: _Key | None = None
        self._clear_buffer, self._clear_color = libobs.transparent_black()
        self._label: Texture | None = None
        self._label_downscaler = Downscaler(lib)

    def set_label(self, label: Texture | None) -> None:
        """Take the label's picture, which is freed with the stage."""
        if self._label is not None:
            self._lib.gs_texture_destroy(self._label.handle)
        self._label, self._made = label, None

    def draw(self, picture: tuple[Texture, Blit], frame_size: _Size, look: Look) -> None:
        """Draw a picture, whose blit is in a frame of this size, with background and label.

        It is drawn uncut if OBS has no memory for a frame.
        """
        # Before anything else: it may be downscaled into a render target of its own.
        label = self._placed_label(frame_size[1]) if look.has_label else None
        layers = [picture] if label is None else [picture, label]
        if look.framing.is_plain:
            self._paint(layers, frame_size, look)
            return
        key = (picture[0].version, picture[1], frame_size, look, id(self._label))
        if key != self._made:
            self._made = key if self._compose(layers, frame_size, look) else None
        if self._made is None:
            self._paint(layers, frame_size, look)
            return
        width, height = frame_size
        frame = Texture(self._lib.gs_texrender_get_texture(self._target), width, height)
        drawing.draw(self._lib, frame, Blit(cut_width=width, cut_height=height, width=width, height=height))

    def _compose(self, layers: list[tuple[Texture, Blit]], frame_size: _Size, look: Look) -> bool:
        lib, (width, height) = self._lib, frame_size
        self._target = self._target or lib.gs_texrender_create(libobs.GS_BGRA, libobs.GS_ZS_NONE) or 0
        if not self._target:
            return False
        lib.gs_texrender_reset(self._target)
        if not lib.gs_texrender_begin_with_color_space(self._target, width, height, libobs.GS_CS_SRGB):
            return False
        try:
            lib.gs_ortho(0.0, float(width), 0.0, float(height), -100.0, 100.0)
            lib.gs_clear(libobs.GS_CLEAR_COLOR, self._clear_color, 0.0, 0)
            self._paint(layers, frame_size, look)
        finally:
            lib.gs_texrender_end(self._target)
        return True

    def _paint(self, layers: list[tuple[Texture, Blit]], frame_size: _Size, look: Look) -> None:
        """Draw the background, and on it the picture and, if there is one, the label."""
        if look.background == "color":
            self._fill(look.color, frame_size)
        for rotation, layer in zip((look.framing.rotation, 0.0), layers):
            drawing.draw(self._lib, *layer, rotation=rotation)

    def _fill(self, color: int, frame_size: _Size) -> None:
        lib, (effect, parameter) = self._lib, _solid_effect(self._lib)
        was_enabled = lib.gs_framebuffer_srgb_enabled()
        lib.gs_enable_framebuffer_srgb(True)
        try:
            lib.gs_effect_set_vec4(parameter, ctypes.byref((ctypes.c_float * 4)(*_linear_color(color))))
            while lib.gs_effect_loop(effect, b"Solid"):
                lib.gs_draw_sprite(None, 0, *frame_size)
        finally:
            lib.gs_enable_framebuffer_srgb(was_enabled)

    def _placed_label(self, frame_height: int) -> tuple[Texture, Blit] | None:
        """Return the label at the bottom left of a frame, None without its picture."""
        label = self._label
        if label is None:
            return None
        height = max(1, round(_LABEL_HEIGHT * frame_height))
        margin = round(_LABEL_MARGIN * frame_height)
        blit = Blit(
            cut_width=label.width,
            cut_height=label.height,
            width=max(1, round(label.width * height / label.height)),
            height=height,
            x=margin,
            y=frame_height - margin - height,
        )
        return self._label_downscaler.downscale(label, blit)

    def destroy(self) -> None:
        """Free everything; the next `compose` makes the frame anew."""
        self.set_label(None)
        self._label_downscaler.destroy()
        if self._target:
            self._lib.gs_texrender_destroy(self._target)
        self._target = 0
