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
from animator_core.config import PROJECT_ROOT, Config, HotkeyConfig, load_config
from animator_core.errors import AnimatorError

if TYPE_CHECKING:
    from animator_core.animation.services import Services
    from animator_core.live.outputs import Output
    from animator_core.live.window_update import WindowParts
    from animator_core.tracking.observation import TrackedFrame

    Listener = Callable[[TrackedFrame, int], None]

RECORDINGS = PROJECT_ROOT / "output"
"""The folder of what the record button records."""
_MOST_WAITING = 3000
"""Frames of a template, 600 MB of them: LivePortrait looks at them when the session is over."""
_FINISH_SECONDS = 5.0


def _describe_keys() -> str:
    hotkeys = HotkeyConfig()
    keys = [f"{key} {name.replace('_', ' ')}" for name, key in {**hotkeys.commands, **hotkeys.emotes}.items()]
    return f"Keys in the window (settings: hotkeys): {', '.join(keys)}, 1 to 9 choose a character."


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the command."""
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
    from animator_core.live.camera import FrameReader, NoCamera, open_reader
    from animator_core.live.capture import CaptureThread
    from animator_core.live.session import LiveSession
    from animator_core.worker.process import use_fine_timers

    use_fine_timers()
    recordings.require_writable(options)
    config = arguments.with_options(load_config(options.config), options.option)
    if options.renderer is not None:
        config = dataclasses.replace(config, ai_model=dataclasses.replace(config.ai_model, type=options.renderer))
    driving = None if options.camera is None else Path(options.camera)
    recordings.require_apart(options, config, outputs={}, driving=driving)
    recorded = recordings.Recordings(options, config, _MOST_WAITING)
    if recorded.is_recording and not config.tracking.face_enabled:
        raise AnimatorError("there is nothing to record without tracking", "set tracking.face_enabled to true")
    if config.vmc.receive and options.save_template is not None:
        raise AnimatorError("a template is made of the camera's pictures, which VMC does not send", "use --save-motion")
    source = config.video.source if options.camera is None else options.camera
    needs_camera = options.camera is not None or not config.vmc.receive

    def open_source() -> FrameReader:
        return open_reader(source, config.video) if needs_camera else NoCamera(config.video)

    with contextlib.ExitStack() as undo:
        capture = CaptureThread(open_source(), open_source)
        undo.callback(capture.stop)
        services = assembly.make_services(config)
        undo.callback(services.preparation.finish, _FINISH_SECONDS)
        if services.link is not None:
            undo.callback(services.link.close)
        character = assembly.choose_character(options.character, services.library, config)
        if config.tracking.face_enabled:
            services = _with_tracker(services, undo)
        output, parts = make_output(options, config)
        undo.callback(output.close)
        listeners = [_recorder(recorded)] if recorded.is_recording else []
        if parts is not None:
            undo.callback(parts.recording.close)
            listeners.append(parts.recording.take)
        session = LiveSession(
            services,
            assembly.make_settings(config, character, options.mirror),
            capture=capture,
            output=output,
            tell=_tell if parts is None else parts.news,
            on_tracked=_each_of(listeners),
            parts=parts,
        )
        undo.callback(session.close)
        try:
            session.run(options.max_frames)
        except KeyboardInterrupt:
            # The way to end a session without a window: its recording is not lost.
            if not recorded.is_recording:
                raise
        print(f"showed {session.frame_count} frames", flush=True)
    count, interval = recorded.waiting_count, terminal.progress_interval()
    with tqdm(total=count, unit="frame", mininterval=interval, disable=not count) as progress:
        recorded.write(progress=progress.update)
    return 0


def _with_tracker(services: Services, undo: contextlib.ExitStack) -> Services:
    """Return the services with the first tracker made already, so that the clip does not begin before."""
    tracker = services.create_tracker()
    undo.callback(tracker.close)
    trackers = iter([tracker])
    return dataclasses.replace(services, create_tracker=lambda: next(trackers, None) or services.create_tracker())


def _each_of(listeners: list[Listener]) -> Listener | None:
    def take(tracked: TrackedFrame, captured_ns: int) -> None:
        for each in listeners:
            each(tracked, captured_ns)

    return take if listeners else None


def _recorder(recorded: recordings.Recordings) -> Listener:
    """Return a function that records every tracked frame, and says once that the template is full."""
    has_told = False

    def take(tracked: TrackedFrame, captured_ns: int) -> None:
        nonlocal has_told
        recorded.add(tracked.frame, tracked.observation, captured_ns)
        if recorded.is_full and not has_told:
            has_told = True
            _tell(f"warning: the template is full after {_MOST_WAITING} frames; it ends here")

    return take


def make_output(options: argparse.Namespace, config: Config) -> tuple[Output, WindowParts | None]:
    """Return the outputs that the options name, and the window's parts; raises AnimatorError without a screen."""
    from animator_core.live.motion_recording import MotionRecording
    from animator_core.live.outputs import OutputGroup, VirtualCamera, VirtualCameraSwitch
    from animator_core.live.window import ControlWindow
    from animator_core.live.window_update import News, WindowParts

    output, news = config.output, News(_tell)

    def open_camera() -> VirtualCamera:
        fps, wants_alpha = config.performance.target_fps, output.background_alpha < 255
        return VirtualCamera(output.width, output.height, fps=fps, wants_alpha=wants_alpha)

    camera = VirtualCameraSwitch(open_camera, news)
    if options.virtual_camera:
        camera.open()
    if options.no_window:
        return camera, None
    try:
        window = ControlWindow()
    except AnimatorError as exc:
        if not camera.is_on:
            raise
        _tell(f"warning: no preview window: {exc}")
        return camera, None
    recording = MotionRecording(RECORDINGS, news)
    return OutputGroup(camera, window), WindowParts(window, recording, camera=camera, news=news)


def _tell(text: str) -> None:
    stream = sys.stderr if text.startswith(("warning:", "error:", "note:")) else sys.stdout
    print(text, file=stream, flush=True)
