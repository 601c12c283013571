"""Loading the networks: the published checkpoints, converted once to one safetensors file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from animator_core.anime.networks.chain import AnimeNetworks
from animator_core.disk_cache import DiskCache
from animator_core.errors import WeightsError, first_line
from animator_core.tensor_file import read_tensors, write_tensors

NAMES = ("eyebrow_decomposer", "eyebrow_morphing_combiner", "face_morpher", "two_algo_face_body_rotator", "editor")
_UNUSED = ("combine_alpha.", "direct_creator.")
"""Outputs that the published program computes and never shows."""
_FORMAT = "1"
"""To be changed with the networks' structure."""
_MAX_BYTES = 1 << 27
_REMEDY = "delete it and run install.py again"

Tensors = dict[str, torch.Tensor]


def load_networks(folder: Path, cache_dir: Path | None = None) -> AnimeNetworks:
    """Return the networks, float32 on the CPU and in evaluation mode.

    folder: has the five checkpoints. cache_dir: for the converted file, None to keep none. Raises WeightsError for a
    checkpoint that is missing, damaged or of another network.
    """
    checkpoints = [folder / f"{name}.pt" for name in NAMES]
    for path in checkpoints:
        if not path.is_file():
            raise WeightsError(f"{path} is missing", "run install.py to get it")
    cache = None if cache_dir is None else _converted_cache(cache_dir)
    key = _key(checkpoints)
    tensors = cache.load(key, lambda path: read_tensors(path, {}, _MAX_BYTES)) if cache else None
    if tensors is None:
        tensors = {f"{path.stem}.{name}": value for path in checkpoints for name, value in _read(path).items()}
        if cache:
            cache.save(key, lambda path: write_tensors(path, tensors, {}))
    with torch.device("meta"):
        networks = AnimeNetworks()
    try:
        networks.load_state_dict(tensors, assign=True)
    except RuntimeError as exc:
        raise WeightsError(f"{folder} has another network's weights ({first_line(exc, 200)})", _REMEDY) from exc
    return networks.eval().requires_grad_(False)


def _converted_cache(cache_dir: Path) -> DiskCache:
    """Return the cache of converted weights: one file, the newest."""
    return DiskCache(
        cache_dir / "anime-weights",
        suffix=".safetensors",
        max_bytes=0,
        contents="the anime networks' converted weights",
        cost="every start takes longer",
    )


def _key(checkpoints: list[Path]) -> str:
    """Return a key of the files as they are; another size or time of change gives another."""
    stamps = [f"{path.resolve()} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in checkpoints]
    return hashlib.sha256("\n".join([_FORMAT, *stamps]).encode()).hexdigest()


def _read(path: Path) -> Tensors:
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as exc:
        # Damaged archives raise errors of pickle, zipfile, torch and the system.
        raise WeightsError(f"{path} is damaged or no checkpoint ({first_line(exc, 200)})", _REMEDY) from exc
    if not isinstance(content, dict):
        raise WeightsError(f"{path} holds a {type(content).__name__}, expected tensors by name", _REMEDY)
    tensors: Tensors = {}
    for key, value in content.items():
        if not isinstance(value, torch.Tensor) or not value.is_floating_point() or not value.isfinite().all():
            raise WeightsError(f"{path}: {key} is no tensor of finite numbers", _REMEDY)
        if not str(key).startswith(_UNUSED):
            tensors[str(key)] = value.float().contiguous()
    return tensors
