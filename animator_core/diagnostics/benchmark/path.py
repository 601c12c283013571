"""One way from a motion to published pictures, with its times: with what spares work, or plain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from animator_core.animation.reuse import RenderReuse
from animator_core.animation.timing import Percentiles, StageTimes
from animator_core.arrays import UInt8Array
from animator_core.diagnostics.benchmark.likeness import Likeness, LikenessSummary
from animator_core.ipc.frame_ring import RingMemory, RingWriter
from animator_core.ipc.publish import publish_picture
from animator_core.motion.estimator import MotionEstimator
from animator_core.rendering.contract import Driver, Renderer
from animator_core.tracking.observation import TrackedFrame

STAGES = ("tracking", "motion", "render", "publish")
"""What a frame goes through; ``render`` only where it is drawn."""
TOTAL = "total"


@dataclass(frozen=True)
class PathResult:
    """What one path took.

    stages: percentiles by stage; "total" is tracking to publish of all characters, one after the other. mean_ms: the
    same stages' time by frame, drawn or not. fps: frames a second of that total. drawn, reused: pictures.
    motion_cache_hit_rate: share of faces whose motion was known, None without that cache. likeness: to the plain path,
    None of the plain path itself.
    """

    name: str
    enable_optimizer: bool
    frames: int
    stages: dict[str, Percentiles]
    mean_ms: dict[str, float]
    fps: float
    drawn: int
    reused: int
    motion_cache_hit_rate: float | None
    likeness: LikenessSummary | None


class MeasuredPath:
    """Draws every character as the same person moves; renderers: one for each, with its character set."""

    def __init__(
        self, renderers: Sequence[Renderer], enable_optimizer: bool, make_estimator: Callable[[], MotionEstimator]
    ) -> None:
        self.enable_optimizer = enable_optimizer
        self.name = "optimizer" if enable_optimizer else "plain"
        self._filters = [_Filter(renderer, enable_optimizer) for renderer in renderers]
        self._make_estimator = make_estimator
        self.start_clip()
        self.start_counting()

    def start_clip(self) -> None:
        """Begin with a person of whom nothing is known."""
        for each in self._filters:
            each.driver = each.renderer.create_driver(self._make_estimator())

    def start_counting(self) -> None:
        """Forget what was measured so far."""
        self.times, self.likeness, self.count = StageTimes(), Likeness(), 0
        for each in self._filters:
            each.start_counting()

    def animate(self, tracked: TrackedFrame, now_ns: int, tracking_ns: int) -> UInt8Array:
        """Publish every character, and return the first one's picture, reused by the next call.

        tracking_ns: of this frame, which all paths share.
        """
        times, total = self.times, tracking_ns
        times.add("tracking", tracking_ns)
        for each in self._filters:
            total += each.animate(tracked, now_ns, times)
        times.add(TOTAL, total)
        self.count += 1
        picture = self._filters[0].picture
        assert picture is not None
        return picture

    def result(self) -> PathResult:
        """Return the figures so far."""
        reuse = [each.reuse.get_info() for each in self._filters]
        caches = [getattr(each.renderer, "motion_cache", None) for each in self._filters]
        rates = [cache.statistics.hit_rate for cache in caches if cache is not None]
        return PathResult(
            self.name,
            self.enable_optimizer,
            self.count,
            self.times.summary(),
            {stage: 1000 * self.times.total_seconds(stage) / self.count for stage in (*STAGES, TOTAL)},
            self.count / self.times.total_seconds(TOTAL),
            sum(info.rendered for info in reuse) - sum(each.drawn_before for each in self._filters),
            sum(info.reused for info in reuse) - sum(each.reused_before for each in self._filters),
            float(np.mean(rates)) if rates else None,
            self.likeness.summary() if self.enable_optimizer and self.likeness.errors else None,
        )

    def close(self) -> None:
        """Let go of the rings."""
        for each in self._filters:
            each.close()


class _Filter:
    """A renderer with its character, and the ring that its pictures go to."""

    def __init__(self, renderer: Renderer, enable_optimizer: bool) -> None:
        self.renderer = renderer
        self.reuse = RenderReuse(enable_optimizer)
        self.driver: Driver | None = None
        self.picture: UInt8Array | None = None
        self._memory: RingMemory | None = None
        self._writer: RingWriter | None = None
        self.start_counting()

    def start_counting(self) -> None:
        info = self.reuse.get_info()
        self.drawn_before, self.reused_before = info.rendered, info.reused

    def animate(self, tracked: TrackedFrame, now_ns: int, times: StageTimes) -> int:
        """Return the nanoseconds that it took."""
        assert self.driver is not None
        with times.measure("motion"):
            placement = self.driver.place(tracked, now_ns)
            needs_rendering = self.reuse.needs_rendering(placement.signature)
        total = times.last_ns("motion")
        if needs_rendering:
            with times.measure("render"):
                self.picture = self.renderer.draw(placement)
            total += times.last_ns("render")
        assert self.picture is not None
        if self._writer is None:
            self._memory = RingMemory.create(self.picture.nbytes)
            self._writer = RingWriter(self._memory)
        with times.measure("publish"):
            publish_picture(self._writer, self.picture, placement.captured_ns)
        return total + times.last_ns("publish")

    def close(self) -> None:
        if self._writer is not None and self._memory is not None:
            self._writer.close()
            self._memory.close()
