"""The filter: captures its target, receives the animated frames, draws them or the still character."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import enum
from typing import Protocol

from obs_plugin import drawing, libobs
from obs_plugin.capture import Capture
from obs_plugin.downscaling import Downscaler
from obs_plugin.filter_rings import FilterRings
from obs_plugin.filter_source import FilterSource
from obs_plugin.framing import Look
from obs_plugin.libobs import LibObs
from obs_plugin.panel_state import PanelState
from obs_plugin.problem import Problem
from obs_plugin.properties import camera_id, read_frame_size, read_settings
from obs_plugin.stage import Stage
from obs_plugin.still_picture import DecodedPicture
from obs_plugin.texture import AnimatedTexture, Texture
from obs_plugin.thread_mailbox import Mailbox

_STALE_HEARTBEAT_SECONDS = 2.0
_UNSEEN_TICKS = 60
"""After so many frames in which nothing showed the filter, the worker need not render for it."""


class FilterHost(Protocol):
    """The filter's way to other threads; no method waits."""

    def add(self, instance: AnimatorFilter) -> None: ...

    def remove(self, instance: AnimatorFilter) -> None: ...

    def update(self, instance: AnimatorFilter) -> None: ...

    def request_still(self, instance: AnimatorFilter) -> None: ...

    def request_label(self, instance: AnimatorFilter) -> None: ...

    def act(self, instance: AnimatorFilter, action: str) -> None: ...

    def keep_frame_size(self, instance: AnimatorFilter) -> None: ...

    def retire(self, rings: FilterRings) -> None: ...


class Display(enum.Enum):
    """The picture that a filter shows."""

    ANIMATED = 1
    STILL = 2
    CAMERA = 3
    NOTHING = 4


class AnimatorFilter:
    """One instance. `tick` and `render` run on the graphics thread, the rest on OBS's other threads."""

    def __init__(self, lib: LibObs, *, filter_id: str, source: int, settings: int, host: FilterHost) -> None:
        """source, settings: the ``obs_source_t`` and ``obs_data_t`` that OBS passes to `create`."""
        self.filter_id = filter_id
        self.obs_source = FilterSource(lib, source)
        self.panel = PanelState()
        self.settings = read_settings(lib, settings)
        self.camera_id = camera_id(lib, settings)
        """Names the camera to the worker, which keeps the neutral face of whoever sits before it."""
        self.is_frozen = False
        self.is_hidden = False
        self.has_failed = False
        """Whether the animation does not work, apart from a start or a quick restart."""
        self.frame_size = read_frame_size(lib, settings)
        """The target's last size in pixels, or (0, 0) if it never had one; a camera that is gone has none."""
        self.default_character = ""
        """The file name of the character that the worker shows while none is chosen, "" before it says so."""
        self.still_problem: Problem | None = None
        self.new_rings: Mailbox[FilterRings] = Mailbox(FilterRings.close)
        self.stills: Mailbox[DecodedPicture] = Mailbox(DecodedPicture.free)
        self.labels: Mailbox[DecodedPicture] = Mailbox(DecodedPicture.free)
        self._lib = lib
        self._source = source
        self._host = host
        self._rings: FilterRings | None = None
        self._capture = Capture(lib)
        self._animated = AnimatedTexture(lib)
        self._still: Texture | None = None
        self._downscaler = Downscaler(lib)
        self._stage = Stage(lib)
        self._is_capture_due = False
        self._unseen_ticks = 0
        self._kept_frame_size = self.frame_size
        self._character_size = (0, 0)
        self._display = Display.NOTHING
        host.add(self)

    # --- settings ---

    def update(self, settings: int) -> None:
        """Read changed settings; other threads do everything slow."""
        before, self.settings = self.settings, read_settings(self._lib, settings)
        if before == self.settings:
            return
        if before.character != self.settings.character:
            self._host.request_still(self)
        if self.settings.has_label and not before.has_label:
            self._host.request_label(self)
        self._host.update(self)

    @property
    def rings(self) -> FilterRings | None:
        return self._rings

    # --- the graphics thread ---

    def tick(self) -> None:
        """Take new rings, and choose the picture to show."""
        # Whatever shows the filter renders it between two ticks, which takes the capture.
        self._unseen_ticks = self._unseen_ticks + 1 if self._is_capture_due else 0
        self._is_capture_due = True
        rings = self.new_rings.take()
        if rings is not None:
            old, self._rings = self._rings, rings
            self._animated.forget()
            if old is not None:
                self._host.retire(old)
        if self._unseen_ticks == _UNSEEN_TICKS or (rings is not None and self._unseen_ticks > _UNSEEN_TICKS):
            self._host.act(self, "hide")
        if self.frame_size != self._kept_frame_size:
            self._kept_frame_size = self.frame_size
            self._host.keep_frame_size(self)
        self._display = self._choose_display()

    def _choose_display(self) -> Display:
        if self.is_hidden:
            return Display.NOTHING
        if self._animated.texture is not None and self._is_worker_alive():
            return Display.ANIMATED
        if self.settings.on_problem == "transparent":
            return Display.NOTHING
        if self.settings.on_problem == "camera" and self.has_failed:
            return Display.CAMERA
        return Display.STILL

    def _is_worker_alive(self) -> bool:
        rings = self._rings
        return rings is not None and not rings.is_ended and rings.heartbeat_age_s < _STALE_HEARTBEAT_SECONDS

    def render(self) -> None:
        """Capture, upload, draw; until a picture is ready nothing is drawn, and never the camera instead."""
        # Here and not in `tick`: only while it is rendered OBS keeps the target alive.
        target_size = self._read_target_size()
        if self._unseen_ticks >= _UNSEEN_TICKS:
            self._host.act(self, "show")
        self._unseen_ticks = 0
        rings = self._rings
        if rings is not None and not rings.is_ended:
            if self._is_capture_due and all(target_size):
                self._is_capture_due = False
                self._capture.capture(self._source, target_size, rings)
            if self._animated.refill(rings) and self._display is not Display.ANIMATED:
                self._display = self._choose_display()
        self._take_still()
        self._take_label()
        if self._display is Display.CAMERA:
            drawing.draw_target(self._lib, self._source)
            return
        texture = self._shown_texture()
        if texture is not None:
            self._draw(texture)

    def _shown_texture(self) -> Texture | None:
        if self._display is Display.ANIMATED:
            return self._animated.texture
        return self._still if self._display is Display.STILL else None

    def _draw(self, texture: Texture) -> None:
        if self._display is Display.ANIMATED or self._character_size == (0, 0):
            self._character_size = (texture.width, texture.height)
        frame_size = self._character_size if self.settings.fit == "character" else self.frame_size
        fit = "frame" if self.settings.fit == "character" else self.settings.fit
        blit = drawing.fit_picture(fit, (texture.width, texture.height), frame_size)
        look = self.settings.look if all(frame_size) else Look()
        if not look.framing.is_plain:
            blit = drawing.framed(blit, frame_size, look.framing)
        self._stage.draw(self._downscaler.downscale(texture, blit), frame_size, look)

    def _take_still(self) -> None:
        picture = self.stills.take()
        if picture is None:
            return
        self._drop_still()
        if picture.character == self.settings.character:
            self._still = picture.make_texture()
            self.still_problem = picture.problem
            if self._still is not None and self._display is not Display.ANIMATED:
                self._character_size = (self._still.width, self._still.height)
        picture.free()

    def _take_label(self) -> None:
        picture = self.labels.take()
        if picture is not None:
            self._stage.set_label(picture.make_texture())
            picture.free()

    def _drop_still(self) -> None:
        if self._still is not None:
            self._lib.gs_texture_destroy(self._still.handle)
            self._still = None

    # --- size and colour, any thread ---

    def size(self) -> tuple[int, int]:
        """Return the size in pixels of the picture that is shown; OBS draws nothing of a source without a size."""
        target_size = self._read_target_size()
        if self._display is Display.CAMERA:
            return target_size
        if self.settings.fit == "character" and all(self._character_size):
            return self._character_size
        return self.frame_size

    def _read_target_size(self) -> tuple[int, int]:
        """Return the target's present size in pixels, (0, 0) if it has none."""
        target = self._lib.obs_filter_get_target(self._source)
        if not target:
            return 0, 0
        size = self._lib.obs_source_get_base_width(target), self._lib.obs_source_get_base_height(target)
        if all(size):
            self.frame_size = size
        return size

    def color_space(self, count: int, preferred: int | None) -> int:
        """Return the colour space of the picture that is shown: sRGB, for the camera its own."""
        if self._display is Display.CAMERA:
            target = self._lib.obs_filter_get_target(self._source)
            if target:
                return int(self._lib.obs_source_get_color_space(target, count, preferred))
        return libobs.GS_CS_SRGB

    # --- the end ---

    def destroy(self) -> None:
        """Free everything; OBS calls nothing of this filter afterwards."""
        self._host.remove(self)
        self.obs_source.close()
        self.new_rings.close()
        self.stills.close()
        self.labels.close()
        if self._rings is not None:
            self._host.retire(self._rings)
            self._rings = None
        self._lib.obs_enter_graphics()
        try:
            self._capture.destroy()
            self._animated.destroy()
            self._downscaler.destroy()
            self._stage.destroy()
            self._drop_still()
        finally:
            self._lib.obs_leave_graphics()
