"""Use a Triton kernel only if it matches the reference expression on this GPU."""

from __future__ import annotations

import functools
import logging
import os
import shutil
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from animator_core.errors import first_line
from animator_core.liveportrait.execution.optimized.operations import PLAIN, Operations, largest_difference
from animator_core.liveportrait.networks.appearance import FEATURE_DEPTH, FEATURE_SIDE
from animator_core.liveportrait.networks.warping import identity_grid, sample

logger = logging.getLogger(__name__)

_TOLERANCE_EPSILONS = 8
"""Of the type: a kernel rounds once, the reference expression many times."""
_LEAST_TOLERANCE = 1e-4
"""Relative to the largest value."""
_HIDDEN_CHANNELS = 128


@functools.cache
def choose_operations(device: torch.device, dtype: torch.dtype) -> Operations:
    """Return the kernels that match on a CUDA device, and the reference expressions for the rest.

    Logs the rejected kernels, once for a device and precision. The first call compiles, which takes seconds.
    """
    if device.type != "cuda":
        return PLAIN
    try:
        from animator_core.liveportrait.execution.kernels import FUSED
    except Exception as exc:
        # A package that does not fit the system may raise anything.
        reason = "the package triton is not installed" if isinstance(exc, ImportError) else first_line(exc, 160)
        logger.info("LivePortrait runs without its own kernels, a little slower (%s)", reason)
        return PLAIN
    return checked(FUSED, device, dtype)


@torch.inference_mode()
def checked(fused: Operations, device: torch.device, dtype: torch.dtype, *, side: int = FEATURE_SIDE) -> Operations:
    """Return ``fused`` with the reference expression for each operation that fails or differs; side: see `examples`."""
    problems, good = [], {}
    for name, given in examples(device, dtype, side=side).items():
        operation = getattr(fused, name)
        try:
            problem = difference(operation(*given), getattr(PLAIN, name)(*given), dtype)
        except Exception as exc:
            # Compilers and drivers have no common class of errors.
            problem = first_line(exc, 160) or type(exc).__name__
        if problem:
            problems.append(f"{name}: {problem}")
        else:
            good[name] = operation
    if problems:
        logger.warning(
            "LivePortrait runs without some of its own kernels, a little slower (%s); %s",
            ", ".join(problems),
            _remedy(),
        )
    return replace(PLAIN, **good)


def _remedy() -> str:
    """Return the remedy; on Linux, Triton needs a C compiler and Python's headers to build kernels."""
    missing = []
    if sys.platform.startswith("linux"):
        if not (os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")):
            missing.append("a C compiler (Debian, Ubuntu: gcc)")
        if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
            package = f"python{sys.version_info[0]}.{sys.version_info[1]}-dev"
            missing.append(f"Python's headers (Debian, Ubuntu: python3-dev, for this Python {package})")
    return f"install {' and '.join(missing)}" if missing else "update the graphics driver"


def examples(device: torch.device, dtype: torch.dtype, *, side: int = FEATURE_SIDE) -> dict[str, tuple[Any, ...]]:
    """Return random arguments for each operation by its name.

    In the sizes and layouts of a frame, so that no kernel is compiled again on air; the modulation of the middle blocks
    stands for all. side: height and width of the features, smaller in tests.
    """
    generator = torch.Generator(device).manual_seed(1)

    def noise(shape: Sequence[int], scale: float = 1.0, kind: torch.dtype = dtype) -> torch.Tensor:
        values = (torch.randn(shape, generator=generator, device=device) * scale).to(kind)
        if len(shape) == 3:
            return values
        return values.contiguous(memory_format=torch.channels_last if len(shape) == 4 else torch.channels_last_3d)

    def conv(channels: int) -> nn.Conv2d:
        with torch.device("meta"):
            made = nn.Conv2d(_HIDDEN_CHANNELS, channels, 3, padding=1)
        made.weight = nn.Parameter(noise((channels, _HIDDEN_CHANNELS, 3, 3), scale=0.03), requires_grad=False)
        made.bias = nn.Parameter(noise((channels, 1, 1)).flatten(), requires_grad=False)
        return made

    def hidden(factor: int) -> torch.Tensor:
        return noise((1, _HIDDEN_CHANNELS, factor * side, factor * side))

    volume, single = (FEATURE_DEPTH, side, side), torch.float32
    source, driving = (noise((1, 21, 3), scale=0.5, kind=single) for _ in range(2))
    compressed = noise((1, 4, *volume), kind=single)
    resting = sample(compressed, identity_grid(volume, device)[0])[:, None]
    return {
        "modulated": (noise((1, 512, side, side)), conv(1024), hidden(1)),
        "modulated_upsampled": (noise((1, 512, side, side)), conv(1024), hidden(2), conv(512), hidden(2)),
        "hourglass_input": (compressed, resting, source, driving, dtype),
        "warped_features": (noise((1, 32, *volume)), noise((1, 22, *volume), scale=4.0), source - driving),
        "picture": (noise((1, 12, 4 * side, 4 * side), scale=4.0),),
    }


def difference(actual: Any, expected: Any, dtype: torch.dtype) -> str:
    """Describe the difference of two results, tensors or tuples of them; "" if equal up to rounding."""
    tolerance = max(_TOLERANCE_EPSILONS * torch.finfo(dtype).eps, _LEAST_TOLERANCE)
    if isinstance(expected, torch.Tensor):
        actual, expected = (actual,), (expected,)
    for one, other in zip(actual, expected):
        if one.shape != other.shape:
            return f"its shape is {tuple(one.shape)}"
    share = largest_difference(actual, expected)
    return "" if share <= tolerance else f"it is {share:.3g} off"
