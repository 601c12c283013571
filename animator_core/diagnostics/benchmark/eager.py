"""Compares LivePortrait's published networks with ours: the same inputs, torch and device, in turn.

The plain variant runs the checkpoints' modules as in the official code: norms unfolded, nothing precomputed but the
appearance features, the networks in sequence.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from animator_core.diagnostics.benchmark.likeness import psnr_of
from animator_core.diagnostics.benchmark.machine import GpuUse, UseWatch, machine_facts
from animator_core.liveportrait.execution.device import choose_device, synchronize
from animator_core.liveportrait.model import PortraitModel
from animator_core.liveportrait.networks.build import load_unfolded
from animator_core.liveportrait.networks.keypoints import transform_keypoints
from animator_core.liveportrait.networks.weights import CHECKPOINTS, find_checkpoints

logger = logging.getLogger(__name__)

_PER_FRAME = ("motion_extractor", "warping_module", "spade_generator")
_WARM_UP = {"cuda": 5}
_GPU_FRAMES, _CPU_FRAMES = 100, 3
_SIDE = 256

Frame = Callable[[torch.Tensor], torch.Tensor]
"""Driving crop, (1, 3, 256, 256) RGB in [0, 1] → picture, (1, 3, 512, 512) RGB in [0, 1]."""


@dataclass(frozen=True)
class WayResult:
    """One variant's time per frame, from motion extractor to picture.

    ratio: the plain variant's median divided by this one's, above 1 is faster. psnr_db: against the plain variant, None
    if equal. first_seconds: time of the first frame, compilation included.
    """

    name: str
    p50_ms: float
    p95_ms: float
    ratio: float
    psnr_db: float | None
    first_seconds: float


@dataclass(frozen=True)
class EagerComparison:
    """All variants, the plain one first; left_out: those that could not run, with the reason."""

    ways: tuple[WayResult, ...]
    left_out: tuple[str, ...]
    frames: int
    device: str
    dtype: str
    gpu: GpuUse | None
    machine: dict[str, Any]


def compare(
    weights_dir: Path,
    *,
    device: str,
    fp16: bool,
    frames: int | None,
    cache_dir: Path | None,
    with_compile: bool = True,
) -> EagerComparison:
    """Time every variant, frame by frame in turn; raises WeightsError if the weights cannot be loaded."""
    choice = choose_device(device, fp16)
    frames = frames or (_CPU_FRAMES if choice.device == "cpu" else _GPU_FRAMES)
    model = PortraitModel.load(weights_dir, choice.device, choice.dtype, cache_dir=cache_dir)
    source, driving = _pictures(choice.device)
    ways, left_out = _ways(weights_dir, model, source, with_compile=with_compile)
    first: dict[str, float] = {}
    pictures: dict[str, torch.Tensor] = {}
    for name in tuple(ways):
        try:
            first[name], pictures[name] = _timed(ways[name], driving)
        except Exception as exc:
            # Compilers fail in many ways; the other variants are still compared.
            logger.debug("%s", name, exc_info=True)
            first_line = (str(exc).strip().splitlines() or [""])[0][:120]
            left_out.append(f"{name}: {type(exc).__name__}: {first_line}")
            del ways[name]
    for _ in range(_WARM_UP.get(choice.device.partition(":")[0], 0)):
        for way in ways.values():
            way(driving)
    watch = UseWatch()
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(frames):
        names = tuple(ways)
        for name in names[number % len(names) :] + names[: number % len(names)]:
            seconds[name].append(_timed(ways[name], driving)[0])
    _, gpu = watch.stop()
    return EagerComparison(
        ways=tuple(_result(name, seconds, pictures, first_seconds=first[name]) for name in ways),
        left_out=tuple(left_out),
        frames=frames,
        device=choice.name,
        dtype=str(choice.dtype).removeprefix("torch."),
        gpu=gpu,
        machine=machine_facts(),
    )


def format_comparison(found: EagerComparison) -> str:
    """Return the comparison as a table."""
    machine, gpu = found.machine, found.gpu
    versions = machine["versions"]
    lines = [
        f"{machine['cpu']}, {machine['usable_cores']} cores; networks on {found.device} in {found.dtype}; "
        f"torch {versions['torch']}",
        f"{gpu.name}, driver {gpu.driver}, {gpu.clock_mhz:.0f} of {gpu.most_clock_mhz:.0f} MHz, busy {gpu.busy:.0%}"
        if gpu
        else "no NVIDIA GPU found; no GPU figures",
        f"per frame: motion extractor, warp and generator at batch size 1; {found.frames} frames each, in turn",
        "",
        f"{'':<26}{'p50 ms':>10}{'p95 ms':>10}{'speed-up':>16}{'PSNR dB':>9}{'first frame s':>15}",
    ]
    lines += [
        f"{way.name:<26}{way.p50_ms:>10.2f}{way.p95_ms:>10.2f}{way.ratio:>16.2f}"
        f"{'equal' if way.psnr_db is None else format(way.psnr_db, '.1f'):>9}{way.first_seconds:>15.1f}"
        for way in found.ways
    ]
    return "\n".join([*lines, *(f"left out: {reason}" for reason in found.left_out)])


def _ways(
    weights_dir: Path, model: PortraitModel, source: torch.Tensor, *, with_compile: bool
) -> tuple[dict[str, Frame], list[str]]:
    features = model.extract_features(source)
    appearance = features.appearance_features.to(model.networks.dtype)
    modules = _plain_modules(weights_dir, model)

    def plain(motion_extractor: Any, warping_module: Any, spade_generator: Any) -> Frame:
        @torch.inference_mode()
        def frame(driving: torch.Tensor) -> torch.Tensor:
            keypoints = transform_keypoints(motion_extractor(driving))
            warping = warping_module(appearance, kp_driving=keypoints, kp_source=features.keypoints_source)
            picture: torch.Tensor = spade_generator(warping.warped).float()
            return picture

        return frame

    prepared = model.prepare_warp(features)

    def ours(driving: torch.Tensor) -> torch.Tensor:
        return model.paint(prepared, transform_keypoints(model.extract_motion(driving))).picture

    ways: dict[str, Frame] = {"plain": plain(*modules)}
    left_out = []
    if with_compile:
        mode = "max-autotune" if model.device.type == "cuda" else "default"
        ways["plain, torch.compile"] = plain(*(torch.compile(module, mode=mode) for module in modules))
        networks = model.networks
        warp = torch.compile(networks.warping_module, mode=mode)
        generate = torch.compile(networks.spade_generator, mode=mode)

        @torch.inference_mode()
        def ours_compiled(driving: torch.Tensor) -> torch.Tensor:
            keypoints = transform_keypoints(model.extract_motion(driving))
            picture: torch.Tensor = generate(warp(prepared, keypoints).warped.to(networks.dtype)).float()
            return picture

        ways["ours, torch.compile"] = ours_compiled
    else:
        left_out.append("torch.compile: not requested")
    ways[f"ours ({model.painter.name})"] = ours
    return ways, left_out


def _plain_modules(weights_dir: Path, model: PortraitModel) -> list[Any]:
    checkpoints = find_checkpoints(weights_dir)
    modules = []
    for name in _PER_FRAME:
        module: Any = load_unfolded(name, checkpoints[CHECKPOINTS[name].file]).eval().requires_grad_(False)
        module.to(model.device)
        if name == "motion_extractor":
            module.detector.cast_body(model.networks.dtype)
        else:
            module.to(model.networks.dtype)
        modules.append(module)
    return modules


def _pictures(device: str) -> tuple[torch.Tensor, torch.Tensor]:
    """Return two smooth pictures, (1, 3, 256, 256) in [0, 1]; the time does not depend on their content."""
    noise = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    source = torch.nn.functional.interpolate(noise, size=(_SIDE, _SIDE), mode="bicubic").clamp(0, 1)
    return source.to(device), source.roll(5, dims=3).to(device)


def _timed(way: Frame, driving: torch.Tensor) -> tuple[float, torch.Tensor]:
    synchronize(driving.device)
    started = time.perf_counter()
    picture = way(driving)
    synchronize(driving.device)
    return time.perf_counter() - started, picture.float().clone()


def _result(
    name: str, seconds: dict[str, list[float]], pictures: dict[str, torch.Tensor], *, first_seconds: float
) -> WayResult:
    p50, p95 = (float(value) * 1000 for value in np.percentile(seconds[name], (50, 95)))
    error = float(((pictures[name] - pictures["plain"]) * 255).square().mean())
    plain = float(np.median(seconds["plain"])) * 1000
    return WayResult(
        name=name,
        p50_ms=p50,
        p95_ms=p95,
        ratio=plain / p50,
        psnr_db=psnr_of(error) if error else None,
        first_seconds=first_seconds,
    )
