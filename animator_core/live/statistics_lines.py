"""The statistics lines of ``run``, in the shape that the original project prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from animator_core.animation.live_loop import LiveLoop
from animator_core.animation.statistics import Percentiles
from animator_core.ipc.frame_ring import now_ns
from animator_core.live.capture import CaptureThread
from animator_core.live.keys import KeyCommands

_EVERY_NS = 1_000_000_000
_PROFILE_EVERY_NS = 5_000_000_000


@dataclass(frozen=True)
class LiveFigures:
    """Rates in frames a second; times in milliseconds; hit_rate from 0 to 1; character_number counts from 1."""

    capture_fps: float
    tracking_fps: float
    inference_fps: float
    output_fps: float
    inference_ms: float
    character: str
    character_number: int
    character_count: int
    hit_rate: float
    cached_characters: int
    cached_motions: int


def format_lines(figures: LiveFigures) -> str:
    """Return the four lines."""
    return "\n".join(
        (
            f"FPS: Capture={figures.capture_fps:.1f} | Tracking={figures.tracking_fps:.1f} | "
            f"Inference={figures.inference_fps:.1f} | Output={figures.output_fps:.1f}",
            f"Inference Time: {figures.inference_ms:.2f} ms",
            f"Character: {figures.character} ({figures.character_number}/{figures.character_count})",
            f"Optimizer: Cache Hit Rate={figures.hit_rate:.1%} | Cached={figures.cached_characters} chars | "
            f"Motion Cache={figures.cached_motions}",
        )
    )


def format_profile(stages: Mapping[str, Percentiles]) -> str:
    """Return one line with the times of all stages."""
    times = [f"{name}={t.p50_ms:.2f}/{t.p95_ms:.2f}/{t.p99_ms:.2f}" for name, t in stages.items()]
    return f"Profile (p50/p95/p99 ms): {' | '.join(times)}"


def overlay_lines(figures: LiveFigures, renderer: str, state: str) -> tuple[str, ...]:
    """Return what the window shows of the statistics; renderer: its name and device."""
    shown, tracked, captured = figures.output_fps, figures.tracking_fps, figures.capture_fps
    return (
        f"{shown:.0f} fps shown, {tracked:.0f} tracked, {captured:.0f} from the camera",
        f"{figures.inference_ms:.1f} ms a picture, {renderer}",
        state,
    )


class StatisticsReport:
    """Tells the statistics once a second, and with ``is_profiling`` the stage times every five seconds."""

    def __init__(self, loop: LiveLoop, capture: CaptureThread, keys: KeyCommands, *, is_profiling: bool) -> None:
        self._loop, self._capture, self._keys = loop, capture, keys
        self._is_profiling = is_profiling
        self.newest: LiveFigures | None = None
        """The figures of the last second; None before the first one."""
        self._next_ns = now_ns()
        self._next_profile_ns = self._next_ns + _PROFILE_EVERY_NS

    def tell(self, tell: Callable[[str], None]) -> None:
        """Tell the lines that are due; a character is drawn already."""
        moment = now_ns()
        if moment >= self._next_ns:
            self._next_ns = moment + _EVERY_NS
            self.newest = self._figures(moment)
            if self._keys.shows_statistics:
                tell(format_lines(self.newest))
        if self._is_profiling and moment >= self._next_profile_ns:
            self._next_profile_ns = moment + _PROFILE_EVERY_NS
            tell(format_profile(self._loop.statistics.stages()))

    def _figures(self, moment: int) -> LiveFigures:
        statistics, switch, names = self._loop.statistics, self._loop.animation.switch, self._keys.names
        character, reuse = switch.pipeline.character, switch.pipeline.reuse.get_info()
        assert character is not None
        return LiveFigures(
            capture_fps=self._capture.rate.rate(moment),
            tracking_fps=statistics.rate("tracking"),
            inference_fps=statistics.rate("render"),
            output_fps=statistics.fps(moment),
            inference_ms=statistics.stage_ms("render"),
            character=character.display_name,
            character_number=names.index(character.name) + 1 if character.name in names else 1,
            character_count=max(1, len(names)),
            hit_rate=reuse.hit_rate,
            cached_characters=switch.prepared_count,
            cached_motions=reuse.reused,
        )
