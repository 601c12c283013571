"""What onnxruntime can compute on here, and its sessions there."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from animator_core.errors import ModelError

_PACKAGES = "onnxruntime-directml (Windows), onnxruntime-openvino (Intel), onnxruntime (Macs, and the CPU everywhere)"


@dataclass(frozen=True)
class Provider:
    """One of onnxruntime's providers.

    name: in the settings. label: for the status line. registered: onnxruntime's name. package: has it inside.
    options: given to it.
    """

    name: str
    label: str
    registered: str
    package: str
    options: tuple[tuple[str, str], ...] = ()


DIRECTML = Provider("directml", "DirectML", "DmlExecutionProvider", "onnxruntime-directml")
COREML = Provider(
    "coreml",
    "CoreML",
    "CoreMLExecutionProvider",
    "onnxruntime",
    # The other format, an older one, has none of the norms.
    (("ModelFormat", "MLProgram"), ("RequireStaticInputShapes", "1")),
)
OPENVINO = Provider("openvino", "OpenVINO", "OpenVINOExecutionProvider", "onnxruntime-openvino")
CUDA = Provider("cuda", "CUDA", "CUDAExecutionProvider", "onnxruntime-gpu")
CPU = Provider("cpu", "CPU", "CPUExecutionProvider", "onnxruntime")
PROVIDERS = (DIRECTML, COREML, OPENVINO, CUDA, CPU)
"""In the order in which they are preferred."""


@dataclass(frozen=True)
class ProviderChoice:
    """A provider that is installed.

    note: why it is not what was asked for, ``what; remedy``, or "". is_accelerator: whether it is no CPU.
    """

    provider: Provider
    note: str = ""
    is_accelerator: bool = True


def load_onnxruntime() -> Any:
    """Return the module; raises ModelError where its package is not installed or does not load."""
    # From version 1.29 on it reports to its maker by itself unless this is set before it is loaded.
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    try:
        import onnxruntime
    except ImportError as exc:
        reason = "is not installed" if isinstance(exc, ModuleNotFoundError) else f"does not load ({exc})"
        raise ModelError(
            f"ai_model.backend is onnx, but the package onnxruntime {reason}; run install.py --onnx, which takes the "
            f"right one of {_PACKAGES}, or set ai_model.backend to auto"
        ) from exc
    # On Windows it hands events to the system's own collecting instead.
    onnxruntime.disable_telemetry_events()
    return onnxruntime


def choose_provider(wanted: str = "auto") -> ProviderChoice:
    """Return the provider of that name, for "auto" the first that is installed, else the CPU with a note."""
    available = load_onnxruntime().get_available_providers()
    note = ""
    for provider in PROVIDERS:
        if wanted in ("auto", provider.name):
            if provider.registered in available:
                return ProviderChoice(provider, is_accelerator=_is_accelerator(provider))
            if wanted != "auto":
                note = (
                    f"onnxruntime has no {provider.label} here, so it runs on the CPU; install the package "
                    f"{provider.package} in place of the one that is there, or set ai_model.onnx_provider to auto"
                )
    return ProviderChoice(CPU, note, is_accelerator=False)


def open_session(model: Path | bytes, provider: Provider) -> Any:
    """Return an ``InferenceSession``; raises whatever onnxruntime does of a bad graph or a device that fails."""
    onnxruntime = load_onnxruntime()
    options = onnxruntime.SessionOptions()
    # Threads that wait by running in a circle would take the time that OBS needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    if provider is DIRECTML:
        # DirectML asks for it.
        options.enable_mem_pattern = False
    choices = dict(provider.options)
    if provider is OPENVINO:
        choices["device_type"] = "GPU" if _has_openvino_gpu() else "CPU"
    return onnxruntime.InferenceSession(
        model if isinstance(model, bytes) else str(model),
        options,
        providers=[(provider.registered, choices), *([] if provider is CPU else [CPU.registered])],
    )


def _is_accelerator(provider: Provider) -> bool:
    return provider is not CPU and (provider is not OPENVINO or _has_openvino_gpu())


def _has_openvino_gpu() -> bool:
    from onnxruntime.capi import _pybind_state

    devices = getattr(_pybind_state, "get_available_openvino_device_ids", list)()
    return any(device.startswith("GPU") for device in devices)
