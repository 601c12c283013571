"""What several commands share: arguments, and files that are written."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from animator_core.errors import AnimatorError
from animator_core.protocol import RENDERERS


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


def require_writable(paths: Sequence[Path | None]) -> None:
    """Raise AnimatorError unless every path is one where a file can be written, so that it is told before the work."""
    for path in paths:
        if path is None:
            continue
        if path.is_dir():
            raise AnimatorError(f"cannot write {path}: it is a folder; give a file name")
        if not path.absolute().parent.is_dir():
            raise AnimatorError(f"cannot write {path}: there is no folder {path.absolute().parent}; make it first")
        if not os.access(path.absolute().parent, os.W_OK):
            raise AnimatorError(f"cannot write {path}: its folder may not be written; choose another folder")


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file as a whole or not at all; raises AnimatorError where it cannot be written."""
    unfinished = path.with_name(path.name + ".part")
    try:
        unfinished.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        os.replace(unfinished, path)
    except OSError as exc:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise AnimatorError(f"cannot write {path}: {exc.strerror}; choose a folder you can write to") from exc
