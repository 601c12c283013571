"""Whether torch or onnxruntime paints, and on which device."""

from __future__ import annotations

import importlib.util
import platform

import torch

from animator_core.errors import AnimatorError, ModelError
from animator_core.liveportrait.onnx.providers import PROVIDERS, ProviderChoice, choose_provider
from animator_core.render.liveportrait import device as devices
from animator_core.render.liveportrait.device import DeviceChoice

BACKENDS = ("auto", "torch", "onnx")


def choose_backend(
    backend: str = "auto", device: str = "auto", fp16: bool = True, provider: str = "auto"
) -> DeviceChoice:
    """Return where LivePortrait runs; its ``provider`` is None where torch paints.

    "auto" takes onnxruntime where it has an accelerator and torch has none; on CPUs torch stays, which is there anyway
    and hardly slower. device, fp16: for torch, see `choose_device`. provider: onnxruntime's, see `choose_provider`.
    Raises ModelError where "onnx" is asked for without its package, AnimatorError for an unknown name.
    """
    if backend not in BACKENDS:
        raise AnimatorError(f"back end {backend!r} is unknown; choose one of {', '.join(BACKENDS)}")
    if provider not in ("auto", *(each.name for each in PROVIDERS)):
        raise AnimatorError(f"provider {provider!r} is unknown; choose auto or {', '.join(e.name for e in PROVIDERS)}")
    if backend == "onnx":
        return _on_onnxruntime(choose_provider(provider))
    choice = devices.choose_device(device, fp16)
    if backend == "auto" and device == "auto" and not choice.is_capable:
        found = _accelerator(provider)
        if found is not None:
            return _on_onnxruntime(found)
    return choice


def _accelerator(provider: str) -> ProviderChoice | None:
    if importlib.util.find_spec("onnxruntime") is None:
        return None
    try:
        found = choose_provider(provider)
    except ModelError:
        # One that does not load is no loss to somebody who did not ask for it.
        return None
    return found if found.is_accelerator else None


def _on_onnxruntime(found: ProviderChoice) -> DeviceChoice:
    place = found.provider.label if found.is_accelerator else f"CPU ({platform.machine()})"
    name = f"{place}, onnxruntime"
    return DeviceChoice("cpu", torch.float32, name, found.note, found.is_accelerator, found.provider)
