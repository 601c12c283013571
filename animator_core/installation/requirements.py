"""Which Python packages are installed on which machine, and which build of torch.

Standard library only: install.py imports this before any package is there.
"""

from __future__ import annotations

import subprocess
from dataclasses import dataclass

from animator_core.installation.console import InstallError

OLDEST_PYTHON = (3, 9)
NEWEST_PYTHON = (3, 14)
# The last Python for which mediapipe's wheel has the FaceMesh models inside (and whose torch has Intel Mac wheels).
NEWEST_PYTHON_WITH_FACE_MESH = (3, 12)
MACHINES = {"Linux": ("x86_64",), "Windows": ("AMD64",), "Darwin": ("arm64", "x86_64")}
CUDA_BUILD_BYTES = 5_400_000_000
"""Disk space of the build of torch for Linux on the usual index, with NVIDIA's libraries, unpacked."""
PYTORCH_INDEX = "https://download.pytorch.org/whl/"

_COMMON = (
    "absl-py>=2.1,<3",
    "attrs>=23.1",
    "av>=14,<19",
    "flatbuffers>=24.3,<26",
    "matplotlib>=3.8,<4",
    # 0.20.0 is the last for Python 3.9 and the first for 3.14.
    "msgspec>=0.20,<1",
    "numba>=0.59,<1",
    "pillow>=10,<14",
    "platformdirs>=4.2,<5",
    "psutil>=5.9,<8",
    "pyvirtualcam>=0.12,<1",
    "pyyaml>=6.0.1,<7",
    "safetensors>=0.4.3,<1",
    "tqdm>=4.66,<5",
)
# opencv-python, -headless and -contrib share one folder: exactly one of them may be installed.
_WITH_FACE_MESH = ("numpy>=1.26,<2", "opencv-python>=4.9,<4.12", "protobuf>=4.25.3,<5")
_WITHOUT_FACE_MESH = ("numpy>=2.1,<3", "opencv-python>=4.12,<5", "sounddevice>=0.5,<1")

DEVELOPMENT = (
    "pytest>=8,<10",
    "ruff==0.17.6",
    "mypy>=1.15,<3",
    "obsws-python>=1.8,<2",
    "python-xlib>=0.33",
    "scikit-image>=0.24,<1",
    # Interprets the GPU's kernels; users with an NVIDIA card have the one that their torch asks for.
    "triton>=3.4,<4; sys_platform == 'linux' and platform_machine == 'x86_64'",
)


@dataclass(frozen=True)
class Gpu:
    """An NVIDIA card: ``capability`` is its compute capability (7.5: Turing), ``driver`` the driver's major version."""

    name: str
    driver: int
    capability: float


@dataclass(frozen=True)
class TorchBuild:
    """What pip is asked for: ``requirement`` from ``index``, or ``fallback`` from its usual index where that is away.

    An empty ``index`` is pip's usual one.
    """

    requirement: str
    index: str
    fallback: str
    description: str
    is_cuda: bool


def python_problem(version: tuple[int, int], system: str, machine: str, is_64_bit: bool) -> InstallError | None:
    """Return why this Python cannot run the program, None if it can."""
    name, best = f"Python {version[0]}.{version[1]}", "install Python 3.12 from python.org and run install.py with it"
    if version > NEWEST_PYTHON:
        newest = f"{NEWEST_PYTHON[0]}.{NEWEST_PYTHON[1]}"
        return InstallError(
            f"{name} is too new: there is no mediapipe package for it yet (3.9 to {newest} have one)", best
        )
    if version < OLDEST_PYTHON:
        return InstallError(f"{name} is too old, 3.9 or newer is needed", best)
    if not is_64_bit:
        return InstallError(f"this {name} is a 32-bit one, for which there are no packages", f"{best} (the 64-bit one)")
    if machine not in MACHINES.get(system, ()):
        known = ", ".join(f"{name} {'/'.join(machines)}" for name, machines in MACHINES.items())
        return InstallError(
            f"there is no mediapipe package for {system} on {machine} (there is for {known})", "use such a machine"
        )
    if (system, machine) == ("Darwin", "arm64") and version < (3, 10):
        return InstallError(f"{name} on Apple silicon has no pyvirtualcam package, 3.10 or newer is needed", best)
    if (system, machine) == ("Darwin", "x86_64") and version > NEWEST_PYTHON_WITH_FACE_MESH:
        return InstallError(f"{name} on an Intel Mac has no mediapipe and torch packages", best)
    return None


def base_packages(version: tuple[int, int]) -> tuple[str, ...]:
    """Return what pip installs with its dependencies."""
    return _COMMON + (_WITH_FACE_MESH if version <= NEWEST_PYTHON_WITH_FACE_MESH else _WITHOUT_FACE_MESH)


def mediapipe_package(version: tuple[int, int]) -> str:
    """Return the mediapipe that is installed without its dependencies (jax and a second OpenCV are never used).

    Later versions send usage data to a server; a streamer's tool must not.
    """
    return "mediapipe==0.10.21" if version <= NEWEST_PYTHON_WITH_FACE_MESH else "mediapipe==0.10.31"


def onnx_packages(system: str) -> tuple[str, ...]:
    """Return the onnxruntime for GPUs other than NVIDIA's, on Linux for the CPU, and what torch writes its files with.

    From version 1.29 on onnxruntime sends usage data to a server, as mediapipe's later ones do.
    """
    name = "onnxruntime-directml" if system == "Windows" else "onnxruntime"
    return (f"{name}>=1.19,<1.29", "onnx>=1.16,<2")


def detect_gpu() -> Gpu | None:
    """Return the first NVIDIA card that the driver names, None where there is no card or driver."""
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
        return TorchBuild(f"torch=={release}", "", "", f"torch {release} for macOS", False)
    if gpu is None:
        description = f"torch {release}, CPU build (no NVIDIA GPU found)"
        if system == "Windows":
            return TorchBuild(f"torch=={release}", "", "", description, False)
        return _from_pytorch(release, "cpu", description)
    tag, remark = _cuda_tag(version, gpu)
    return _from_pytorch(release, tag, f"torch {release}, CUDA build {tag} for {gpu.name}{remark}")


def _from_pytorch(release: str, tag: str, description: str) -> TorchBuild:
    # The usual index has one build a release: CUDA on Linux, CPU on Windows. It runs on any machine, if only slower.
    return TorchBuild(
        f"torch=={release}+{tag}", PYTORCH_INDEX + tag, f"torch=={release}", description, tag.startswith("cu")
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
    """Return the package that compiles our kernels where torch does not bring it: CUDA on Windows; "" elsewhere.

    Each torch works with one Triton: 2.13 with 3.7, 2.8 (Python 3.9) with 3.4. It knows cards from Turing on.
    """
    if system != "Windows" or gpu is None or gpu.capability < 7.5:
        return ""
    return "triton-windows>=3.7.1,<3.8" if version >= (3, 10) else "triton-windows>=3.4,<3.5"
