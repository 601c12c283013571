"""Whether torch or onnxruntime paints, and on which device."""

from __future__ import annotations

import importlib.util
import platform
from dataclasses import replace

import torch

from animator_core.errors import AnimatorError, ModelError
from animator_core.liveportrait.execution import device as devices
from animator_core.liveportrait.execution.device import DeviceChoice
from animator_core.liveportrait.execution.onnx.providers import PROVIDERS, Provider, choose_provider, is_accelerator

BACKENDS = ("auto", "torch", "onnx")


def choose_backend(
    backend: str = "auto", device: str = "auto", fp16: bool = True, provider: str = "auto"
) -> DeviceChoice:
    """Return where LivePortrait runs; its ``provider`` is None where torch paints.

    "auto" takes onnxruntime where it has an accelerator and torch has none; on CPUs torch stays, which is there anyway
    and hardly slower. Where "onnx" is asked for and it or its provider is not there, torch paints too, and the note
    says so. device, fp16: see `choose_device`. provider: onnxruntime's, see `choose_provider`. Raises AnimatorError for
    an unknown name.
    """
    if backend not in BACKENDS:
        raise AnimatorError(f"back end {backend!r} is unknown", f"choose one of {', '.join(BACKENDS)}")
    if provider not in ("auto", *(each.name for each in PROVIDERS)):
        raise AnimatorError(
            f"provider {provider!r} is unknown", f"choose auto or {', '.join(e.name for e in PROVIDERS)}"
        )
    if backend == "onnx":
        try:
            return _on_onnxruntime(choose_provider(provider), device, fp16)
        except ModelError as exc:
            return torch_instead(exc, device, fp16)
    choice = devices.choose_device(device, fp16)
    if backend == "auto" and device == "auto" and not choice.is_capable:
        found = _accelerator(provider)
        if found is not None:
            return _on_onnxruntime(found, device, fp16)
    return choice


def torch_instead(problem: ModelError, device: str, fp16: bool) -> DeviceChoice:
    """Return where torch runs LivePortrait, with a note that says why not onnxruntime."""
    choice = devices.choose_device(device, fp16)
    return replace(choice, note=ModelError(f"onnxruntime is not used: {problem.message}", problem.remedy))


def _accelerator(provider: str) -> Provider | None:
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    try:
        found = choose_provider(provider)
    except ModelError:
        # One that does not load is no loss to somebody who did not ask for it.
        return None
    return found if is_accelerator(found) else None


def _on_onnxruntime(provider: Provider, device: str, fp16: bool) -> DeviceChoice:
    provider = replace(provider, computes_half=provider.computes_half and fp16)
    is_capable = is_accelerator(provider)
    name = f"{provider.label if is_capable else f'CPU ({platform.machine()})'}, onnxruntime"
    if not provider.is_nvidia:
        return DeviceChoice("cpu", torch.float32, name, None, is_capable, provider)
    # What onnxruntime does not do is torch's on the same GPU.
    beside = devices.choose_device("cuda" if device == "auto" else device, fp16)
    index = int(beside.device.partition(":")[2] or 0)
    return DeviceChoice(beside.device, beside.dtype, name, beside.note, True, replace(provider, index=index))
