"""Whether the kernels are used: each where it gives on this very machine what the plain expression gives."""

from __future__ import annotations

import functools
import logging
import os
import shutil
import sys
import sysconfig
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from animator_core.errors import first_line
from animator_core.liveportrait.execution.optimized.operations import PLAIN, Operations
from animator_core.liveportrait.execution.trial import largest_difference
from animator_core.liveportrait.networks.appearance import FEATURE_DEPTH, FEATURE_SIDE
from animator_core.liveportrait.networks.warping import identity_grid, sample

logger = logging.getLogger(__name__)

_ROUNDINGS = 8
"""How many of a type's rounding steps a kernel may differ, which rounds once where the plain expression often does."""
_LEAST_TOLERANCE = 1e-4
"""As a share of the largest value, like all of them."""
_HIDDEN_CHANNELS = 128


@functools.cache
def choose_operations(device: torch.device, dtype: torch.dtype) -> Operations:
    """Return the kernels on CUDA, but for those that are missing, fail or differ there, else the plain expressions.

    What is not used is said in the log, once for a device and precision; takes the seconds of compiling the first time.
    """
    if device.type != "cuda":
        return PLAIN
    try:
        from animator_core.liveportrait.execution.kernels.fused import FUSED
    except Exception as exc:
        # A package that does not fit the system fails in ways of its own.
        reason = "the package triton is not installed" if isinstance(exc, ImportError) else first_line(exc, 160)
        logger.info("LivePortrait runs without kernels of its own, a little slower (%s)", reason)
        return PLAIN
    return checked(FUSED, device, dtype)


@torch.inference_mode()
def checked(fused: Operations, device: torch.device, dtype: torch.dtype, side: int = FEATURE_SIDE) -> Operations:
    """Return ``fused`` with the plain expression in place of each operation that fails or differs from it.

    side: see `examples`.
    """
    problems, good = [], {}
    for name, given in examples(device, dtype, side).items():
        operation = getattr(fused, name)
        try:
            problem = difference(operation(*given), getattr(PLAIN, name)(*given), dtype)
        except Exception as exc:
            # Compilers, drivers and what they call have no common class of errors.
            problem = first_line(exc, 160) or type(exc).__name__
        if problem:
            problems.append(f"{name}: {problem}")
        else:
            good[name] = operation
    if problems:
        logger.warning(
            "LivePortrait runs without some kernels of its own, a little slower (%s); %s",
            ", ".join(problems),
            _remedy(),
        )
    return replace(PLAIN, **good)


def _remedy() -> str:
    """Return what lets kernels be built here: on Linux, Triton has a little C compiled, on Windows it brings all."""
    missing = []
    if sys.platform.startswith("linux"):
        if not (os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang")):
            missing.append("a C compiler (Debian, Ubuntu: gcc)")
        if not (Path(sysconfig.get_paths()["include"]) / "Python.h").is_file():
            package = f"python{sys.version_info[0]}.{sys.version_info[1]}-dev"
            missing.append(f"Python's headers (Debian, Ubuntu: python3-dev, for this Python {package})")
    return f"install {' and '.join(missing)}" if missing else "update the graphics driver"


def examples(
    device: torch.device, dtype: torch.dtype, side: int = FEATURE_SIDE, batch: int = 1
) -> dict[str, tuple[Any, ...]]:
    """Return what each operation is given in a frame, made up, by its name.

    Sized and laid out as in a frame, so that no kernel is compiled anew on air; the middle blocks' modulation stands
    for all others. side: of the features, 64 but in tests.
    """
    generator = torch.Generator(device).manual_seed(1)

    def noise(*shape: int, scale: float = 1.0, kind: torch.dtype = dtype) -> torch.Tensor:
        values = (torch.randn(shape, generator=generator, device=device) * scale).to(kind)
        if len(shape) == 3:
            return values
        return values.contiguous(memory_format=torch.channels_last if len(shape) == 4 else torch.channels_last_3d)

    def conv(channels: int) -> nn.Conv2d:
        with torch.device("meta"):
            made = nn.Conv2d(_HIDDEN_CHANNELS, channels, 3, padding=1)
        made.weight = nn.Parameter(noise(channels, _HIDDEN_CHANNELS, 3, 3, scale=0.03), requires_grad=False)
        made.bias = nn.Parameter(noise(channels, 1, 1).flatten(), requires_grad=False)
        return made

    def hidden(enlargement: int) -> torch.Tensor:
        return noise(batch, _HIDDEN_CHANNELS, enlargement * side, enlargement * side)

    volume, single = (FEATURE_DEPTH, side, side), torch.float32
    source, driving = (noise(batch, 21, 3, scale=0.5, kind=single) for _ in range(2))
    compressed = noise(batch, 4, *volume, kind=single)
    resting = sample(compressed, identity_grid(*volume, device)[0].expand(batch, -1, -1, -1, -1))[:, None]
    return {
        "modulated": (noise(batch, 512, side, side), conv(1024), hidden(1)),
        "modulated_enlarged": (noise(batch, 512, side, side), conv(1024), hidden(2), conv(512), hidden(2)),
        "hourglass_input": (compressed, resting, source, driving, dtype),
        "moved": (noise(batch, 32, *volume), noise(batch, 22, *volume, scale=4.0), source - driving),
        "picture": (noise(batch, 12, 4 * side, 4 * side, scale=4.0),),
    }


def difference(actual: Any, expected: Any, dtype: torch.dtype) -> str:
    """Return how far results, tensors or tuples of them, are apart, "" where they are the same up to rounding."""
    tolerance = max(_ROUNDINGS * torch.finfo(dtype).eps, _LEAST_TOLERANCE)
    if isinstance(expected, torch.Tensor):
        actual, expected = (actual,), (expected,)
    for one, other in zip(actual, expected):
        if one.shape != other.shape:
            return f"its shape is {tuple(one.shape)}"
    share = largest_difference(actual, expected)
    return "" if share <= tolerance else f"it is {share:.3g} off"
