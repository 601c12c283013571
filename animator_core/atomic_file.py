"""Atomic file writes, and the .npz archives of motions; imports the standard library only."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
import tokenize
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

if TYPE_CHECKING:
    from animator_core.arrays import AnyArray

UNFINISHED_SUFFIX = ".part"
_MAX_STEM = 40
"""Letters of a file's name in its unfinished file's: a name may be as long as the file system allows."""
_LOCK_SECONDS, _PAUSE_SECONDS = 1.0, 0.05
DAMAGE = (
    ValueError,
    EOFError,
    KeyError,
    RuntimeError,
    SyntaxError,
    MemoryError,
    OverflowError,
    TypeError,
    tokenize.TokenError,
    zipfile.BadZipFile,
    zlib.error,
)
"""Exceptions of zipfile and NumPy for damaged archives."""


def replace_file(source: Path, target: Path) -> None:
    """Rename ``source`` to ``target``, replacing an existing file; raises OSError.

    Windows refuses this while a virus scanner, an indexer or another reader has either file open. Most close it within
    moments, so it is retried there for one second.
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
def written_atomically(path: Path) -> Iterator[Path]:
    """Yield the name of a file to write, which replaces ``path`` at the end of the block.

    A link is kept, and the file that it names is replaced. If the block raises, the old file stays and the new one is
    removed. Several threads and processes may write the same file: the last one to finish wins. Raises OSError; the
    folder must exist.
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
    """Return an unused name in the folder of ``path``, or of the file it links to."""
    target = link_target(path)
    return target.with_name(f"{target.name[:_MAX_STEM]}.{secrets.token_hex(4)}{UNFINISHED_SUFFIX}")


def link_target(path: Path) -> Path:
    """Return the file that a link finally names, existing or not; ``path`` itself if it is not a link."""
    return Path(os.path.realpath(path)) if os.path.islink(path) else path


def write_npz(path: Path, members: Mapping[str, Any]) -> None:
    """Write arrays by name into an .npz archive, atomically; raises OSError."""
    import numpy as np

    with written_atomically(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **members)


def read_npz(path: Path, names: Sequence[str], most_bytes: int) -> dict[str, AnyArray]:
    """Return the named arrays that an .npz archive has, without unpickling; raises OSError, or one of `DAMAGE`.

    most_bytes: limit of the unpacked size; ValueError above it, before anything is unpacked.
    """
    with path.open("rb") as file:
        return read_open_npz(file, names, most_bytes)


def read_open_npz(file: BinaryIO, names: Sequence[str], most_bytes: int) -> dict[str, AnyArray]:
    """Do the same with an open file; names: all of them if empty."""
    import numpy as np

    if not zipfile.is_zipfile(file):
        raise ValueError("not an .npz archive")
    with zipfile.ZipFile(file) as archive:
        total = sum(entry.file_size for entry in archive.infolist())
    if total > most_bytes:
        raise ValueError(f"it unpacks to over {most_bytes >> 20} MiB")
    file.seek(0)
    with np.load(file, allow_pickle=False) as arrays:
        return {name: np.asarray(arrays[name]) for name in names or arrays.files if name in arrays.files}
