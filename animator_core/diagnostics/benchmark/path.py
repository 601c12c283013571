"""Measures one path from motion to published frames: with caching ("optimizer") or without ("plain")."""

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
"""The stages of a frame; ``render`` only if the frame is drawn."""
TOTAL = "total"


@dataclass(frozen=True)
class PathResult:
    """The measurements of one path.

    stages: percentiles by stage; "total" is tracking to publish of all characters, in sequence. mean_ms: the stages'
    mean time per frame, drawn or not. fps: frames a second of that total. drawn, reused: number of pictures.
    motion_cache_hit_rate: share of cached motions, None without a motion cache. likeness: to the plain path, None for
    the plain path itself.
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
    """Draws every character with the same driver; renderers: one for each, its character set."""

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
        """Begin with a new, uncalibrated driver."""
        for each in self._filters:
            each.driver = each.renderer.create_driver(self._make_estimator())

    def start_counting(self) -> None:
        """Discard the measurements so far."""
        self.times, self.likeness, self.count = StageTimes(), Likeness(), 0
        for each in self._filters:
            each.start_counting()

    def animate(self, tracked: TrackedFrame, now_ns: int, tracking_ns: int) -> UInt8Array:
        """Draw and publish every character; return the first one's picture, reused by the next call.

        tracking_ns: the frame's tracking time, which all paths share.
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
        """Return the measurements so far."""
        reuse = [each.reuse.get_info() for each in self._filters]
        caches = [getattr(each.renderer, "motion_cache", None) for each in self._filters]
        rates = [cache.statistics.hit_rate for cache in caches if cache is not None]
        return PathResult(
            name=self.name,
            enable_optimizer=self.enable_optimizer,
            frames=self.count,
            stages=self.times.summary(),
            mean_ms={stage: 1000 * self.times.total_seconds(stage) / self.count for stage in (*STAGES, TOTAL)},
            fps=self.count / self.times.total_seconds(TOTAL),
            drawn=sum(info.rendered for info in reuse) - sum(each.drawn_before for each in self._filters),
            reused=sum(info.reused for info in reuse) - sum(each.reused_before for each in self._filters),
            motion_cache_hit_rate=float(np.mean(rates)) if rates else None,
            likeness=self.likeness.summary() if self.enable_optimizer and self.likeness.errors else None,
        )

    def close(self) -> None:
        """Close the rings."""
        for each in self._filters:
            each.close()


class _Filter:
    """A renderer with its character, and the ring for its frames."""

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
        """Draw and publish a frame, and return the time taken in nanoseconds."""
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
