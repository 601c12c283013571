"""Files that are written as a whole or not at all; standard library only."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path

UNFINISHED_SUFFIX = ".part"


@contextlib.contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Yield the name of a file to write, which becomes ``path`` at the end of the block in place of what was there.

    A block that ends early leaves the old file as it was and nothing beside it. Several threads and processes may write
    the same file: the last one to end wins. Raises OSError; the folder must exist.
    """
    unfinished = path.with_name(f"{path.name}.{secrets.token_hex(4)}{UNFINISHED_SUFFIX}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
