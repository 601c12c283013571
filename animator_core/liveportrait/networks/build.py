"""Makes the networks and gives them their weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import torch
from torch import nn

from animator_core.errors import WeightsError
from animator_core.liveportrait.execution.optimized.enlarging import QuickestOnDevice, with_least_arithmetic
from animator_core.liveportrait.execution.optimized.generator import LeanGenerator
from animator_core.liveportrait.execution.optimized.warping import LeanWarping
from animator_core.liveportrait.networks.appearance import AppearanceFeatureExtractor
from animator_core.liveportrait.networks.folded_weights import (
    content_version,
    folded_cache,
    folded_key,
    read_folded,
    write_folded,
)
from animator_core.liveportrait.networks.generator import SPADEGenerator
from animator_core.liveportrait.networks.layers import fold
from animator_core.liveportrait.networks.motion_extractor import MotionExtractor
from animator_core.liveportrait.networks.networks import Networks
from animator_core.liveportrait.networks.stitching import EyeRetargeting, LipRetargeting, StitchingNetwork
from animator_core.liveportrait.networks.warping import WarpingModule
from animator_core.liveportrait.networks.weights import (
    CHECKPOINTS,
    find_checkpoints,
    load_tensors,
    read_checkpoint,
    take_part,
)

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "appearance_feature_extractor": AppearanceFeatureExtractor,
    "motion_extractor": MotionExtractor,
    "warping_module": WarpingModule,
    "spade_generator": SPADEGenerator,
    "stitching": StitchingNetwork,
    "lip": LipRetargeting,
    "eye": EyeRetargeting,
}
_HALF_ABLE = ("appearance_feature_extractor", "warping_module", "spade_generator")


def load_networks(
    weights_dir: Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    cache_dir: Path | None = None,
) -> Networks:
    """Return the networks with the checkpoints' weights, folded, on ``device``.

    weights_dir: holds the official .pth files or .safetensors of the same names. cache_dir: where the converted
    weights are kept for the next start; None keeps none. Raises WeightsError, naming file and key, where a
    checkpoint is missing, damaged or of another model.
    """
    version, modules = load_folded(weights_dir, cache_dir)
    place = torch.device(device)
    if place.type == "cuda":
        # Sizes never change: what cuDNN finds to be the quickest once is the quickest for every frame.
        torch.backends.cudnn.benchmark = True
    # Which way is the quickest on a CPU was measured once for all, see docs/PERFORMANCE.md.
    choose = with_least_arithmetic if place.type == "cpu" else QuickestOnDevice(place, dtype)
    modules["warping_module"] = LeanWarping(modules["warping_module"], choose)
    modules["spade_generator"] = LeanGenerator(modules["spade_generator"], choose)
    for name, module in modules.items():
        module.eval().requires_grad_(False).to(device)
        if name in _HALF_ABLE:
            module.to(dtype)
            if place.type == "cuda":
                to_channels_last(module)
    if place.type == "cuda":
        # What trying convolutions took is the game's again.
        torch.cuda.empty_cache()
    # The eight bits of bfloat16 show as a trembling pose.
    modules["motion_extractor"].detector.cast_body(torch.float32 if dtype == torch.bfloat16 else dtype)
    return Networks(**modules, device=place, dtype=dtype, version=version)


def to_channels_last(module: nn.Module) -> None:
    """Lay convolutions' weights out as tensor cores read them, in place; what they compute is then laid out alike."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        elif parameter.dim() == 5:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)


def load_folded(weights_dir: Path, cache_dir: Path | None = None) -> tuple[str, dict[str, Any]]:
    """Return the weights' version and the folded networks by name, float32 on the CPU; see `load_networks`."""
    checkpoints = find_checkpoints(weights_dir)
    if cache_dir is None:
        return _converted(checkpoints)
    cache, key = folded_cache(cache_dir), folded_key(checkpoints)
    kept = cache.load(key, _read_modules)
    if kept is not None:
        return kept
    version, modules = _converted(checkpoints)
    states = {name: module.state_dict() for name, module in modules.items()}
    cache.save(key, lambda path: write_folded(path, version, states))
    return version, modules


def build_empty(name: str) -> nn.Module:
    """Return a network without values, on the meta device."""
    with torch.device("meta"):
        return NETWORKS[name]()


def load_unfolded(name: str, checkpoint: Path) -> nn.Module:
    """Return one network as the checkpoint has it, on the CPU; raises WeightsError where that does not fit."""
    network = build_empty(name)
    content = read_checkpoint(checkpoint)
    load_tensors(network, name, take_part(content, CHECKPOINTS[name].part, checkpoint), checkpoint)
    return network


def _read_modules(path: Path) -> tuple[str, dict[str, Any]]:
    """Return version and folded networks from the cache's file; raises OSError, ValueError."""
    modules = {}
    version, networks = read_folded(path)
    try:
        for name in NETWORKS:
            modules[name] = build_empty(name)
            fold(modules[name])
            load_tensors(modules[name], name, networks.get(name, {}), path)
    except WeightsError as exc:
        raise ValueError(str(exc)) from exc
    return version, modules


def _converted(checkpoints: dict[str, Path]) -> tuple[str, dict[str, Any]]:
    """Return version and folded networks from the checkpoints."""
    modules = {}
    for name in NETWORKS:
        path = checkpoints[CHECKPOINTS[name].file]
        modules[name] = load_unfolded(name, path)
        fold(modules[name])
        _check_folded(name, modules[name], path)
    return content_version(checkpoints), modules


def _check_folded(name: str, module: nn.Module, path: Path) -> None:
    # A negative variance or a spectral norm of nothing passes every check of the single tensors.
    for key, value in module.state_dict().items():
        if not torch.isfinite(value).all():
            raise WeightsError(f"{path}: {name} has no usable {key}", "delete it and run install.py again")
