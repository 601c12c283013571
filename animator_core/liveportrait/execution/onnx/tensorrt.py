"""TensorRT's packages and libraries, and the disk cache of its engines.

TensorRT computes in the graph's own precisions: onnxruntime's trt_fp16_enable is not set, as it would allow float16 for
sampling coordinates too.
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
"""GPU memory for trying the tactics of a layer."""
_BUILD_TIMEOUT_S = 1800
_QUIETLY: dict[str, Any] = {
    "stdin": subprocess.DEVNULL,
    "capture_output": True,
    "text": True,
    # Without it Windows opens a console window for each program.
    "creationflags": getattr(subprocess, "CREATE_NO_WINDOW", 0),
}


def gpu_packages(with_tensorrt: bool) -> str:
    """Return pip's arguments for onnxruntime, and TensorRT if wanted, for the CUDA version of torch.

    onnxruntime-gpu is for CUDA 13 from 1.27 on, for CUDA 12 before; both use TensorRT 10.
    """
    is_older = (torch.version.cuda or "13").startswith("12")
    onnxruntime = '"onnxruntime-gpu>=1.19,<1.27"' if is_older else '"onnxruntime-gpu>=1.27,<1.29"'
    tensorrt = '"tensorrt-cu12>=10.4,<11"' if is_older else '"tensorrt-cu13>=10.13,<11"'
    return " ".join(('"onnx>=1.16,<2"', onnxruntime, *([tensorrt] if with_tensorrt else [])))


def load_libraries() -> None:
    """Load the libraries of TensorRT's pip package, which no loader finds; those of the system need no loading."""
    try:
        importlib.import_module("tensorrt")
    except (ImportError, OSError) as exc:
        logger.info("TensorRT's package does not load (%s); using the system's libraries if there are any", exc)


def engine_options(graph: Path) -> dict[str, str]:
    """Return the provider's options for the graph, with the engine cached beside its file; delete other engines."""
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
    """Return the engine's folder, named by graph (and so by weights), GPU, driver and package versions."""
    versions = [_version(name) for name in ("onnxruntime-gpu", "tensorrt-cu12", "tensorrt-cu13", "tensorrt")]
    key = hashlib.sha256("\n".join([graph.name, _gpus(), *versions]).encode()).hexdigest()
    return graph.parent / f"{_PREFIX}{key[:16]}"


def has_engine(graph: Path) -> bool:
    """Return whether the graph's engine is cached."""
    return any(engine_folder(graph).glob("*.engine"))


def forget_engine(graph: Path) -> bool:
    """Delete the graph's engine, which may be damaged; return whether there was one."""
    was_there = has_engine(graph)
    shutil.rmtree(engine_folder(graph), ignore_errors=True)
    return was_there


def build_engine(graph: Path, index: int) -> None:
    """Build the engine on the GPU ``index`` in a subprocess, with a log line that it takes minutes.

    onnxruntime holds the GIL until a session is open, and a worker without a heartbeat counts as hung. Raises
    RuntimeError with the subprocess's last line, or subprocess.TimeoutExpired.
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
    ended = subprocess.run(command, cwd=PROJECT_ROOT, timeout=_BUILD_TIMEOUT_S, **_QUIETLY)
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
        return str(subprocess.run(query, timeout=20, **_QUIETLY).stdout)
    except (OSError, subprocess.SubprocessError):
        return ""
