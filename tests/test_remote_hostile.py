"""Hostile computers take nothing down: the host lives, and a good session goes on."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

pytest.importorskip("websockets", reason="install.py --remote installs it")

from animator_core.config import PROJECT_ROOT
from animator_core.ipc.frame_ring import now_ns
from animator_core.ipc.protocol import AnimationSettings
from animator_core.remote import wire
from animator_core.remote.identity import FOLDER_VARIABLE
from animator_core.remote.link import HostLink
from animator_core.remote.picture_file import PictureFile
from animator_core.remote.split import LandmarkFrame
from animator_core.tracking.face_model import face_model
from animator_core.tracking.observation import FaceObservation
from animator_core.tracking.observation_row import to_row
from tests.remote_host import HostInThread, running_host, wait_until
from tests.worker_harness import PATIENCE_S, save_character

pytestmark = pytest.mark.slow


class GoodSession:
    """A paired computer that sends thirty faces a second, and notes when pictures come."""

    def __init__(self, host: HostInThread, folder: Path) -> None:
        pinned = host.identity.fingerprint
        (folder / "hosts.json").write_text(json.dumps({pinned: host.identity.token}))
        self.arrivals: list[float] = []
        self.link = HostLink(host.address, pinned, sends=wire.LANDMARKS, on_frame=self._note)
        self.link.show(AnimationSettings(), PictureFile.read(save_character(folder, "good.png", (9, 99, 200))))
        self._is_over = threading.Event()
        self._camera = threading.Thread(target=self._film)

    def __enter__(self) -> GoodSession:
        self.link.start("")
        self._camera.start()
        wait_until(lambda: len(self.arrivals) > 10)
        return self

    def __exit__(self, *raised: object) -> None:
        self._is_over.set()
        self._camera.join(PATIENCE_S)
        self.link.close(PATIENCE_S)

    def rate(self, since: float, until: float) -> float:
        """Return pictures a second between two moments."""
        return sum(since <= moment < until for moment in self.arrivals) / (until - since)

    def _note(self, picture: np.ndarray, captured_ns: int) -> None:
        self.arrivals.append(time.monotonic())

    def _film(self) -> None:
        number = 0
        while not self._is_over.wait(1 / 30):
            number += 1
            # As the tracker's double does, each face is a little elsewhere: an unchanged one is not drawn.
            points = face_model().mean * 2000 + np.array([4000, 4000, 0]) + 40 * np.sin(number / 3)
            face = FaceObservation(points.astype(np.float32), 8000, 8000, now_ns())
            self.link.offer(LandmarkFrame(face.captured_ns, to_row(face, (8000, 8000))))


@pytest.fixture(scope="module")
def host(tmp_path_factory) -> Iterator[HostInThread]:
    with running_host(tmp_path_factory.mktemp("host")) as running:
        running.host.workers[0].load.milliseconds = 1.0
        yield running


@pytest.fixture
def good(host, tmp_path, monkeypatch) -> Iterator[GoodSession]:
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path))
    with GoodSession(host, tmp_path) as session:
        yield session


def attacked(host: HostInThread, attack: str) -> str:
    """Attack the host, and return what the attacker says."""
    command = [sys.executable, "-m", "tests.remote_attacks", attack, str(host.port), host.identity.token]
    return subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=120, check=True).stdout


@pytest.mark.parametrize("attack", ["connections", "garbage", "fuzz", "huge", "replays", "slow"])
def test_a_good_session_goes_on_during(attack, host, good):
    worker, connected = host.host.workers[0].pid, good.link.connected_count
    calm_since = time.monotonic()
    time.sleep(1.5)
    began = time.monotonic()
    attacked(host, attack)
    ended = time.monotonic()
    # Attacker, host, worker and this computer share the cores of one machine.
    assert good.rate(began, ended) > 0.4 * good.rate(calm_since, began)
    assert np.diff([began, *[moment for moment in good.arrivals if began < moment < ended]]).max() < 2.5
    assert good.link.connected_count == connected
    assert host.host.workers[0].pid == worker
    wait_until(lambda: host.host.session_count == 1)


def test_a_thousand_refused_computers_leave_no_memory_behind(host, good):
    attacked(host, "connections")
    before = psutil.Process().memory_info().rss
    attacked(host, "connections")
    assert psutil.Process().memory_info().rss - before < 30 << 20


def test_another_version_is_told_so_with_the_remedy(host):
    answer = wire.decode_from_host(attacked(host, "version").strip())
    assert isinstance(answer, wire.Refused)
    assert "version 1" in answer.message and "99" in answer.message and "same release" in answer.remedy


def test_an_old_frame_and_a_flood_end_their_own_session_with_the_reason(host):
    told = attacked(host, "replays")
    assert "an old frame" in told and "too many messages" in told
