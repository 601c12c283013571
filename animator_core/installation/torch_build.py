"""Which build of torch, and of the Triton that belongs to it, a machine gets.

Standard library only: install.py imports this before any package is there.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

CUDA_BUILD_BYTES = 5_400_000_000
"""Disk space of the build of torch for Linux on the usual index, with NVIDIA's libraries, unpacked."""
PYTORCH_INDEX = "https://download.pytorch.org/whl/"


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA card: ``capability`` is its compute capability (7.5: Turing), ``driver`` the driver's major version."""

    name: str
    driver: int
    capability: float


@dataclass(frozen=True)
class TorchBuild:
    """A requirement for pip: ``requirement`` from ``index``, or ``fallback`` from pip's usual index if that is away.

    An empty ``index`` is pip's usual one.
    """

    requirement: str
    index: str
    fallback: str
    description: str
    is_cuda: bool


def detect_gpu() -> Gpu | None:
    """Return the first NVIDIA card that the driver names, None without a card or driver."""
    query = ["nvidia-smi", "--query-gpu=name,driver_version,compute_cap", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
        name, driver, capability = (part.strip() for part in answer.stdout.splitlines()[0].rsplit(",", 2))
        return Gpu(name, int(driver.split(".")[0]), float(capability))
    except (OSError, subprocess.SubprocessError, ValueError, IndexError):
        return None


def torch_build(
    version: tuple[int, int], system: str, machine: str, gpu: Gpu | None, macos: int | None = None
) -> TorchBuild:
    """Return the build of torch for this machine; macos: its major version there, None for the present ones."""
    release = "2.13.0" if version >= (3, 10) else "2.8.0"  # the last for Python 3.9
    if system == "Darwin":
        if machine == "x86_64":
            release = "2.2.2"  # the last for Intel Macs
        elif macos is not None and macos < 14 and version >= (3, 10):
            release = "2.11.0"  # the last for macOS 11 to 13
        return TorchBuild(
            f"torch=={release}", index="", fallback="", description=f"torch {release} for macOS", is_cuda=False
        )
    if gpu is None:
        description = f"torch {release}, CPU build (no NVIDIA GPU found)"
        if system == "Windows":
            return TorchBuild(f"torch=={release}", index="", fallback="", description=description, is_cuda=False)
        return _from_pytorch(release, "cpu", description)
    tag, remark = _cuda_tag(version, gpu)
    return _from_pytorch(release, tag, f"torch {release}, CUDA build {tag} for {gpu.name}{remark}")


def _from_pytorch(release: str, tag: str, description: str) -> TorchBuild:
    # The usual index has one build a release: CUDA on Linux, CPU on Windows. It runs on any machine, if only slower.
    return TorchBuild(
        f"torch=={release}+{tag}",
        index=PYTORCH_INDEX + tag,
        fallback=f"torch=={release}",
        description=description,
        is_cuda=tag.startswith("cu"),
    )


def _cuda_tag(version: tuple[int, int], gpu: Gpu) -> tuple[str, str]:
    """Return the CUDA build that knows the card and that its driver can run, and a remark for the user."""
    newer, driver_needed = ("cu130", 580) if version >= (3, 10) else ("cu128", 570)
    if gpu.capability >= 10 and gpu.driver < driver_needed:
        return newer, f"; its driver {gpu.driver} is too old for it: update it to {driver_needed} or newer"
    if gpu.capability < 7.5 or gpu.driver < driver_needed:
        return "cu126", ""
    return newer, ""


def triton_package(version: tuple[int, int], system: str, gpu: Gpu | None) -> str:
    """Return the package that compiles our kernels on Windows with CUDA; "" elsewhere, as torch brings it.

    Each torch works with one Triton: 2.13 with 3.7, 2.8 (Python 3.9) with 3.4. It knows cards from Turing on.
    """
    if system != "Windows" or gpu is None or gpu.capability < 7.5:
        return ""
    return "triton-windows>=3.7.1,<3.8" if version >= (3, 10) else "triton-windows>=3.4,<3.5"
