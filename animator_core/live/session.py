"""The rendering thread of ``run``: the newest observation in, a frame out, keys and statistics beside it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from animator_core.animation.pipeline import AnimatedFrame, CharacterPipeline
from animator_core.animation.timing import RateMeter
from animator_core.config import Config, HotkeyConfig
from animator_core.errors import AnimatorError, CharacterError
from animator_core.ipc.frame_ring import now_ns
from animator_core.live.outputs import Canvas, Output
from animator_core.live.shelf import CharacterShelf
from animator_core.live.statistics_lines import LiveFigures, format_lines, format_profile
from animator_core.live.threads import CaptureThread, TrackingThread
from animator_core.tracking.observation import TrackedFrame

_SILENCE_NS = 1_000_000_000
"""Without a tracked frame for this long the camera counts as gone, and the character idles."""
_STATISTICS_EVERY_NS = 1_000_000_000
_PROFILE_EVERY_NS = 5_000_000_000


@dataclass(frozen=True)
class LiveParts:
    """What a session is put together from; tracking is None where no face is to be looked for."""

    capture: CaptureThread
    tracking: TrackingThread | None
    pipeline: CharacterPipeline
    shelf: CharacterShelf
    output: Output


class LiveSession:
    """Runs until a key, the end of the clip or ``max_frames`` ends it; ``tell`` takes lines for the user."""

    def __init__(self, parts: LiveParts, config: Config, tell: Callable[[str], None]) -> None:
        self._parts, self._config, self._tell = parts, config, tell
        self._canvas = Canvas(config.output.width, config.output.height, config.output.background_alpha)
        self._is_async = config.performance.async_pipeline
        self._inference = RateMeter()
        self._actions = _actions_by_key(config.hotkeys)
        self._wanted = ""
        self._is_frozen = self._has_quit = False
        self._shows_statistics = True
        self._told_problem = ""
        self._tracked_ns = self._next_statistics_ns = now_ns()
        self._next_profile_ns = self._tracked_ns + _PROFILE_EVERY_NS
        self.frame_count = 0

    def run(self, max_frames: int | None) -> None:
        """Show frames until the end; the threads are started here and stopped by the caller."""
        parts = self._parts
        parts.capture.start()
        parts.shelf.start()
        if parts.tracking is not None and self._is_async:
            parts.tracking.start()
        interval_s = 1.0 / self._config.performance.target_fps
        due = time.perf_counter()
        while not self._is_over(max_frames):
            self._show_one()
            # Late by more than a frame: the lost time is not caught up with.
            due = max(due + interval_s, time.perf_counter() - interval_s)
            time.sleep(max(0.0, due - time.perf_counter()))

    def _is_over(self, max_frames: int | None) -> bool:
        parts = self._parts
        if parts.tracking is not None and parts.tracking.failure is not None:
            raise AnimatorError(f"face tracking stopped ({parts.tracking.failure})", "run doctor to find out why")
        if self._has_quit or parts.output.is_closed or self.frame_count == max_frames:
            return True
        if parts.capture.is_finished:
            if parts.capture.problem and not self.frame_count:
                raise AnimatorError(parts.capture.problem)
            self._tell_problem(parts.capture.problem)
            return True
        return False

    def _show_one(self) -> None:
        parts = self._parts
        self._switch_if_loaded()
        frame = self._animate()
        key = parts.output.show(self._canvas.fit(frame.picture))
        moment = now_ns()
        parts.pipeline.statistics.shown(frame.captured_ns, moment)
        self.frame_count += 1
        if key is not None:
            self._press(key)
        if moment >= self._next_statistics_ns:
            self._next_statistics_ns = moment + _STATISTICS_EVERY_NS
            self._tell_problem(parts.capture.problem)
            if self._shows_statistics:
                self._tell(format_lines(self._figures(moment)))
        if self._config.performance.enable_profiling and moment >= self._next_profile_ns:
            self._next_profile_ns = moment + _PROFILE_EVERY_NS
            self._tell(format_profile(parts.pipeline.statistics.stages()))

    def _animate(self) -> AnimatedFrame:
        parts = self._parts
        if parts.tracking is not None and not self._is_async:
            parts.tracking.step(timeout_s=0.0)
        tracked = parts.tracking.newest.take() if parts.tracking is not None else None
        moment = now_ns()
        if tracked is not None:
            self._tracked_ns = moment
        if moment - self._tracked_ns > _SILENCE_NS:
            parts.pipeline.face_lost(moment)
        if self._is_frozen:
            return parts.pipeline.redraw()
        rendered = parts.pipeline.reuse.get_info().rendered
        seen = None if tracked is None else TrackedFrame(tracked.observation, tracked.frame.picture)
        frame = parts.pipeline.animate(seen, moment)
        if parts.pipeline.reuse.get_info().rendered != rendered:
            self._inference.count(now_ns())
        return frame

    def _press(self, key: str) -> None:
        if key.isdigit() and key != "0":
            self._choose(int(key) - 1)
            return
        action = self._actions.get(key)
        if action == "quit":
            self._has_quit = True
        elif action == "next_character":
            self._choose_beside(1)
        elif action == "prev_character":
            self._choose_beside(-1)
        elif action == "reload_characters":
            self._parts.shelf.refresh()
            self._want(self._current_name())
        elif action == "toggle_stats":
            self._shows_statistics = not self._shows_statistics
        elif action == "calibrate":
            self._parts.pipeline.calibrate()
        elif action == "freeze":
            self._is_frozen = not self._is_frozen

    def _current_name(self) -> str:
        character = self._parts.pipeline.character
        return character.name if character is not None else ""

    def _choose_beside(self, step: int) -> None:
        names = self._parts.shelf.names
        current = self._wanted or self._current_name()
        if names:
            self._choose((names.index(current) + step) % len(names) if current in names else 0)

    def _choose(self, index: int) -> None:
        if index < len(self._parts.shelf.names):
            self._want(self._parts.shelf.names[index])

    def _want(self, name: str) -> None:
        if name in self._parts.shelf.names:
            self._wanted = name
            self._parts.shelf.want(name)

    def _switch_if_loaded(self) -> None:
        if not self._wanted:
            return
        try:
            character = self._parts.shelf.get(self._wanted)
            if character is None:
                return
            self._parts.pipeline.set_character(character)
        except CharacterError as exc:
            self._tell(f"error: {exc}")
        self._wanted = ""

    def _tell_problem(self, problem: str) -> None:
        if problem != self._told_problem:
            self._tell(f"warning: {problem}" if problem else "the camera is back")
        self._told_problem = problem

    def _figures(self, moment: int) -> LiveFigures:
        parts, name = self._parts, self._current_name()
        info = parts.pipeline.reuse.get_info()
        names = parts.shelf.names
        return LiveFigures(
            capture_fps=parts.capture.rate.rate(moment),
            tracking_fps=parts.tracking.rate.rate(moment) if parts.tracking is not None else 0.0,
            inference_fps=self._inference.rate(moment),
            output_fps=parts.pipeline.statistics.fps(moment),
            inference_ms=parts.pipeline.statistics.stage_ms("render"),
            character=parts.pipeline.character.display_name if parts.pipeline.character is not None else "",
            character_number=names.index(name) + 1 if name in names else 1,
            character_count=max(1, len(names)),
            hit_rate=info.hit_rate,
            cached_characters=parts.shelf.loaded_count,
            cached_motions=info.reused,
        )


def _actions_by_key(hotkeys: HotkeyConfig) -> dict[str, str]:
    return {getattr(hotkeys, name): name for name in hotkeys.__dataclass_fields__}
