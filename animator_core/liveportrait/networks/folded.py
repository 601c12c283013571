"""The cache of folded weights: one safetensors file for all networks, of the newest set of checkpoints."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch

from animator_core.disk_cache import DiskCache
from animator_core.tensor_file import read_metadata, read_tensors, write_tensors

_FORMAT = "2"
"""To be changed with folding or the networks' structure."""
_MAX_BYTES = 1 << 30


def folded_cache(cache_dir: Path) -> DiskCache:
    """Return the cache of folded weights, half a gigabyte: one file, the newest."""
    return DiskCache(
        cache_dir / "weights",
        suffix=".safetensors",
        max_bytes=0,
        contents="LivePortrait's converted weights",
        cost="every start takes longer",
    )


def folded_key(checkpoints: dict[str, Path]) -> str:
    """Return the key of these checkpoints' folded weights; other files, or changed ones, have another key."""
    stamps = [_FORMAT]
    for path in checkpoints.values():
        status = path.stat()
        stamps += [str(path.resolve()), str(status.st_size), str(status.st_mtime_ns)]
    return hashlib.sha256(json.dumps(stamps).encode()).hexdigest()


def content_version(checkpoints: dict[str, Path]) -> str:
    """Return a hex digest of the checkpoints' bytes."""
    digest = hashlib.sha256(_FORMAT.encode())
    for path in checkpoints.values():
        with path.open("rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    return digest.hexdigest()


def read_folded(path: Path) -> tuple[str, dict[str, dict[str, torch.Tensor]]]:
    """Return the version and each network's tensors by its name; raises OSError, or ValueError for a damaged file."""
    version = read_metadata(path).get("version", "")
    networks: dict[str, dict[str, torch.Tensor]] = {}
    for name, tensor in read_tensors(path, {"version": version}, _MAX_BYTES).items():
        network, _, key = name.partition(".")
        networks.setdefault(network, {})[key] = tensor
    return version, networks


def write_folded(path: Path, version: str, networks: dict[str, dict[str, torch.Tensor]]) -> None:
    """Write the file; raises OSError."""
    tensors = {f"{name}.{key}": value for name, state in networks.items() for key, value in state.items()}
    write_tensors(path, tensors, {"version": version})
