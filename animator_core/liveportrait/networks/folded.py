"""The cache of folded weights: one safetensors file for all networks, of the newest set of checkpoints."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from animator_core.disk_cache import DiskCache

_FORMAT = "2"
"""To be changed with folding or the networks' structure."""


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
    networks: dict[str, dict[str, torch.Tensor]] = {}
    try:
        with safe_open(path, framework="pt") as file:
            version = (file.metadata() or {})["version"]
            for name in file.keys():  # noqa: SIM118
                network, _, key = name.partition(".")
                networks.setdefault(network, {})[key] = file.get_tensor(name)
    except (SafetensorError, KeyError) as exc:
        raise ValueError(str(exc)) from exc
    return version, networks


def write_folded(path: Path, version: str, networks: dict[str, dict[str, torch.Tensor]]) -> None:
    """Write the file; raises OSError."""
    tensors = {f"{name}.{key}": value for name, state in networks.items() for key, value in state.items()}
    try:
        save_file(tensors, path, {"version": version})
    except SafetensorError as exc:
        raise OSError(str(exc)) from exc
