"""The workers of a host: one an NVIDIA card, or a few on the processor."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from animator_core.config import PROJECT_ROOT
from animator_core.errors import AnimatorError
from animator_core.remote.host_worker import WorkerPlace

_CORES_A_WORKER = 4


def cards() -> tuple[str, ...]:
    """Return the names of this computer's NVIDIA cards in their order, () without a driver."""
    query = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    try:
        answer = subprocess.run(query, capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return ()
    return tuple(line.strip() for line in answer.stdout.splitlines() if line.strip())


def chosen_cards(text: str, names: Sequence[str]) -> tuple[int, ...]:
    """Return the numbers that ``all``, ``none`` or ``0,2`` mean; raises AnimatorError for a card that is not there."""
    if text == "none":
        return ()
    if text == "all":
        return tuple(range(len(names)))
    parts = text.split(",")
    if not all(part.isascii() and part.isdecimal() and int(part) < len(names) for part in parts):
        there = ", ".join(f"{number}: {name}" for number, name in enumerate(names)) or "none"
        raise AnimatorError(f"there is no graphics card {text}", f"choose of these: {there}")
    return tuple(sorted({int(part) for part in parts}))


def places(gpus: Sequence[int], names: Sequence[str], *, workers: int | None, files: WorkerFiles) -> list[WorkerPlace]:
    """Return a place for each of these cards; without any, for so many workers on the processor."""
    if gpus:
        return [
            files.place(f"card {gpu}, {names[gpu]}", f"gpu{gpu}", {"CUDA_VISIBLE_DEVICES": str(gpu)}) for gpu in gpus
        ]
    count = workers or max(1, (os.cpu_count() or 1) // _CORES_A_WORKER)
    return [files.place(f"processor, worker {n}", f"cpu{n}", {"CUDA_VISIBLE_DEVICES": ""}) for n in range(1, count + 1)]


class WorkerFiles:
    """Where workers find their characters and settings, and leave their logs."""

    def __init__(self, pictures: Path, logs: Path, config: Path | None) -> None:
        self._pictures, self._logs, self._config = pictures, logs, config
        logs.mkdir(parents=True, exist_ok=True)

    def place(self, name: str, short: str, environment: dict[str, str]) -> WorkerPlace:
        """Return the place of one worker; short: of its log's name."""
        command = [sys.executable, "-m", "animator_core", "worker", "--parent-pid", str(os.getpid())]
        command += ["--for-host", str(self._pictures)]
        if self._config is not None:
            command += ["--config", str(self._config.absolute())]
        environment = {"PYTHONPATH": str(PROJECT_ROOT), **environment}
        return WorkerPlace(name, command, self._logs / f"worker-{short}.log", environment=environment)
