"""Draws and paces the pictures of one animation."""

from __future__ import annotations

from animator_core.animation.character_switch import CharacterSwitch
from animator_core.animation.endpoints import FrameSink
from animator_core.animation.pipeline import AnimatedFrame, CharacterPipeline, RenderReuse
from animator_core.animation.quality import LoadMonitor, Pace
from animator_core.animation.requests import CALIBRATE, FORGET_CALIBRATION, TAKE_NEUTRAL, AnimationRequests
from animator_core.animation.services import Services
from animator_core.animation.statistics import FrameStatistics
from animator_core.errors import AnimatorError, ModelError
from animator_core.ipc.frame_ring import now_ns
from animator_core.motion.emotes.emote import Emote
from animator_core.motion.estimator import MotionEstimator
from animator_core.tracking.observation import TrackedFrame

_LONGEST_WAIT_SECONDS = 0.05
_LOOK_NS = 100_000_000
"""How often the character switch is called although nothing seems to have changed."""
_KEEP_ALIVE_NS = 500_000_000
_TOO_SLOW_REMEDY = "close other programs or choose a lower frame rate; it is animated in full again when there is time"


class Animation:
    """Turns tracked frames into pictures for a sink; used by the thread that draws, the properties by any."""

    def __init__(
        self,
        requests: AnimationRequests,
        services: Services,
        *,
        sink: FrameSink,
        statistics: FrameStatistics,
        neutral: str = "",
    ) -> None:
        """neutral: `neutral_text` of an earlier animation of the same person, "" for none."""
        performance = services.config.performance
        self.requests = requests
        self._settings = requests.settings
        self._performance = performance
        self._link = services.link
        self._sink = sink
        self._statistics = statistics
        self._load = LoadMonitor(performance, statistics, now_ns())
        self._pace = Pace(min(self._settings.frame_rate, performance.target_fps))
        self._set_most_share()
        self.switch = CharacterSwitch(
            services, quality=self._load.quality, pipeline=self._make_pipeline(neutral), max_pixels=sink.max_pixels
        )
        self._pending: TrackedFrame | None = None
        self._is_redraw_due = False
        self._rung = self._load.rung
        self._looked_ns = self._shown_ns = 0

    @property
    def error(self) -> AnimatorError | None:
        """Why the wanted character is not drawn; None if it is or soon will be."""
        return self.switch.error

    @property
    def note(self) -> tuple[str, str]:
        """How the animation differs from the request although it works, and a remedy; else two empty texts."""
        less, failure = self._load.rung.description, self.switch.fallback.error
        if failure is not None:
            return f"{failure.message}, so the warp renderer draws for now", failure.remedy
        if self._link is not None and any(missing := self._link.note):
            return missing
        if any(trouble := self.switch.pipeline.trouble):
            return trouble
        if less:
            return f"the computer is too slow just now, so it is animated {less}", _TOO_SLOW_REMEDY
        current = self.switch.renderers.current
        problem = current.renderer_problem if current else None
        if problem is None and self.switch.pipeline.renderer is not None:
            problem = self.switch.pipeline.renderer.note
        return (problem.message, problem.remedy) if problem is not None else ("", "")

    @property
    def neutral_text(self) -> str:
        """The person's neutral pose, for a later animation; "" before it was found."""
        return self.switch.pipeline.neutral_text

    @property
    def skips_frames(self) -> bool:
        """Whether only every second driving frame is to be tracked."""
        return self._load.rung.is_half_rate

    @property
    def renderer_name(self) -> str:
        renderer = self.switch.pipeline.renderer
        return renderer.name if renderer else ""

    @property
    def device(self) -> str:
        renderer = self.switch.pipeline.renderer
        return renderer.device if renderer else ""

    @property
    def character_name(self) -> str:
        """The file name of the character that is drawn; "" for none."""
        return self.switch.character_name

    def state(self, is_camera_silent: bool) -> str:
        """Return one of `protocol.STATES`, apart from "error"."""
        pipeline = self.switch.pipeline
        if pipeline.character is None or self.switch.is_warming_up:
            return "loading"
        if self.requests.is_frozen:
            return "frozen"
        if is_camera_silent:
            return "no_camera"
        if not pipeline.has_face:
            return "no_face"
        return "tracking" if pipeline.is_calibrated else "calibrating"

    def restart(self) -> None:
        """Begin anew, without anything that an error may have left in a bad state."""
        self.switch.restart(self._make_pipeline(self.neutral_text))

    def close(self) -> None:
        """Free renderers and characters."""
        self.switch.renderers.close()

    def wait_s(self) -> float:
        """Return how long to wait for the next tracked frame before `advance` is called anyway."""
        if self.switch.pipeline.character is None or self.requests.is_hidden or not self._has_news():
            return _LONGEST_WAIT_SECONDS
        return min(self._pace.wait_s(now_ns()), _LONGEST_WAIT_SECONDS)

    def advance(self, tracked: TrackedFrame | None, is_camera_silent: bool) -> bool:
        """Carry out the requests, draw and show a frame if one is due, and return whether one was."""
        if self._may_have_changed():
            self._carry_out_requests()
            self._is_redraw_due |= self.switch.advance(self._settings)
        self._pending = tracked or self._pending
        moment = now_ns()
        if self._load.is_due(moment):
            self._load.observe(moment, self.switch.is_preparing)
        if self.requests.is_hidden:
            self._pending, self._is_redraw_due = None, True
            return False
        pipeline = self.switch.pipeline
        if pipeline.character is None or self._pace.wait_s(moment) > 0:
            return False
        if is_camera_silent:
            pipeline.face_lost(moment)
        try:
            frame = self._frame(pipeline, moment)
        except ModelError as exc:
            self.switch.fallback.fall_back(exc)
            self._is_redraw_due = True
            return False
        if frame is None:
            return False
        is_redrawn, self._is_redraw_due = self._is_redraw_due, False
        self._pace.count(moment)
        self._show(frame)
        self._pace.rest(moment, now_ns())
        if is_redrawn:
            self.switch.note_shown()
        return True

    def _may_have_changed(self) -> bool:
        """Return whether there may be work for the requests or the switch; now and then in any case."""
        return (
            self.requests.has_news
            or not self.switch.is_settled
            or self._load.rung is not self._rung
            or now_ns() - self._looked_ns >= _LOOK_NS
        )

    def _carry_out_requests(self) -> None:
        self.requests.has_news = False
        self._rung, self._looked_ns = self._load.rung, now_ns()
        settings, pipeline = self.requests.settings, self.switch.pipeline
        if settings is not self._settings:
            if settings.renderer != self._settings.renderer:
                self.switch.fallback.forget()
            self._settings = settings
            pipeline.set_settings(settings.face)
            self._set_most_share()
        frame_rate = min(settings.frame_rate, self._performance.target_fps)
        self._pace.set_frame_rate(frame_rate / 2 if self._rung.is_half_rate else frame_rate)
        while (request := self.requests.take()) is not None:
            if isinstance(request, Emote):
                pipeline.play(request, self._looked_ns)
            elif request == CALIBRATE:
                pipeline.calibrate()
            elif request == FORGET_CALIBRATION:
                pipeline.forget_neutral()
            elif request == TAKE_NEUTRAL:
                pipeline.take_neutral(self.requests.neutral)
            else:
                self.switch.refresh()

    def _set_most_share(self) -> None:
        most_share = min(self._settings.most_share, self._performance.max_render_share)
        self._pace.set_most_share(most_share)
        self._load.quality.set_most_share(most_share)

    def _has_news(self) -> bool:
        """Return whether there is something to draw as soon as the pace lets it through."""
        if self._sink.is_continuous or self._is_redraw_due:
            return True
        return not self.requests.is_frozen and (self._pending is not None or self.switch.pipeline.is_moving)

    def _frame(self, pipeline: CharacterPipeline, moment: int) -> AnimatedFrame | None:
        """Return the picture at ``moment``, None if the last one is still right."""
        has_news, pending = self._has_news(), self._pending
        self._pending = None
        if self.requests.is_frozen:
            # The still is shown again now and then, as a sign of life.
            return pipeline.redraw() if has_news or moment - self._shown_ns >= _KEEP_ALIVE_NS else None
        return pipeline.animate(pending, moment) if has_news else None

    def _show(self, frame: AnimatedFrame) -> None:
        started = now_ns()
        self._sink.show(frame.picture, frame.captured_ns)
        self._shown_ns = now_ns()
        self._statistics.add("publish", self._shown_ns - started)
        self._statistics.shown(frame.captured_ns, self._shown_ns)

    def _make_pipeline(self, neutral: str) -> CharacterPipeline:
        return CharacterPipeline(
            MotionEstimator(self.requests.settings.face),
            neutral=neutral,
            statistics=self._statistics,
            reuse=RenderReuse(self._performance.enable_optimizer),
            max_inference_time_ms=self._performance.max_inference_time_ms,
        )
