"""Measures the face tracker on a clip: alone, and beside the warp renderer.

`python -m docs.measurements.tracking CLIP [--frames N] [--rounds N] [--character ID]`
The clip is scaled to 640 wide, as driving frames are, and its middle 480 rows are taken. The tracker is
the one that the worker would use.
"""

from __future__ import annotations

import argparse
import itertools
import threading
import time
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from animator_core.assembly import load_character
from animator_core.clips.video import VideoReader
from animator_core.config import MODELS_DIR, load_config
from animator_core.motion.estimator import MotionEstimator
from animator_core.tracking.observation import FaceObservation, FaceTracker
from animator_core.tracking.trackers import create_tracker
from animator_core.warp.renderer import WarpRenderer

WIDTH, HEIGHT = 640, 480
FRAME_NS = 33_333_333


def main() -> None:
    """Print both measurements."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("clip", type=Path)
    options.add_argument("--frames", type=int, default=150)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--character", default="astronaut")
    chosen = options.parse_args()
    frames = read_frames(chosen.clip, chosen.frames)
    tracker = Clocked(create_tracker(MODELS_DIR))
    estimator = MotionEstimator()
    seen = [(number * FRAME_NS, tracker.track(frame, number * FRAME_NS)) for number, frame in enumerate(frames, 1)]
    motions = [estimator.update(observation, captured_ns) for captured_ns, observation in seen]
    renderer = WarpRenderer()
    renderer.set_character(load_character(chosen.character, load_config(None)))
    for motion in motions[:20]:
        renderer.render(motion)

    def track() -> None:
        for frame in frames:
            tracker.track(frame, tracker.last_ns + FRAME_NS)

    def render() -> None:
        for motion in motions * 2:
            renderer.render(motion)

    print(f"{tracker.name}, {len(frames)} frames of {frames[0].shape[1]}x{frames[0].shape[0]}; {2 * len(frames)} drawn")
    for _ in range(chosen.rounds):
        tracker.times_ms.clear()
        alone, drawing = seconds_of(track), seconds_of(render)
        median, p95 = np.percentile(tracker.times_ms, (50, 95))
        tracker.times_ms.clear()
        both = seconds_of(track, render)
        beside, beside_p95 = np.percentile(tracker.times_ms, (50, 95))
        print(
            f"a frame tracked in {median:.2f} ms (p95 {p95:.2f}), beside rendering {beside:.2f} ({beside_p95:.2f}); "
            f"all tracked in {alone:.2f} s, all drawn in {drawing:.2f} s, both at once in {both:.2f} s"
        )


class Clocked:
    """A tracker whose frames are timed on the clock."""

    def __init__(self, tracker: FaceTracker) -> None:
        self.name = tracker.name
        self.times_ms: list[float] = []
        self.last_ns = 0
        self._tracker = tracker

    def track(self, frame: np.ndarray, captured_ns: int) -> FaceObservation | None:
        self.last_ns = captured_ns
        began = time.perf_counter_ns()
        found = self._tracker.track(frame, captured_ns)
        self.times_ms.append((time.perf_counter_ns() - began) / 1e6)
        return found


def read_frames(clip: Path, count: int) -> list[np.ndarray]:
    """Return the first ``count`` frames of ``clip`` as (480, 640, 3) uint8 RGB, or lower where the clip is wider."""
    with VideoReader(clip) as reader:
        pictures = [frame.picture for frame in itertools.islice(reader, count)]
    height = round(pictures[0].shape[0] * WIDTH / pictures[0].shape[1])
    above = max(0, height - HEIGHT) // 2
    scaled = (cv2.resize(picture, (WIDTH, height), interpolation=cv2.INTER_AREA) for picture in pictures)
    return [np.ascontiguousarray(picture[above : above + HEIGHT]) for picture in scaled]


def seconds_of(*functions: Callable[[], None]) -> float:
    """Return how long the functions took, each in a thread of its own."""
    threads = [threading.Thread(target=function) for function in functions]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
