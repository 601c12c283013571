"""``animate``: writes a video of a character driven by a clip, or the clip's driving motion."""

from __future__ import annotations

import argparse
import sys
import time
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from animator_core import assembly, output_files
from animator_core.animation.statistics import StageTimes
from animator_core.characters.character import Character
from animator_core.cli import arguments, recordings, terminal
from animator_core.clip_animation import ClipListener, ClipRequest, animate_clip, clip_warnings, require_mirrorable
from animator_core.clips.compositing import DEFAULT_BACKGROUND, parse_colour
from animator_core.clips.credentials import CHAIN, KEY, make_identity, require_credentials, sign_video
from animator_core.clips.driving_clip import DrivingClip, DrivingMoment, TemplateClip
from animator_core.clips.video import choose_encoding
from animator_core.config import Config, load_config
from animator_core.errors import AnimatorError, MotionError
from animator_core.liveportrait.motion.template import write_template
from animator_core.rendering.contract import Renderer


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
    parser.add_argument(
        "--credentials",
        nargs="?",
        const="",
        metavar="FOLDER",
        help="sign the video: content credentials (C2PA) say that it was animated; by certificate.pem and key.pem of "
        "FOLDER, or by a certificate made here (install.py --credentials)",
    )
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
    parse_colour(options.background)
    _require_possible(options)
    config = arguments.with_options(load_config(options.config), options.option)
    outputs = {"--output": options.output, "--stats": options.stats}
    recordings.require_apart(options, config, outputs=outputs, driving=options.driving)
    if options.output is None:
        return _record(options, config)
    request = ClipRequest(
        options.character,
        options.driving,
        options.output,
        renderer=options.renderer,
        mirror=options.mirror,
        max_frames=options.max_frames,
        background=options.background,
    )
    identity = _identity(options, config)
    with _Terminal(options, config) as listener:
        animated = animate_clip(request, config, listener=listener)
    if identity is not None:
        sign_video(animated.path, animated.renderer, identity)
    _warn(animated.warnings)
    seconds = time.perf_counter() - started
    if options.stats is not None:
        output_files.write_json(options.stats, animated.statistics(seconds))
    rate, label = f"{float(animated.rate):.5g} fps", f"{animated.renderer} on {animated.device}"
    print(f"wrote {animated.path}: {animated.frames} frames at {rate} in {seconds:.1f} s, rendered by {label}")
    listener.recording.write(float(animated.rate))
    return 0


def _identity(options: argparse.Namespace, config: Config) -> Path | None:
    """Return the folder of the certificate that --credentials asks for, made if it is ours and missing; None without.

    Raises AnimatorError if the video cannot be signed, before it is rendered.
    """
    if options.credentials is None:
        return None
    require_credentials(options.output)
    if not options.credentials:
        folder = config.performance.cache_dir / "credentials"
        make_identity(folder)
        return folder
    given = Path(options.credentials)
    missing = [name for name in (CHAIN, KEY) if not (given / name).is_file()]
    if missing:
        raise AnimatorError(f"--credentials {given}: {' and '.join(missing)} missing", "name the folder that has them")
    return given


def _require_possible(options: argparse.Namespace) -> None:
    """Raise AnimatorError for wrong arguments, before any model is loaded."""
    if options.output is not None:
        choose_encoding(options.output, has_alpha=False)
        if options.character is None:
            raise AnimatorError("no character given", "use --character FILE, a picture or a name from the library")
    elif options.save_motion is None and options.save_template is None:
        raise AnimatorError("no output given", "use --output, --save-motion or --save-template")
    elif options.credentials is not None:
        raise AnimatorError("--credentials needs --output", "add --output, or leave out --credentials")
    elif options.stats is not None:
        raise AnimatorError("--stats needs --output", "add --output, or leave out --stats")
    output_files.require_writable((options.output, options.stats))
    recordings.require_writable(options)


class _Terminal(ClipListener):
    """Shows the progress, and records the driving motion if asked to."""

    recording: _Recording

    def __init__(self, options: argparse.Namespace, config: Config) -> None:
        self._options, self._config = options, config
        self._bar: tqdm[Any] | None = None

    def __enter__(self) -> _Terminal:
        return self

    def __exit__(self, *raised: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def loaded(self, character: Character) -> None:
        terminal.tell_warnings(character)

    def opened(self, clip: DrivingClip, renderer: Renderer) -> None:
        self.recording = _Recording(self._options, clip, self._config)
        terminal.tell_note(renderer)

    def settled(self, renderer: Renderer, character: Character) -> Renderer:
        return terminal.settled(renderer, character)

    def begun(self, frame_count: int | None) -> None:
        self._bar = _progress_bar(self._options, frame_count, self._options.output.name)

    def seen(self, moment: DrivingMoment, times: StageTimes) -> None:
        self.recording.add(moment, times)

    def written(self) -> None:
        if self._bar is not None:
            self._bar.update()


def _record(options: argparse.Namespace, config: Config) -> int:
    """Write the clip's driving motion without animating a character."""
    with assembly.opened_clip(options.driving, config) as clip:
        require_mirrorable(options.driving, clip, options.mirror)
        recording, times = _Recording(options, clip, config), StageTimes()
        name = (options.save_template or options.save_motion).name
        found: list[bool] = []
        expected = min(filter(None, (clip.frame_count, options.max_frames)), default=None)
        with _progress_bar(options, expected, name) as progress:
            for moment in islice(clip.moments(times), options.max_frames):
                recording.add(moment, times)
                found.append(moment.observation is not None or isinstance(clip, TemplateClip))
                progress.update()
        _warn(clip_warnings(options.driving, clip, sum(found) / max(1, len(found))))
        recording.write(float(clip.rate))
    return 0


class _Recording:
    """The driving motion that --save-motion and --save-template ask for; raises MotionError if the clip has none."""

    def __init__(self, options: argparse.Namespace, clip: DrivingClip, config: Config) -> None:
        self._clip = clip
        self._template_path: Path | None = options.save_template
        self._recordings: recordings.Recordings | None = None
        if not isinstance(clip, TemplateClip):
            self._recordings = recordings.Recordings(options, config)
        elif options.save_motion is not None:
            raise MotionError(f"{options.driving} is a template without landmarks", "use --save-motion with a video")

    def add(self, moment: DrivingMoment, times: StageTimes) -> None:
        """Record one moment."""
        if self._recordings is not None and self._recordings.is_recording:
            with times.measure("record"):
                self._recordings.add(moment.picture, moment.observation, moment.captured_ns)

    def write(self, fps: float) -> None:
        """Write the files."""
        if self._recordings is not None:
            self._recordings.write(fps)
        elif self._template_path is not None:
            assert isinstance(self._clip, TemplateClip)
            # A template is not recorded again but converted to this program's format.
            write_template(self._template_path, self._clip.template)
            print(f"wrote {self._template_path}: a LivePortrait template of {len(self._clip.template)} frames")


def _progress_bar(options: argparse.Namespace, expected: int | None, name: str) -> tqdm[Any]:
    interval = terminal.progress_interval()
    return tqdm(total=expected, unit="frame", desc=name, mininterval=interval, disable=options.no_progress)


def _warn(warnings: tuple[str, ...]) -> None:
    for warning in warnings:
        print(f"warning: {warning}", file=sys.stderr)
