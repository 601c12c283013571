"""Where the networks run: the best device of this machine on which they do, and what to say where it is another."""

from __future__ import annotations

import platform
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F

from animator_core.errors import AnimatorError, ModelError, first_line
from animator_core.liveportrait.execution.onnx.providers import Provider
from animator_core.liveportrait.execution.unused_card import unused_card

_KINDS = ("cuda", "mps", "xpu")
_NAMES = {"cuda": "CUDA", "mps": "MPS", "xpu": "XPU"}
_RENEW = "update the graphics driver and run install.py again, or set compute.device"


@dataclass(frozen=True)
class DeviceChoice:
    """A device that works.

    device: for torch. dtype: of the large networks. name: for the status line. note: why it is not the one that
    was asked for, None if it is. is_capable: whether it draws quickly enough to be chosen by itself. provider: of
    onnxruntime, which then paints, while torch does the rest on ``device``; None where torch paints too.
    is_compiled: whether torch's painter is compiled in the background, see `ImprovingPainter`.
    """

    device: str
    dtype: torch.dtype
    name: str
    note: ModelError | None = None
    is_capable: bool = True
    provider: Provider | None = None
    is_compiled: bool = False

    @property
    def is_half(self) -> bool:
        """Whether any of the networks run in half precision."""
        return self.dtype != torch.float32 or (self.provider is not None and self.provider.computes_half)

    def in_single_precision(self) -> DeviceChoice:
        """Return the same device, with a note on why not in half precision."""
        note = ModelError(
            f"{self.name} computes wrong numbers in half precision, so LivePortrait runs in single precision, which "
            "takes longer",
            "update the graphics driver, or set compute.fp16 to false to start more quickly",
        )
        provider = None if self.provider is None else replace(self.provider, computes_half=False)
        return replace(self, dtype=torch.float32, note=note, provider=provider)


def choose_device(wanted: str = "auto", fp16: bool = True) -> DeviceChoice:
    """Return the wanted device, for "auto" the first of CUDA, MPS and XPU, else the CPU.

    A device on which an operation of the networks fails (MPS lacked the 3-D sampling for long) is passed over with a
    note, as is one that was asked for and is not there, and an NVIDIA card that CUDA does not reach. Raises
    AnimatorError for an unknown name.
    """
    passed_over: dict[str, str] = {}
    for device in _candidates(wanted):
        kind = device.partition(":")[0]
        if not _is_available(kind):
            unused = unused_card() if kind == "cuda" else None
            if unused is not None:
                passed_over[f"{unused.name} is not used ({unused.cause})"] = unused.remedy
            elif wanted != "auto":
                passed_over[f"there is no {_NAMES[kind]} device"] = "update the graphics driver, or set compute.device"
            continue
        dtype = torch.float16 if fp16 and kind in ("cuda", "xpu") else torch.float32
        problem = failure(device, dtype)
        if problem is None:
            return DeviceChoice(device, dtype, _device_name(device), _note(passed_over))
        passed_over[f"{_NAMES[kind]} cannot run the networks ({problem})"] = _RENEW
    # Single precision always: without its instructions bfloat16 was 225 times as slow, and it puts the picture 2.2
    # levels off (docs/PERFORMANCE.md).
    name = f"CPU ({platform.machine()})"
    return DeviceChoice("cpu", torch.float32, name, _note(passed_over), is_capable=False)


def failure(device: str, dtype: torch.dtype) -> str | None:
    """Return why the rarer operations of the networks do not work on ``device``, None where they do."""
    try:
        volume = torch.ones(1, 4, 4, 4, 4, device=device, dtype=dtype)
        kernel = torch.full((4, 4, 3, 4, 4), 0.25, device=device, dtype=dtype)
        enlarged = F.conv_transpose3d(volume, kernel, stride=(1, 2, 2), padding=1)
        convolved = F.conv3d(enlarged, kernel[..., :3, :3], padding=1).float()
        places = torch.zeros(1, 4, 8, 8, 3, device=device)
        moved = F.grid_sample(convolved, places, align_corners=False)
        # Enlarged 8, 12, 12, 8 along the depth; 4 channels · 9 places · 0.25 · (8 + 12 + 12) between the middle two.
        is_right = abs(float(moved.mean()) - 288.0) < 1.0
    except (RuntimeError, NotImplementedError, AssertionError) as exc:
        return first_line(exc, 120)
    return None if is_right else "it computes wrong numbers"


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


def _note(passed_over: dict[str, str]) -> ModelError | None:
    """Return the devices that were passed over, and the remedies, each once."""
    return ModelError(", ".join(passed_over), ", ".join(dict.fromkeys(passed_over.values()))) if passed_over else None
