"""``animate``: a character and a driving clip in, a video out; or what drives in the clip into a file."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from animator_core.arrays import UInt8Array
from tqdm import tqdm

from animator_core import assembly
from animator_core.animation.timing import StageTimes
from animator_core.cli import parts, recordings
from animator_core.clips.compositing import OverColour, StraightAlpha, parse_colour
from animator_core.clips.driving_clip import DrivingClip, DrivingMoment, TemplateClip
from animator_core.clips.offline import animate_moments, replay_moments, require_replaying
from animator_core.clips.video import Encoding, VideoWriter, choose_encoding
from animator_core.config import Config, load_config
from animator_core.errors import AnimatorError, MotionError
from animator_core.liveportrait.motion.template import write_template
from animator_core.rendering.contract import Renderer

DEFAULT_BACKGROUND = "#2b2d31"
"""A dark, neutral grey: what a transparent character stands before where the file holds no alpha."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parts.add_character_arguments(parser)
    parser.add_argument(
        "--driving",
        type=Path,
        required=True,
        metavar="VIDEO|MOTION|TEMPLATE",
        help="a video of a face, a landmark motion (.npz), or a LivePortrait template (.npz, or the official .pkl)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="OUT", help=".mp4, .webm or .mov; may be left out where something is saved"
    )
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
    recordings.add_arguments(parser)
    parts.add_option_argument(parser)
    parser.add_argument("--no-progress", action="store_true", help="show no progress bar")


def run(options: argparse.Namespace) -> int:
    """Animate and write the files asked for."""
    started = time.perf_counter()
    background = parse_colour(options.background)
    _require_possible(options)
    config = parts.with_options(load_config(options.config), options.option)
    outputs = {"--output": options.output, "--stats": options.stats}
    recordings.require_apart(options, config, outputs, options.driving)
    if options.output is None:
        return _record(options, config)
    character = assembly.load_character(options.character, config)
    with (
        assembly.opened_clip(options.driving, config) as clip,
        assembly.made_renderer(options.renderer, config) as renderer,
    ):
        _require_fitting(options, clip)
        parts.tell_note(renderer)
        if isinstance(clip, TemplateClip):
            require_replaying(renderer, options.driving)
        watch = _Watch(options, clip, config)
        renderer.set_character(character)
        times = StageTimes()
        animated = _animated(options, config, clip, renderer, watch, times)
        encoding = choose_encoding(options.output, character.has_alpha)
        path = _write_video(options, clip, animated, encoding, _pixels_for(encoding, background), times)
        _report(options, path, clip, renderer, watch, times, time.perf_counter() - started)
        watch.write()
    return 0


def _require_possible(options: argparse.Namespace) -> None:
    """Raise AnimatorError for what can be told to be wrong before any model is loaded."""
    if options.output is not None:
        choose_encoding(options.output, has_alpha=False)
        if options.character is None:
            raise AnimatorError("nobody is to be animated", "give --character FILE, a picture or a name of the library")
    elif options.save_motion is None and options.save_template is None:
        raise AnimatorError("nothing is to be written", "give --output, --save-motion or --save-template")
    elif options.stats is not None:
        raise AnimatorError("--stats tells of animating", "give --output as well")
    parts.require_writable((options.output, options.stats))
    recordings.require_writable(options)


def _require_fitting(options: argparse.Namespace, clip: DrivingClip) -> None:
    """Raise MotionError where a recorded motion lacks what is asked for."""
    if isinstance(clip, TemplateClip):
        if options.mirror:
            raise MotionError(f"{options.driving} is a template and cannot be mirrored", "record it with --mirror")
        if options.save_motion is not None:
            raise MotionError(f"{options.driving} is a template and has no landmarks", "save the motion of a video")


def _animated(
    options: argparse.Namespace,
    config: Config,
    clip: DrivingClip,
    renderer: Renderer,
    watch: _Watch,
    times: StageTimes,
) -> Iterator[tuple[DrivingMoment, UInt8Array]]:
    if isinstance(clip, TemplateClip):
        replayed = replay_moments(clip, renderer, times=times, batch_size=config.compute.batch_size)
        for moment, frame in islice(replayed, options.max_frames):
            watch.see(moment, times)
            yield moment, frame
        return
    moments = watch.moments(islice(clip.moments(times), options.max_frames), times)
    estimator = assembly.make_estimator(config, options.mirror)
    batch_size = config.compute.batch_size
    yield from animate_moments(moments, estimator, renderer, times=times, batch_size=batch_size)


def _record(options: argparse.Namespace, config: Config) -> int:
    """Write what drives without animating anybody."""
    with assembly.opened_clip(options.driving, config) as clip:
        _require_fitting(options, clip)
        watch, times = _Watch(options, clip, config), StageTimes()
        name = (options.save_template or options.save_motion).name
        with _progress_bar(options, clip, name) as progress:
            for _ in watch.moments(islice(clip.moments(times), options.max_frames), times):
                progress.update()
        _warn(options, clip, watch)
        watch.write()
    return 0


class _Watch:
    """Counts what is seen in the clip, and records it where it is to be saved."""

    def __init__(self, options: argparse.Namespace, clip: DrivingClip, config: Config) -> None:
        self.count = 0
        self._found = 0
        self._clip = clip
        self._template_path: Path | None = None
        if isinstance(clip, TemplateClip):
            # Nothing is to be looked at again: it is written as it is, in this program's own kind of file.
            self._template_path, self._recordings = options.save_template, None
        else:
            self._recordings = recordings.Recordings(options, config)

    def moments(self, moments: Iterator[DrivingMoment], times: StageTimes) -> Iterator[DrivingMoment]:
        """Yield every moment after it was seen."""
        for moment in moments:
            self.see(moment, times)
            yield moment

    def see(self, moment: DrivingMoment, times: StageTimes) -> None:
        """Take one more moment."""
        self.count += 1
        self._found += moment.observation is not None or self._recordings is None
        if self._recordings is not None and self._recordings.is_recording:
            with times.measure("record"):
                self._recordings.add(moment.picture, moment.observation, moment.captured_ns)

    def write(self) -> None:
        """Write what is to be saved."""
        if self._recordings is not None:
            self._recordings.write(float(self._clip.rate))
        elif self._template_path is not None:
            assert isinstance(self._clip, TemplateClip)
            write_template(self._template_path, self._clip.template)
            print(f"wrote {self._template_path}: a LivePortrait template of {len(self._clip.template)} frames")

    @property
    def face_found_share(self) -> float:
        return self._found / max(1, self.count)


def _pixels_for(encoding: Encoding, background: tuple[int, int, int]) -> Callable[[UInt8Array], UInt8Array]:
    return StraightAlpha() if encoding.has_alpha else OverColour(background)


def _write_video(
    options: argparse.Namespace,
    clip: DrivingClip,
    animated: Iterator[tuple[DrivingMoment, UInt8Array]],
    encoding: Encoding,
    to_pixels: Callable[[UInt8Array], UInt8Array],
    times: StageTimes,
) -> Path:
    """Write the video and return the file."""
    first = next(animated, None)
    if first is None:
        raise AnimatorError(f"{options.driving} has no frames", "give another clip")
    with (
        VideoWriter(
            options.output, encoding, clip.rate, time_base=clip.time_base, soundtrack=clip.soundtrack()
        ) as writer,
        _progress_bar(options, clip, options.output.name) as progress,
    ):
        for moment, frame in chain((first,), animated):
            with times.measure("write"):
                writer.write(to_pixels(frame), moment.time)
            progress.update()
    if writer.notice:
        print(f"warning: {writer.notice}", file=sys.stderr)
    return writer.path


def _progress_bar(options: argparse.Namespace, clip: DrivingClip, name: str) -> tqdm[Any]:
    expected = min(filter(None, (clip.frame_count, options.max_frames)), default=None)
    interval = parts.progress_interval()
    return tqdm(total=expected, unit="frame", desc=name, mininterval=interval, disable=options.no_progress)


def _warn(options: argparse.Namespace, clip: DrivingClip, watch: _Watch) -> None:
    if clip.notice:
        print(f"warning: {clip.notice}", file=sys.stderr)
    if watch.face_found_share < 0.5:
        print(
            f"warning: a face was seen in {watch.face_found_share:.0%} of the frames of {options.driving}; the "
            "character idles in the others. Use a clip with one well-lit face looking at the camera",
            file=sys.stderr,
        )


def _report(
    options: argparse.Namespace,
    path: Path,
    clip: DrivingClip,
    renderer: Renderer,
    watch: _Watch,
    times: StageTimes,
    wall_seconds: float,
) -> None:
    count, share = watch.count, watch.face_found_share
    _warn(options, clip, watch)
    if options.stats is not None:
        parts.write_json(options.stats, statistics(clip, renderer, count, share, times, wall_seconds))
    rate, label = f"{float(clip.rate):.5g} fps", f"{renderer.name} on {renderer.device}"
    print(f"wrote {path}: {count} frames at {rate} in {wall_seconds:.1f} s, drawn by {label}")


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
