"""``emote``: lists the emotes, and records the streamer's own."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

from animator_core import assembly
from animator_core.animation.statistics import StageTimes
from animator_core.cli import arguments
from animator_core.clips.driving_clip import TemplateClip
from animator_core.config import EMOTES_DIR, Config, load_config
from animator_core.errors import MotionError
from animator_core.motion.emotes.emote import MAX_SECONDS
from animator_core.motion.emotes.files import EmoteLibrary, write_emote
from animator_core.motion.emotes.recorded import recorded_emote
from animator_core.tracking.observation import FaceObservation

_NEUTRAL_SECONDS, _USUAL_SECONDS = 2.0, 4.0
_NS = 1_000_000_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    actions.add_parser("list", help="name the emotes, shipped and your own")
    record = actions.add_parser("record", help="make an emote of what your face does")
    record.add_argument("name", metavar="NAME", help="small letters, digits, _ and -; a shipped one is replaced")
    source = record.add_mutually_exclusive_group()
    source.add_argument("--camera", type=int, metavar="N", help="number of the camera (default: 0)")
    source.add_argument(
        "--from", dest="driving", type=Path, metavar="MOTION.npz", help="a motion that --save-motion recorded"
    )
    source.add_argument("--driving", type=Path, metavar="VIDEO", help="a video of a face")
    record.add_argument("--start", type=float, default=0.0, metavar="S", help="second of the clip to begin at")
    record.add_argument(
        "--seconds", type=float, metavar="S", help=f"length (default: {_USUAL_SECONDS:g}; of a clip, all of it)"
    )
    record.add_argument("--mirror", action="store_true", help="record as a mirror would show it")
    record.add_argument("--replace", action="store_true", help="replace your own emote of this name")
    arguments.add_config_argument(record)


def run(options: argparse.Namespace) -> int:
    """List or record."""
    library = EmoteLibrary(EMOTES_DIR)
    if options.action == "list":
        for name in library.names:
            print(f"{name:20} {library.load(name).seconds:.1f} s")
        return 0
    path = library.own_path(options.name)
    if path.exists() and not options.replace:
        raise MotionError(f"{path} is there already", "choose another name, or give --replace")
    _require_length(options)
    config = load_config(options.config)
    observations = _in_clip(options, config) if options.driving is not None else _of_camera(options, config)
    estimator = assembly.make_estimator(config, options.mirror)
    estimator.calibrate_from(observations.neutral)
    motions = [estimator.update(each, each.captured_ns) for each in observations.moving]
    first_ns = observations.moving[0].captured_ns
    emote = recorded_emote(options.name, motions, [(each.captured_ns - first_ns) / _NS for each in observations.moving])
    write_emote(path, emote, f"Recorded by `emote record {options.name}`; docs/EMOTES.md tells what each key means.")
    print(f"wrote {path}: {emote.seconds:.1f} seconds in {len(emote.keyframes)} keyframes")
    print("its hotkey is in OBS after Tools → Scripts → Reload Scripts; requests find it at once")
    return 0


class _Seen:
    """Faces: those that the neutral one is found in, and those of the emote."""

    def __init__(self, neutral: list[FaceObservation], moving: list[FaceObservation], source: str) -> None:
        if not moving:
            raise MotionError(f"{source} shows no face", "light your face, look at the camera and record it again")
        self.neutral, self.moving = neutral or moving, moving


def _require_length(options: argparse.Namespace) -> None:
    if options.start < 0 or (options.seconds is not None and not 0.2 <= options.seconds <= MAX_SECONDS):
        raise MotionError(
            "--start or --seconds is out of range", f"begin at 0 or later, and record 0.2 to {MAX_SECONDS:g} seconds"
        )


def _in_clip(options: argparse.Namespace, config: Config) -> _Seen:
    """Return the faces of a clip; its neutral face is found in the whole clip."""
    end = None if options.seconds is None else options.start + options.seconds
    with assembly.opened_clip(options.driving, config) as clip:
        if isinstance(clip, TemplateClip):
            raise MotionError(
                f"{options.driving} is a template of LivePortrait", "give a motion that --save-motion recorded"
            )
        moments = takewhile(lambda each: end is None or each.time <= end, clip.moments(StageTimes()))
        seen = [(float(each.time), each.observation) for each in moments if each.observation is not None]
    moving = [observation for at, observation in seen if at >= options.start]
    return _Seen([observation for _, observation in seen], moving, str(options.driving))


def _of_camera(options: argparse.Namespace, config: Config) -> _Seen:
    """Return the faces that a camera sees: calm ones first, then the emote's."""
    from animator_core.live.camera import open_reader

    source = options.camera if options.camera is not None else config.video.source
    reader = open_reader(source, config.video)
    tracker = assembly.make_tracker(config)

    def faces(seconds: float) -> Iterator[FaceObservation]:
        end = time.monotonic_ns() + round(seconds * _NS)
        while (now := time.monotonic_ns()) < end and (frame := reader.read()) is not None:
            observation = tracker.track(frame, now)
            if observation is not None:
                yield observation

    try:
        print(f"look at the camera, calm, for {_NEUTRAL_SECONDS:g} seconds ...", flush=True)
        neutral = list(faces(_NEUTRAL_SECONDS))
        print("now!", flush=True)
        moving = list(faces(options.seconds or _USUAL_SECONDS))
    finally:
        reader.close()
        tracker.close()
    return _Seen(neutral, moving, reader.name)
