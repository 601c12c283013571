"""What one filter shows: the wishes of its panel and hotkeys, carried out between two frames."""

from __future__ import annotations

import logging
from collections import deque

from animator_core.animation.fallback import Fallback
from animator_core.animation.pace import Pace
from animator_core.animation.parts import WorkerParts, motion_settings, nearest_first, renderer_name
from animator_core.animation.pipeline import AnimatedFrame, CharacterPipeline
from animator_core.animation.reuse import RenderReuse
from animator_core.animation.review import Review
from animator_core.animation.stage import Stage
from animator_core.animation.statistics import FrameStatistics
from animator_core.errors import AnimatorError, CharacterError, ModelError
from animator_core.ipc.frame_ring import RingWriter, now_ns
from animator_core.ipc.protocol import AnimationSettings, may_be_slow
from animator_core.ipc.publish import publish_picture
from animator_core.motion.estimator import MotionEstimator
from animator_core.rendering.contract import Renderer
from animator_core.tracking.observation import TrackedFrame

logger = logging.getLogger(__name__)

_MOST_PRELOADED = 16
_NEIGHBOURS = 2
_LONGEST_WAIT_SECONDS = 0.05
_KEEP_ALIVE_NS = 500_000_000
_LEAST_PIXELS = 256 * 256
_PIXEL_BYTES = 4
_TOO_SLOW_REMEDY = "close other programs or choose a lower frame rate; it is animated in full again when there is time"


class Animation:
    """Turns tracked frames into published ones.

    `update`, `act`, `refresh_characters` and the properties may be used by any thread, the rest by the render thread.
    """

    def __init__(
        self,
        settings: AnimationSettings,
        parts: WorkerParts,
        writer: RingWriter,
        statistics: FrameStatistics,
        neutral: str = "",
    ) -> None:
        """neutral: what `neutral_text` was in another run of the worker, or "" for none."""
        self._wanted = self._settings = settings
        self._actions: deque[str] = deque()
        self._is_refresh_wanted = False
        self._parts = parts
        self._writer = writer
        self._statistics = statistics
        self._names: tuple[str, ...] = ()
        self._error: AnimatorError | None = None
        self._last_shown = ""
        self._distrusted = ""
        self._stage: Stage | None = None
        self._incoming: Stage | None = None
        self._pipeline = self._new_pipeline(neutral)
        performance = parts.config.performance
        self._review = Review(performance, statistics, now_ns())
        self._small_pixels: int | None = None
        self._pace = Pace(min(settings.frame_rate, performance.target_fps), performance.max_render_share)
        self._pending: TrackedFrame | None = None
        self._fallback = Fallback(self._review.quality)
        self.is_warming_up = False
        """Whether the render thread readies a renderer for itself, which may take seconds."""
        self._is_frozen = False
        self._is_hidden = False
        self._is_redraw_due = False
        self._published_ns = 0

    def update(self, settings: AnimationSettings) -> None:
        self._wanted = settings

    def act(self, action: str) -> None:
        self._actions.append(action)

    def refresh_characters(self) -> None:
        self._is_refresh_wanted = True

    @property
    def problem(self) -> tuple[str, str]:
        """What is wrong and what to do about it; two empty texts where nothing is."""
        return _message_and_remedy(self._error)

    @property
    def note(self) -> tuple[str, str]:
        """What the streamer should know although all is well: it is not animated just as it was asked for."""
        less = self._review.rung.description
        if self._fallback.error is not None:
            what, remedy = _message_and_remedy(self._fallback.error)
            return f"{what}, so the warp renderer draws for now", remedy
        if less:
            return f"the computer is too slow just now, so it is animated {less}", _TOO_SLOW_REMEDY
        stage = self._stage
        return _message_and_remedy(stage.renderer_problem if stage else None)

    @property
    def neutral_text(self) -> str:
        """The driver's neutral pose, for another run of the worker; "" before it was found."""
        return self._pipeline.neutral_text

    @property
    def character_problems(self) -> dict[str, CharacterError]:
        """The errors of the characters that cannot be drawn, as far as they are known, by file name."""
        stage = self._stage or self._incoming
        return stage.problems() if stage is not None else {}

    @property
    def skips_frames(self) -> bool:
        """Whether only every second driving frame is to be looked at."""
        return self._review.rung.is_half_rate

    @property
    def renderer_name(self) -> str:
        renderer = self._pipeline.renderer
        return renderer.name if renderer else ""

    @property
    def device(self) -> str:
        renderer = self._pipeline.renderer
        return renderer.device if renderer else ""

    @property
    def character_name(self) -> str:
        character = self._pipeline.character
        return character.name if character else ""

    def state(self, is_camera_silent: bool) -> str:
        """Return which of `protocol.STATES` this is, apart from "error"."""
        if self._pipeline.renderer is None or self.is_warming_up:
            return "loading"
        if self._is_frozen:
            return "frozen"
        if is_camera_silent:
            return "no_camera"
        if not self._pipeline.has_face:
            return "no_face"
        return "tracking" if self._pipeline.is_calibrated else "calibrating"

    def restart(self) -> None:
        """Begin anew, with nothing of what may have been left in a bad state by an error."""
        if self.character_name not in ("", self._last_shown):
            # It failed before its first frame was out, so it would again.
            self._distrusted = self.character_name
        self.close()
        self._stage = self._incoming = None
        self._pipeline = self._new_pipeline(self._pipeline.neutral_text)
        self._list_characters()

    def _new_pipeline(self, neutral: str) -> CharacterPipeline:
        performance = self._parts.config.performance
        return CharacterPipeline(
            MotionEstimator(motion_settings(self._wanted)),
            neutral=neutral,
            statistics=self._statistics,
            reuse=RenderReuse(performance.enable_optimizer),
            max_inference_time_ms=performance.max_inference_time_ms,
        )

    def close(self) -> None:
        """Let go of renderer and characters."""
        for stage in (self._stage, self._incoming):
            if stage is not None:
                stage.close()

    def wait_s(self) -> float:
        """Return how long to wait for the next tracked frame before `advance` is called anyway."""
        if (
            self._pipeline.renderer is None
            or self._is_frozen
            or self._is_hidden
            or not (self._pending or self._moves_by_itself())
        ):
            return _LONGEST_WAIT_SECONDS
        return min(self._pace.wait_s(now_ns()), _LONGEST_WAIT_SECONDS)

    def advance(self, tracked: TrackedFrame | None, is_camera_silent: bool) -> bool:
        """Carry out what was wished, render and publish a frame if one is due, and return whether one was."""
        self._take_wishes()
        self._take_character()
        self._pending = tracked or self._pending
        moment = now_ns()
        self._review.look(moment, self._incoming is not None or self._parts.preparation.is_busy)
        if self._is_hidden:
            self._pending = None
            return False
        if self._pipeline.renderer is None or self._pace.wait_s(moment) > 0:
            return False
        if is_camera_silent:
            self._pipeline.face_lost(moment)
        try:
            frame = self._frozen_frame(moment) if self._is_frozen else self._moving_frame(moment)
        except ModelError as exc:
            self._give_way(exc)
            return False
        if frame is None:
            return False
        self._is_redraw_due = False
        self._fallback.shown(self.renderer_name)
        self._pace.count(moment)
        self._publish(frame)
        self._pace.rest(moment, now_ns())
        self._last_shown = self.character_name
        return True

    def _moves_by_itself(self) -> bool:
        return self._pipeline.is_moving or self._is_redraw_due

    def _moving_frame(self, moment: int) -> AnimatedFrame | None:
        pending, self._pending = self._pending, None
        if pending is None and not self._moves_by_itself():
            return None
        return self._pipeline.animate(pending, moment)

    def _frozen_frame(self, moment: int) -> AnimatedFrame | None:
        """Return the still again where another character is to be shown, and now and then, as a sign of life."""
        self._pending = None
        if not self._is_redraw_due and moment - self._published_ns < _KEEP_ALIVE_NS:
            return None
        return self._pipeline.redraw()

    def _publish(self, frame: AnimatedFrame) -> None:
        started = now_ns()
        publish_picture(self._writer, frame.picture, frame.captured_ns)
        self._published_ns = now_ns()
        self._statistics.add("publish", self._published_ns - started)
        self._statistics.shown(frame.captured_ns, self._published_ns)

    def _take_wishes(self) -> None:
        wanted = self._wanted
        if wanted is not self._settings:
            if wanted.renderer != self._settings.renderer:
                self._fallback.forget()
            self._settings = wanted
            self._pipeline.set_settings(motion_settings(wanted))
        frame_rate = min(wanted.frame_rate, self._parts.config.performance.target_fps)
        self._pace.set_frame_rate(frame_rate / 2 if self.skips_frames else frame_rate)
        while self._actions:
            action = self._actions.popleft()
            if action == "calibrate":
                self._pipeline.calibrate()
            elif action in ("hide", "show"):
                self._is_hidden = action == "hide"
                self._is_redraw_due = True
            else:
                self._is_frozen = action == "freeze"
        if self._is_refresh_wanted:
            self._is_refresh_wanted = False
            self._distrusted = ""
            self._list_characters()
            for stage in (self._stage, self._incoming):
                if stage is not None:
                    stage.refresh()

    def _take_character(self) -> None:
        """Show the wanted character with the wanted renderer as soon as both are ready; until then the old goes on."""
        name = self._wanted_name()
        if not name:
            self._error = CharacterError(
                f"there is no picture in {self._parts.library.directory}", "put one there, then press Refresh"
            )
            return
        stage = self._wanted_stage()
        if name == self._distrusted and stage.error(name) is None:
            stage.reject(name, CharacterError(f"{name} cannot be drawn", "use another picture and report this one"))
        character = stage.character(name)
        is_new = stage is self._incoming
        failure = self._fallback.failure(stage, name, is_new)
        if failure is not None:
            self._review.quality.use(is_liveportrait=True)
            self._give_way(failure)
            return
        self._error = stage.error(name)
        if self._error is not None and self._pipeline.renderer is None and self._last_shown:
            # Nothing is left to go on with after an error, but the character before was all right.
            name = self._last_shown
            character = stage.character(name)
        if character is None:
            return
        if is_new:
            is_chosen = renderer_name(self._settings, self._parts.config) == "liveportrait"
            if self._fallback.refuses(stage, is_chosen):
                return
            self._enter(stage)
        if self._pipeline.character is character:
            return
        try:
            self._pipeline.set_character(character)
            if is_new and stage.renderer is not None:
                self._warm_up(stage.renderer)
        except CharacterError as exc:
            stage.reject(name, exc)
            return
        except ModelError as exc:
            self._give_way(exc)
            return
        self._is_redraw_due = True
        count = _MOST_PRELOADED if self._parts.config.character.preload_all else _NEIGHBOURS
        stage.preload(nearest_first(self._names, name)[:count])

    def _give_way(self, error: AnimatorError) -> None:
        self._fallback.give_way(error)
        self._is_redraw_due = True

    def _wanted_stage(self) -> Stage:
        """Return the stage whose renderer is the wanted one, begun in the background where it is not there yet."""
        name = "warp" if self._review.rung.is_warp else renderer_name(self._settings, self._parts.config)
        wanted = (name, self._max_pixels())
        if self._incoming is not None and (self._incoming.renderer_name, self._incoming.max_pixels) != wanted:
            self._incoming.close()
            self._incoming = None
        if self._stage is not None and (self._stage.renderer_name, self._stage.max_pixels) == wanted:
            return self._stage
        if self._incoming is None:
            parts = self._parts
            self._incoming = Stage(
                name,
                parts.library,
                parts.create_renderer,
                parts.preparation,
                self._max_pixels(),
                parts.config.ai_model.warmup_frames,
            )
        return self._incoming

    def _max_pixels(self) -> int:
        """Return what a picture is reduced to: what the ring takes, or a quarter of the pixels shown in full."""
        character = self._pipeline.character
        most = self._writer.memory.capacity // _PIXEL_BYTES
        if not self._review.rung.is_small or character is None:
            self._small_pixels = None
            return most
        if self._small_pixels is None:
            height, width = character.picture.shape[:2]
            self._small_pixels = min(max(height * width // 4, _LEAST_PIXELS), most)
        return self._small_pixels

    def _enter(self, stage: Stage) -> None:
        assert stage.renderer is not None
        if self._stage is not None:
            self._stage.close()
        self._stage, self._incoming = stage, None
        self._fallback.entered(stage.renderer.name)
        self._pipeline.use(stage.renderer)

    def _warm_up(self, renderer: Renderer) -> None:
        """Have the render thread do itself what the preparation did in its own; where frames take seconds it must not.

        Most is recorded by now; what is not would hold up the first live frame for as long.
        """
        if not self._parts.config.ai_model.warmup_frames or may_be_slow(renderer.name, renderer.device):
            return
        self.is_warming_up = True
        try:
            renderer.warm_up()
        finally:
            self.is_warming_up = False

    def _wanted_name(self) -> str:
        if self._settings.character:
            return self._settings.character
        preferred = self._parts.config.character.current_character
        if preferred in self._names:
            return preferred
        stage = self._stage or self._incoming
        for name in self._names:
            if stage is None or not isinstance(stage.error(name), CharacterError):
                return name
        return next(iter(self._names), "")

    def _list_characters(self) -> None:
        self._names = tuple(entry.file for entry in self._parts.library.list())


def _message_and_remedy(error: AnimatorError | None) -> tuple[str, str]:
    return (error.message, error.remedy) if error is not None else ("", "")
