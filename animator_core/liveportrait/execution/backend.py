"""Choose between torch and onnxruntime, and the device."""

from __future__ import annotations

import importlib.util
import platform
from dataclasses import replace

import torch

from animator_core.config import BACKENDS, ComputeConfig
from animator_core.errors import AnimatorError, ModelError
from animator_core.liveportrait.execution import device as devices
from animator_core.liveportrait.execution.device import DeviceChoice
from animator_core.liveportrait.execution.onnx.providers import PROVIDERS, Provider, choose_provider, is_accelerator


def choose_backend(compute: ComputeConfig) -> DeviceChoice:
    """Return the device for LivePortrait, with onnxruntime's provider unless torch paints.

    The backend "auto" takes onnxruntime if it has an accelerator and torch has none; on CPUs torch, which is installed
    anyway and hardly slower. If onnxruntime or its provider is missing for "onnx", torch paints, and the note says so.
    Raises AnimatorError for an unknown name.
    """
    backend, provider = compute.backend, compute.provider
    if backend not in BACKENDS:
        raise AnimatorError(f"back end {backend!r} is unknown", f"choose one of {', '.join(BACKENDS)}")
    if provider not in ("auto", *(each.name for each in PROVIDERS)):
        raise AnimatorError(
            f"provider {provider!r} is unknown", f"choose auto or {', '.join(e.name for e in PROVIDERS)}"
        )
    if backend == "onnx":
        try:
            return _on_onnxruntime(choose_provider(provider), compute)
        except ModelError as exc:
            return torch_instead(exc, compute)
    choice = _on_torch(compute)
    if backend == "auto" and compute.device == "auto" and not choice.is_capable:
        found = _accelerator(provider)
        if found is not None:
            return _on_onnxruntime(found, compute)
    return choice


def torch_instead(problem: ModelError, compute: ComputeConfig) -> DeviceChoice:
    """Return torch's device, with a note on the reason against onnxruntime."""
    note = ModelError(f"onnxruntime is not used: {problem.message}", problem.remedy)
    return replace(_on_torch(compute), note=note)


def _on_torch(compute: ComputeConfig) -> DeviceChoice:
    return replace(devices.choose_device(compute.device, compute.fp16), is_compiled=compute.compile)


def _accelerator(provider: str) -> Provider | None:
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    try:
        found = choose_provider(provider)
    except ModelError:
        # Not asked for, so its problem is not worth a note.
        return None
    return found if is_accelerator(found) else None


def _on_onnxruntime(provider: Provider, compute: ComputeConfig) -> DeviceChoice:
    provider = replace(provider, uses_fp16=provider.uses_fp16 and compute.fp16)
    is_capable = is_accelerator(provider)
    name = f"{provider.label if is_capable else f'CPU ({platform.machine()})'}, onnxruntime"
    if not provider.is_nvidia:
        return DeviceChoice("cpu", torch.float32, name, is_capable=is_capable, provider=provider)
    # The other networks run in torch on the same GPU.
    beside = devices.choose_device("cuda" if compute.device == "auto" else compute.device, compute.fp16)
    index = int(beside.device.partition(":")[2] or 0)
    return replace(beside, name=name, is_capable=True, provider=replace(provider, index=index))
