"""Features on disk: one safetensors file for each picture, model and set of options."""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from pathlib import Path

import safetensors
import safetensors.torch
import torch

from animator_core.disk_cache import DiskCache
from animator_core.liveportrait.source.features import CharacterFeatures, from_tensors, to_tensors

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
            if path.stat().st_size > _MAX_ENTRY_BYTES:
                raise ValueError("it is too large")
            try:
                return from_tensors(character_id, _read(path, key))
            except (KeyError, TypeError, struct.error, safetensors.SafetensorError) as exc:
                raise ValueError(str(exc)) from exc

        return self._files.load(key.digest, read)

    def put(self, key: FeatureKey, features: CharacterFeatures) -> None:
        """Keep ``features`` under ``key``, if the folder can be written."""
        tensors = to_tensors(features)
        content = safetensors.torch.save(tensors, {**_metadata(key), "sha256": _digest(tensors)})
        self._files.save(key.digest, lambda path: path.write_bytes(content))

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
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
