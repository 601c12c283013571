"""The warp draws in place of LivePortrait while the GPU fails, is lost or is too slow."""

from __future__ import annotations

import logging

from animator_core.animation.prepared_renderer import PreparedRenderer
from animator_core.animation.quality import QualityLadder
from animator_core.errors import AnimatorError, DeviceLostError, ModelError

logger = logging.getLogger(__name__)


class Fallback:
    """Decides between LivePortrait and the warp for one animation; the ladder has LivePortrait tried again later."""

    def __init__(self, quality: QualityLadder) -> None:
        self.error: AnimatorError | None = None
        """The failure of LivePortrait's device because of which the warp draws; None without one."""
        self._quality = quality
        self._has_shown = False

    def note_shown(self, renderer_name: str) -> None:
        """Note the renderer of a frame that was shown."""
        self._has_shown |= renderer_name == "liveportrait"

    def failure(self, prepared: PreparedRenderer, name: str, is_incoming: bool) -> AnimatorError | None:
        """Return the failure of the device that draws or is to draw the character, None if it works."""
        error, problem = prepared.error(name), prepared.renderer_problem
        if self._has_shown:
            for each in (error, problem):
                if isinstance(each, DeviceLostError):
                    return each
        if self._quality.rung.is_warp or not is_incoming or prepared.renderer is None:
            return None
        if prepared.renderer.name == "liveportrait":
            return error if isinstance(error, ModelError) else None
        # It failed before, was tried again, and still cannot be had.
        return (problem or self.error) if self.error is not None else None

    def refuses(self, prepared: PreparedRenderer, is_chosen: bool) -> bool:
        """Return whether a prepared renderer is too slow to be shown; is_chosen: LivePortrait was chosen by name."""
        assert prepared.renderer is not None
        if self._quality.refuses(prepared.frame_seconds):
            return True
        if is_chosen or prepared.renderer.name != "liveportrait":
            return False
        return self._quality.refuses_liveportrait(prepared.frame_seconds)

    def fall_back(self, error: AnimatorError, is_incoming: bool = False) -> None:
        """Have the warp draw for now, since the device failed; a game may have taken its memory.

        is_incoming: LivePortrait failed before its first frame. Raises ``error`` if this process cannot use the device
        again, or the warp itself failed.
        """
        if is_incoming:
            self._quality.use(is_liveportrait=True)
        if isinstance(error, DeviceLostError) and self._has_shown:
            # Another process may use it again; one in which it never worked would only start over and over.
            raise error
        was_warp = self._quality.rung.is_warp
        if not self._quality.fall_back():
            raise error
        self.error = error.without_traceback()
        if not was_warp:
            logger.warning("%s; the warp renderer draws for now", error, exc_info=error)

    def note_renderer(self, renderer_name: str) -> None:
        """Note the renderer that draws from now on."""
        if not self._quality.rung.is_warp:
            self.error = None
            self._quality.use(renderer_name == "liveportrait")

    def forget(self) -> None:
        """Begin anew, since another renderer was chosen."""
        self.error = None
        self._quality.use(is_liveportrait=False)
