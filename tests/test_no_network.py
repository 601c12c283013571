"""Nothing is sent anywhere: the programs' system calls, with the real tracker and renderers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from animator_core.config import PROJECT_ROOT
from tests.conftest import shared_file

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed"),
]
CALLS = "socket,connect,bind,sendto,sendmsg,sendmmsg"


def internet_calls(tmp_path: Path, *arguments: str | Path) -> list[str]:
    """Run a program with all its processes and threads, and return its calls with an internet address or socket."""
    log = tmp_path / "calls.txt"
    strace = ["strace", "-f", "-qq", "-e", f"trace={CALLS}", "-e", "signal=none", "-o", str(log)]
    command = [*strace, sys.executable, *(str(each) for each in arguments)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=300)
    if "ptrace" in done.stderr:
        pytest.skip(f"strace may not watch processes here: {done.stderr.splitlines()[0]}")
    assert done.returncode == 0, done.stderr
    # AF_INET, AF_INET6, and the raw sockets below them.
    return re.findall(r"^.*(?:AF_INET|AF_PACKET).*$", log.read_text(), re.MULTILINE)


def test_the_watch_sees_a_connection(tmp_path: Path) -> None:
    connecting = "import socket; s = socket.socket(); s.settimeout(1); s.connect_ex(('127.0.0.1', 9))"
    assert internet_calls(tmp_path, "-c", connecting)


def test_animating_a_tracked_video_calls_nobody(tmp_path: Path) -> None:
    driving = shared_file("faces/driving/d18.mp4")
    output = tmp_path / "out.mp4"
    command = ("-m", "animator_core", "animate", "--character", "mira.png", "--driving", driving, "--output", output)
    assert internet_calls(tmp_path, *command, "--max-frames", "10") == []
    assert output.stat().st_size > 1000


@pytest.mark.parametrize("command", ["doctor", "prepare"])
def test_other_commands_call_nobody(tmp_path: Path, command: str) -> None:
    arguments = ["assets/characters/astronaut.png"] if command == "prepare" else []
    assert internet_calls(tmp_path, "-m", "animator_core", command, *arguments) == []


@pytest.mark.skipif(shutil.which("unshare") is None, reason="util-linux's unshare is not installed")
def test_animating_works_on_a_computer_without_any_network(tmp_path: Path) -> None:
    alone = ["unshare", "--net"]
    probe = subprocess.run([*alone, "true"], capture_output=True, text=True)
    if probe.returncode:
        pytest.skip(f"no network namespace can be made here: {probe.stderr.strip()}")
    output = tmp_path / "out.mp4"
    command = ("animate", "--character", "astronaut.png", "--driving", shared_file("faces/driving/d18.mp4"))
    arguments = [sys.executable, "-m", "animator_core", *map(str, command), "--output", str(output)]
    done = subprocess.run([*alone, *arguments, "--max-frames", "5"], cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert output.stat().st_size > 1000


def test_signing_a_video_calls_nobody(tmp_path: Path) -> None:
    pytest.importorskip("c2pa", reason="c2pa-python is not installed (install.py --credentials)")
    motion, output = PROJECT_ROOT / "assets" / "motions" / "sample.npz", tmp_path / "out.mp4"
    command = ("-m", "animator_core", "animate", "--character", "mira.png", "--driving", motion, "--output", output)
    assert internet_calls(tmp_path, *command, "--max-frames", "3", "--credentials") == []
