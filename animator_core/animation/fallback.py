"""When the warp draws in place of LivePortrait: its device fails, is lost, or is too slow for it."""

from __future__ import annotations

import logging

from animator_core.animation.quality import QualityLadder
from animator_core.animation.stage import Stage
from animator_core.errors import AnimatorError, DeviceLostError, ModelError

logger = logging.getLogger(__name__)


class Fallback:
    """Knows what LivePortrait's device did in one filter; the ladder has it tried again later."""

    def __init__(self, quality: QualityLadder) -> None:
        self.error: AnimatorError | None = None
        """Why the warp draws although there is time for LivePortrait; None where it does not."""
        self._quality = quality
        self._has_shown = False

    def shown(self, renderer_name: str) -> None:
        """Note which renderer a frame that was shown is by."""
        self._has_shown |= renderer_name == "liveportrait"

    def failure(self, stage: Stage, name: str, is_incoming: bool) -> AnimatorError | None:
        """Return why the device fails by which ``stage`` draws the character or is to draw it, None if it does not."""
        error, problem = stage.error(name), stage.renderer_problem
        if self._has_shown:
            for each in (error, problem):
                if isinstance(each, DeviceLostError):
                    return each
        if self._quality.rung.is_warp or not is_incoming or stage.renderer is None:
            return None
        if stage.renderer.name == "liveportrait":
            return error if isinstance(error, ModelError) else None
        # It failed before, is tried again, and the stage could not have it.
        return (problem or self.error) if self.error is not None else None

    def refuses(self, stage: Stage, is_chosen: bool) -> bool:
        """Return whether a stage that is ready takes too long for a frame; is_chosen: LivePortrait, by its name."""
        assert stage.renderer is not None
        if self._quality.refuses(stage.frame_seconds):
            return True
        if is_chosen or stage.renderer.name != "liveportrait":
            return False
        return self._quality.refuses_liveportrait(stage.frame_seconds)

    def give_way(self, error: AnimatorError) -> None:
        """Have the warp draw for now: the device failed, a game may have taken its memory.

        Raises ``error`` where this process cannot try it again, or there is no warp to give way to.
        """
        if isinstance(error, DeviceLostError) and self._has_shown:
            # Another process may have it again; one in which it never worked would only start over and over.
            raise error
        was_warp = self._quality.rung.is_warp
        if not self._quality.give_way():
            raise error
        self.error = error.without_traceback()
        if not was_warp:
            logger.warning("%s; the warp renderer draws for now", error, exc_info=error)

    def entered(self, renderer_name: str) -> None:
        """Note which renderer draws from now on."""
        if not self._quality.rung.is_warp:
            self.error = None
            self._quality.use(renderer_name == "liveportrait")

    def forget(self) -> None:
        """Begin anew: another renderer was chosen."""
        self.error = None
        self._quality.use(is_liveportrait=False)
