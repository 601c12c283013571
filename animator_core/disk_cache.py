"""The cache on disk: one file a key, written atomically; the least recently used files go first."""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import Callable, TypeVar

from animator_core.atomic_file import UNFINISHED_SUFFIX, written_atomically

_UNFINISHED = (f"*{UNFINISHED_SUFFIX}", ".tmp*")
"""Files that a crash left: of `written_atomically`, and of safetensors inside it."""

logger = logging.getLogger(__name__)

Value = TypeVar("Value")


class DiskCache:
    """Files of one folder, which may be deleted at any time; several processes may use it at once.

    suffix: of the files. max_bytes: evicts the least recently used files above it; the newest file stays.
    contents, cost: for the log, the plural noun of what is kept and the consequence if it cannot be.
    """

    def __init__(self, directory: Path, *, suffix: str, max_bytes: int, contents: str, cost: str) -> None:
        self.directory = directory
        self._suffix = suffix
        self._max_bytes = max_bytes
        self._contents, self._cost = contents, cost
        self._has_warned = False

    @property
    def nbytes(self) -> int:
        """Size of all files, in bytes."""
        return sum(size for _, size, _ in self._files())

    def path(self, key: str) -> Path:
        """Return the file of ``key``, hex digits that name everything the content depends on."""
        return self.directory / f"{key}{self._suffix}"

    def load(self, key: str, read: Callable[[Path], Value]) -> Value | None:
        """Return what ``read`` makes of the file, or None without a sound one.

        read: raises OSError or ValueError for a damaged file, which is logged and replaced by the next `save`.
        """
        path = self.path(key)
        try:
            value = read(path)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as exc:
            logger.info("%s is damaged or out of date and is made again (%s)", path, exc)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return value

    def save(self, key: str, write: Callable[[Path], object]) -> None:
        """Have ``write`` fill the file of ``key``; a folder that cannot be written costs one warning, nothing else."""
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with written_atomically(self.path(key)) as unfinished:
                write(unfinished)
            self._evict()
        except OSError as exc:
            if not self._has_warned:
                self._has_warned = True
                logger.warning(
                    "cannot keep %s in %s (%s): %s; free disk space or make the folder writable",
                    self._contents,
                    self.directory,
                    exc.strerror or exc,
                    self._cost,
                )

    def remove(self, key: str) -> None:
        """Delete the file of ``key``, if there is one and the folder can be written."""
        with contextlib.suppress(OSError):
            self.path(key).unlink()

    def clear(self) -> None:
        """Delete every file."""
        for _, _, path in self._files():
            with contextlib.suppress(OSError):
                path.unlink()

    def _files(self) -> list[tuple[float, int, Path]]:
        """Return (last use, size, file), the least recently used first, with what a crash left unfinished."""
        found = []
        for pattern in (f"*{self._suffix}", *_UNFINISHED):
            for path in self.directory.glob(pattern):
                with contextlib.suppress(OSError):
                    status = path.stat()
                    found.append((status.st_mtime, status.st_size, path))
        return sorted(found)

    def _evict(self) -> None:
        files = self._files()
        total = sum(size for _, size, _ in files)
        for _, size, path in files[:-1]:
            if total <= self._max_bytes:
                return
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size
