"""``--save-motion`` and ``--save-template``: record the driving motion, with or without animating."""

from __future__ import annotations

import argparse
import contextlib
from pathlib import Path
from typing import Callable

from animator_core import assembly, output_files
from animator_core.arrays import UInt8Array
from animator_core.clips.recording import LandmarkRecorder, TemplateRecorder
from animator_core.config import Config
from animator_core.errors import AnimatorError, CharacterError
from animator_core.liveportrait.motion.template import SUFFIX
from animator_core.tracking.observation import FaceObservation


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare both options."""
    parser.add_argument(
        "--save-motion",
        type=Path,
        metavar="OUT.npz",
        help="write the tracked landmarks as a motion for any renderer",
    )
    parser.add_argument(
        "--save-template",
        type=Path,
        metavar="OUT.npz",
        help="write a motion template, which the LivePortrait renderer replays exactly; needs the LivePortrait weights",
    )


def require_writable(options: argparse.Namespace) -> None:
    """Raise AnimatorError for files that cannot be written."""
    paths = (options.save_motion, options.save_template)
    output_files.require_writable(paths)
    for path in paths:
        if path is not None and path.suffix.lower() != SUFFIX:
            raise AnimatorError(
                f"cannot write {path}: motions and templates are {SUFFIX} files", f"use a name that ends in {SUFFIX}"
            )


def require_apart(
    options: argparse.Namespace, config: Config, *, outputs: dict[str, Path | None], driving: Path | None
) -> None:
    """Raise AnimatorError if an output is also an input or another output."""
    outputs = {**outputs, "--save-motion": options.save_motion, "--save-template": options.save_template}
    character = None
    if options.character is not None:
        with contextlib.suppress(CharacterError):  # a missing one is reported when it is loaded
            character = assembly.picture_path(options.character, assembly.make_library(config))
    output_files.require_apart(outputs, {"--driving": driving, "--character": character, "--config": options.config})


class Recordings:
    """The recordings that the options request.

    most_waiting: see `TemplateRecorder`; None extracts the motion of each frame at once.
    """

    def __init__(self, options: argparse.Namespace, config: Config, most_waiting: int | None = None) -> None:
        self._options = options
        self._is_live = most_waiting is not None
        self._landmarks = LandmarkRecorder() if options.save_motion is not None else None
        self._template: TemplateRecorder | None = None
        if options.save_template is not None:
            self._template = assembly.make_template_recorder(config, options.mirror, most_waiting)

    @property
    def is_recording(self) -> bool:
        """Whether any recording was requested."""
        return self._landmarks is not None or self._template is not None

    @property
    def is_full(self) -> bool:
        """Whether the template has reached its longest length."""
        return self._template is not None and self._template.is_full

    @property
    def waiting_count(self) -> int:
        """Number of frames whose motion is extracted when the files are written."""
        return self._template.waiting_count if self._template is not None else 0

    def add(self, frame: UInt8Array | None, seen: FaceObservation | None, captured_ns: int) -> None:
        """Add a frame, (H, W, 3) uint8 RGB, and its observation."""
        if self._landmarks is not None:
            self._landmarks.add(seen, captured_ns)
        if self._template is not None:
            self._template.add(frame, seen, captured_ns)
            if not self._is_live:
                self._template.work()

    def write(self, fps: float | None = None, progress: Callable[[int], object] | None = None) -> None:
        """Write the files and print their lengths; fps: by default the measured frame rate."""
        if self._landmarks is not None:
            count = self._landmarks.write(self._options.save_motion, fps)
            print(f"wrote {self._options.save_motion}: a landmark motion of {count} frames")
        if self._template is not None:
            count = self._template.write(self._options.save_template, fps, progress)
            print(f"wrote {self._options.save_template}: a LivePortrait template of {count} frames")
