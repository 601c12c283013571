"""Pace and quality: rate, size and renderer are reduced while the machine is too slow.

Rendering never takes more than its share of the time (`Pace.rest`), so a machine that is a little too slow shows a few
frames less. Below ``performance.frame_skip_threshold`` the ladder goes down rung by rung, and up again in calm times;
an attempt that fails is repeated at growing intervals.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from animator_core.animation.statistics import FrameStatistics
from animator_core.config import PerformanceConfig

logger = logging.getLogger(__name__)

_SECOND = 1_000_000_000
_OBSERVE_NS, _LOG_NS = _SECOND, 5 * _SECOND
_RENDERING = ("motion", "render")
_BUSY, _CALM = 0.9, 0.45
"""Shares of the time that rendering may take: at its limit, and with room for twice the work."""
_TOO_SLOW_NS = 3 * _SECOND
_FIRST_WAIT_NS, _LONGEST_WAIT_NS = 10 * _SECOND, 320 * _SECOND
_PROVEN_NS = 30 * _SECOND
"""A higher rung that held this long is a success."""


@dataclass(frozen=True)
class Rung:
    """One step of the ladder.

    is_half_rate: only every second driving frame. is_small: a picture of half the size. is_warp: the warp draws in
    place of LivePortrait.
    """

    is_half_rate: bool = False
    is_small: bool = False
    is_warp: bool = False

    @property
    def description(self) -> str:
        """The reductions in words, "" for none."""
        parts = ("by the warp renderer",) * self.is_warp + ("at half the size",) * self.is_small
        return ", ".join((*parts, *("every second frame only",) * self.is_half_rate))


_WARP_LADDER: tuple[Rung, ...] = (Rung(), Rung(is_half_rate=True), Rung(is_half_rate=True, is_small=True))
_LIVEPORTRAIT_LADDER: tuple[Rung, ...] = (
    *_WARP_LADDER,
    Rung(is_warp=True),
    Rung(is_half_rate=True, is_warp=True),
    Rung(is_half_rate=True, is_small=True, is_warp=True),
)


@dataclass(frozen=True)
class Load:
    """The recent load of one animation; shares of the time, 0 to 1, of the thread that does the work."""

    shown_fps: float
    tracking_share: float
    rendering_share: float


class QualityLadder:
    """The quality of one animation; ``now_ns`` is any clock that never goes back.

    least_fps: fewer frames a second are too few; 0 never leaves the first rung. most_share: the share of the time that
    rendering may take.
    """

    def __init__(self, least_fps: float, most_share: float) -> None:
        self._least_fps = least_fps
        self._most_share = most_share
        self._rungs = _WARP_LADDER
        self._index = 0
        self._slow_ns: int | None = None
        self._calm_ns: int | None = None
        self._rose_ns: int | None = None
        self._wait_ns = _FIRST_WAIT_NS
        self._has_failed = False

    @property
    def rung(self) -> Rung:
        """The present quality."""
        return self._rungs[self._index]

    def set_most_share(self, most_share: float) -> None:
        """Take another share of the time that rendering may take."""
        self._most_share = most_share

    def use(self, is_liveportrait: bool) -> None:
        """Take the rungs of a renderer; starts from the top if they are others."""
        rungs = _LIVEPORTRAIT_LADDER if is_liveportrait else _WARP_LADDER
        if rungs is not self._rungs:
            self._rungs, self._index, self._wait_ns, self._has_failed = rungs, 0, _FIRST_WAIT_NS, False
            self._settle(None)

    def pause(self, now_ns: int) -> None:
        """Begin the observation anew: something else took the machine's time, and the new rung is not prepared yet."""
        self._slow_ns = self._calm_ns = None
        if self._rose_ns is not None:
            self._rose_ns = now_ns

    def refuses(self, frame_seconds: float) -> bool:
        """Return whether a rung that is tried again takes too long for a frame, and go down if so."""
        if self._rose_ns is None or frame_seconds * self._least() <= self._most_share:
            return False
        self._fall()
        return True

    def refuses_liveportrait(self, frame_seconds: float) -> bool:
        """Return whether LivePortrait is too slow even for every second frame before it was ever shown.

        The warp draws then; it is tried again only after the longest wait.
        """
        if self._rungs is _LIVEPORTRAIT_LADDER or frame_seconds * self._least_fps / 2 <= self._most_share:
            return False
        self.use(is_liveportrait=True)
        self._go_to_warp()
        self._wait_ns = _LONGEST_WAIT_NS
        return True

    def fall_back(self) -> bool:
        """Go down to the warp, since LivePortrait failed; return False if this ladder has none."""
        if self.rung.is_warp or not any(rung.is_warp for rung in self._rungs):
            return self.rung.is_warp
        self._go_to_warp()
        self._has_failed = True
        return True

    def observe(self, load: Load, now_ns: int) -> None:
        """Take the load since the last call, about once a second, and step if it is time."""
        self._slow_ns = _since(self._slow_ns, now_ns) if self._is_too_slow(load) else None
        self._calm_ns = _since(self._calm_ns, now_ns) if self._is_calm(load) else None
        if self._rose_ns is not None and now_ns - self._rose_ns > _PROVEN_NS:
            self._rose_ns, self._wait_ns = None, _FIRST_WAIT_NS
        if self._slow_ns is not None and now_ns - self._slow_ns >= _TOO_SLOW_NS:
            self._go_down(load)
        elif self._calm_ns is not None and self._index and now_ns - self._calm_ns >= self._wait_ns:
            self._rise(now_ns)

    def _go_down(self, load: Load) -> None:
        if self._index + 1 == len(self._rungs):
            return
        if self.rung.is_half_rate and load.tracking_share > load.rendering_share:
            # A smaller picture does not make the tracker faster.
            return
        self._fall()

    def _rise(self, now_ns: int) -> None:
        was_warp = self.rung.is_warp
        self._index -= 1
        if self._has_failed and was_warp and not self.rung.is_warp:
            # It failed, it was not slow: full quality is tried again at once.
            self._index, self._has_failed = 0, False
        self._settle(now_ns)

    def _go_to_warp(self) -> None:
        while not self.rung.is_warp:
            self._index += 1
        self._note_fall()

    def _fall(self) -> None:
        self._index += 1
        self._note_fall()

    def _note_fall(self) -> None:
        if self._rose_ns is not None:
            self._wait_ns = min(2 * self._wait_ns, _LONGEST_WAIT_NS)
        self._settle(None)

    def _settle(self, rose_ns: int | None) -> None:
        self._slow_ns = self._calm_ns = None
        self._rose_ns = rose_ns

    def _least(self) -> float:
        return self._least_fps / 2 if self.rung.is_half_rate else self._least_fps

    def _is_too_slow(self, load: Load) -> bool:
        is_busy = max(load.tracking_share, load.rendering_share / self._most_share) >= _BUSY
        return is_busy and load.shown_fps < self._least()

    def _is_calm(self, load: Load) -> bool:
        return max(load.tracking_share, load.rendering_share / self._most_share) <= _CALM


def _since(began_ns: int | None, now_ns: int) -> int:
    return now_ns if began_ns is None else began_ns


class LoadMonitor:
    """Steers the quality of one animation by its statistics; used by the thread that draws."""

    def __init__(self, performance: PerformanceConfig, statistics: FrameStatistics, now_ns: int) -> None:
        self.quality = QualityLadder(performance.frame_skip_threshold, performance.max_render_share)
        self._is_logging = performance.enable_profiling
        self._statistics = statistics
        self._observed_ns = self._logged_ns = now_ns
        self._tracking_ns = self._rendering_ns = 0

    @property
    def rung(self) -> Rung:
        """The present quality."""
        return self.quality.rung

    def is_due(self, now_ns: int) -> bool:
        """Return whether it is time to `observe`."""
        return now_ns - self._observed_ns >= _OBSERVE_NS

    def observe(self, now_ns: int, is_disturbed: bool) -> None:
        """Step the ladder, and log now and then; is_disturbed: a preparation takes time of the machine, for now."""
        load = self._load(now_ns)
        if is_disturbed:
            self.quality.pause(now_ns)
        else:
            self._step(load, now_ns)
        if self._is_logging and now_ns - self._logged_ns >= _LOG_NS:
            self._logged_ns = now_ns
            self._log(now_ns)

    def _step(self, load: Load, now_ns: int) -> None:
        before = self.rung
        self.quality.observe(load, now_ns)
        if self.rung is not before:
            logger.info("%.0f fps, %s; now: %s", load.shown_fps, load, self.rung.description or "as asked for")

    def _load(self, now_ns: int) -> Load:
        """Return the load since the last call."""
        tracking_ns = self._statistics.total_ns("tracking")
        rendering_ns = sum(self._statistics.total_ns(stage) for stage in _RENDERING)
        passed_ns = now_ns - self._observed_ns
        load = Load(
            self._statistics.fps(now_ns),
            (tracking_ns - self._tracking_ns) / passed_ns,
            (rendering_ns - self._rendering_ns) / passed_ns,
        )
        self._observed_ns, self._tracking_ns, self._rendering_ns = now_ns, tracking_ns, rendering_ns
        return load

    def _log(self, now_ns: int) -> None:
        statistics = self._statistics
        stages = ", ".join(
            f"{stage} {found.p50_ms:.1f} (p95 {found.p95_ms:.1f})" for stage, found in statistics.stages().items()
        )
        logger.info(
            "%.1f fps, latency %.1f ms (p95 %.1f); ms: %s",
            statistics.fps(now_ns),
            statistics.latency_ms(now_ns),
            statistics.latency_ms(now_ns, 95),
            stages,
        )


class Pace:
    """Lets through at most ``frame_rate`` frames a second on average; a late frame does not delay the next one.

    most_share: the share of the time that rendering may take, 0 to 1; after each frame it rests accordingly.
    """

    def __init__(self, frame_rate: float, most_share: float = 1.0) -> None:
        self._due_ns = self._rested_ns = 0
        self.set_most_share(most_share)
        self.set_frame_rate(frame_rate)

    def set_most_share(self, most_share: float) -> None:
        """Take another share of the time that rendering may take."""
        self._rest_per_work = 1 / most_share - 1

    def set_frame_rate(self, frame_rate: float) -> None:
        self._period_ns = int(1e9 / frame_rate)

    def wait_s(self, now_ns: int) -> float:
        """Return the seconds until the next frame is due; 0 if it is."""
        return max(0, max(self._due_ns, self._rested_ns) - now_ns) * 1e-9

    def count(self, now_ns: int) -> None:
        """Note that a frame is rendered now."""
        # Up to one period of lateness is made good, so that jitter does not lower the rate.
        self._due_ns = max(self._due_ns, now_ns - self._period_ns) + self._period_ns

    def rest(self, began_ns: int, ended_ns: int) -> None:
        """Note when rendering the frame began and ended."""
        self._rested_ns = ended_ns + self.rest_ns(ended_ns - began_ns)

    def rest_ns(self, work_ns: int) -> int:
        """Return how long to rest after so much work."""
        return int(work_ns * self._rest_per_work)
