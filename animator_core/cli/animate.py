"""``animate``: a character and a driving clip in, a video out."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from animator_core import assembly
from animator_core.cli import parts
from animator_core.compositing import OverColour, StraightAlpha, parse_colour
from animator_core.config import load_config
from animator_core.driving_clip import DrivingClip, DrivingMoment
from animator_core.errors import AnimatorError
from animator_core.motion.track_file import track_from_observations, write_track
from animator_core.offline import animate_moments
from animator_core.render.contract import Renderer
from animator_core.timing import StageTimes
from animator_core.tracking.observation import FaceObservation
from animator_core.video import Encoding, VideoWriter, choose_encoding

DEFAULT_BACKGROUND = "#2b2d31"
"""A dark, neutral grey: what a transparent character stands before where the file holds no alpha."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parts.add_character_arguments(parser, is_required=True)
    parser.add_argument(
        "--driving", type=Path, required=True, metavar="VIDEO|MOTION", help="a video of a face, or a motion (.npz)"
    )
    parser.add_argument("--output", type=Path, required=True, metavar="OUT", help=".mp4, .webm or .mov")
    parser.add_argument("--max-frames", type=parts.positive_int, metavar="N", help="stop after N frames")
    parser.add_argument("--stats", type=Path, metavar="OUT.json", help="write counts and times as JSON")
    parser.add_argument("--mirror", action="store_true", help="animate as a mirror would")
    parser.add_argument(
        "--background",
        default=DEFAULT_BACKGROUND,
        metavar="COLOUR",
        help="colour behind a transparent character where the file holds no transparency (default %(default)s); "
        ".webm and .mov keep transparency",
    )
    parser.add_argument("--save-motion", type=Path, metavar="OUT.npz", help="also write the tracked motion")
    parser.add_argument("--no-progress", action="store_true", help="show no progress bar")


def run(options: argparse.Namespace) -> int:
    """Animate and write the files asked for."""
    started = time.perf_counter()
    background = parse_colour(options.background)
    choose_encoding(options.output, has_alpha=False)  # an unknown suffix is told before the models are loaded
    parts.require_writable((options.output, options.stats, options.save_motion))
    config = load_config(options.config)
    character = assembly.load_character(options.character, config)
    with (
        assembly.opened_clip(options.driving, config) as clip,
        assembly.made_renderer(options.renderer, config) as renderer,
    ):
        renderer.set_character(character)
        times = StageTimes()
        encoding = choose_encoding(options.output, character.has_alpha)
        recorder = _Recorder(options.save_motion is not None)
        estimator = assembly.make_estimator(config, options.mirror)
        moments = islice(clip.moments(times), options.max_frames)
        animated = animate_moments(recorder.watch(moments), estimator, renderer, times)
        _write_video(options, clip, animated, encoding, _pixels_for(encoding, background), times)
        if options.save_motion is not None:
            recorder.save(options.save_motion, clip)
        _report(options, clip, renderer, recorder, times, time.perf_counter() - started)
    return 0


class _Recorder:
    """Counts what the tracker saw, and remembers it where it is to be saved (a clip may be long)."""

    def __init__(self, is_saving: bool) -> None:
        self.count = 0
        self._found = 0
        self._is_saving = is_saving
        self._observations: list[FaceObservation | None] = []
        self._frame_size = (0, 0)

    def watch(self, moments: Iterator[DrivingMoment]) -> Iterator[DrivingMoment]:
        for moment in moments:
            self.count += 1
            self._found += moment.observation is not None
            self._frame_size = moment.frame_size
            if self._is_saving:
                self._observations.append(moment.observation)
            yield moment

    def save(self, path: Path, clip: DrivingClip) -> None:
        write_track(path, track_from_observations(self._observations, float(clip.rate), *self._frame_size))

    @property
    def face_found_share(self) -> float:
        return self._found / max(1, self.count)


def _pixels_for(encoding: Encoding, background: tuple[int, int, int]) -> Callable[[np.ndarray], np.ndarray]:
    return StraightAlpha() if encoding.has_alpha else OverColour(background)


def _write_video(
    options: argparse.Namespace,
    clip: DrivingClip,
    animated: Iterator[tuple[DrivingMoment, np.ndarray]],
    encoding: Encoding,
    to_pixels: Callable[[np.ndarray], np.ndarray],
    times: StageTimes,
) -> None:
    first = next(animated, None)
    if first is None:
        raise AnimatorError(f"{options.driving} has no frames; give another clip")
    expected = min(filter(None, (clip.frame_count, options.max_frames)), default=None)
    # In a log file every redrawn bar is a line.
    interval = 0.1 if sys.stderr.isatty() else 5.0
    with (
        VideoWriter(options.output, encoding, clip.rate, clip.time_base, clip.soundtrack()) as writer,
        tqdm(
            total=expected,
            unit="frame",
            desc=options.output.name,
            mininterval=interval,
            disable=options.no_progress,
        ) as progress,
    ):
        for moment, frame in chain((first,), animated):
            with times.measure("write"):
                writer.write(to_pixels(frame), moment.time)
            progress.update()


def _report(
    options: argparse.Namespace,
    clip: DrivingClip,
    renderer: Renderer,
    recorder: _Recorder,
    times: StageTimes,
    wall_seconds: float,
) -> None:
    count, share = recorder.count, recorder.face_found_share
    if clip.notice:
        print(f"warning: {clip.notice}", file=sys.stderr)
    if share < 0.5:
        print(
            f"warning: a face was seen in {share:.0%} of the frames of {options.driving}; the character idles in the "
            "others. Use a clip with one well-lit face looking at the camera",
            file=sys.stderr,
        )
    if options.stats is not None:
        parts.write_json(options.stats, statistics(clip, renderer, count, share, times, wall_seconds))
    print(f"wrote {options.output}: {count} frames at {float(clip.rate):.5g} fps in {wall_seconds:.1f} s")


def statistics(
    clip: DrivingClip, renderer: Renderer, count: int, share: float, times: StageTimes, wall_seconds: float
) -> dict[str, Any]:
    """Return what ``--stats`` writes; times are milliseconds a frame, ``fps`` is the clip's own rate."""
    return {
        "frames": count,
        "fps": float(clip.rate),
        "wall_seconds": wall_seconds,
        "frames_per_wall_second": count / wall_seconds,
        "renderer": renderer.name,
        "device": renderer.device,
        "tracker": clip.tracker_name,
        "face_found": share,
        "stages_ms": {
            stage: {"p50": found.p50_ms, "p95": found.p95_ms, "p99": found.p99_ms}
            for stage, found in times.summary().items()
        },
    }
