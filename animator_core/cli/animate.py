"""``animate``: writes a video of a character driven by a clip, or the clip's driving motion."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from animator_core import assembly
from animator_core.animation.statistics import StageTimes
from animator_core.arrays import UInt8Array
from animator_core.cli import arguments, output_files, recordings, terminal
from animator_core.clips.compositing import OverColour, StraightAlpha, parse_colour
from animator_core.clips.driving_clip import DrivingClip, DrivingMoment, TemplateClip
from animator_core.clips.offline import animate_moments, replay_moments, require_replaying
from animator_core.clips.video import Encoding, VideoWriter, choose_encoding
from animator_core.config import Config, load_config
from animator_core.errors import AnimatorError, MotionError
from animator_core.liveportrait.motion.template import write_template
from animator_core.rendering.contract import Renderer

DEFAULT_BACKGROUND = "#2b2d31"
"""A dark, neutral grey, behind transparent characters in files without alpha."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    arguments.add_character_arguments(parser)
    parser.add_argument(
        "--driving",
        type=Path,
        required=True,
        metavar="VIDEO|MOTION|TEMPLATE",
        help="a video of a face, a landmark motion (.npz) or a LivePortrait template (.npz or the official .pkl)",
    )
    parser.add_argument(
        "--output", type=Path, metavar="OUT", help=".mp4, .webm or .mov; optional with --save-motion or --save-template"
    )
    parser.add_argument("--max-frames", type=arguments.positive_int, metavar="N", help="stop after N frames")
    parser.add_argument("--stats", type=Path, metavar="OUT.json", help="write frame counts and stage times as JSON")
    parser.add_argument("--mirror", action="store_true", help="mirror the motion")
    parser.add_argument(
        "--background",
        default=DEFAULT_BACKGROUND,
        metavar="COLOUR",
        help="colour behind a transparent character in .mp4 files (default: %(default)s); .webm and .mov keep "
        "transparency",
    )
    recordings.add_arguments(parser)
    arguments.add_option_argument(parser)
    parser.add_argument("--no-progress", action="store_true", help="hide the progress bar")


def run(options: argparse.Namespace) -> int:
    """Animate and write the files asked for."""
    started = time.perf_counter()
    background = parse_colour(options.background)
    _require_possible(options)
    config = arguments.with_options(load_config(options.config), options.option)
    outputs = {"--output": options.output, "--stats": options.stats}
    recordings.require_apart(options, config, outputs=outputs, driving=options.driving)
    if options.output is None:
        return _record(options, config)
    character = assembly.load_character(options.character, config)
    with (
        assembly.opened_clip(options.driving, config) as clip,
        assembly.made_renderer(options.renderer, config) as renderer,
    ):
        _require_fitting(options, clip)
        terminal.tell_note(renderer)
        renderer.set_character(character)
        renderer = terminal.settled(renderer, character)
        if isinstance(clip, TemplateClip):
            require_replaying(renderer, options.driving)
        watch = _Watch(options, clip, config)
        times = StageTimes()
        animated = _animated(options, config, clip=clip, renderer=renderer, watch=watch, times=times)
        encoding = choose_encoding(options.output, character.has_alpha)
        to_pixels = _pixels_for(encoding, background)
        path = _write_video(options, clip, animated, encoding=encoding, to_pixels=to_pixels, times=times)
        _warn(options, clip, watch)
        seconds = time.perf_counter() - started
        if options.stats is not None:
            output_files.write_json(
                options.stats, statistics(clip, renderer, watch=watch, times=times, wall_seconds=seconds)
            )
        rate, label = f"{float(clip.rate):.5g} fps", f"{renderer.name} on {renderer.device}"
        print(f"wrote {path}: {watch.count} frames at {rate} in {seconds:.1f} s, rendered by {label}")
        watch.write()
    return 0


def _require_possible(options: argparse.Namespace) -> None:
    """Raise AnimatorError for wrong arguments, before any model is loaded."""
    if options.output is not None:
        choose_encoding(options.output, has_alpha=False)
        if options.character is None:
            raise AnimatorError("no character given", "use --character FILE, a picture or a name from the library")
    elif options.save_motion is None and options.save_template is None:
        raise AnimatorError("no output given", "use --output, --save-motion or --save-template")
    elif options.stats is not None:
        raise AnimatorError("--stats needs --output", "add --output, or leave out --stats")
    output_files.require_writable((options.output, options.stats))
    recordings.require_writable(options)


def _require_fitting(options: argparse.Namespace, clip: DrivingClip) -> None:
    """Raise MotionError if the clip is a template, but an option needs landmarks."""
    if isinstance(clip, TemplateClip):
        if options.mirror:
            raise MotionError(f"{options.driving} is a template and cannot be mirrored", "record it with --mirror")
        if options.save_motion is not None:
            raise MotionError(f"{options.driving} is a template without landmarks", "use --save-motion with a video")


def _animated(
    options: argparse.Namespace,
    config: Config,
    *,
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
    """Write the clip's driving motion without animating a character."""
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
    """Counts frames and faces, and records the driving motion if asked to."""

    def __init__(self, options: argparse.Namespace, clip: DrivingClip, config: Config) -> None:
        self.count = 0
        self._found = 0
        self._clip = clip
        self._template_path: Path | None = None
        if isinstance(clip, TemplateClip):
            # A template is not recorded again but converted to this program's format.
            self._template_path, self._recordings = options.save_template, None
        else:
            self._recordings = recordings.Recordings(options, config)

    def moments(self, moments: Iterator[DrivingMoment], times: StageTimes) -> Iterator[DrivingMoment]:
        """Yield every moment after counting it."""
        for moment in moments:
            self.see(moment, times)
            yield moment

    def see(self, moment: DrivingMoment, times: StageTimes) -> None:
        """Count one moment and record it."""
        self.count += 1
        self._found += moment.observation is not None or self._recordings is None
        if self._recordings is not None and self._recordings.is_recording:
            with times.measure("record"):
                self._recordings.add(moment.picture, moment.observation, moment.captured_ns)

    def write(self) -> None:
        """Write the recordings."""
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
    *,
    encoding: Encoding,
    to_pixels: Callable[[UInt8Array], UInt8Array],
    times: StageTimes,
) -> Path:
    """Write the video and return its path."""
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
    interval = terminal.progress_interval()
    return tqdm(total=expected, unit="frame", desc=name, mininterval=interval, disable=options.no_progress)


def _warn(options: argparse.Namespace, clip: DrivingClip, watch: _Watch) -> None:
    if clip.notice:
        print(f"warning: {clip.notice}", file=sys.stderr)
    if watch.face_found_share < 0.5:
        print(
            f"warning: only {watch.face_found_share:.0%} of the frames of {options.driving} show a face; in the others "
            "the character idles. Use a clip of one well-lit face that looks at the camera.",
            file=sys.stderr,
        )


def statistics(
    clip: DrivingClip, renderer: Renderer, *, watch: _Watch, times: StageTimes, wall_seconds: float
) -> dict[str, Any]:
    """Return the content of ``--stats``; times are milliseconds per frame, ``fps`` is the clip's rate."""
    return {
        "frames": watch.count,
        "fps": float(clip.rate),
        "wall_seconds": wall_seconds,
        "frames_per_wall_second": watch.count / wall_seconds,
        "renderer": renderer.name,
        "device": renderer.device,
        "tracker": clip.tracker_name,
        "face_found": watch.face_found_share,
        "stages_ms": {
            stage: {"p50": found.p50_ms, "p95": found.p95_ms, "p99": found.p99_ms}
            for stage, found in times.summary().items()
        },
    }
