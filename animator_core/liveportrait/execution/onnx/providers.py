"""What onnxruntime can compute on here, and its sessions there."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from animator_core.errors import ModelError
from animator_core.liveportrait.execution.onnx import tensorrt
from animator_core.liveportrait.execution.onnx.tensorrt import gpu_packages

_PACKAGES = "onnxruntime-directml (Windows) and onnxruntime (Macs, and the CPU everywhere)"


@dataclass(frozen=True)
class Provider:
    """One of onnxruntime's providers.

    name: in the settings. label: for the status line. registered: onnxruntime's name. package: has it inside.
    options: given to it. memory: onnxruntime's name of where its inputs lie. computes_half: whether it is to be given
    the graph in half precision; OpenVINO chooses by itself, and which operators CoreML has in it nobody has compared.
    index: which of several GPUs.
    """

    name: str
    label: str
    registered: str
    package: str
    options: tuple[tuple[str, str], ...] = ()
    memory: str = "cpu"
    computes_half: bool = False
    index: int = 0

    @property
    def is_nvidia(self) -> bool:
        """Whether torch runs on the same GPUs."""
        return self.memory == "cuda"

    @property
    def way_out(self) -> str:
        """What to do where it cannot be had."""
        return "set compute.backend to auto"


DIRECTML = Provider(
    "directml",
    "DirectML",
    "DmlExecutionProvider",
    "onnxruntime-directml",
    # The first adapter of a laptop is often the weak one. A number would win over this wish, so none is given; and as
    # onnxruntime's own memory is always the first adapter's, everything is handed over in the computer's.
    (("performance_preference", "high_performance"), ("device_filter", "gpu")),
    computes_half=True,
)
COREML = Provider(
    "coreml",
    "CoreML",
    "CoreMLExecutionProvider",
    "onnxruntime",
    # The other format, an older one, has none of the norms.
    (("ModelFormat", "MLProgram"), ("RequireStaticInputShapes", "1")),
)
OPENVINO = Provider("openvino", "OpenVINO", "OpenVINOExecutionProvider", "onnxruntime-openvino")
# Else its memory grows to the next power of two.
_ARENA = (("arena_extend_strategy", "kSameAsRequested"),)
CUDA = Provider("cuda", "CUDA", "CUDAExecutionProvider", gpu_packages(False), _ARENA, memory="cuda", computes_half=True)
TENSORRT = Provider(
    "tensorrt", "TensorRT", "TensorrtExecutionProvider", gpu_packages(True), memory="cuda", computes_half=True
)
CPU = Provider("cpu", "CPU", "CPUExecutionProvider", "onnxruntime")
PROVIDERS = (DIRECTML, COREML, OPENVINO, CUDA, TENSORRT, CPU)
"""In the order in which they are preferred; TensorRT, whose first start takes minutes, has to be asked for."""


def load_onnxruntime() -> Any:
    """Return the module; raises ModelError where its package is not installed or does not load."""
    # From version 1.29 on it reports to its maker by itself unless this is set before it is loaded.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError as exc:
        reason = "is not installed" if isinstance(exc, ModuleNotFoundError) else f"does not load ({exc})"
        raise ModelError(
            f"the package onnxruntime {reason}",
            f"run install.py --onnx, which takes the right one of {_PACKAGES}, for "
            f"TensorRT install {TENSORRT.package}, or set compute.backend to auto",
        ) from exc
    # On Windows it hands events to the system's own collecting instead.
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def choose_provider(wanted: str = "auto") -> Provider:
    """Return the provider of that name, for "auto" the first that is installed.

    Raises ModelError where it is not there, or onnxruntime is not.
    """
    available = load_onnxruntime().get_available_providers()
    found = [each for each in PROVIDERS if wanted in ("auto", each.name) and each.registered in available]
    if found:
        return found[0]
    (missing,) = (each for each in PROVIDERS if each.name == wanted)
    raise ModelError(
        f"the onnxruntime that is installed has no {missing.label}",
        f"uninstall it with pip and install {missing.package}, or {missing.way_out}",
    )


def is_accelerator(provider: Provider) -> bool:
    """Whether it computes on something quicker than the CPU."""
    return provider.name != CPU.name and (provider.name != OPENVINO.name or _has_openvino_gpu())


def open_session(model: Path | bytes, provider: Provider) -> Any:
    """Return an ``InferenceSession``; raises whatever onnxruntime does of a bad graph or a device that fails.

    TensorRT's first one of a graph takes minutes. Raises ModelError for TensorRT where there is no file.
    """
    if provider.name == TENSORRT.name:
        if isinstance(model, bytes):
            raise ModelError(
                "TensorRT cannot keep its engine, without which every start would take minutes",
                f"make performance.cache_dir writable, or {provider.way_out}",
            )
        if not tensorrt.has_engine(model):
            tensorrt.build_engine(model, provider.index)
    return new_session(model, provider)


def new_session(model: Path | bytes, provider: Provider) -> Any:
    """Return the same, with nothing done before; holds Python's lock until it is open."""
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    # Threads that wait by running in a circle would take the time that OBS needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    if provider.name == DIRECTML.name:
        # DirectML asks for it.
        options.enable_mem_pattern = False
    if provider.name == TENSORRT.name:
        tensorrt.load_libraries()
    # Without the fallback it would change to the CPU of itself, between two frames if need be.
    return onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model),
        options,
        providers=_chain(model, provider),
        enable_fallback=0,
    )


def _chain(model: Path | bytes, provider: Provider) -> list[Any]:
    """Return the provider with its options, and those that take what it leaves."""
    choices = dict(provider.options)
    if provider.name == OPENVINO.name:
        choices["device_type"] = "GPU" if _has_openvino_gpu() else "CPU"
    if provider.memory != "cpu":
        choices["device_id"] = str(provider.index)
    if provider.name == TENSORRT.name:
        assert isinstance(model, Path)
        choices |= tensorrt.engine_options(model)
        return [(provider.registered, choices), *_chain(model, replace(CUDA, index=provider.index))]
    return [(provider.registered, choices), *([] if provider.name == CPU.name else [CPU.registered])]


def _has_openvino_gpu() -> bool:
    from onnxruntime.capi import _pybind_state

    devices = getattr(_pybind_state, "get_available_openvino_device_ids", list)()
    return any(device.startswith("GPU") for device in devices)
