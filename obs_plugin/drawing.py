"""Where a character stands in the source's frame, and the draw itself."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import functools
from dataclasses import dataclass

from obs_plugin import libobs
from obs_plugin.libobs import LibObs
from obs_plugin.texture import Texture


@dataclass(frozen=True)
class Placement:
    """The part of a picture that is drawn (``cut_*``, its pixels) and the rectangle that it fills (frame's pixels)."""

    cut_x: int
    cut_y: int
    cut_width: int
    cut_height: int
    x: int
    y: int
    width: int
    height: int


@functools.lru_cache(maxsize=64)
def place(fit: str, width: int, height: int, frame_width: int, frame_height: int) -> Placement:
    """Return where a picture of ``width`` x ``height`` stands in a frame.

    fit: ``frame``: all of it, aspect kept, centred, standing on the bottom edge. ``cover``: fills the frame; what is
    too wide is cut on both sides, what is too tall at the bottom, because the face is at the top. ``character``: 1:1.
    """
    if fit == "character" or not (frame_width and frame_height):
        return Placement(0, 0, width, height, 0, 0, width, height)
    if fit == "cover":
        scale = max(frame_width / width, frame_height / height)
        cut_width = max(1, min(width, round(frame_width / scale)))
        cut_height = max(1, min(height, round(frame_height / scale)))
        return Placement((width - cut_width) // 2, 0, cut_width, cut_height, 0, 0, frame_width, frame_height)
    scale = min(frame_width / width, frame_height / height)
    shown_width, shown_height = max(1, round(width * scale)), max(1, round(height * scale))
    x, y = (frame_width - shown_width) // 2, frame_height - shown_height
    return Placement(0, 0, width, height, x, y, shown_width, shown_height)


@functools.lru_cache(maxsize=1)
def _default_effect(lib: LibObs) -> tuple[int, int]:
    """Return OBS's default effect and its texture parameter, which both stay as long as OBS runs."""
    effect = lib.obs_get_base_effect(libobs.EFFECT_DEFAULT)
    return effect, lib.gs_effect_get_param_by_name(effect, b"image")


def draw(lib: LibObs, texture: Texture, where: Placement) -> None:
    """Draw ``texture``, blended in linear light whatever the canvas is set to, as OBS's image source does."""
    effect, image = _default_effect(lib)
    was_enabled = lib.gs_framebuffer_srgb_enabled()
    lib.gs_enable_framebuffer_srgb(True)
    lib.gs_blend_state_push()
    lib.gs_matrix_push()
    try:
        lib.gs_blend_function(libobs.GS_BLEND_ONE, libobs.GS_BLEND_INVSRCALPHA)
        lib.gs_effect_set_texture_srgb(image, texture.handle)
        lib.gs_matrix_translate3f(float(where.x), float(where.y), 0.0)
        lib.gs_matrix_scale3f(where.width / where.cut_width, where.height / where.cut_height, 1.0)
        while lib.gs_effect_loop(effect, b"Draw"):
            lib.gs_draw_sprite_subregion(texture.handle, 0, where.cut_x, where.cut_y, where.cut_width, where.cut_height)
    finally:
        lib.gs_matrix_pop()
        lib.gs_blend_state_pop()
        lib.gs_enable_framebuffer_srgb(was_enabled)


def draw_target(lib: LibObs, source: int) -> None:
    """Draw what filter ``source`` filters: an image, a camera, a scene, another filter; for `video_render` only.

    This is what obs_source_skip_video_filter does, which crashes where another thread removes the filter meanwhile:
    it then finds no parent. The parent itself lives as long as the render call that we are in.
    """
    target, parent = lib.obs_filter_get_target(source), lib.obs_filter_get_parent(source)
    if not target or not parent:
        return
    draws_itself = lib.obs_source_get_output_flags(parent) & (libobs.OUTPUT_ASYNC | libobs.OUTPUT_CUSTOM_DRAW)
    if target == parent and not draws_itself:
        lib.obs_source_default_render(target)
    else:
        lib.obs_source_video_render(target)
