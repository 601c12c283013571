"""The commands as a user starts them, with the real tracker, renderer and sample characters."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from animator_core.clips.video import VideoReader
from animator_core.config import MODELS_DIR, PROJECT_ROOT
from animator_core.tracking.trackers import create_tracker
from tests.conftest import shared_file

pytestmark = pytest.mark.slow

SAMPLE_MOTION = PROJECT_ROOT / "assets" / "motions" / "sample.npz"
COMMAND = [sys.executable, "-m", "animator_core"]


def _run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [*COMMAND, *(str(argument) for argument in arguments)]
    return subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=300)


def test_the_sample_character_moves_by_the_sample_motion(tmp_path: Path) -> None:
    output = tmp_path / "out.mp4"
    done = _run(
        "animate", "--character", "astronaut.png", "--driving", SAMPLE_MOTION, "--output", output, "--max-frames", "40"
    )
    assert done.returncode == 0, done.stderr
    assert "W0000" not in done.stderr
    tracker = create_tracker(MODELS_DIR)
    with VideoReader(output) as reader:
        pictures = [frame.picture for frame in reader]
    seen = [tracker.track(picture, 1 + number * 33_000_000) for number, picture in enumerate(pictures)]
    tracker.close()
    assert len(pictures) == 40
    assert all(observation is not None for observation in seen)
    assert any((picture != pictures[0]).any() for picture in pictures[1:])


def test_a_video_of_a_face_is_tracked_in_every_frame(tmp_path: Path) -> None:
    driving = shared_file("faces/driving/d18.mp4")
    output, stats, motion = tmp_path / "out.mp4", tmp_path / "s.json", tmp_path / "m.npz"
    done = _run(
        *("animate", "--character", "mira", "--driving", driving, "--output", output, "--max-frames", "20"),
        *("--stats", stats, "--save-motion", motion),
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(stats.read_text())
    assert (found["frames"], found["face_found"], found["renderer"]) == (20, 1.0, "warp")
    again = tmp_path / "again.mp4"
    assert _run("animate", "--character", "mira", "--driving", motion, "--output", again).returncode == 0
    with VideoReader(output) as first, VideoReader(again) as second:
        assert [frame.time for frame in first] == [frame.time for frame in second]


def test_doctor_says_what_works_as_json() -> None:
    done = _run("doctor", "--json")
    states = {finding["name"]: finding["state"] for finding in json.loads(done.stdout)}
    for name in ("settings", "Python", "packages", "OpenCV", "mediapipe", "characters", "renderer", "shared memory"):
        assert states[name] == "ok", done.stdout
    assert done.returncode == (1 if "failure" in states.values() else 0)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_stopped_takes_its_unfinished_file_with_it(
    tmp_path: Path, number: signal.Signals, code: int
) -> None:
    output = tmp_path / "out.mp4"
    arguments = ["animate", "--character", "astronaut.png", "--driving", str(SAMPLE_MOTION), "--output", str(output)]
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        cwd=PROJECT_ROOT,
        stderr=subprocess.PIPE,
        text=True,
        # A shell has its background jobs ignore SIGINT, and the tests' children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob("*.part")) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    told = process.communicate(timeout=60)[1]
    assert process.returncode == code, told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="the shell is another")
def test_a_reader_that_leaves_early_causes_no_complaint() -> None:
    command = f"{sys.executable} -m animator_core doctor | head -n 1"
    done = subprocess.run(command, shell=True, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=120)
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""
