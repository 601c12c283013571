"""Batches: retries, the ledger and resuming, with workers of this process and with real processes."""

from __future__ import annotations

import json
import multiprocessing
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from batch_runners import InlineWorkers, ScriptedRunner, parts

from animator_core.batch.job import Job, Outcome
from animator_core.batch.ledger import Ledger, ledger_path
from animator_core.batch.local import LocalWorkers
from animator_core.batch.manifest import BatchClip
from animator_core.batch.schedule import ClipResult, Schedule, Watcher, unchanged_clips
from animator_core.clip_animation import ClipRequest
from animator_core.errors import AnimatorError


def clips_of(folder: Path, *scripts: str) -> list[BatchClip]:
    """Return clips that a `ScriptedRunner` carries out as the scripts say."""
    clips = []
    for number, script in enumerate(scripts, 1):
        driving = folder / f"{number}.txt"
        driving.write_text(script)
        request = ClipRequest("x.png", driving, folder / f"{number}.mp4")
        clips.append(BatchClip(number, f"{number}.mp4", f"key {number}", request))
    return clips


def entries(path: Path) -> list[tuple[str, int]]:
    found = [json.loads(line) for line in path.read_text().splitlines()]
    return [(entry["event"], entry["line"]) for entry in found if "line" in entry]


def states(results: list[ClipResult]) -> dict[int, tuple[str, int]]:
    return {result.clip.line: (result.state, result.attempts) for result in results}


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    with Ledger(tmp_path / "clips.ledger.jsonl") as ledger:
        ledger.begin_run(False)
        yield ledger


def test_a_clip_is_tried_three_times_and_then_set_aside(tmp_path: Path, ledger: Ledger) -> None:
    clips = clips_of(tmp_path, "write", "fail", "fail fail write", "write")
    workers = InlineWorkers(ScriptedRunner())
    schedule = Schedule(clips, ledger)
    schedule.run(workers)
    assert states(schedule.results) == {1: ("done", 1), 2: ("failed", 3), 3: ("done", 3), 4: ("done", 1)}
    assert [result.reason for result in schedule.results if result.state == "failed"] == ["2.txt says so"]
    noted = entries(ledger.path)
    assert [event for event, line in noted if line == 2] == ["begun", "retried"] * 2 + ["begun", "failed"]
    assert [event for event, line in noted if line == 3] == ["begun", "retried"] * 2 + ["begun", "done"]
    assert workers.most_at_once == 2
    assert parts(tmp_path) == []
    assert sorted(path.name for path in tmp_path.glob("*.mp4")) == ["1.mp4", "3.mp4", "4.mp4"]


def test_a_watcher_hears_of_every_end_and_of_every_retry(tmp_path: Path, ledger: Ledger) -> None:
    heard: list[tuple[str, int]] = []

    class Listening(Watcher):
        def ended(self, result: ClipResult) -> None:
            heard.append((result.state, result.clip.line))

        def retried(self, clip: BatchClip, reason: str) -> None:
            heard.append(("retried", clip.line))

    Schedule(clips_of(tmp_path, "fail write", "write"), ledger, Listening()).run(InlineWorkers(ScriptedRunner(), 1))
    assert heard == [("retried", 1), ("done", 2), ("done", 1)]


def test_processes_that_die_are_replaced_and_their_clips_tried_again(tmp_path: Path, ledger: Ledger) -> None:
    clips = clips_of(tmp_path, "die write", "write", "die", "spent", "write")
    with LocalWorkers(2, ScriptedRunner) as workers:
        schedule = Schedule(clips, ledger)
        schedule.run(workers)
    assert states(schedule.results) == {
        1: ("done", 2),
        2: ("done", 1),
        3: ("failed", 3),
        4: ("done", 1),
        5: ("done", 1),
    }
    (reason,) = (result.reason for result in schedule.results if result.reason)
    assert "its process ended unexpectedly" in reason
    if os.name != "nt":
        assert "SIGKILL; out of memory?" in reason
    assert parts(tmp_path) == []
    assert [(tmp_path / f"{number}.mp4").read_text() for number in (1, 2, 4, 5)] == [
        f"{number}.mp4" for number in (1, 2, 4, 5)
    ]
    assert multiprocessing.active_children() == []


def test_stopped_processes_leave_no_unfinished_files(tmp_path: Path, ledger: Ledger) -> None:
    clips = clips_of(tmp_path, "wait", "wait")

    class Impatient(Watcher):
        def waited(self, frames: int, jobs: int) -> None:
            if frames and len(parts(tmp_path)) == 2:
                raise KeyboardInterrupt

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt), LocalWorkers(2, ScriptedRunner) as workers:
        Schedule(clips, ledger, Impatient()).run(workers)
    assert parts(tmp_path) == []
    assert list(tmp_path.glob("*.mp4")) == []
    assert multiprocessing.active_children() == []
    assert time.monotonic() - started < 60


def test_what_is_done_is_kept_only_while_file_and_line_are_the_same(tmp_path: Path, ledger: Ledger) -> None:
    clips = clips_of(tmp_path, *["write"] * 4, "fail")

    class Honest(ScriptedRunner):
        def run(self, job: Job, advance: object) -> Outcome:
            from animator_core.batch.runner import digest

            outcome = super().run(job, lambda frames: None)
            output = job.clip.request.output
            facts = {"bytes": output.stat().st_size, "sha256": digest(output)} if not outcome.reason else {}
            return Outcome(outcome.reason, facts)

    with ledger:
        Schedule(clips, ledger).run(InlineWorkers(Honest()))
    (tmp_path / "2.mp4").write_text("9.mp4")
    (tmp_path / "3.mp4").unlink()
    changed = BatchClip(4, "4.mp4", "another key", clips[3].request)
    with Ledger(ledger.path) as again:
        kept = unchanged_clips([*clips[:3], changed, clips[4]], again)
        assert [(result.clip.line, result.state) for result in kept] == [(1, "skipped")]
        again.begin_run(True)
    with Ledger(ledger.path) as again:
        assert len(unchanged_clips(clips, again)) == 2  # a resumed run keeps what the first one did
        again.begin_run(False)
    with Ledger(ledger.path) as again:
        assert unchanged_clips(clips, again) == []  # one that began anew does not


@pytest.mark.parametrize("torn", [b'{"event": "do', b'{"event": "done", "line": 2', b"\0\0\0\0", b"[]\n", b"7"])
def test_a_torn_last_line_is_passed_over_and_not_written_on(tmp_path: Path, ledger: Ledger, torn: bytes) -> None:
    clips = clips_of(tmp_path, "write", "write")
    with ledger:
        ledger.add("done", clips[0], bytes=1)
    with ledger.path.open("ab") as file:
        file.write(torn)
    with Ledger(ledger.path) as again:
        again.add("done", clips[1], bytes=2)
    with Ledger(ledger.path) as again:
        assert {key: entry["bytes"] for key, entry in again.done().items()} == {"key 1": 1, "key 2": 2}


def test_the_files_of_a_killed_batch_are_removed_and_no_others(tmp_path: Path, ledger: Ledger) -> None:
    clips = clips_of(tmp_path, "write", "write")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    mine, named, other = tmp_path / "1.mp4.0a.part", elsewhere / "2.mp4.0b.part", tmp_path / "2.mp4.0c.part"
    for path in (mine, named, other):
        path.touch()
    with ledger:
        ledger.add("begun", clips[0], unfinished=mine.name)
        ledger.add("begun", clips[1], unfinished="elsewhere/2.mp4.0b.part")
        ledger.add("begun", clips[1], unfinished="2.txt")
    with Ledger(ledger.path) as again:
        assert again.remove_leftovers(clips) == 1
    assert [path.exists() for path in (mine, named, other, tmp_path / "2.txt")] == [False, True, True, True]


def test_a_second_batch_of_one_manifest_is_refused(tmp_path: Path, ledger: Ledger) -> None:
    with ledger, pytest.raises(AnimatorError, match="another batch writes"):
        Ledger(ledger.path)
    with Ledger(ledger.path):
        pass


def test_every_entry_is_on_the_disk_before_the_work_goes_on(
    tmp_path: Path, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced, real = [], os.fsync

    def sync(descriptor: int) -> None:
        real(descriptor)
        synced.append(ledger.path.read_bytes().count(b"\n"))

    monkeypatch.setattr(os, "fsync", sync)
    Schedule(clips_of(tmp_path, "write", "fail write"), ledger).run(InlineWorkers(ScriptedRunner(), 1))
    # The run's own line was there before.
    assert synced == list(range(2, 2 + len(entries(ledger.path))))


def test_a_ledger_lies_beside_its_manifest() -> None:
    assert ledger_path(Path("a/clips.jsonl")) == Path("a/clips.ledger.jsonl")


def test_a_ledger_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(AnimatorError, match="cannot write the ledger"):
        Ledger(tmp_path / "missing" / "clips.ledger.jsonl")


def test_workers_are_told_to_leave_at_once(tmp_path: Path) -> None:
    workers = LocalWorkers(3, ScriptedRunner)
    assert workers.free_count == 3
    stopping = threading.Thread(target=workers.stop)
    stopping.start()
    stopping.join(5)
    assert not stopping.is_alive()
