"""A worker that animates for hours: memory, files, threads and frame times stay as they are.

`pytest tests/hardening/test_soak.py --campaign 1 -s` draws a million frames a character and prints a hundred lines.
"""

from __future__ import annotations

import itertools
import sys
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from animator_core.config import PROJECT_ROOT
from animator_core.ipc.protocol import FilterStatus, Ready
from tests.conftest import shared_file
from tests.worker_harness import FilterEnd, WorkerHarness, write_config

pytestmark = pytest.mark.slow

_WARM_SHARE = 0.02
"""Of all frames: until then caches fill and kernels compile."""
_SETTLED_BYTES = 12 << 20
"""Allocators round up; a short run must not fail for a page more."""


class Snapshot:
    """The resources of a process and all its children, and the frame times since the one before."""

    def __init__(self, process: psutil.Process, times_ms: list[float]) -> None:
        every = [process, *process.children(recursive=True)]
        self.resident = sum(each.memory_info().rss for each in every)
        self.files = sum(each.num_fds() for each in every)
        self.threads = sum(each.num_threads() for each in every)
        self.p50, self.p99 = (float(np.percentile(times_ms, share)) for share in (50, 99))

    def __str__(self) -> str:
        times = f"p50 {self.p50:.1f} ms, p99 {self.p99:.1f} ms"
        return f"{self.resident / 2**20:.1f} MB, {self.files} files, {self.threads} threads, {times}"


def faces(count: int) -> list[np.ndarray]:
    """Return frames of a person who talks: (H, W, 4) uint8 RGBA."""
    capture = cv2.VideoCapture(str(shared_file("faces/driving/d3.mp4")))
    frames = []
    for _ in range(count):
        has_frame, frame = capture.read()
        if not has_frame:
            break
        frames.append(cv2.cvtColor(cv2.resize(frame, (320, 320)), cv2.COLOR_BGR2RGBA))
    capture.release()
    return frames


def drive_as_fast_as_it_goes(end: FilterEnd, frame: np.ndarray, seconds: float) -> float:
    """Publish a frame and return the milliseconds until the picture made of it, or of the one before, is there."""
    began = time.perf_counter()
    end.frame, end._driven = frame, 0.0
    end.drive()
    while end.take() is None:
        assert time.perf_counter() - began < seconds, "no frame came"
        time.sleep(0.0005)
    return (time.perf_counter() - began) * 1000


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="open files are counted on Linux")
@pytest.mark.parametrize("character", ["astronaut.png", "mira.png"])
def test_a_worker_is_after_many_frames_as_it_was(
    tmp_path: Path, character: str, rounds: Callable[[int, int], int]
) -> None:
    if character == "mira.png" and rounds(0, 1_000_000) == 0:
        pytest.skip("one character is enough outside of the campaign")
    frames, count = faces(90), rounds(200, 1_000_000)
    config = write_config(tmp_path)
    config.write_text(config.read_text().replace(str(tmp_path / "characters"), str(PROJECT_ROOT / "assets/characters")))
    there_and_back = itertools.cycle([*frames, *frames[-2:0:-1]])
    with WorkerHarness(tmp_path, "--config", str(config)) as worker:
        worker.wait_for(Ready)
        end = worker.open(character=character, renderer="warp", frame_rate=1000.0, animated_bytes=1 << 23)
        end.frame = frames[0]
        worker.wait_for(FilterStatus, lambda status: status.state in ("calibrating", "tracking") and status.fps > 0)
        process, snapshots, times = psutil.Process(worker.process.pid), [], []
        warm, part = max(100, round(_WARM_SHARE * count)), max(100, count // 100)
        for number in range(warm + count):
            times.append(drive_as_fast_as_it_goes(end, next(there_and_back), seconds=20))
            worker.messages.clear()
            if number >= warm and (number - warm + 1) % part == 0:
                snapshots.append(Snapshot(process, times))
                times = []
                print(f"{number + 1} frames: {snapshots[-1]}", flush=True)
    first, last = snapshots[0], snapshots[-1]
    assert last.resident - first.resident < max(_SETTLED_BYTES, 0.01 * first.resident), f"{first}; {last}"
    assert last.files <= first.files
    assert last.threads <= first.threads
