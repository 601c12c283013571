"""Measures a host against the local worker: frames a second, latency, reconnection, memory. Linux, as root.

`python -m docs.measurements.remote [--seconds S] [--rates MBIT,…] [--late MS,JITTER,LOSS] [--drops N] [--frames N]`
Two network namespaces stand for two computers; both, and their workers, share this machine's cores.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil

from animator_core.assembly import make_library
from animator_core.characters.picture import load_picture
from animator_core.config import PROJECT_ROOT, load_config
from animator_core.ipc.frame_ring import now_ns
from animator_core.ipc.protocol import FilterStatus
from animator_core.remote.hosts import HostAddress
from animator_core.remote.identity import FOLDER_VARIABLE
from animator_core.remote.trial import camera_of
from tests.remote_host import is_marked, paired_worker
from tests.two_networks import TwoNetworks, why_not
from tests.worker_harness import WorkerHarness, save_character

CHARACTER = "astronaut.png"
LOADING_SECONDS = 180.0
SETTLING_SECONDS = 3.0
RING_BYTES = 2048 * 2048 * 4


@dataclass(frozen=True)
class Speed:
    """Frames a second, and milliseconds from capture to the animated ring."""

    fps: float
    p50_ms: float
    p95_ms: float

    def __str__(self) -> str:
        return f"{self.fps:5.1f} frames/s   latency {self.p50_ms:6.1f} ms, p95 {self.p95_ms:6.1f}"


def speed(worker: WorkerHarness, seconds: float, is_there: str) -> Speed:
    """Return how a worker animates a swinging picture; is_there: what its status ends with when it is ready."""
    camera = camera_of(load_picture(make_library(load_config()).path(CHARACTER)))
    end = worker.open(animated_bytes=RING_BYTES, character=CHARACTER)
    started, latencies, ready = time.monotonic(), [], None
    while ready is None or time.monotonic() - ready < SETTLING_SECONDS + seconds:
        moment = time.monotonic()
        shift = np.array([[1, 0, 12 * np.sin(4 * moment)], [0, 1, 12 * np.cos(3 * moment)]])
        end.frame = cv2.warpAffine(camera, shift, camera.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        end.drive()
        for _ in range(8):
            info = end.reader.poll()
            if info is not None:
                end.reader.mark_seen(info)
                if ready is not None and moment - ready > SETTLING_SECONDS:
                    latencies.append((now_ns() - info.captured_ns) / 1e6)
            time.sleep(0.001)
        told = [each for each in worker.messages if isinstance(each, FilterStatus)]
        if ready is None and told and told[-1].state == "tracking" and told[-1].device.endswith(is_there):
            ready = time.monotonic()
        assert ready is not None or moment - started < LOADING_SECONDS, told[-1:]
    p50, p95 = np.percentile(latencies, (50, 95))
    return Speed(len(latencies) / seconds, p50, p95)


@contextlib.contextmanager
def host(folder: Path, networks: TwoNetworks, *, is_real: bool) -> Iterator[tuple[HostAddress, str, psutil.Process]]:
    """Yield address, fingerprint and process of a host in the first namespace, and keep the pairing in ``folder``."""
    home = folder / "host"
    environment = {**os.environ, FOLDER_VARIABLE: str(home)}
    command = [*networks.in_first, sys.executable, "-m"]
    if is_real:
        command += ["animator_core", "host", "--listen", networks.first, "--gpus", "none"]
    else:
        command += ["tests.remote_host", str(home), networks.first]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, cwd=PROJECT_ROOT, **pipes) as process:
        try:
            if is_real:
                lines = []
                while not (lines and lines[-1].startswith("Ctrl-C")):
                    lines.append(process.stdout.readline().strip())
                print(*(line for line in lines if "ms a frame" in line), sep="\n")
                pinned = next(line.split()[1] for line in lines if line.startswith("Fingerprint"))
                port, token = 7907, (home / "host" / "token").read_text()
            else:
                port, pinned, token = process.stdout.readline().split()
            pairings = folder / "pairings"
            pairings.mkdir(exist_ok=True)
            (pairings / "hosts.json").write_text(json.dumps({pinned: token}))
            yield HostAddress(networks.first, int(port)), pinned, psutil.Process(process.pid)
        finally:
            process.stdin.close()
            process.terminate()


def real_bridge(folder: Path, address: HostAddress, pinned: str, *, networks: TwoNetworks, send: str) -> WorkerHarness:
    """Start the real worker behind the host, in the second namespace."""
    config = folder / "config.yaml"
    config.write_text(f"remote: {{address: '{address.in_uri}', fingerprint: '{pinned}', send: {send}}}\n")
    os.environ[FOLDER_VARIABLE] = str(folder / "pairings")
    return WorkerHarness(folder, "--config", str(config), launcher=networks.in_second)


def measure_speed(folder: Path, options: argparse.Namespace) -> None:
    """Print the speed here, and behind a host at each rate."""
    with WorkerHarness(folder) as worker:
        print(f"{'this computer':34}", speed(worker, options.seconds, "CPU"), flush=True)
    with TwoNetworks() as networks, host(folder, networks, is_real=True) as (address, pinned, _):
        for rate in options.rates:
            networks.limit(rate)
            for send in ("frames", "landmarks"):
                with real_bridge(folder, address, pinned, networks=networks, send=send) as worker:
                    name = f"host at {rate} Mbit/s, {send}"
                    print(f"{name:34}", speed(worker, options.seconds, str(address)), flush=True)
        if options.late is not None:
            delay, jitter, loss = options.late
            command = [*networks.in_first, sys.executable, "-m", "tests.slow_relay", "0", networks.first]
            command += [str(address.port), str(delay), str(jitter), str(loss)]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=PROJECT_ROOT) as relay:
                late = HostAddress(networks.first, int(relay.stdout.readline()))
                with real_bridge(folder, late, pinned, networks=networks, send="frames") as worker:
                    name = f"{delay:g} ms ± {jitter:g}, {loss:.1%} lost"
                    print(f"{name:34}", speed(worker, options.seconds, str(late)), flush=True)
                relay.terminate()


def measure_drops(folder: Path, count: int) -> None:
    """Unplug the cable so often, for 0.5 to 4 s, with doubles for workers, and print how soon the host is back."""
    save_character(folder / "characters", "red.png", (220, 20, 20))
    back, camera_frames, chance = [], 0, np.random.default_rng(1)
    with TwoNetworks() as networks, host(folder, networks, is_real=False) as (address, pinned, _):
        networks.limit(1000)
        with paired_worker(folder, address, pinned, launcher=networks.in_second) as worker:
            worker.open(character="red.png").frame = np.full((48, 64, 4), 90, np.uint8)
            worker.next_frame(matches=is_marked)
            for _ in range(count):
                networks.plug(False)
                for frame in worker.frames(seconds=chance.uniform(0.5, 4.0)):
                    camera_frames += not is_red(frame)
                networks.plug(True)
                began = time.monotonic()
                for frame in worker.frames():
                    camera_frames += not is_red(frame)
                    if is_marked(frame):
                        break
                back.append(time.monotonic() - began)
                time.sleep(0.5)
    p50, p95, most = np.percentile(back, (50, 95, 100))
    print(f"{count} unplugged cables: {camera_frames} frames of the camera; the host is back after", end=" ")
    print(f"{p50:.2f} s, p95 {p95:.2f}, at most {most:.2f}")


def is_red(frame: np.ndarray) -> bool:
    """Return whether a frame is the character's."""
    return bool(np.abs(frame[60, 60, :3].astype(int) - (20, 20, 220)).max() < 12)


def measure_memory(folder: Path, frames: int) -> None:
    """Print the memory of host and bridge over many frames, with doubles for workers."""
    save_character(folder / "characters", "red.png", (220, 20, 20))
    with contextlib.ExitStack() as opened:
        networks = opened.enter_context(TwoNetworks())
        address, pinned, process = opened.enter_context(host(folder, networks, is_real=False))
        worker = opened.enter_context(paired_worker(folder, address, pinned, launcher=networks.in_second))
        worker.open(character="red.png")
        processes = {"host": process, "bridge": psutil.Process(worker.process.pid)}
        shown = 0
        for frame in worker.frames(seconds=float("inf")):
            shown += is_marked(frame)
            if shown % max(1, frames // 10) == 1:
                sizes = (f"{name} {each.memory_info().rss / 1e6:.0f} MB" for name, each in processes.items())
                print(f"{shown:7} frames: {', '.join(sizes)}", flush=True)
            if shown >= frames:
                break


def main() -> None:
    """Measure whatever is asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--rates", type=lambda text: [int(each) for each in text.split(",")], default=[1000, 100])
    parser.add_argument("--late", type=lambda text: [float(each) for each in text.split(",")])
    parser.add_argument("--drops", type=int, default=0)
    parser.add_argument("--frames", type=int, default=0)
    options = parser.parse_args()
    if why_not():
        sys.exit(why_not())
    cv2.setNumThreads(1)
    for is_wanted, measure in (
        (options.drops, lambda folder: measure_drops(folder, options.drops)),
        (options.frames, lambda folder: measure_memory(folder, options.frames)),
        (options.seconds, lambda folder: measure_speed(folder, options)),
    ):
        if is_wanted:
            with tempfile.TemporaryDirectory() as folder:
                measure(Path(folder))


if __name__ == "__main__":
    main()
