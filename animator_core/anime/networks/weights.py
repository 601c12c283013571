"""Loading the networks: the published checkpoints, kept as one safetensors file."""

from __future__ import annotations

import contextlib
import hashlib
import logging
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from animator_core.anime.networks.chain import AnimeNetworks
from animator_core.errors import WeightsError, first_line
from animator_core.whole_file import written_whole

logger = logging.getLogger(__name__)

NAMES = ("eyebrow_decomposer", "eyebrow_morphing_combiner", "face_morpher", "two_algo_face_body_rotator", "editor")
_UNUSED = ("combine_alpha.", "direct_creator.")
"""Outputs that the published program computes and never shows."""
_REMEDY = "delete it and run install.py again"
_PATTERN = "anime-*.safetensors"

Tensors = dict[str, torch.Tensor]


def has_weights(folder: Path) -> bool:
    """Return whether all five checkpoints lie in ``folder``."""
    return all((folder / f"{name}.pt").is_file() for name in NAMES)


def load_networks(folder: Path, cache_dir: Path | None = None) -> AnimeNetworks:
    """Return the networks, float32 on the CPU and in evaluation mode.

    folder: has the five checkpoints. cache_dir: where the converted file is kept, None for nowhere. Raises WeightsError
    for a checkpoint that is missing, damaged or of another network.
    """
    checkpoints = [folder / f"{name}.pt" for name in NAMES]
    for path in checkpoints:
        if not path.is_file():
            raise WeightsError(f"{path} is missing", "run install.py --anime to get the anime networks")
    kept = None if cache_dir is None else cache_dir / f"anime-{_stamp(checkpoints)}.safetensors"
    tensors = _read_kept(kept)
    if tensors is None:
        tensors = {f"{path.stem}.{key}": value for path in checkpoints for key, value in _read(path).items()}
        _write_kept(kept, tensors)
    with torch.device("meta"):
        networks = AnimeNetworks()
    try:
        networks.load_state_dict(tensors, assign=True)
    except RuntimeError as exc:
        raise WeightsError(f"{folder} has another network's weights ({first_line(exc, 200)})", _REMEDY) from exc
    return networks.eval().requires_grad_(False)


def _stamp(checkpoints: list[Path]) -> str:
    """Return a key of the files as they are now: another size or time gives another."""
    stamps = [f"{path.resolve()} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in checkpoints]
    return hashlib.sha256("\n".join(stamps).encode()).hexdigest()[:16]


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


def _read_kept(path: Path | None) -> Tensors | None:
    if path is None or not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as exc:
        logger.warning("%s is damaged (%s) and made again", path, exc)
        return None


def _write_kept(path: Path | None, tensors: Tensors) -> None:
    """Write the file whole or not at all, and remove those of other checkpoints; a failure costs only a warning."""
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as unfinished:
            save_file(tensors, unfinished)
    except (OSError, SafetensorError) as exc:
        logger.warning(
            "cannot keep the anime networks in %s (%s); free disk space or make it writable", path.parent, exc
        )
        return
    for other in path.parent.glob(_PATTERN):
        if other != path:
            with contextlib.suppress(OSError):
                other.unlink()
