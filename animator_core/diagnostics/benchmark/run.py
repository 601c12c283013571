"""Runs all paths over a clip, frame by frame in turn, so that all see the same load of the machine."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import psutil

from animator_core.animation.timing import StageTimes
from animator_core.clips.driving_clip import DrivingClip, DrivingMoment
from animator_core.diagnostics.benchmark.machine import (
    GpuUse,
    UseWatch,
    machine_facts,
    peak_gpu_bytes,
    peak_memory_bytes,
)
from animator_core.diagnostics.benchmark.path import MeasuredPath, PathResult
from animator_core.errors import AnimatorError
from animator_core.tracking.observation import TrackedFrame

WARM_UP_FRAMES = 45
"""Frames that are not counted: compilation, cold caches and the tracker's first detection."""
_WARM_UP_SECONDS = 20.0
"""The warm-up ends earlier after this time."""
_OVERLAP_FRAMES = 150
_OVERLAP_BYTES = 1 << 30

OpenClip = Callable[[], DrivingClip]


@dataclass(frozen=True)
class BenchmarkResult:
    """The measurements of a benchmark.

    paths: run in turn in every frame. overlapped_fps: frames a second of the last path with tracking in a thread of its
    own, as in the worker; None for a recorded motion. tracked_share: share of frames with a face. cpu_share: of all
    usable cores, by this process. peak_gpu_mib: by torch. gpu, peak_gpu_mib: None without a GPU.
    """

    frames: int
    warm_up_frames: int
    paths: tuple[PathResult, ...]
    overlapped_fps: float | None
    tracked_share: float
    wall_seconds: float
    cpu_share: float
    peak_memory_mib: float
    gpu: GpuUse | None
    peak_gpu_mib: float | None
    tracker: str
    characters: int
    frame_size: tuple[int, int]
    driving_size: tuple[int, int]
    cpu_load_before: float
    machine: dict[str, Any]


def run_benchmark(
    open_clip: OpenClip,
    paths: Sequence[MeasuredPath],
    *,
    frames: int,
    characters: int = 1,
) -> BenchmarkResult:
    """Measure ``frames`` frames after the warm-up; a shorter clip is repeated.

    If both paths are given, the frames of "optimizer" are compared with those of "plain". Raises AnimatorError if the
    clip has no frame.
    """
    load = psutil.cpu_percent(interval=0.3)
    loop = _Loop(paths)
    warm_up_until = time.perf_counter() + _WARM_UP_SECONDS
    loop.go_through(open_clip(), WARM_UP_FRAMES, lambda: time.perf_counter() > warm_up_until)
    warm_up_frames = loop.count
    overlapped = overlapped_fps(open_clip, paths[-1], frames=min(frames, _OVERLAP_FRAMES))
    loop.start_counting()
    watch, started = UseWatch(), time.perf_counter()
    while loop.count < frames:
        before = loop.count
        loop.go_through(open_clip(), frames - loop.count)
        if loop.count == before:
            raise AnimatorError("the driving clip has no frames", "give another with --driving")
    wall_seconds = time.perf_counter() - started
    cpu_share, gpu = watch.stop()
    results = tuple(path.result() for path in paths)
    gpu_bytes = peak_gpu_bytes()
    return BenchmarkResult(
        frames=loop.count,
        warm_up_frames=warm_up_frames,
        paths=results,
        overlapped_fps=overlapped,
        tracked_share=loop.tracked / loop.count,
        wall_seconds=wall_seconds,
        cpu_share=cpu_share,
        peak_memory_mib=peak_memory_bytes() / (1 << 20),
        gpu=gpu,
        peak_gpu_mib=gpu_bytes / (1 << 20) if gpu_bytes is not None else None,
        tracker=loop.tracker_name,
        characters=characters,
        frame_size=loop.frame_size,
        driving_size=loop.driving_size,
        cpu_load_before=load,
        machine=machine_facts(),
    )


class _Loop:
    """Runs moments through every path."""

    def __init__(self, paths: Sequence[MeasuredPath]) -> None:
        self._paths = paths
        self.tracker_name = ""
        self.frame_size = self.driving_size = (0, 0)
        self._times = StageTimes()
        self.count = self.tracked = 0

    def start_counting(self) -> None:
        self.count = self.tracked = 0
        for path in self._paths:
            path.start_counting()

    def go_through(self, clip: DrivingClip, most: int, is_enough: Callable[[], bool] = lambda: False) -> None:
        for path in self._paths:
            path.start_clip()
        self.tracker_name = clip.tracker_name
        try:
            for moment in islice(clip.moments(self._times), most):
                self._one(moment)
                if is_enough():
                    return
        finally:
            clip.close()

    def _one(self, moment: DrivingMoment) -> None:
        tracked, tracking_ns = TrackedFrame(moment.observation, moment.picture), self._times.last_ns("tracking")
        # Alternate the order: the second path finds warmer caches.
        order = self._paths if self.count % 2 else tuple(reversed(self._paths))
        pictures = {path.name: path.animate(tracked, moment.captured_ns, tracking_ns) for path in order}
        if len(pictures) == 2:
            for path in self._paths:
                if path.enable_optimizer:
                    path.likeness.compare(pictures[path.name], pictures["plain"])
        picture = next(iter(pictures.values()))
        self.count += 1
        self.tracked += moment.observation is not None
        self.frame_size, self.driving_size = (picture.shape[1], picture.shape[0]), moment.frame_size


def overlapped_fps(open_clip: OpenClip, path: MeasuredPath, frames: int) -> float | None:
    """Return frames a second with tracking and rendering in two threads, or None for a recorded motion.

    Frames are decoded in advance, as a camera's need no decoding, up to a limit of memory.
    """
    clip = open_clip()
    if clip.tracker_name == "recorded":
        clip.close()
        return None
    clip.read_ahead(frames, _OVERLAP_BYTES)
    ready: queue.Queue[tuple[DrivingMoment, StageTimes] | None] = queue.Queue(maxsize=1)
    thread = threading.Thread(target=_track, args=(clip, frames, ready), name="tracking", daemon=True)
    path.start_clip()
    count, started = 0, 0.0
    thread.start()
    while (item := ready.get()) is not None:
        moment, times = item
        started = started or time.perf_counter()
        tracked = TrackedFrame(moment.observation, moment.picture)
        path.animate(tracked, moment.captured_ns, times.last_ns("tracking"))
        count += 1
    passed = time.perf_counter() - started
    thread.join()
    return count / passed if count else None


def _track(clip: DrivingClip, frames: int, ready: queue.Queue[tuple[DrivingMoment, StageTimes] | None]) -> None:
    times = StageTimes()
    try:
        for moment in islice(clip.moments(times), frames):
            ready.put((moment, times))
    finally:
        ready.put(None)
        clip.close()
