"""Runs 100,000 frames through ring, tracker, estimator and warp renderer, then through the filter of the OBS side.

`python -m docs.measurements.steady_memory [--frames N] [--side obs|worker]`
Every 25th frame is a real picture for the real tracker; the others get a synthetic observation. Prints the resident
memory and the number of Python's objects on the way; both must stay where they were after the first tenth.
"""

from __future__ import annotations

import argparse
import gc
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import psutil
from fake_libobs import CREATES, FakeLibObs

from animator_core.animation.pipeline import CharacterPipeline
from animator_core.characters.library import CharacterLibrary
from animator_core.config import MODELS_DIR, PROJECT_ROOT
from animator_core.ipc.frame_ring import FORMAT_BGRA_PREMULTIPLIED, FORMAT_RGBA, RingMemory, RingReader, RingWriter
from animator_core.motion.rotation import rotation_from_euler
from animator_core.tracking.face_model import face_model
from animator_core.tracking.observation import FaceObservation, TrackedFrame
from animator_core.tracking.trackers import create_tracker
from animator_core.warp.renderer import WarpRenderer
from obs_plugin import capture
from obs_plugin.filter import AnimatorFilter
from obs_plugin.filter_rings import FilterRings

WIDTH, HEIGHT = 640, 480
REAL_EVERY = 25
FRAME_NS = 33_333_333


class Report:
    """Prints a line at every tenth of the way."""

    def __init__(self, what: str, frames: int) -> None:
        self._what, self._every = what, max(1, frames // 10)
        self._started = time.perf_counter()
        self._first_mib = 0.0

    def note(self, frame: int) -> None:
        if frame % self._every:
            return
        gc.collect()
        mib = psutil.Process().memory_info().rss / 2**20
        self._first_mib = self._first_mib or mib
        seconds = time.perf_counter() - self._started
        print(
            f"{self._what}: {frame} frames in {seconds:.0f} s, {mib:.1f} MiB ({mib - self._first_mib:+.1f}), "
            f"{len(gc.get_objects())} objects",
            flush=True,
        )


def observations() -> Iterator[FaceObservation]:
    """Yield a face that turns, speaks and blinks without end."""
    mean = face_model().mean
    for number in range(1, 1 << 60):
        phase = number * 0.07
        shape = mean.copy()
        shape[[14, 17, 87, 317, 178, 402, 152], 1] += 0.03 * (1 + np.sin(3 * phase))
        turn = rotation_from_euler(15 * np.sin(phase), 8 * np.sin(0.6 * phase), 5 * np.sin(0.3 * phase))
        points = 200 * shape @ turn.T + np.array([320 + 20 * np.sin(0.2 * phase), 240, 0])
        yield FaceObservation(points.astype(np.float32), WIDTH, HEIGHT, number * FRAME_NS)


def run_worker_side(frames: int, character: str, pixels: int) -> None:
    """Send frames through everything between the two rings."""
    library = CharacterLibrary(PROJECT_ROOT / "assets" / "characters")
    shown = library.load(character, pixels)
    photographed = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    portrait = library.load(character).picture[:HEIGHT, :WIDTH]
    photographed[: portrait.shape[0], : portrait.shape[1]] = portrait
    driving, animated = RingMemory.create(WIDTH * HEIGHT * 4), RingMemory.create(shown.picture.size)
    ends = camera, reader, writer, shower = (
        RingWriter(driving), RingReader(driving), RingWriter(animated), RingReader(animated)
    )  # fmt: skip
    pipeline = CharacterPipeline()
    pipeline.use(WarpRenderer())
    pipeline.set_character(shown)
    tracker = create_tracker(MODELS_DIR)
    received, displayed = bytearray(photographed.size), bytearray(shown.picture.size)
    report, seen = Report(f"worker side ({tracker.name}, {shown.picture.shape})", frames), observations()
    for frame in range(1, frames + 1):
        camera.begin()[:] = photographed.reshape(-1)
        camera.publish(WIDTH, HEIGHT, WIDTH * 4, FORMAT_RGBA, frame * FRAME_NS)
        assert reader.read_into(received) is not None
        observation: FaceObservation | None = next(seen)
        if frame % REAL_EVERY == 0:
            photographed[0, 0, 0] = frame // REAL_EVERY % 256
            rgb = np.frombuffer(received, np.uint8).reshape(HEIGHT, WIDTH, 4)[..., :3]
            observation = tracker.track(np.ascontiguousarray(rgb), frame * FRAME_NS)
        picture = pipeline.animate(TrackedFrame(observation, None), frame * FRAME_NS).picture
        writer.begin()[: picture.size] = picture.reshape(-1)
        writer.publish(picture.shape[1], picture.shape[0], picture.shape[1] * 4, FORMAT_BGRA_PREMULTIPLIED, frame)
        assert shower.read_into(displayed) is not None
        report.note(frame)
    tracker.close()
    for end in ends:
        end.close()
    driving.close()
    animated.close()


class ForgetfulLibObs(FakeLibObs):
    """Does not remember its calls, which for the other functions is what a fake is for."""

    def __getattr__(self, name: str) -> Any:
        call = super().__getattr__(name)
        if name in CREATES or name in CREATES.values():
            return lambda *arguments: (call(*arguments), self.calls.clear())[0]
        return lambda *_arguments: 0


class NoHost:
    """Ignores the requests of a filter."""

    def __getattr__(self, name: str) -> Any:
        return lambda *_arguments: None


def run_obs_side(frames: int) -> None:
    """Let a filter tick and render with a new animated frame each time, and now and then one of another size."""
    lib: Any = ForgetfulLibObs()
    host: Any = NoHost()
    lib.settings.update({"on_problem": "character", "fit": "frame", "renderer": "auto"})
    instance = AnimatorFilter(lib, filter_id="1", source=5, settings=6, host=host)
    rings = FilterRings.create()
    rings.is_opened = True
    instance.new_rings.put(rings)
    writer, report = RingWriter(rings.animated), Report("OBS side", frames)
    capture._SHORTEST_INTERVAL_NS = 0
    for frame in range(1, frames + 1):
        side = 512 if frame // 1000 % 2 else 256
        writer.begin()
        writer.publish(side, side, side * 4, FORMAT_BGRA_PREMULTIPLIED, frame)
        instance.tick()
        instance.render()
        lib.drawn.clear()
        report.note(frame)
    assert rings.shown_count == frames and rings.published_count > 0.9 * frames


def main() -> None:
    """Run what was asked for."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--frames", type=int, default=100_000)
    options.add_argument("--character", default="mira.png")
    options.add_argument("--pixels", type=int, default=256 * 256, help="size that the character is reduced to")
    options.add_argument("--side", choices=("obs", "worker", "both"), default="both")
    chosen = options.parse_args()
    if chosen.side != "worker":
        run_obs_side(chosen.frames)
    if chosen.side != "obs":
        run_worker_side(chosen.frames, chosen.character, chosen.pixels)


if __name__ == "__main__":
    main()
