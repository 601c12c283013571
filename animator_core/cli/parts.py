"""What several commands share: arguments, and files that are written."""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from animator_core.config import Config
from animator_core.errors import AnimatorError, ConfigError
from animator_core.ipc.protocol import RENDERERS
from animator_core.motion.options import MotionOptions, options_from
from animator_core.whole_file import link_target, written_whole

if TYPE_CHECKING:
    from animator_core.rendering.contract import Renderer


def positive_int(text: str) -> int:
    """Return a count from the command line; raises what argparse turns into a usage error."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not 1 or more")
    return value


def add_config_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, metavar="PATH", help="settings (default: assets/config.yaml)")


def add_character_arguments(parser: argparse.ArgumentParser, is_required: bool = False) -> None:
    """Declare --character, --renderer and --config."""
    parser.add_argument(
        "--character", required=is_required, metavar="FILE", help="a picture file, or a name from the library"
    )
    parser.add_argument(
        "--renderer", choices=RENDERERS, help="what animates the picture (default: ai_model.type of the settings)"
    )
    add_config_argument(parser)


def add_option_argument(parser: argparse.ArgumentParser) -> None:
    """Declare --option."""
    names = ", ".join(field.name for field in dataclasses.fields(MotionOptions))
    parser.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help=f"how motion becomes the character's, for this time (settings: liveportrait); repeatable; names: {names}",
    )


def with_options(config: Config, texts: Sequence[str]) -> Config:
    """Return the settings with the options of the command line; raises ConfigError for unknown names and values."""
    given: dict[str, Any] = {}
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise ConfigError(
                f"--option {text} is not of the form NAME=VALUE", "write for instance --option region=eyes"
            )
        given[name.strip().replace("-", "_")] = _value(value.strip())
    try:
        settings = {**dataclasses.asdict(config.liveportrait), "smoothing": config.tracking.smoothing}
        options = options_from({**settings, **given})
    except ConfigError as exc:
        raise exc.about("--option") from exc
    tracking = dataclasses.replace(config.tracking, smoothing=options.smoothing)
    return dataclasses.replace(config, liveportrait=options, tracking=tracking)


def _value(text: str) -> Any:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    try:
        return float(text)
    except ValueError:
        return text


def tell_note(renderer: Renderer) -> None:
    """Print why the renderer is not the one that could be expected, where there is a reason."""
    if renderer.note:
        print(f"note: {renderer.note}", file=sys.stderr, flush=True)


def progress_interval() -> float:
    """Return how many seconds a progress bar waits between two looks: in a log file every redrawn bar is a line."""
    return 0.1 if sys.stderr.isatty() else 5.0


def require_writable(paths: Sequence[Path | None]) -> None:
    """Raise AnimatorError unless every path is one where a file can be written, so that it is told before the work."""
    for path in paths:
        if path is not None:
            _require_writable(path)


def _require_writable(path: Path) -> None:
    if os.path.isdir(path):
        raise AnimatorError(f"cannot write {path}: it is a folder", "give a file name")
    target = link_target(path).absolute()
    if not os.path.isdir(target.parent):
        raise AnimatorError(f"cannot write {path}: there is no folder {target.parent}", "make it first")
    try:
        if not os.path.exists(target):
            # Its very name: a file system may not take it.
            with open(target, "xb"):
                pass
            os.unlink(target)
            return
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as exc:
        raise AnimatorError(f"cannot write {path}: {exc.strerror}", "choose another folder or name") from exc
    if not os.path.isfile(target) or not os.access(target, os.W_OK):
        raise AnimatorError(f"cannot write {path}: it may not be overwritten", "give another name")


def require_apart(outputs: Mapping[str, Path | None], inputs: Mapping[str, Path | None]) -> None:
    """Raise AnimatorError where a file that is to be written is an input, or another output; by option."""
    written: dict[str, Path] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        for other, taken in (*inputs.items(), *written.items()):
            if taken is not None and _is_same_file(path, taken):
                raise AnimatorError(f"cannot write {path}: {option} and {other} are the same file", "give another name")
        written[option] = path


def _is_same_file(one: Path, other: Path) -> bool:
    try:
        return os.path.samefile(one, other)
    except (OSError, ValueError):
        return os.path.normcase(os.path.realpath(one)) == os.path.normcase(os.path.realpath(other))


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file as a whole or not at all; raises AnimatorError where it cannot be written."""
    try:
        with written_whole(path) as unfinished:
            unfinished.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as exc:
        raise AnimatorError(f"cannot write {path}: {exc.strerror}", "choose a folder you can write to") from exc
