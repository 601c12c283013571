"""Features on disk, so that a picture goes through the networks once in its life.

One safetensors file a character, picture, model and set of options; it may be deleted at any time. Nothing in it is
code, and a file whose bytes, key or shapes are not right is made again.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import struct
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from animator_core.liveportrait.source.features import CharacterFeatures, from_tensors, to_tensors
from animator_core.whole_file import UNFINISHED_SUFFIX, written_whole

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
"""Raised when what is kept changes, so that older files are not used."""
MAX_STORE_BYTES = 1 << 30
_MAX_ENTRY_BYTES = 1 << 27
_SUFFIX = ".safetensors"


@dataclass(frozen=True)
class FeatureKey:
    """What features depend on: the picture and its landmarks, the weights, and how they are run."""

    content_hash: str
    model_version: str
    options: str = ""

    @property
    def digest(self) -> str:
        """Hex digits that differ where any part does."""
        parts = (str(FORMAT_VERSION), self.content_hash, self.model_version, self.options)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class FeatureStore:
    """The files of one folder; those that were not used for the longest go where they take more than ``max_bytes``."""

    def __init__(self, directory: Path, max_bytes: int = MAX_STORE_BYTES) -> None:
        self.directory = directory
        self._max_bytes = max_bytes
        self._has_warned = False

    def get(self, character_id: str, key: FeatureKey) -> CharacterFeatures | None:
        """Return the features kept under ``key``, on the CPU, or None where there are none that can be used."""
        path = self._path(key)
        try:
            if path.stat().st_size > _MAX_ENTRY_BYTES:
                raise ValueError("it is too large")
            tensors = _read(path, key)
            features = from_tensors(character_id, tensors)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, struct.error, safetensors.SafetensorError) as exc:
            logger.info("%s is damaged or out of date and is made again (%s)", path, exc)
            return None
        with contextlib.suppress(OSError):
            os.utime(path)
        return features

    def put(self, key: FeatureKey, features: CharacterFeatures) -> None:
        """Keep ``features`` under ``key``; a folder that takes nothing costs one warning and nothing else."""
        tensors = to_tensors(features)
        metadata = {**_metadata(key), "sha256": _digest(tensors)}
        content = safetensors.torch.save(tensors, metadata)
        try:
            self.directory.mkdir(parents=True, exist_ok=True)
            with written_whole(self._path(key)) as unfinished:
                unfinished.write_bytes(content)
            self._prune()
        except OSError as exc:
            if not self._has_warned:
                self._has_warned = True
                logger.warning(
                    "cannot keep features in %s (%s): characters are prepared again at every start; "
                    "free disk space or make the folder writable",
                    self.directory,
                    exc.strerror or exc,
                )

    def clear(self) -> None:
        """Delete every file of the store."""
        for path in self._files():
            with contextlib.suppress(OSError):
                path.unlink()

    @property
    def nbytes(self) -> int:
        """How much the folder holds."""
        return sum(size for _, size, _ in self._ages())

    def _path(self, key: FeatureKey) -> Path:
        return self.directory / f"{key.digest}{_SUFFIX}"

    def _files(self) -> list[Path]:
        return [*self.directory.glob(f"*{_SUFFIX}"), *self.directory.glob(f"*{UNFINISHED_SUFFIX}")]

    def _ages(self) -> list[tuple[float, int, Path]]:
        found = []
        for path in self._files():
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, status.st_size, path))
        return sorted(found)

    def _prune(self) -> None:
        ages = self._ages()
        total = sum(size for _, size, _ in ages)
        for _, size, path in ages[:-1]:
            if total <= self._max_bytes:
                return
            with contextlib.suppress(OSError):
                path.unlink()
                total -= size


def _metadata(key: FeatureKey) -> dict[str, str]:
    return {
        "format_version": str(FORMAT_VERSION),
        "content_hash": key.content_hash,
        "model_version": key.model_version,
        "options": key.options,
    }


def _read(path: Path, key: FeatureKey) -> dict[str, torch.Tensor]:
    with safetensors.safe_open(str(path), framework="pt") as file:
        metadata = file.metadata() or {}
        # Read into memory of our own: a mapped file that is replaced or truncated later would be a crash.
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118 - it is no mapping
    for name, value in _metadata(key).items():
        if metadata.get(name) != value:
            raise ValueError(f"it is of another {name}")
    if metadata.get("sha256") != _digest(tensors):
        raise ValueError("its checksum is wrong")
    return tensors


def _digest(tensors: dict[str, torch.Tensor]) -> str:
    digest = hashlib.sha256()
    for name in sorted(tensors):
        tensor = tensors[name]
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy())
    return digest.hexdigest()
