"""The .npz archives that motions are kept in: written as a whole or not at all, read without running anything."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from animator_core.arrays import AnyArray
from animator_core.whole_file import written_whole

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
"""What zipfile and NumPy raise on damaged archives and headers."""


def write_npz(path: Path, members: Mapping[str, Any]) -> None:
    """Write arrays by name; raises OSError, and leaves nothing behind, where the file cannot be written."""
    with written_whole(path) as unfinished, unfinished.open("wb") as file:
        np.savez_compressed(file, **members)


def read_npz(path: Path, wanted: Sequence[str], most_bytes: int) -> dict[str, AnyArray]:
    """Return those of the ``wanted`` arrays that the archive has; raises OSError, or one of `DAMAGE`.

    most_bytes: an archive that unpacks to more is a ValueError, before anything is unpacked.
    """
    with path.open("rb") as file:
        if not zipfile.is_zipfile(file):
            raise ValueError("not an .npz archive")
        with zipfile.ZipFile(file) as archive:
            total = sum(entry.file_size for entry in archive.infolist())
        if total > most_bytes:
            raise ValueError(f"it unpacks to over {most_bytes >> 20} MiB")
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            return {name: np.asarray(archive[name]) for name in wanted if name in archive.files}
