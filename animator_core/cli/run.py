"""``run``: a character live without OBS, in a preview window or as a virtual camera."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Callable

from tqdm import tqdm

from animator_core import assembly
from animator_core.cli import arguments, recordings, terminal
from animator_core.config import Config, HotkeyConfig, load_config
from animator_core.errors import AnimatorError

if TYPE_CHECKING:
    from animator_core.live.outputs import Output
    from animator_core.live.threads import TrackedFrame

_MOST_WAITING = 3000
"""Frames of a template, 600 MB of them: LivePortrait looks at them when the session is over."""


def _describe_keys() -> str:
    keys = [f"{field.default} {field.name.replace('_', ' ')}" for field in dataclasses.fields(HotkeyConfig)]
    return f"Keys in the window (settings: hotkeys): {', '.join(keys)}, 1 to 9 choose a character."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare what the command takes."""
    parser.epilog = _describe_keys()
    parser.add_argument(
        "--camera", metavar="N|VIDEO", help="number of the camera, or a video file (default: video.source)"
    )
    arguments.add_character_arguments(parser)
    parser.add_argument("--virtual-camera", action="store_true", help="send the frames to a virtual camera")
    parser.add_argument("--no-window", action="store_true", help="open no preview window")
    parser.add_argument("--mirror", action="store_true", help="animate as a mirror would")
    parser.add_argument("--max-frames", type=arguments.positive_int, metavar="N", help="end after N frames")
    recordings.add_arguments(parser)
    arguments.add_option_argument(parser)


def run(options: argparse.Namespace) -> int:
    """Run until the user, the end of the clip or --max-frames ends it."""
    from animator_core.animation.pipeline import CharacterPipeline
    from animator_core.animation.reuse import RenderReuse
    from animator_core.live.camera import open_source
    from animator_core.live.session import LiveParts, LiveSession
    from animator_core.live.shelf import CharacterShelf
    from animator_core.live.threads import CaptureThread, TrackingThread
    from animator_core.worker.process import use_fine_timers

    use_fine_timers()
    recordings.require_writable(options)
    config = arguments.with_options(load_config(options.config), options.option)
    driving = None if options.camera is None else Path(options.camera)
    recordings.require_apart(options, config, outputs={}, driving=driving)
    recorded = recordings.Recordings(options, config, _MOST_WAITING)
    if recorded.is_recording and not config.tracking.face_enabled:
        raise AnimatorError("there is nothing to record without tracking", "set tracking.face_enabled to true")
    source = config.video.source if options.camera is None else options.camera
    with contextlib.ExitStack() as undo:
        camera = open_source(source, config.video)
        capture = CaptureThread(camera, lambda: open_source(source, config.video))
        undo.callback(capture.stop)
        character = assembly.load_character(options.character, config)
        renderer = undo.enter_context(assembly.made_renderer(options.renderer, config))
        tracking = None
        if config.tracking.face_enabled:
            tracker = assembly.make_tracker(config)
            undo.callback(tracker.close)
            tracking = TrackingThread(capture.newest, tracker, _recorder(recorded) if recorded.is_recording else None)
            undo.callback(tracking.stop)
        shelf = CharacterShelf(assembly.make_library(config), config.character.preload_all)
        shelf.add(character)
        undo.callback(shelf.stop)
        pipeline = CharacterPipeline(
            assembly.make_estimator(config, options.mirror),
            reuse=RenderReuse(config.performance.enable_optimizer),
            max_inference_time_ms=config.performance.max_inference_time_ms,
        )
        pipeline.use(renderer)
        pipeline.set_character(character)
        for _ in range(config.ai_model.warmup_frames):
            renderer.warm_up()  # compilers' work, done before anybody looks
        output = make_output(options, config)
        undo.callback(output.close)
        session = LiveSession(LiveParts(capture, tracking, pipeline, shelf, output), config, _tell)
        terminal.tell_note(renderer)
        print(f"{camera.name} drives {character.display_name}; {renderer.name} on {renderer.device}", flush=True)
        try:
            session.run(options.max_frames)
        except KeyboardInterrupt:
            # The way to end a session without a window: what it recorded is not lost.
            if not recorded.is_recording:
                raise
        print(f"showed {session.frame_count} frames", flush=True)
    count, interval = recorded.waiting_count, terminal.progress_interval()
    with tqdm(total=count, unit="frame", mininterval=interval, disable=not count) as progress:
        recorded.write(progress=progress.update)
    return 0


def _recorder(recorded: recordings.Recordings) -> Callable[[TrackedFrame], None]:
    """Return what takes every tracked frame, and says when there is no room for more."""
    has_told = False

    def take(tracked: TrackedFrame) -> None:
        nonlocal has_told
        recorded.add(tracked.frame.picture, tracked.observation, tracked.frame.captured_ns)
        if recorded.is_full and not has_told:
            has_told = True
            _tell(f"warning: the template is full after {_MOST_WAITING} frames; it ends here")

    return take


def make_output(options: argparse.Namespace, config: Config) -> Output:
    """Return where the frames go; raises AnimatorError where that cannot be had."""
    from animator_core.live.outputs import NoOutput, Several, VirtualCamera, Window

    output = config.output
    places: list[Output] = []
    if options.virtual_camera:
        camera = VirtualCamera(
            output.width, output.height, config.performance.target_fps, wants_alpha=output.background_alpha < 255
        )
        print(f"the virtual camera is {camera.device}; choose it in the other program", flush=True)
        places.append(camera)
    if not options.no_window:
        try:
            places.append(Window(output.width, output.height))
        except AnimatorError as exc:
            if not places:
                raise
            _tell(f"warning: no preview window: {exc}")
    if not places:
        return NoOutput()
    return places[0] if len(places) == 1 else Several(*places)


def _tell(text: str) -> None:
    stream = sys.stderr if text.startswith(("warning:", "error:")) else sys.stdout
    print(text, file=stream, flush=True)
