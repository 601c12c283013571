"""Build the networks and load their weights, from the checkpoints or from the cache of folded weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable

import torch
from torch import nn

from animator_core.errors import WeightsError
from animator_core.liveportrait.execution.optimized.generator import OptimizedGenerator
from animator_core.liveportrait.execution.optimized.upsampling import UpConvAutotuner, fewest_products
from animator_core.liveportrait.execution.optimized.warping import OptimizedWarping
from animator_core.liveportrait.networks.appearance import AppearanceFeatureExtractor
from animator_core.liveportrait.networks.folded import (
    content_version,
    folded_cache,
    folded_key,
    read_folded,
    write_folded,
)
from animator_core.liveportrait.networks.generator import SPADEGenerator
from animator_core.liveportrait.networks.keypoints import KeypointMotion
from animator_core.liveportrait.networks.layers import fold, to_channels_last
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

ExtractMotion = Callable[[torch.Tensor], KeypointMotion]
"""Driving crops, (B, 3, 256, 256) RGB in [0, 1] → the motion of their faces."""

NETWORKS: dict[str, Callable[[], nn.Module]] = {
    "appearance_feature_extractor": AppearanceFeatureExtractor,
    "motion_extractor": MotionExtractor,
    "warping_module": WarpingModule,
    "spade_generator": SPADEGenerator,
    "stitching": StitchingNetwork,
    "lip": LipRetargeting,
    "eye": EyeRetargeting,
}
_LARGE_NETWORKS = ("appearance_feature_extractor", "warping_module", "spade_generator")


def load_networks(
    weights_dir: Path,
    device: str | torch.device = "cpu",
    dtype: torch.dtype = torch.float32,
    cache_dir: Path | None = None,
) -> Networks:
    """Return the networks with the checkpoints' weights, folded, on ``device``.

    weights_dir: holds the official .pth files or .safetensors of the same names. dtype: see `Networks`. cache_dir:
    keeps the folded weights for the next start; None keeps none. Raises WeightsError, naming file and key, if a
    checkpoint is missing, damaged or of another model.
    """
    version, modules = load_folded(weights_dir, cache_dir)
    device = torch.device(device)
    if device.type == "cuda":
        # Sizes never change, so cuDNN's fastest algorithm of the first frame is the fastest of every frame.
        torch.backends.cudnn.benchmark = True
    # The fastest variant on CPUs is known, see docs/PERFORMANCE.md.
    make_up_conv = fewest_products if device.type == "cpu" else UpConvAutotuner(device, dtype)
    modules["warping_module"] = OptimizedWarping(modules["warping_module"], make_up_conv)
    modules["spade_generator"] = OptimizedGenerator(modules["spade_generator"], make_up_conv)
    for name, module in modules.items():
        module.eval().requires_grad_(False).to(device)
        if name in _LARGE_NETWORKS:
            module.to(dtype)
            if device.type == "cuda":
                to_channels_last(module)
    if device.type == "cuda":
        # Give the autotuner's memory back to other programs.
        torch.cuda.empty_cache()
    # With the eight bits of bfloat16 the pose trembles.
    modules["motion_extractor"].detector.cast_body(torch.float32 if dtype == torch.bfloat16 else dtype)
    return Networks(**modules, device=device, dtype=dtype, version=version)


def load_motion_extractor(weights_dir: Path, device: str = "cpu", dtype: torch.dtype = torch.float32) -> ExtractMotion:
    """Return the motion extractor alone, for recording templates; raises WeightsError, see `load_networks`."""
    network = load_unfolded("motion_extractor", find_checkpoints(weights_dir)["motion_extractor"])
    assert isinstance(network, MotionExtractor)
    network.eval().requires_grad_(False).to(device)
    network.detector.cast_body(dtype)

    @torch.inference_mode()
    def extract(crops: torch.Tensor) -> KeypointMotion:
        motion: KeypointMotion = network(crops.to(device))
        return motion

    return extract


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
    """Return one network as in its checkpoint, on the CPU; raises WeightsError if the checkpoint does not fit."""
    network = build_empty(name)
    content = read_checkpoint(checkpoint)
    tensors = take_part(content, CHECKPOINTS[name].part, checkpoint)
    load_tensors(network, tensors, name=name, path=checkpoint)
    return network


def _read_modules(path: Path) -> tuple[str, dict[str, Any]]:
    """Return version and folded networks from the cache's file; raises OSError, ValueError."""
    modules = {}
    version, networks = read_folded(path)
    try:
        for name in NETWORKS:
            modules[name] = build_empty(name)
            fold(modules[name])
            load_tensors(modules[name], networks.get(name, {}), name=name, path=path)
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
    # A negative variance or a zero spectral norm passes the checks of single tensors.
    for key, value in module.state_dict().items():
        if not torch.isfinite(value).all():
            raise WeightsError(f"{path}: {name} has no usable {key}", "delete it and run install.py again")
