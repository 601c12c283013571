"""Files that are written as a whole or not at all; standard library only."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Iterator
from pathlib import Path

UNFINISHED_SUFFIX = ".part"
_MOST_OF_NAME = 40
"""Letters of a file's name that its unfinished file has: a name may be as long as the file system takes."""
_LOCK_SECONDS, _PAUSE_SECONDS = 1.0, 0.05


def replace_file(source: Path, target: Path) -> None:
    """Rename ``source`` to ``target``, in place of what was there; raises OSError.

    Windows refuses this while a virus scanner, an indexer or another reader has either file open. Most close it within
    moments, so there it is tried for one second.
    """
    deadline = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            os.replace(source, target)
            return
        except PermissionError:
            if sys.platform != "win32" or time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE_SECONDS)


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield the name of a file to write, which becomes ``path`` at the end of the block in place of what was there.

    A link is kept, and the file that it names is written. A block that ends early leaves the old file as it was and
    nothing beside it. Several threads and processes may write the same file: the last one to end wins. Raises OSError;
    the folder must exist.
    """
    unfinished = unfinished_file(path)
    try:
        yield unfinished
        replace_file(unfinished, link_target(path))
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


def unfinished_file(path: Path) -> Path:
    """Return a free name beside the file that ``path`` is, or links to."""
    target = link_target(path)
    return target.with_name(f"{target.name[:_MOST_OF_NAME]}.{secrets.token_hex(4)}{UNFINISHED_SUFFIX}")


def link_target(path: Path) -> Path:
    """Return the file that a link names in the end, there or not; ``path`` itself where it is none."""
    return Path(os.path.realpath(path)) if os.path.islink(path) else path
