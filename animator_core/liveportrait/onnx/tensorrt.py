"""What TensorRT needs beside the graph: its libraries found, and a folder for the engine that it builds of it.

It computes in the precisions that the graph has, which is why onnxruntime's trt_fp16_enable, which would let it choose
float16 for sampling places too, is not set.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import importlib.metadata
import logging
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import torch

logger = logging.getLogger(__name__)

_PREFIX = "liveportrait-tensorrt-"
_WORKSPACE_BYTES = 2 << 30
"""The most that it may take of the GPU's memory to try a layer's ways."""


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


def engine_options(graph: Path | bytes) -> dict[str, str]:
    """Return the provider's options for that graph, whose engine is kept beside its file; those of others go."""
    options = {"trt_max_workspace_size": str(_WORKSPACE_BYTES)}
    if isinstance(graph, bytes):
        return options
    folder = engine_folder(graph)
    for other in graph.parent.glob(f"{_PREFIX}*"):
        if other != folder:
            shutil.rmtree(other, ignore_errors=True)
    folder.mkdir(exist_ok=True)
    return options | {
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


def forget_engine(graph: Path) -> bool:
    """Delete the engine of that graph, which may be damaged; returns whether there was one."""
    folder = engine_folder(graph)
    there_was = any(folder.glob("*.engine"))
    shutil.rmtree(folder, ignore_errors=True)
    return there_was


@contextlib.contextmanager
def told_in_the_log(graph: Path | bytes) -> Iterator[None]:
    """Say before a session is opened that it takes long where there is no engine yet, and after it how long."""
    if isinstance(graph, Path) and any(engine_folder(graph).glob("*.engine")):
        yield
        return
    often = "at every start, since it cannot be kept" if isinstance(graph, bytes) else "once"
    logger.warning("TensorRT builds its engine for this GPU, %s: this takes minutes", often)
    started = time.monotonic()
    yield
    logger.warning("TensorRT built its engine in %.0f s", time.monotonic() - started)


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""


def _gpus() -> str:
    query = ["nvidia-smi", "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"]
    try:
        return subprocess.run(query, capture_output=True, text=True, timeout=20, check=True).stdout
    except (OSError, subprocess.SubprocessError):
        return ""
