"""Files that commands write: checked before the work, written atomically."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from animator_core.atomic_file import link_target, written_atomically
from animator_core.errors import AnimatorError


def require_writable(paths: Sequence[Path | None]) -> None:
    """Raise AnimatorError unless all files can be written; called before the work begins."""
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
            # With its own name: the file system may refuse it.
            with open(target, "xb"):
                pass
            os.unlink(target)
            return
        with tempfile.TemporaryFile(dir=target.parent):
            pass
    except OSError as exc:
        raise AnimatorError(f"cannot write {path}: {exc.strerror}", "choose another folder or name") from exc
    if not os.path.isfile(target) or not os.access(target, os.W_OK):
        raise AnimatorError(f"cannot write {path}: it cannot be overwritten", "give another name")


def require_apart(outputs: Mapping[str, Path | None], inputs: Mapping[str, Path | None]) -> None:
    """Raise AnimatorError if an output is also an input or another output; paths by option."""
    written: dict[str, Path] = {}
    for option, path in outputs.items():
        if path is None:
            continue
        for other, taken in (*inputs.items(), *written.items()):
            if taken is not None and identity(path) == identity(taken):
                raise AnimatorError(f"cannot write {path}: {option} and {other} are the same file", "give another name")
        written[option] = path


def identity(path: Path) -> object:
    """Return what is equal for all names of one file, existing or not, and for no other file's."""
    try:
        found = os.stat(path)
        return found.st_dev, found.st_ino
    except (OSError, ValueError):
        return os.path.normcase(os.path.realpath(path))


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file atomically; raises AnimatorError if it cannot be written."""
    try:
        with written_atomically(path) as unfinished:
            unfinished.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    except OSError as exc:
        raise AnimatorError(f"cannot write {path}: {exc.strerror}", "choose a folder you can write to") from exc
