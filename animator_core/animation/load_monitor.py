"""Feeds frame timings to the quality ladder once a second, and logs them."""

from __future__ import annotations

import logging

from animator_core.animation.quality import Load, QualityLadder, Rung
from animator_core.animation.statistics import FrameStatistics
from animator_core.config import PerformanceConfig

logger = logging.getLogger(__name__)

_OBSERVE_NS = 1_000_000_000
_LOG_NS = 5_000_000_000
_RENDERING = ("motion", "render")


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

    def observe(self, now_ns: int, is_disturbed: bool) -> None:
        """Step the ladder and log, if it is time; is_disturbed: a preparation takes time of the machine, for now."""
        if now_ns - self._observed_ns >= _OBSERVE_NS:
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
