"""The worker's life as the OBS side manages it, with a real process that can be told to misbehave."""

from __future__ import annotations

import dataclasses
import errno
import json
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import pytest

from animator_core.ipc import frame_ring
from animator_core.ipc.protocol import AnimationSettings
from obs_plugin.filter_rings import FilterRings
from obs_plugin.installation import Installation
from obs_plugin.supervisor import Supervisor
from obs_plugin.timing import Timing

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the fake worker is started through a shell script")

CHECKOUT = Path(__file__).resolve().parents[2]
QUICK = Timing(
    poll=0.02,
    restart_delays=(0.02, 0.04, 0.06, 0.08, 0.1),
    missing_interpreter=0.1,
    ready=1.5,
    opened=2.0,
    heartbeat=0.6,
    heartbeat_loading=1.0,
    starved=1.0,
    idle=0.3,
)


class Rig:
    """A supervisor with an installation that runs the fake worker."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.control = folder / "control.json"
        self.python = folder / "python"
        monkeypatch.setenv("FAKE_WORKER_CONTROL", str(self.control))
        monkeypatch.setenv("FAKE_WORKER_ROOT", str(CHECKOUT))
        monkeypatch.setenv("XDG_RUNTIME_DIR", str(folder))
        self.set_control()
        self.install()
        self.delivered: queue.Queue[FilterRings] = queue.Queue()
        self.made: list[FilterRings] = []
        self.timing = QUICK
        self.supervisor: Supervisor | None = None

    def install(self) -> None:
        worker = Path(__file__).with_name("fake_worker.py")
        self.python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{worker}"\n')
        self.python.chmod(0o755)

    def set_control(self, **settings: Any) -> None:
        temporary = self.control.with_suffix(".part")
        temporary.write_text(json.dumps(settings))
        temporary.replace(self.control)

    def start(self) -> Supervisor:
        installation = Installation(self.control.parent, self.python)
        self.supervisor = Supervisor(installation, lambda _: None, self.timing)
        self.supervisor.start()
        return self.supervisor

    def open(self) -> Supervisor:
        supervisor = self.start()
        supervisor.open("1", AnimationSettings(), self.delivered.put)
        return supervisor

    def next_rings(self) -> FilterRings:
        self.made.append(self.delivered.get(timeout=15))
        return self.made[-1]

    def pids(self) -> list[int]:
        path = Path(f"{self.control}.log")
        lines = path.read_text().splitlines() if path.exists() else []
        return list(dict.fromkeys(json.loads(line)[0] for line in lines))

    def opened(self, filter_id: str) -> list[str]:
        """Return the neutral pose of every opening of a filter."""
        messages = [json.loads(line)[1] for line in Path(f"{self.control}.log").read_text().splitlines()]
        return [
            each["neutral"] for each in messages if each["type"] == "open_filter" and each["filter_id"] == filter_id
        ]

    def ring_files(self) -> list[str]:
        return [path.name for path in self.control.parent.glob("stream-motion-animator-*")]


@pytest.fixture
def rig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Rig]:
    rig = Rig(tmp_path, monkeypatch)
    yield rig
    if rig.supervisor is not None:
        rig.supervisor.stop()
    for rings in rig.made:
        rings.close()
    assert rig.ring_files() == []


def wait_for(condition: Callable[[], Any], seconds: float = 15.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.01)


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def exchange(rings: FilterRings) -> None:
    """Publish camera frames until an animated frame comes back."""
    import ctypes

    pixels = ctypes.create_string_buffer(8 * 8 * 4)

    def answered() -> bool:
        rings.publish(ctypes.addressof(pixels), (8, 8), stride=32, captured_ns=time.perf_counter_ns())
        info = rings.poll()
        if info is None:
            return False
        rings.mark_shown(info)
        return True

    wait_for(answered)


def test_a_filter_gets_its_rings_and_frames_flow(rig: Rig) -> None:
    supervisor = rig.open()
    rings = rig.next_rings()
    exchange(rings)
    assert rig.ring_files() == [], "the names are gone once both sides have the rings"
    wait_for(lambda: supervisor.statuses.get("1") is not None)
    assert supervisor.problem is None


def test_no_worker_runs_without_a_filter_and_none_after_the_last_one(rig: Rig) -> None:
    supervisor = rig.start()
    time.sleep(0.3)
    assert rig.pids() == []
    supervisor.open("1", AnimationSettings(), rig.delivered.put)
    rig.next_rings()
    (pid,) = rig.pids()
    supervisor.close("1")
    wait_for(lambda: not is_running(pid))
    supervisor.open("2", AnimationSettings(), rig.delivered.put)
    exchange(rig.next_rings())


def test_a_dead_worker_is_restarted_with_every_filter_replayed(rig: Rig) -> None:
    supervisor = rig.open()
    supervisor.open("2", dataclasses.replace(AnimationSettings(), character="x.png"), rig.delivered.put)
    first = [rig.next_rings(), rig.next_rings()]
    os.kill(rig.pids()[-1], signal.SIGKILL)
    second = [rig.next_rings(), rig.next_rings()]
    assert all(rings.is_ended for rings in first) and not any(rings.is_ended for rings in second)
    exchange(second[0])
    exchange(second[1])
    assert supervisor.problem is None


def test_a_worker_that_dies_at_start_is_restarted_five_times_and_then_rarely(rig: Rig) -> None:
    rig.set_control(mode="die_at_start")
    supervisor = rig.open()
    wait_for(lambda: "5 restarts" in str(supervisor.problem))
    assert "Script Log" in str(supervisor.problem)
    starts = len(supervisor._restarts.starts)
    time.sleep(0.5)
    assert len(supervisor._restarts.starts) == starts == 6
    rig.set_control(mode="run")
    supervisor.refresh()
    exchange(rig.next_rings())
    assert supervisor.problem is None


def test_a_worker_is_never_given_up_for_good(rig: Rig) -> None:
    rig.timing = dataclasses.replace(QUICK, rare_restart=0.3)
    rig.set_control(mode="die_at_start")
    supervisor = rig.open()
    wait_for(lambda: "5 restarts" in str(supervisor.problem))
    problem = supervisor.problem
    assert "every 0 seconds" in str(problem), "how often, as the panel says it"
    starts: set[float] = set(supervisor._restarts.starts)
    wait_for(lambda: starts.update(supervisor._restarts.starts) or len(starts) >= 9)
    rare = sorted(starts)[6:]
    assert all(later - earlier >= 0.3 for earlier, later in zip(rare, rare[1:])), "rarely, not in bursts"
    assert supervisor.problem == problem, "and said once"
    rig.set_control(mode="run")
    exchange(rig.next_rings())
    assert supervisor.problem is None


def test_a_neutral_pose_is_given_back_to_the_next_worker(rig: Rig) -> None:
    rig.set_control(neutral="UEsDBBQ=")
    rig.open()
    exchange(rig.next_rings())
    assert rig.opened("1") == [""]
    wait_for(lambda: rig.supervisor is not None and rig.supervisor._filters["1"].neutral)
    os.kill(rig.pids()[-1], signal.SIGKILL)
    exchange(rig.next_rings())
    assert rig.opened("1") == ["", "UEsDBBQ="]


def test_a_worker_that_never_gets_ready_is_restarted(rig: Rig) -> None:
    rig.set_control(mode="silent")
    supervisor = rig.open()
    wait_for(lambda: "does not start up" in str(supervisor.problem))
    rig.set_control(mode="run")
    exchange(rig.next_rings())


def test_a_hanging_worker_is_killed_and_replaced(rig: Rig) -> None:
    rig.open()
    exchange(rig.next_rings())
    (pid,) = rig.pids()
    os.kill(pid, signal.SIGSTOP)
    exchange(rig.next_rings())
    assert not is_running(pid)


def test_a_computer_that_slept_finds_its_worker_alive(rig: Rig) -> None:
    supervisor = rig.open()
    rings = rig.next_rings()
    exchange(rings)
    (pid,) = rig.pids()
    os.kill(pid, signal.SIGSTOP)
    supervisor._request(lambda: time.sleep(3 * rig.timing.heartbeat))
    # It wakes a moment after OBS.
    time.sleep(3 * rig.timing.heartbeat + 0.2)
    os.kill(pid, signal.SIGCONT)
    until = time.monotonic() + 3 * rig.timing.heartbeat
    while time.monotonic() < until:
        exchange(rings)
        time.sleep(0.02)
    assert rig.pids() == [pid], "the worker was replaced"
    os.kill(pid, signal.SIGSTOP)
    rig.next_rings()
    assert len(rig.pids()) == 2, "a worker that hangs while the computer is awake is replaced"


def test_a_worker_that_lives_but_answers_no_frame_is_replaced(rig: Rig) -> None:
    rig.timing = dataclasses.replace(QUICK, heartbeat=30.0, heartbeat_loading=30.0)
    supervisor = rig.open()
    rings = rig.next_rings()
    wait_for(lambda: supervisor.statuses.get("1") is not None)
    # Frames go in and come out, but nobody here takes them: for the supervisor that is the same.
    end = time.monotonic() + 15
    while rig.delivered.empty() and time.monotonic() < end:
        rings.published_count += 1
        time.sleep(0.01)
    assert rig.next_rings() is not rings


def test_liveportrait_on_a_cpu_may_take_its_time_for_a_frame(rig: Rig) -> None:
    rig.timing = dataclasses.replace(QUICK, starved=0.3)
    rig.set_control(renderer="liveportrait")
    supervisor = rig.open()
    rings = rig.next_rings()
    wait_for(lambda: supervisor.statuses.get("1") is not None)
    end = time.monotonic() + 4 * rig.timing.starved
    while time.monotonic() < end:
        rings.published_count += 1
        time.sleep(0.01)
    assert rig.delivered.empty()
    assert len(rig.pids()) == 1


def test_a_missing_interpreter_is_named_with_the_remedy_and_found_later(rig: Rig) -> None:
    rig.python.unlink()
    supervisor = rig.open()
    wait_for(lambda: supervisor.problem is not None)
    assert str(rig.python) in str(supervisor.problem) and "install.py" in str(supervisor.problem)
    rig.install()
    exchange(rig.next_rings())


def test_an_interpreter_that_cannot_be_run_is_named(rig: Rig) -> None:
    rig.python.chmod(0o644)
    supervisor = rig.open()
    wait_for(lambda: "cannot be run" in str(supervisor.problem))


def test_a_filter_that_the_worker_refuses_leaves_the_others_alone_and_refresh_tries_it_again(rig: Rig) -> None:
    rig.timing = dataclasses.replace(QUICK, opened=1.0)
    rig.set_control(refuses="2")
    supervisor = rig.open()
    first = rig.next_rings()
    supervisor.open("2", AnimationSettings(), rig.delivered.put)
    wait_for(lambda: "2" in supervisor.statuses)
    until = time.monotonic() + 1.5 * rig.timing.opened
    while time.monotonic() < until:
        exchange(first)
        time.sleep(0.05)
    assert len(rig.pids()) == 1, "the worker was ended for one filter"
    rig.set_control()
    wait_for(lambda: (supervisor.refresh(), time.sleep(0.1), not rig.delivered.empty())[-1])
    exchange(rig.next_rings())
    assert len(rig.pids()) == 1


def test_a_filter_that_could_not_be_opened_is_opened_by_itself_when_the_trouble_ends(rig: Rig) -> None:
    rig.timing = dataclasses.replace(QUICK, reopen=0.2)
    rig.set_control(refuses="1")
    supervisor = rig.open()
    wait_for(lambda: "1" in supervisor.statuses)
    assert rig.delivered.empty()
    rig.set_control()
    exchange(rig.next_rings())


def test_memory_that_is_full_is_told_and_used_as_soon_as_there_is_some(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig.timing = dataclasses.replace(QUICK, reopen=0.2)

    def is_full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(frame_ring, "claim_pages", is_full)
        supervisor = rig.open()
        wait_for(lambda: "No space left" in str(supervisor.problem))
        assert "by itself" in str(supervisor.problem)
    exchange(rig.next_rings())
    assert supervisor.problem is None
    assert len(rig.pids()) == 1


def test_a_worker_of_another_release_is_refused_with_the_remedy(rig: Rig) -> None:
    rig.set_control(version=99)
    supervisor = rig.open()
    wait_for(lambda: "protocol 99" in str(supervisor.problem))
    assert "Restart OBS" in str(supervisor.problem)


def test_a_worker_that_does_not_read_blocks_nobody(rig: Rig) -> None:
    rig.timing = dataclasses.replace(QUICK, heartbeat=30.0, heartbeat_loading=30.0)
    supervisor = rig.open()
    rig.next_rings()
    pid = rig.pids()[-1]
    os.kill(pid, signal.SIGSTOP)
    start = time.monotonic()
    for number in range(2000):
        supervisor.update("1", dataclasses.replace(AnimationSettings(), character=f"{number:0200}"))
    assert time.monotonic() - start < 2, "sending waits for the worker"
    supervisor.stop()
    assert not is_running(pid)


def test_stop_ends_the_worker_and_every_thread(rig: Rig) -> None:
    before = threading.active_count()
    supervisor = rig.open()
    rig.next_rings()
    (pid,) = rig.pids()
    supervisor.stop()
    assert not is_running(pid)
    assert threading.active_count() == before
