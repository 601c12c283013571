"""A worker behind a host: what it shows, what leaves the computer, and what happens when either side fails."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("websockets", reason="install.py --remote installs it")

from animator_core.errors import AnimatorError
from animator_core.ipc.protocol import AnimationSettings, FilterAction, FilterStatus, NeutralPose, UpdateFilter
from animator_core.remote import wire
from animator_core.remote.hosted_session import HostedSession
from animator_core.remote.hosts import HostAddress, pair
from tests.remote_host import HostInThread, bridge, is_marked, paired_worker, running_host, wait_until
from tests.slow_relay import SlowRelay
from tests.worker_harness import WorkerHarness, save_character

pytestmark = pytest.mark.slow

COLOURS = {"red.png": (220, 20, 20), "green.png": (20, 220, 20), "blue.png": (20, 20, 220)}


@pytest.fixture
def folder(tmp_path) -> Path:
    here = tmp_path / "obs"
    here.mkdir()
    for name, colour in COLOURS.items():
        save_character(here / "characters", name, colour)
    return here


@pytest.fixture
def host(tmp_path):
    with running_host(tmp_path / "host") as running:
        yield running


def shows(name: str, *, by_host: bool):
    """Return whether a frame is this character, drawn there."""
    colour = np.array(COLOURS[name][::-1])
    return lambda frame: np.abs(frame[60, 60, :3].astype(int) - colour).max() < 12 and is_marked(frame) == by_host


def is_remote(status: FilterStatus) -> bool:
    return status.device.endswith("remote 127.0.0.1:" + status.device.rpartition(":")[2]) and status.state == "tracking"


def test_the_host_animates_the_character_of_this_computer(folder, host):
    with bridge(folder, host) as worker:
        worker.open(character="red.png")
        worker.next_frame(matches=shows("red.png", by_host=True))
        status = worker.wait_for(FilterStatus, is_remote)
        assert status.character == "red.png" and status.renderer == "warp" and status.message == ""
        worker.send(UpdateFilter("a", AnimationSettings("green.png")))
        worker.next_frame(matches=shows("green.png", by_host=True))
        assert sorted(path.suffix for path in host.store.folder.iterdir()) == [".png", ".png", ".yaml", ".yaml"]


def test_frames_carry_this_computers_capture_times_in_order(folder, host):
    with bridge(folder, host) as worker:
        end = worker.open(character="red.png")
        worker.next_frame(matches=shows("red.png", by_host=True))
        times = []
        for _ in worker.frames(seconds=3.0):
            times.append(end.last_info.captured_ns)
            assert abs(time.perf_counter_ns() - times[-1]) < 3e9
        assert len(times) > 5 and times == sorted(times)


def test_over_a_late_and_lossy_link_no_older_picture_follows_a_newer_one(folder, host):
    relay = SlowRelay("127.0.0.1", host.port, delay_s=0.02, jitter_s=0.02, loss=0.02)
    port = host.ask(lambda: relay.listen("127.0.0.1", 0))
    pinned = pair(host.address, host.host.door.pairing_code, folder / "pairings")
    with paired_worker(folder, HostAddress("127.0.0.1", port), pinned) as worker:
        end = worker.open(character="red.png")
        worker.next_frame(matches=shows("red.png", by_host=True))
        times = [end.last_info.captured_ns for frame in worker.frames(seconds=4.0) if is_marked(frame)]
        assert len(times) > 5 and times == sorted(times)
    host.ask(relay.close)


def test_with_landmarks_no_picture_of_the_camera_leaves(folder, host, monkeypatch):
    sent = []
    take = HostedSession._take_packet

    async def spy(session: HostedSession, packet: wire.Packet) -> None:
        sent.append((packet.kind, packet.codec, len(packet.payload)))
        await take(session, packet)

    monkeypatch.setattr(HostedSession, "_take_packet", spy)
    with bridge(folder, host, send="landmarks") as worker:
        worker.open(character="red.png")
        worker.next_frame(matches=shows("red.png", by_host=True))
        for _ in worker.frames(seconds=2.0):
            pass
    frames = {(codec, size) for kind, codec, size in sent if kind == wire.FRAME}
    assert frames and {codec for codec, _ in frames} == {wire.LANDMARK_ROW}
    assert max(size for _, size in frames) <= 4 * 1488
    # The one picture is the character's.
    assert [size for kind, _, size in sent if kind == wire.PICTURE] == [
        (folder / "characters" / "red.png").stat().st_size
    ]


def test_a_host_that_goes_away_and_comes_back_is_stood_in_for(folder, tmp_path):
    host = HostInThread(tmp_path / "host")
    with bridge(folder, host) as worker:
        worker.open(character="red.png")
        worker.next_frame(matches=shows("red.png", by_host=True))
        port = host.port
        host.end()
        worker.next_frame(matches=shows("red.png", by_host=False))
        status = worker.wait_for(FilterStatus, lambda status: "no connection" in status.message)
        assert "this computer animates" in status.message and "host running" in status.remedy
        with running_host(tmp_path / "host", port=port):
            worker.next_frame(matches=shows("red.png", by_host=True))
            worker.wait_for(FilterStatus, is_remote)


def test_only_the_character_is_ever_shown_while_the_host_comes_and_goes(folder, tmp_path):
    host = HostInThread(tmp_path / "host")
    with bridge(folder, host) as worker:
        worker.open(character="red.png")
        end = worker.ends["a"]
        end.frame = np.full((48, 64, 4), 90, np.uint8)
        worker.next_frame(matches=shows("red.png", by_host=True))
        port = host.port
        host.end()
        for frame in worker.frames(seconds=2.0):
            assert shows("red.png", by_host=is_marked(frame))(frame)
        with running_host(tmp_path / "host", port=port):
            for frame in worker.frames(seconds=3.0):
                assert shows("red.png", by_host=is_marked(frame))(frame)


def test_a_worker_that_dies_on_the_host_is_replaced_and_the_session_goes_on(folder, host):
    with bridge(folder, host) as worker:
        worker.open(character="red.png")
        worker.next_frame(matches=shows("red.png", by_host=True))
        os.kill(host.host.workers[0].pid, signal.SIGTERM)
        # It may be back before this computer has to draw.
        worker.next_frame(matches=lambda _: host.host.workers[0].restarts == 1)
        worker.next_frame(matches=shows("red.png", by_host=True))


def test_the_session_of_a_dead_worker_goes_to_another_one_at_once(folder, tmp_path):
    with running_host(tmp_path / "host", worker_count=2) as host, bridge(folder, host) as worker:
        worker.open(character="red.png")
        worker.next_frame(matches=shows("red.png", by_host=True))
        first = next(each for each in host.host.workers if each.load.sessions)
        os.kill(first.pid, signal.SIGTERM)
        wait_until(lambda: any(each.load.sessions for each in host.host.workers if each is not first), 5.0)
        worker.next_frame(matches=shows("red.png", by_host=True))


def test_settings_of_before_hold_after_a_new_connection(folder, tmp_path):
    host = HostInThread(tmp_path / "host")
    with bridge(folder, host) as worker:
        worker.open(character="red.png")
        worker.wait_for(FilterStatus, is_remote)
        neutral = worker.wait_for(NeutralPose).neutral
        worker.send(FilterAction("a", "freeze"))
        port = host.port
        host.end()
        with running_host(tmp_path / "host", port=port) as again:
            wait_until(lambda: again.host.session_count == 1)
            session = next(iter(again.host._sessions.values()))
            wait_until(lambda: session._opened is not None and bool(session._lasting))
            assert session._lasting == {"frozen": "freeze"} and session._opened.neutral == neutral


def test_a_session_more_than_fit_is_refused_and_animated_here(folder, tmp_path):
    with running_host(tmp_path / "host") as host, bridge(folder, host) as worker:
        for name in ("a", "b", "c"):
            worker.open(name, character="red.png")
        full = worker.wait_for(FilterStatus, lambda status: "it serves 2 of 2 sessions" in status.message)
        assert "this computer animates" in full.message
        worker.next_frame(full.filter_id, shows("red.png", by_host=False))
        others = [name for name in ("a", "b", "c") if name != full.filter_id]
        for name in others:
            worker.next_frame(name, shows("red.png", by_host=True))


def test_a_character_that_no_host_takes_is_animated_here(folder, host):
    save_character(folder / "characters", "long.png", COLOURS["blue.png"])
    Image.new("RGB", (300, 5000), COLOURS["blue.png"]).save(folder / "characters" / "long.png")
    with bridge(folder, host) as worker:
        worker.open(character="red.png")
        worker.next_frame(matches=shows("red.png", by_host=True))
        worker.send(UpdateFilter("a", AnimationSettings("long.png")))
        told = worker.wait_for(FilterStatus, lambda status: "cannot be sent" in status.message)
        assert "300x5000" in told.message and "64 to 4096" in told.remedy
        worker.next_frame(matches=lambda frame: frame[frame.shape[0] // 2, 5, 0] > 200 and not is_marked(frame))
        worker.send(UpdateFilter("a", AnimationSettings("green.png")))
        worker.next_frame(matches=shows("green.png", by_host=True))


def test_the_code_of_another_moment_pairs_nobody(host: HostInThread, tmp_path):
    code = host.host.door.pairing_code
    with pytest.raises(AnimatorError, match="not the one that the host shows"):
        pair(host.address, "AAAA-BBBB-CCCC-DDDD", tmp_path)
    assert pair(host.address, code, tmp_path) == host.identity.fingerprint
    with pytest.raises(AnimatorError, match="not the one that the host shows"):
        pair(host.address, code, tmp_path)


def test_without_a_pairing_this_computer_animates_and_says_why(folder):
    from tests.worker_harness import write_config

    config = write_config(folder, "remote: {address: gpu-pc}\n")
    with WorkerHarness(folder, "--config", str(config)) as worker:
        from animator_core.ipc.protocol import WorkerProblem

        problem = worker.wait_for(WorkerProblem)
        assert "not paired" in problem.message and "pair ADDRESS CODE" in problem.remedy
