"""Choose the device for the networks, and say why it is not the wanted one or the NVIDIA card of this machine."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from animator_core.errors import AnimatorError, ModelError, first_line
from animator_core.installation.graphics_card import Card, find_card
from animator_core.installation.torch_build import detect_gpu
from animator_core.liveportrait.execution.onnx.providers import Provider

_KINDS = ("cuda", "mps", "xpu")
_NAMES = {"cuda": "CUDA", "mps": "MPS", "xpu": "XPU"}
_REINSTALL = "update the graphics driver and run install.py again, or set compute.device"
_UPDATE_NVIDIA = "update NVIDIA's driver, restart the computer"
_HIDES_CARDS = "CUDA_VISIBLE_DEVICES"
_TOO_OLD, _NO_CARD = "driver on your system is too old", "No CUDA GPUs are available"
"""In PyTorch's errors."""


@dataclass(frozen=True)
class DeviceChoice:
    """A working device.

    device: for torch. dtype: of the large networks. name: for the status line. note: why it is not the wanted one,
    None if it is. is_capable: whether it is fast enough to be chosen automatically. provider: the onnxruntime provider
    that paints, while torch does the rest on ``device``; None if torch paints too. is_compiled: whether torch's painter
    is compiled in the background, see `CompilingPainter`.
    """

    device: str
    dtype: torch.dtype
    name: str
    note: ModelError | None = None
    is_capable: bool = True
    provider: Provider | None = None
    is_compiled: bool = False

    @property
    def uses_fp16(self) -> bool:
        """Whether any of the networks run in half precision."""
        return self.dtype != torch.float32 or (self.provider is not None and self.provider.uses_fp16)

    def in_fp32(self) -> DeviceChoice:
        """Return the same device in single precision, with a note that half precision fails there."""
        note = ModelError(
            f"{self.name} computes wrong numbers in half precision, so LivePortrait runs in single precision, which "
            "takes longer",
            "update the graphics driver, or set compute.fp16 to false to start more quickly",
        )
        provider = None if self.provider is None else replace(self.provider, uses_fp16=False)
        return replace(self, dtype=torch.float32, note=note, provider=provider)


@dataclass(frozen=True)
class UnusedCard:
    """An NVIDIA card without CUDA: its name, the cause as a clause, the remedy as a clause."""

    name: str
    cause: str
    remedy: str


def choose_device(wanted: str = "auto", fp16: bool = True) -> DeviceChoice:
    """Return the wanted device, for "auto" the first of CUDA, MPS and XPU, else the CPU.

    Skips with a note: a device that fails at an operation of the networks (MPS long lacked 3-D sampling), a wanted one
    that is missing, an NVIDIA card without CUDA. Raises AnimatorError for an unknown name.
    """
    skipped: dict[str, str] = {}
    for device in _candidates(wanted):
        kind = device.partition(":")[0]
        if not _is_available(kind):
            unused = unused_card() if kind == "cuda" else None
            if unused is not None:
                skipped[f"{unused.name} is not used ({unused.cause})"] = unused.remedy
            elif wanted != "auto":
                skipped[f"there is no {_NAMES[kind]} device"] = "update the graphics driver, or set compute.device"
            continue
        dtype = torch.float16 if fp16 and kind in ("cuda", "xpu") else torch.float32
        problem = failure(device, dtype)
        if problem is None:
            return DeviceChoice(device, dtype, _device_name(device), note=_note(skipped))
        skipped[f"{_NAMES[kind]} cannot run the networks ({problem})"] = _REINSTALL
    # Always single precision: on a CPU without its instructions bfloat16 was 225 times slower, and it changes the
    # picture by 2.2 levels (docs/PERFORMANCE.md).
    name = f"CPU ({platform.machine()})"
    return DeviceChoice("cpu", torch.float32, name, note=_note(skipped), is_capable=False)


def failure(device: str, dtype: torch.dtype) -> str | None:
    """Return why the less common operations of the networks fail on ``device``, None if they work."""
    try:
        volume = torch.ones(1, 4, 4, 4, 4, device=device, dtype=dtype)
        kernel = torch.full((4, 4, 3, 4, 4), 0.25, device=device, dtype=dtype)
        upsampled = F.conv_transpose3d(volume, kernel, stride=(1, 2, 2), padding=1)
        convolved = F.conv3d(upsampled, kernel[..., :3, :3], padding=1).float()
        coordinates = torch.zeros(1, 4, 8, 8, 3, device=device)
        sampled = F.grid_sample(convolved, coordinates, align_corners=False)
        # Upsampled 8, 12, 12, 8 along the depth; 4 channels · 9 taps · 0.25 · (8 + 12 + 12) between the middle two.
        is_right = abs(float(sampled.mean()) - 288.0) < 1.0
    except (RuntimeError, NotImplementedError, AssertionError) as exc:
        return first_line(exc, 120)
    return None if is_right else "it computes wrong numbers"


def synchronize(device: torch.device) -> None:
    """Wait for all work on the device."""
    if device.type == "mps":
        torch.mps.synchronize()
    elif device.type != "cpu":
        getattr(torch, device.type).synchronize(device)


def unused_card() -> UnusedCard | None:
    """Return the NVIDIA card of this machine if PyTorch has no CUDA, None if it has or if there is no card."""
    if torch.cuda.is_available():
        return None
    card = find_card()
    if card is None:
        return None
    cause, remedy = _cause_and_remedy(card)
    return UnusedCard(card.name, cause, remedy)


def _cause_and_remedy(card: Card) -> tuple[str, str]:
    if not card.has_driver:
        return "its driver is not installed", "install NVIDIA's driver, restart the computer, run install.py again"
    driver = f"its driver {card.driver}" if card.driver else "its driver"
    if torch.version.cuda is None and detect_gpu() is None:
        # install.py does not see the card either and would install the same build again.
        return f"{driver} is too old or does not answer", f"{_UPDATE_NVIDIA}, run install.py again"
    if torch.version.cuda is None:
        return (
            f"PyTorch {torch.__version__} is not a build for NVIDIA cards",
            "run install.py again with a network, which gets the one that is",
        )
    problem = _cuda_problem()
    if _TOO_OLD in problem:
        return f"{driver} is too old for CUDA {torch.version.cuda}", _UPDATE_NVIDIA
    if _NO_CARD in problem and _HIDES_CARDS in os.environ:
        return f"the environment variable {_HIDES_CARDS} hides it", "remove the variable and start OBS again"
    return problem, "restart the computer, or install NVIDIA's driver anew"


def _cuda_problem() -> str:
    """Return PyTorch's own reason for having no CUDA."""
    try:
        torch.cuda.init()
    except (RuntimeError, AssertionError) as exc:
        return first_line(exc, 160)
    return "PyTorch does not see it"


def _candidates(wanted: str) -> tuple[str, ...]:
    if wanted == "auto":
        return _KINDS
    if wanted == "cpu":
        return ()
    if wanted.partition(":")[0] not in _KINDS:
        raise AnimatorError(f"device {wanted!r} is unknown", "choose auto, cpu, cuda, cuda:N, mps or xpu")
    return (wanted,)


def _is_available(kind: str) -> bool:
    if kind == "mps":
        return torch.backends.mps.is_available()
    module = getattr(torch, kind, None)
    return bool(module is not None and module.is_available())


def _device_name(device: str) -> str:
    kind = device.partition(":")[0]
    if kind == "mps":
        return "Apple GPU"
    return str(getattr(torch, kind).get_device_name(torch.device(device)))


def _note(skipped: dict[str, str]) -> ModelError | None:
    """Return the skipped devices, and the remedies, each once."""
    return ModelError(", ".join(skipped), ", ".join(dict.fromkeys(skipped.values()))) if skipped else None
