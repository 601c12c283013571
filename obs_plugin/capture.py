"""Captures the filter's target: downscaled on the GPU, read back one frame late into the driving ring."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import ctypes

from animator_core.ipc.frame_ring import now_ns
from obs_plugin import drawing, libobs
from obs_plugin.filter_rings import TRACKING_SIDE, FilterRings
from obs_plugin.libobs import LibObs

_SHORTEST_INTERVAL_NS = 1_000_000_000 // 75
"""Keeps every frame at 60 fps; a 144 fps canvas has more than any tracker needs."""
_OLDEST_FRAME_NS = 500_000_000


def tracking_size(width: int, height: int) -> tuple[int, int]:
    """Return the size of a picture's driving frame: same aspect, longest side at most `TRACKING_SIDE` pixels."""
    scale = min(1.0, TRACKING_SIDE / max(width, height))
    return max(1, round(width * scale)), max(1, round(height * scale))


class Capture:
    """Reads a filter's target back without waiting for the GPU: stages this frame, maps the previous one.

    Every method must run in the graphics context.
    """

    def __init__(self, lib: LibObs) -> None:
        self._lib = lib
        self._texrender = 0
        self._surfaces: list[int] = []
        self._staged_ns = [0, 0]
        self._turn = 0
        self._size = (0, 0)
        self._last_ns = 0
        self._clear_buffer, self._clear_color = libobs.transparent_black()
        self._data = ctypes.c_void_p()
        self._stride = ctypes.c_uint32()

    def capture(self, source: int, target_size: tuple[int, int], rings: FilterRings) -> None:
        """Render the target of filter ``source``, (width, height) in pixels, and publish the previous frame."""
        rendered_ns = now_ns()
        if rendered_ns - self._last_ns < _SHORTEST_INTERVAL_NS:
            return
        self._last_ns = rendered_ns
        size = tracking_size(*target_size)
        if size != self._size and not self._resize(size):
            return
        if not self._render(source, target_size):
            return
        lib, turn = self._lib, self._turn
        lib.gs_stage_texture(self._surfaces[turn], lib.gs_texrender_get_texture(self._texrender))
        self._staged_ns[turn] = rendered_ns
        self._turn = 1 - turn
        self._publish_older(1 - turn, rendered_ns, rings)

    def _resize(self, size: tuple[int, int]) -> bool:
        self.destroy()
        self._texrender = self._lib.gs_texrender_create(libobs.GS_RGBA, libobs.GS_ZS_NONE) or 0
        self._surfaces = [self._lib.gs_stagesurface_create(*size, libobs.GS_RGBA) or 0 for _ in range(2)]
        if not self._texrender or not all(self._surfaces):
            self.destroy()
            return False
        self._size = size
        return True

    def _render(self, source: int, target_size: tuple[int, int]) -> bool:
        lib, (width, height) = self._lib, target_size
        lib.gs_texrender_reset(self._texrender)
        if not lib.gs_texrender_begin_with_color_space(self._texrender, *self._size, libobs.GS_CS_SRGB):
            return False
        was_linear = lib.gs_set_linear_srgb(True)
        lib.gs_blend_state_push()
        try:
            lib.gs_clear(libobs.GS_CLEAR_COLOR, self._clear_color, 0.0, 0)
            lib.gs_ortho(0.0, float(width), 0.0, float(height), -100.0, 100.0)
            lib.gs_blend_function_separate(
                libobs.GS_BLEND_SRCALPHA,
                libobs.GS_BLEND_INVSRCALPHA,
                libobs.GS_BLEND_ONE,
                libobs.GS_BLEND_INVSRCALPHA,
            )
            drawing.draw_target(lib, source)
        finally:
            lib.gs_blend_state_pop()
            lib.gs_set_linear_srgb(was_linear)
            lib.gs_texrender_end(self._texrender)
        return True

    def _publish_older(self, turn: int, rendered_ns: int, rings: FilterRings) -> None:
        staged_ns, self._staged_ns[turn] = self._staged_ns[turn], 0
        # A frame that was staged before the source was hidden is out of date.
        if not staged_ns or rendered_ns - staged_ns > _OLDEST_FRAME_NS:
            return
        surface = self._surfaces[turn]
        if not self._lib.gs_stagesurface_map(surface, ctypes.byref(self._data), ctypes.byref(self._stride)):
            return
        try:
            if self._data.value:
                rings.publish(self._data.value, self._size, stride=self._stride.value, captured_ns=staged_ns)
        finally:
            self._lib.gs_stagesurface_unmap(surface)

    def destroy(self) -> None:
        """Free every graphics object; the next `capture` makes them anew."""
        if self._texrender:
            self._lib.gs_texrender_destroy(self._texrender)
        for surface in self._surfaces:
            if surface:
                self._lib.gs_stagesurface_destroy(surface)
        self._texrender, self._surfaces, self._size = 0, [], (0, 0)
        self._staged_ns = [0, 0]
