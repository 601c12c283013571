"""Places a character's picture in the source's frame, and draws it."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import functools
import math
from dataclasses import dataclass, replace

from obs_plugin import libobs
from obs_plugin.framing import Framing
from obs_plugin.libobs import LibObs
from obs_plugin.texture import Texture


@dataclass(frozen=True)
class Blit:
    """The part of a picture to draw (``cut_*``, picture pixels) and the rectangle that it fills (frame pixels)."""

    cut_width: int
    cut_height: int
    width: int
    height: int
    cut_x: int = 0
    cut_y: int = 0
    x: int = 0
    y: int = 0


@functools.lru_cache(maxsize=64)
def fit_picture(fit: str, picture_size: tuple[int, int], frame_size: tuple[int, int]) -> Blit:
    """Return how a picture is drawn into a frame; sizes: (width, height) in pixels.

    fit: ``frame``: the whole picture, centred on the bottom edge. ``cover``: fills the frame; too wide a picture is cut
    on both sides, too tall a one at the bottom, as the face is at the top. Both keep the aspect. ``character``: 1:1,
    as with a frame of no size.
    """
    (width, height), (frame_width, frame_height) = picture_size, frame_size
    if fit == "character" or not all(frame_size):
        return Blit(cut_width=width, cut_height=height, width=width, height=height)
    if fit == "cover":
        scale = max(frame_width / width, frame_height / height)
        cut_width = max(1, min(width, round(frame_width / scale)))
        cut_height = max(1, min(height, round(frame_height / scale)))
        return Blit(
            cut_width=cut_width,
            cut_height=cut_height,
            width=frame_width,
            height=frame_height,
            cut_x=(width - cut_width) // 2,
        )
    scale = min(frame_width / width, frame_height / height)
    shown_width, shown_height = max(1, round(width * scale)), max(1, round(height * scale))
    return Blit(
        cut_width=width,
        cut_height=height,
        width=shown_width,
        height=shown_height,
        x=(frame_width - shown_width) // 2,
        y=frame_height - shown_height,
    )


def framed(blit: Blit, frame_size: tuple[int, int], framing: Framing) -> Blit:
    """Return ``blit`` moved and resized by a framing, but not turned.

    Closer, the top of the picture stays where it is, as the face is there; farther away, its bottom edge does, so that
    it stands.
    """
    width, height = max(1, round(blit.width * framing.zoom)), max(1, round(blit.height * framing.zoom))
    y = blit.y if framing.zoom > 1 else blit.y + blit.height - height
    return replace(
        blit,
        width=width,
        height=height,
        x=blit.x + (blit.width - width) // 2 + round(framing.offset_x * frame_size[0]),
        y=y - round(framing.offset_y * frame_size[1]),
    )


@functools.lru_cache(maxsize=1)
def _default_effect(lib: LibObs) -> tuple[int, int]:
    """Return OBS's default effect and its texture parameter; both stay as long as OBS runs."""
    effect = lib.obs_get_base_effect(libobs.EFFECT_DEFAULT)
    return effect, lib.gs_effect_get_param_by_name(effect, b"image")


def draw(lib: LibObs, texture: Texture, blit: Blit, *, rotation: float = 0.0) -> None:
    """Draw ``texture``, blended in linear light in every canvas format, as OBS's image source does.

    rotation: degrees clockwise, about the middle.
    """
    effect, image = _default_effect(lib)
    was_enabled = lib.gs_framebuffer_srgb_enabled()
    lib.gs_enable_framebuffer_srgb(True)
    lib.gs_blend_state_push()
    lib.gs_matrix_push()
    try:
        lib.gs_blend_function(libobs.GS_BLEND_ONE, libobs.GS_BLEND_INVSRCALPHA)
        lib.gs_effect_set_texture_srgb(image, texture.handle)
        lib.gs_matrix_translate3f(float(blit.x), float(blit.y), 0.0)
        if rotation:
            middle = blit.width / 2, blit.height / 2
            lib.gs_matrix_translate3f(*middle, 0.0)
            lib.gs_matrix_rotaa4f(0.0, 0.0, 1.0, math.radians(rotation))
            lib.gs_matrix_translate3f(-middle[0], -middle[1], 0.0)
        lib.gs_matrix_scale3f(blit.width / blit.cut_width, blit.height / blit.cut_height, 1.0)
        while lib.gs_effect_loop(effect, b"Draw"):
            lib.gs_draw_sprite_subregion(texture.handle, 0, blit.cut_x, blit.cut_y, blit.cut_width, blit.cut_height)
    finally:
        lib.gs_matrix_pop()
        lib.gs_blend_state_pop()
        lib.gs_enable_framebuffer_srgb(was_enabled)


def draw_target(lib: LibObs, source: int) -> None:
    """Draw the target of filter ``source``: an image, a camera, a scene, another filter; in `video_render` only.

    Does the same as obs_source_skip_video_filter, which crashes if another thread removes the filter meanwhile: it then
    finds no parent. The parent itself lives as long as the present render call.
    """
    target, parent = lib.obs_filter_get_target(source), lib.obs_filter_get_parent(source)
    if not target or not parent:
        return
    draws_itself = lib.obs_source_get_output_flags(parent) & (libobs.OUTPUT_ASYNC | libobs.OUTPUT_CUSTOM_DRAW)
    if target == parent and not draws_itself:
        lib.obs_source_default_render(target)
    else:
        lib.obs_source_video_render(target)
