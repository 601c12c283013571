"""A worker that runs out of disk, file handles or memory goes on with what it has, and by itself when there is some."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from animator_core.ipc.protocol import (
    AnimationSettings,
    FilterAction,
    FilterStatus,
    NeutralPose,
    RefreshCharacters,
    UpdateFilter,
)
from tests.worker_harness import PATIENCE_S, WorkerHarness, save_character, write_config

resource = pytest.importorskip("resource", reason="limits of processes are set on POSIX only")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits of other processes are Linux's"),
]
CAMERA = "0123456789abcdef" * 2


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    save_character(tmp_path / "characters", "blue.png", (0, 0, 255))
    save_character(tmp_path / "characters", "red.png", (255, 0, 0))
    return tmp_path


@contextlib.contextmanager
def small_disk(path: Path, size: str) -> Iterator[Callable[[str], None]]:
    """Mount a file system of this size, and yield a function that changes it."""
    path.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path]).returncode:
        pytest.skip("only root can mount a small file system")
    try:
        yield lambda new: subprocess.run(["mount", "-o", f"remount,size={new}", path], check=True) and None
    finally:
        subprocess.run(["umount", "--lazy", path], check=True)


def start(folder: Path) -> WorkerHarness:
    return WorkerHarness(folder, str(write_config(folder)), command=("-m", "tests.worker_with_doubles"))


def frames_still_come(worker: WorkerHarness) -> bool:
    return next(worker.frames("a", PATIENCE_S), None) is not None


def test_a_full_disk_costs_the_caches_only_until_there_is_room(folder: Path) -> None:
    with small_disk(folder / "cache", "64k") as resize:
        (folder / "cache" / "rubbish").write_bytes(bytes(40 << 10))
        with contextlib.suppress(OSError):
            (folder / "cache" / "more rubbish").write_bytes(bytes(64 << 10))
        with start(folder) as worker:
            worker.open(character="red.png", camera_id=CAMERA)
            worker.wait_for(NeutralPose)
            worker.wait_for_state("tracking")
            assert frames_still_come(worker)
            assert "free disk space" in worker.log_path.read_text()
            assert not list((folder / "cache").rglob("*.part")), "half a file was left"
            resize("8m")
            until = time.monotonic() + PATIENCE_S
            while not list((folder / "cache").rglob("*.neutral")):
                assert time.monotonic() < until, "nothing is kept although there is room"
                worker.send(FilterAction("a", "calibrate"))
                assert frames_still_come(worker)


def test_without_file_handles_the_character_stays_and_the_next_one_comes_later(folder: Path) -> None:
    with start(folder) as worker:
        worker.open(character="red.png")
        worker.wait_for_state("tracking")
        # Those in the list are prepared already.
        save_character(folder / "characters", "new.png", (0, 255, 0))
        pid = worker.process.pid
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        # Those that are open stay so; no new one can be.
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (3, before[1]))
        worker.send(UpdateFilter("a", AnimationSettings(character="new.png")))
        status = worker.wait_for(FilterStatus, lambda status: bool(status.message))
        assert status.remedy
        assert frames_still_come(worker)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
        worker.send(RefreshCharacters())
        worker.wait_for(FilterStatus, lambda status: status.character == "new.png" and not status.message)


def test_with_little_memory_left_a_large_picture_is_refused_and_the_character_stays(folder: Path) -> None:
    from PIL import Image

    Image.new("RGB", (8000, 8000), (0, 255, 0)).save(folder / "characters" / "large.png")
    with start(folder) as worker:
        worker.open(character="red.png")
        worker.wait_for_state("tracking")
        pid = worker.process.pid
        size = next(line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmSize"))
        limit = (int(size.split()[1]) << 10) + (50 << 20)
        before = resource.prlimit(pid, resource.RLIMIT_AS)
        resource.prlimit(pid, resource.RLIMIT_AS, (limit, before[1]))
        worker.send(UpdateFilter("a", AnimationSettings(character="large.png")))
        status = worker.wait_for(FilterStatus, lambda status: bool(status.message))
        assert status.remedy
        assert frames_still_come(worker)
        resource.prlimit(pid, resource.RLIMIT_AS, before)
        worker.send(UpdateFilter("a", AnimationSettings(character="blue.png")))
        worker.wait_for(FilterStatus, lambda status: status.character == "blue.png" and not status.message)
