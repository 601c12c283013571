"""Features on disk: one safetensors file for each picture, model and set of options."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from animator_core.disk_cache import DiskCache
from animator_core.liveportrait.source.features import CharacterFeatures, from_tensors, to_tensors
from animator_core.tensor_file import read_tensors, write_tensors

FORMAT_VERSION = 1
"""Raised when the content of a file changes, so that older files are not used."""
MAX_STORE_BYTES = 1 << 30
_MAX_ENTRY_BYTES = 1 << 27


@dataclass(frozen=True)
class FeatureKey:
    """Everything that features depend on: the picture and its landmarks, the weights, and how they are run."""

    content_hash: str
    model_version: str
    options: str = ""

    @property
    def digest(self) -> str:
        """Hex digits that differ if any part does."""
        parts = (str(FORMAT_VERSION), self.content_hash, self.model_version, self.options)
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()


class FeatureStore:
    """The features in one folder, at most ``max_bytes``; see `DiskCache`."""

    def __init__(self, directory: Path, max_bytes: int = MAX_STORE_BYTES) -> None:
        self._files = DiskCache(
            directory,
            suffix=".safetensors",
            max_bytes=max_bytes,
            contents="features",
            cost="characters are prepared again at every start",
        )

    @property
    def nbytes(self) -> int:
        """Size of the folder's files, in bytes."""
        return self._files.nbytes

    def get(self, character_id: str, key: FeatureKey) -> CharacterFeatures | None:
        """Return the features under ``key``, on the CPU, or None if there are none that can be used."""

        def read(path: Path) -> CharacterFeatures:
            tensors = read_tensors(path, _metadata(key), _MAX_ENTRY_BYTES)
            try:
                return from_tensors(character_id, tensors)
            except TypeError as exc:
                raise ValueError(str(exc)) from exc

        return self._files.load(key.digest, read)

    def put(self, key: FeatureKey, features: CharacterFeatures) -> None:
        """Keep ``features`` under ``key``, if the folder can be written."""
        tensors = to_tensors(features)
        self._files.save(key.digest, lambda path: write_tensors(path, tensors, _metadata(key)))

    def clear(self) -> None:
        """Delete every file of the store."""
        self._files.clear()


def _metadata(key: FeatureKey) -> dict[str, str]:
    return {
        "format_version": str(FORMAT_VERSION),
        "content_hash": key.content_hash,
        "model_version": key.model_version,
        "options": key.options,
    }
