"""What TensorRT needs beside the graph: its libraries found, and a folder for the engine that it builds of it.

It computes in the precisions that the graph has, which is why onnxruntime's trt_fp16_enable, which would let it choose
float16 for sampling places too, is not set.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import importlib.metadata
import logging
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from animator_core.config import PROJECT_ROOT

logger = logging.getLogger(__name__)

_PREFIX = "liveportrait-tensorrt-"
_WORKSPACE_BYTES = 2 << 30
"""The most that it may take of the GPU's memory to try a layer's ways."""
_LONGEST_BUILD_SECONDS = 1800
_QUIETLY: dict[str, Any] = {
    "stdin": subprocess.DEVNULL,
    "capture_output": True,
    "text": True,
    # Windows opens one for each program else.
    "creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0),
}


def gpu_packages(is_tensorrt: bool) -> str:
    """Return what pip is to install for the CUDA that torch was built for: onnxruntime's packages, and TensorRT's.

    From 1.27 on onnxruntime's is for CUDA 13, before it for 12; its TensorRT is 10.
    """
    is_older = (torch.version.cuda or "13").startswith("12")
    onnxruntime = '"onnxruntime-gpu>=1.19,<1.27"' if is_older else '"onnxruntime-gpu>=1.27,<1.29"'
    tensorrt = '"tensorrt-cu12>=10.4,<11"' if is_older else '"tensorrt-cu13>=10.13,<11"'
    return " ".join(('"onnx>=1.16,<2"', onnxruntime, *([tensorrt] if is_tensorrt else [])))


def load_libraries() -> None:
    """Load the libraries of TensorRT's package, which lie where no loader looks; those of the system need nothing."""
    try:
        importlib.import_module("tensorrt")
    except (ImportError, OSError) as exc:
        logger.info("TensorRT's package does not load (%s); the system's libraries are used if there are any", exc)


def engine_options(graph: Path) -> dict[str, str]:
    """Return the provider's options for that graph, whose engine is kept beside its file; those of others go."""
    folder = engine_folder(graph)
    for other in graph.parent.glob(f"{_PREFIX}*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    return {
        "trt_max_workspace_size": str(_WORKSPACE_BYTES),
        "trt_engine_cache_enable": "1",
        "trt_engine_cache_path": str(folder),
        "trt_timing_cache_enable": "1",
        "trt_timing_cache_path": str(folder),
    }


def engine_folder(graph: Path) -> Path:
    """Return where the engine of that graph, whose name tells its weights, for this GPU, driver and versions lies."""
    versions = [_version(name) for name in ("onnxruntime-gpu", "tensorrt-cu12", "tensorrt-cu13", "tensorrt")]
    key = hashlib.sha256("\n".join([graph.name, _gpus(), *versions]).encode()).hexdigest()
    return graph.parent / f"{_PREFIX}{key[:16]}"


def has_engine(graph: Path) -> bool:
    """Whether the engine of that graph is there."""
    return any(engine_folder(graph).glob("*.engine"))


def forget_engine(graph: Path) -> bool:
    """Delete the engine of that graph, which may be damaged; returns whether there was one."""
    was_there = has_engine(graph)
    shutil.rmtree(engine_folder(graph), ignore_errors=True)
    return was_there


def build_engine(graph: Path, index: int) -> None:
    """Have the engine built, on the GPU of that number, by a process of its own, and say in the log that it takes long.

    Onnxruntime keeps Python's lock until a session is open: a worker that does not answer for minutes is taken for one
    that hangs. Raises RuntimeError with what the process says, subprocess.TimeoutExpired.
    """
    logger.warning("TensorRT builds its engine for this GPU, once: this takes minutes")
    started = time.monotonic()
    command = [
        sys.executable,
        "-m",
        "animator_core.liveportrait.execution.onnx.build_engine",
        str(graph.resolve()),
        str(index),
    ]
    ended = subprocess.run(command, cwd=PROJECT_ROOT, timeout=_LONGEST_BUILD_SECONDS, **_QUIETLY)
    if ended.returncode != 0:
        raise RuntimeError((ended.stderr.strip() or f"it ended with {ended.returncode}").splitlines()[-1])
    if not has_engine(graph):
        raise RuntimeError("it takes no part of the graph")
    logger.warning("TensorRT built its engine in %.0f s", time.monotonic() - started)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


@functools.cache
def _gpus() -> str:
    query = ["nvidia-smi", "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"]
    try:
        return subprocess.run(query, timeout=20, **_QUIETLY).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
