"""Measures the stages of a frame on this machine, from the tracked picture to the published slot of a real ring."""

from __future__ import annotations

import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from animator_core.driving_clip import DrivingClip, DrivingMoment
from animator_core.errors import AnimatorError
from animator_core.frame_ring import FORMAT_BGRA_PREMULTIPLIED, RingMemory, RingWriter
from animator_core.motion.estimator import MotionEstimator
from animator_core.render.contract import Renderer
from animator_core.timing import Percentiles, StageTimes

WARM_UP_FRAMES = 45
"""Not counted: compilers, caches and the tracker's first detection work in them."""
PER_FRAME_STAGES = ("tracking", "motion", "render", "publish")
_PACKAGES = ("numpy", "opencv-python", "mediapipe", "numba", "torch", "av")


@dataclass(frozen=True)
class BenchmarkResult:
    """What was measured.

    stages: percentiles by stage; "total" is tracking to publish, one after the other, without reading the clip.
    fps: frames a second of that total. tracked_share: share of frames in which a face was seen.
    """

    frames: int
    warm_up_frames: int
    stages: dict[str, Percentiles]
    fps: float
    tracked_share: float
    wall_seconds: float
    peak_memory_mib: float
    tracker: str
    renderer: str
    device: str
    frame_size: tuple[int, int]
    driving_size: tuple[int, int]
    cpu_load_before: float
    machine: dict[str, Any]


def run_benchmark(
    open_clip: Callable[[], DrivingClip],
    make_estimator: Callable[[], MotionEstimator],
    renderer: Renderer,
    frames: int,
) -> BenchmarkResult:
    """Measure ``frames`` frames after the warm-up; a clip that is shorter is gone through again.

    renderer: with its character set. Raises AnimatorError where the clip has no frame.
    """
    load = psutil.cpu_percent(interval=0.3)
    loop = _MeasuredLoop(make_estimator, renderer)
    try:
        loop.go_through(open_clip(), WARM_UP_FRAMES)
        loop.start_counting()
        started = time.perf_counter()
        while loop.count < frames:
            before = loop.count
            loop.go_through(open_clip(), frames - loop.count)
            if loop.count == before:
                raise AnimatorError("the driving clip has no frames; give another with --driving")
        wall_seconds = time.perf_counter() - started
    finally:
        loop.close()
    return BenchmarkResult(
        frames=loop.count,
        warm_up_frames=WARM_UP_FRAMES,
        stages=loop.times.summary(),
        fps=loop.count / loop.times.total_seconds("total"),
        tracked_share=loop.tracked / loop.count,
        wall_seconds=wall_seconds,
        peak_memory_mib=peak_memory_bytes() / (1 << 20),
        tracker=loop.tracker_name,
        renderer=renderer.name,
        device=renderer.device,
        frame_size=loop.frame_size,
        driving_size=loop.driving_size,
        cpu_load_before=load,
        machine=machine_facts(),
    )


class _MeasuredLoop:
    """Takes moments through motion, rendering and publishing, one after the other, and keeps the times."""

    def __init__(self, make_estimator: Callable[[], MotionEstimator], renderer: Renderer) -> None:
        self._make_estimator, self._renderer = make_estimator, renderer
        self._memory: RingMemory | None = None
        self._writer: RingWriter | None = None
        self.tracker_name = ""
        self.frame_size = self.driving_size = (0, 0)
        self.start_counting()

    def start_counting(self) -> None:
        self.times, self.count, self.tracked = StageTimes(), 0, 0

    def go_through(self, clip: DrivingClip, most: int) -> None:
        estimator = self._make_estimator()
        self.tracker_name = clip.tracker_name
        try:
            for moment in islice(clip.moments(self.times), most):
                self._one(estimator, moment)
        finally:
            clip.close()

    def _one(self, estimator: MotionEstimator, moment: DrivingMoment) -> None:
        times = self.times
        with times.measure("motion"):
            if moment.observation is None:
                estimator.face_lost(moment.captured_ns)
            motion = estimator.update(moment.observation, moment.captured_ns)
        with times.measure("render"):
            frame = self._renderer.render(motion, moment.picture)
        if self._writer is None:
            self._memory = RingMemory.create(frame.nbytes)
            self._writer = RingWriter(self._memory)
        with times.measure("publish"):
            _publish(self._writer, frame, moment.captured_ns)
        times.add("total", sum(times.last_ns(stage) for stage in PER_FRAME_STAGES))
        self.count += 1
        self.tracked += moment.observation is not None
        self.frame_size, self.driving_size = (frame.shape[1], frame.shape[0]), moment.frame_size

    def close(self) -> None:
        if self._writer is not None and self._memory is not None:
            self._writer.close()
            self._memory.close()


def _publish(writer: RingWriter, frame: np.ndarray, captured_ns: int) -> None:
    height, width = frame.shape[:2]
    slot = np.frombuffer(writer.begin(), np.uint8)[: frame.nbytes]
    np.copyto(slot.reshape(frame.shape), frame)
    writer.publish(width, height, width * 4, FORMAT_BGRA_PREMULTIPLIED, captured_ns)


def peak_memory_bytes() -> int:
    """Return the most memory that this process had at once."""
    usage = psutil.Process().memory_info()
    if hasattr(usage, "peak_wset"):
        return int(usage.peak_wset)
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def machine_facts() -> dict[str, Any]:
    """Return what the figures depend on: processor, memory, system, versions."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    return {
        "cpu": _cpu_name(),
        "logical_cores": os.cpu_count(),
        "usable_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / (1 << 30), 1),
        "system": platform.platform(),
        "versions": versions,
    }


def _cpu_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
