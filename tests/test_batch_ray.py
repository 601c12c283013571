"""Batches by Ray, on pretended machines of this one; needs Ray, which nothing else does."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import pytest
import stand_ins
from batch_runners import ScriptedRunner, parts
from test_batch_schedule import clips_of, states

from animator_core.__main__ import main
from animator_core.batch.ledger import Ledger
from animator_core.batch.manifest import BatchClip, read_manifest
from animator_core.batch.ray_cluster import RayWorkers
from animator_core.batch.schedule import ClipResult, Schedule, Watcher
from animator_core.clips.video import VideoReader
from animator_core.config import PROJECT_ROOT
from animator_core.errors import AnimatorError

CLIPS, FRAMES = 40, 5
NO_RAY = "Ray is not installed (install.py --cluster, Linux only)"


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A cluster of a head without cores and two machines with a pretended GPU each."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    # The pretended machines import the runners of the tests.
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((str(PROJECT_ROOT), str(Path(__file__).parent))))
    pytest.importorskip("ray", reason=NO_RAY)
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
    made.machines = [made.add_node(num_cpus=1, num_gpus=1) for _ in range(2)]
    made.wait_for_nodes()
    yield made
    made.shutdown()


with_ray = [
    pytest.mark.requires_ray,
    pytest.mark.slow,
    # Ray leaves sockets and files to the collector.
    pytest.mark.filterwarnings("ignore"),
]


def apply(marks: list[Any]) -> Any:
    def decorate(test: Any) -> Any:
        for mark in marks:
            test = mark(test)
        return test

    return decorate


@apply(with_ray)
def test_forty_clips_are_right_although_a_machine_is_lost_in_the_middle(tmp_path: Path, cluster: Any) -> None:
    mira = cv2.imread(str(PROJECT_ROOT / "assets" / "characters" / "mira.png"), cv2.IMREAD_UNCHANGED)
    cv2.imwrite(str(tmp_path / "mira.png"), cv2.resize(mira, (256, 256), interpolation=cv2.INTER_AREA))
    stand_ins.write_motion(tmp_path / "sway.npz", FRAMES + CLIPS)
    line = {"character": "mira.png", "driving": "sway.npz", "renderer": "warp"}
    lines = [{**line, "output": f"{number}.mp4", "max_frames": FRAMES + number} for number in range(CLIPS)]
    (tmp_path / "clips.jsonl").write_text("\n".join(json.dumps(each) for each in lines))

    class Saboteur(Watcher):
        retried_reasons: list[str] = []  # noqa: RUF012 - of this class's only object
        ended_count = 0

        def ended(self, result: ClipResult) -> None:
            self.ended_count += 1
            if self.ended_count == CLIPS // 2:
                cluster.remove_node(cluster.machines[0], allow_graceful=False)

        def retried(self, clip: BatchClip, reason: str) -> None:
            self.retried_reasons.append(reason)

    saboteur = Saboteur()
    with Ledger(tmp_path / "clips.ledger.jsonl") as ledger, RayWorkers(cluster.address, CLIPS) as workers:
        assert workers.description == "2 workers, one a GPU"
        schedule = Schedule(read_manifest(tmp_path / "clips.jsonl"), ledger, saboteur)
        schedule.run(workers)
    assert {result.state for result in schedule.results} == {"done"}
    assert sorted(result.clip.line for result in schedule.results) == list(range(1, CLIPS + 1))
    assert len(saboteur.retried_reasons) == 1
    assert "its worker was lost" in saboteur.retried_reasons[0]
    for number in range(CLIPS):
        with VideoReader(tmp_path / f"{number}.mp4") as reader:
            assert len(list(reader)) == FRAMES + number
    assert parts(tmp_path) == []


@apply(with_ray)
def test_actors_that_die_are_started_again_and_a_stop_leaves_no_files(tmp_path: Path, cluster: Any) -> None:
    class Impatient(Watcher):
        def waited(self, frames: int, jobs: int) -> None:
            if len(parts(tmp_path)) == 1 and len(schedule.results) == 4:
                raise KeyboardInterrupt

    clips = clips_of(tmp_path, "die write", "write", "die", "spent", "wait")
    with Ledger(tmp_path / "clips.ledger.jsonl") as ledger, pytest.raises(KeyboardInterrupt):
        schedule = Schedule(clips, ledger, Impatient())
        with RayWorkers(cluster.address, 2, ScriptedRunner) as workers:
            schedule.run(workers)
    assert states(schedule.results) == {1: ("done", 2), 2: ("done", 1), 3: ("failed", 3), 4: ("done", 1)}
    assert parts(tmp_path) == []


def fail_to_begin() -> None:
    raise OSError("libGL.so.1 is missing")


@apply(with_ray)
def test_workers_that_do_not_start_end_the_batch_with_the_reason(tmp_path: Path, cluster: Any) -> None:
    with Ledger(tmp_path / "clips.ledger.jsonl") as ledger:
        schedule = Schedule(clips_of(tmp_path, "write"), ledger)
        with (
            pytest.raises(AnimatorError, match=r"workers do not start \(OSError: libGL.so.1 is missing\)"),
            RayWorkers(cluster.address, 2, fail_to_begin) as workers,
        ):
            schedule.run(workers)
    assert schedule.results == []


LISTEN = """
import os, psutil, sys
from animator_core.batch.ray_cluster import LOCAL, RayWorkers
from batch_runners import ScriptedRunner

with RayWorkers(LOCAL, 1, ScriptedRunner) as workers:
    while not workers.free_count:
        workers.events(0.1)
    family = [psutil.Process(), *psutil.Process().children(recursive=True)]
    for process in family:
        print(*(each.laddr.ip for each in process.net_connections() if each.status == psutil.CONN_LISTEN), sep="\\n")
"""


@apply(with_ray)
def test_a_cluster_of_this_machine_alone_listens_on_the_loopback_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("ray", reason=NO_RAY)
    monkeypatch.setenv("PYTHONPATH", str(Path(__file__).parent))
    done = subprocess.run([sys.executable, "-c", LISTEN], cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=120)
    addresses = done.stdout.split()
    assert len(addresses) >= 4, done.stderr
    assert {address.rpartition(":")[2] for address in addresses} == {"127.0.0.1"}


@pytest.mark.parametrize(
    ("system", "says"),
    [("Linux", "Ray is not installed; run install.py --cluster"), ("Windows", "clusters run on Linux only")],
)
def test_without_ray_the_remedy_is_told_and_nothing_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], system: str, says: str
) -> None:
    stand_ins.write_motion(tmp_path / "sway.npz", 2)
    manifest = tmp_path / "clips.jsonl"
    manifest.write_text('{"character": "mira", "driving": "sway.npz", "output": "a.mp4"}')
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.setattr(platform, "system", lambda: system)
    assert main(["batch", str(manifest), "--ray", "local"]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "a.mp4").exists()
