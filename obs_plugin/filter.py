"""The filter: what one instance in OBS captures, receives and draws."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import enum
from typing import TYPE_CHECKING

from obs_plugin import drawing, libobs
from obs_plugin.capture import Capture
from obs_plugin.handover import Handover
from obs_plugin.libobs import LibObs
from obs_plugin.link import FilterLink
from obs_plugin.properties import read_frame_size, read_settings
from obs_plugin.reduction import Reduction
from obs_plugin.still_picture import DecodedPicture
from obs_plugin.texture import AnimatedTexture, Texture

if TYPE_CHECKING:
    from obs_plugin.session import Session

_STALE_HEARTBEAT_SECONDS = 2.0
_UNSEEN_TICKS = 60
"""After so many frames in which nothing showed the filter, the worker need not render for it."""


class Display(enum.Enum):
    """What a filter shows."""

    ANIMATED = 1
    STILL = 2
    CAMERA = 3
    NOTHING = 4


class AnimatorFilter:
    """One instance. `tick` and `render` run on the graphics thread, the rest on OBS's other threads."""

    def __init__(self, lib: LibObs, filter_id: str, source: int, settings: int, session: Session) -> None:
        self.filter_id = filter_id
        self.source = source
        # Between the last reference and `destroy` the source's own reference count is freed memory; this one is not.
        self.weak_source: int = lib.obs_source_get_weak_source(source)
        self.settings = read_settings(lib, settings)
        self.is_frozen = False
        self.is_hidden = False
        self.has_failed = False
        """Whether the animation is not merely starting or being restarted, but does not work."""
        self.frame_size = read_frame_size(lib, settings)
        """The target's size in pixels when it last had one, or (0, 0); a camera that is gone has none."""
        self.still_problem = ""
        self.links: Handover[FilterLink] = Handover(FilterLink.close)
        self.stills: Handover[DecodedPicture] = Handover(DecodedPicture.free)
        self._lib = lib
        self._session = session
        self._link: FilterLink | None = None
        self._capture = Capture(lib)
        self._animated = AnimatedTexture(lib)
        self._still: Texture | None = None
        self._reduction = Reduction(lib)
        self._is_capture_due = False
        self._unseen_ticks = 0
        self._kept_frame_size = self.frame_size
        self._character_size = (0, 0)
        self._display = Display.NOTHING
        session.add(self)

    # --- settings ---

    def update(self, settings: int) -> None:
        """Take over changed settings; everything slow is left to other threads."""
        before, self.settings = self.settings, read_settings(self._lib, settings)
        if before == self.settings:
            return
        if before.character != self.settings.character:
            self._session.request_still(self)
        self._session.update(self)

    @property
    def link(self) -> FilterLink | None:
        return self._link

    # --- the graphics thread ---

    def tick(self) -> None:
        """Look for what other threads left, and choose what to show."""
        # Whatever shows the filter renders it between two ticks, which takes the capture.
        self._unseen_ticks = self._unseen_ticks + 1 if self._is_capture_due else 0
        self._is_capture_due = True
        link = self.links.take()
        if link is not None:
            old, self._link = self._link, link
            self._animated.forget()
            if old is not None:
                self._session.retire(old)
        if self._unseen_ticks == _UNSEEN_TICKS or (link is not None and self._unseen_ticks > _UNSEEN_TICKS):
            self._session.set_seen(self, False)
        if self.frame_size != self._kept_frame_size:
            self._kept_frame_size = self.frame_size
            self._session.keep_frame_size(self)
        self._display = self._choose_display()

    def _choose_display(self) -> Display:
        if self.is_hidden:
            return Display.NOTHING
        if self._animated.texture is not None and self._is_link_alive():
            return Display.ANIMATED
        if self.settings.on_problem == "transparent":
            return Display.NOTHING
        if self.settings.on_problem == "camera" and self.has_failed:
            return Display.CAMERA
        return Display.STILL

    def _is_link_alive(self) -> bool:
        link = self._link
        return link is not None and not link.is_ended and link.heartbeat_age_s < _STALE_HEARTBEAT_SECONDS

    def render(self) -> None:
        """Capture, refill, draw; what is not ready yet is not drawn, and never replaced by the camera."""
        # Here and not in `tick`: only while it is rendered OBS keeps the target alive.
        width, height = self._read_target_size()
        if self._unseen_ticks >= _UNSEEN_TICKS:
            self._session.set_seen(self, True)
        self._unseen_ticks = 0
        link = self._link
        if link is not None and not link.is_ended:
            if self._is_capture_due and width and height:
                self._is_capture_due = False
                self._capture.capture(self.source, width, height, link)
            if self._animated.refill(link) and self._display is not Display.ANIMATED:
                self._display = self._choose_display()
        self._take_still()
        if self._display is Display.CAMERA:
            drawing.draw_target(self._lib, self.source)
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
        where = drawing.place(fit, texture.width, texture.height, *frame_size)
        drawing.draw(self._lib, *self._reduction.reduce(texture, where))

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

    def _drop_still(self) -> None:
        if self._still is not None:
            self._lib.gs_texture_destroy(self._still.handle)
            self._still = None

    # --- size and colour, any thread ---

    def size(self) -> tuple[int, int]:
        """Return the size of what is shown in pixels; OBS draws nothing of a source without a size."""
        target_size = self._read_target_size()
        if self._display is Display.CAMERA:
            return target_size
        if self.settings.fit == "character" and all(self._character_size):
            return self._character_size
        return self.frame_size

    def _read_target_size(self) -> tuple[int, int]:
        """Return the size of what is filtered now, (0, 0) if there is none."""
        target = self._lib.obs_filter_get_target(self.source)
        if not target:
            return 0, 0
        size = self._lib.obs_source_get_base_width(target), self._lib.obs_source_get_base_height(target)
        if all(size):
            self.frame_size = size
        return size

    def color_space(self, count: int, preferred: int | None) -> int:
        """Return the colour space of what is shown: the pictures are sRGB, the camera has its own."""
        if self._display is Display.CAMERA:
            target = self._lib.obs_filter_get_target(self.source)
            if target:
                return int(self._lib.obs_source_get_color_space(target, count, preferred))
        return libobs.GS_CS_SRGB

    # --- the end ---

    def destroy(self) -> None:
        """Free everything; OBS calls nothing of this filter afterwards."""
        self._session.remove(self)
        self._lib.obs_weak_source_release(self.weak_source)
        self.links.close()
        self.stills.close()
        if self._link is not None:
            self._session.retire(self._link)
            self._link = None
        self._lib.obs_enter_graphics()
        try:
            self._capture.destroy()
            self._animated.destroy()
            self._reduction.destroy()
            self._drop_still()
        finally:
            self._lib.obs_leave_graphics()
