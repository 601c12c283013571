"""Describes the machine and its load: processor, GPU, system and package versions."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np
import psutil

_PACKAGES = ("numpy", "opencv-python", "mediapipe", "numba", "torch", "av")
_QUERY = "name,driver_version,clocks.sm,clocks.max.sm,utilization.gpu,memory.used"
_SAMPLE_MS = 200


@dataclass(frozen=True)
class GpuUse:
    """The use of the first GPU by all programs, sampled by ``nvidia-smi``.

    clock_mhz: median clock. most_clock_mhz: maximum clock of the GPU. busy: share of the time, 0 to 1. memory_mib: the
    peak.
    """

    name: str
    driver: str
    clock_mhz: float
    most_clock_mhz: float
    busy: float
    memory_mib: float


class UseWatch:
    """Measures the use of processor and GPU from construction to `stop`."""

    def __init__(self) -> None:
        self._process = psutil.Process()
        self._cpu_s, self._began_s = _cpu_seconds(self._process), time.perf_counter()
        self._gpu = _GpuSampler()

    def stop(self) -> tuple[float, GpuUse | None]:
        """Return this process' share, 0 to 1, of all usable cores, and the GPU's use, None without an NVIDIA GPU."""
        passed_s = time.perf_counter() - self._began_s
        share = (_cpu_seconds(self._process) - self._cpu_s) / passed_s / usable_cores()
        return share, self._gpu.stop()


class _GpuSampler:
    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        program = shutil.which("nvidia-smi")
        if program is None:
            return
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in `stop`
        command = [program, f"--query-gpu={_QUERY}", "--format=csv,noheader,nounits", "--id=0", f"-lms={_SAMPLE_MS}"]
        self._process = subprocess.Popen(command, stdout=self._output, stderr=subprocess.DEVNULL)

    def stop(self) -> GpuUse | None:
        if self._process is None:
            return None
        self._process.terminate()
        self._process.wait()
        self._output.seek(0)
        lines = self._output.read().decode(errors="replace").splitlines()
        self._output.close()
        return gpu_use(lines)


def gpu_use(lines: list[str]) -> GpuUse | None:
    """Return the use in nvidia-smi's lines, or None if none is valid (the last one may be incomplete)."""
    names, numbers = [], []
    for line in lines:
        fields = [field.strip() for field in line.split(",")]
        try:
            numbers.append([float(field) for field in fields[2:6]])
        except ValueError:
            continue
        if len(numbers[-1]) == 4:
            names.append(fields[:2])
        else:
            numbers.pop()
    if not names:
        return None
    clock, most_clock, busy, memory = np.array(numbers).T
    name, driver = names[0]
    return GpuUse(
        name=name,
        driver=driver,
        clock_mhz=float(np.median(clock)),
        most_clock_mhz=float(most_clock[0]),
        busy=float(busy.mean()) / 100,
        memory_mib=float(memory.max()),
    )


def peak_memory_bytes() -> int:
    """Return the peak memory of this process in bytes."""
    if sys.platform == "win32":
        return int(psutil.Process().memory_info().peak_wset)
    import resource

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024


def peak_gpu_bytes() -> int | None:
    """Return the peak GPU memory in bytes that torch allocated in this process, or None without CUDA."""
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_available() or not torch.cuda.is_initialized():
        return None
    return int(torch.cuda.max_memory_allocated())


def usable_cores() -> int:
    """Return the number of logical cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def machine_facts() -> dict[str, Any]:
    """Return processor, memory, system and package versions, as JSON holds them."""
    versions = {"python": platform.python_version()}
    for package in _PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            versions[package] = "not installed"
    frequency = psutil.cpu_freq()
    return {
        "cpu": _cpu_name(),
        "cpu_mhz": round(frequency.current) if frequency else None,
        "logical_cores": os.cpu_count(),
        "usable_cores": usable_cores(),
        "memory_gib": round(psutil.virtual_memory().total / (1 << 30), 1),
        "system": platform.platform(),
        "versions": versions,
    }


def _cpu_seconds(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


def _cpu_name() -> str:
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
