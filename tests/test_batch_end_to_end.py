"""``batch`` as a user starts it: killed, interrupted and resumed, with the real renderer."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
from batch_runners import parts

from animator_core.clips.video import VideoReader
from animator_core.config import PROJECT_ROOT

pytestmark = [pytest.mark.slow, pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")]

CLIPS = 4
FRAMES = 12


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    path = tmp_path / "clips.jsonl"
    line = {"character": "mira", "driving": str(PROJECT_ROOT / "assets" / "motions" / "sample.npz")}
    lines = [{**line, "output": f"{n}.mp4", "max_frames": FRAMES + n, "renderer": "warp"} for n in range(CLIPS)]
    path.write_text("".join(f"{json.dumps(each)}\n" for each in lines))
    return path


def started(manifest: Path, *more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "animator_core", "batch", str(manifest), "--jobs", "2", *more],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A process group of its own, to which Ctrl-C goes as in a terminal.
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(is_so: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 180
    while not is_so() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)


def events(manifest: Path) -> list[tuple[str, int]]:
    ledger = manifest.with_name("clips.ledger.jsonl")
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    found = [json.loads(line) for line in lines if line.endswith("}")]
    return [(entry["event"], entry["line"]) for entry in found if "line" in entry]


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    children = psutil.Process(process.pid).children()
    return [child for child in children if "spawn_main" in " ".join(child.cmdline())]


def test_killed_processes_cost_the_clips_in_flight_and_no_more(manifest: Path) -> None:
    first = started(manifest)
    wait_for(lambda: bool(parts(manifest.parent)), first)
    killed = workers_of(first)[0]
    killed.kill()
    wait_for(lambda: ("retried", 1) in events(manifest) or ("retried", 2) in events(manifest), first)
    wait_for(lambda: any(event == "done" for event, _ in events(manifest)), first)
    left = workers_of(first)
    first.kill()
    first.communicate(timeout=60)
    psutil.wait_procs(left, timeout=60)
    assert not any(worker.is_running() for worker in left)
    done = {line for event, line in events(manifest) if event == "done"}
    assert 1 <= len(done) < CLIPS
    before = Counter(events(manifest))

    again = started(manifest, "--resume")
    told = again.communicate(timeout=300)
    assert again.returncode == 0, told
    begun = {line for (event, line), n in (Counter(events(manifest)) - before).items() if event == "begun"}
    assert begun == set(range(1, CLIPS + 1)) - done
    assert f"{CLIPS - len(done)} done, 0 failed, {len(done)} skipped" in told[0]
    for number in range(CLIPS):
        with VideoReader(manifest.with_name(f"{number}.mp4")) as reader:
            assert len(list(reader)) == FRAMES + number
    assert parts(manifest.parent) == []


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_batch_that_is_stopped_leaves_no_unfinished_files(manifest: Path, number: signal.Signals, code: int) -> None:
    process = started(manifest)
    wait_for(lambda: bool(parts(manifest.parent)), process)
    workers = workers_of(process)
    if number == signal.SIGINT:
        os.killpg(process.pid, number)
    else:
        process.send_signal(number)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == code, told
    assert "Traceback" not in told
    assert parts(manifest.parent) == []
    assert not any(worker.is_running() for worker in workers)
