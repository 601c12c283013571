"""Promises of ``python -m animator_core batch``, in this process."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import stand_ins
from batch_runners import InlineWorkers, parts
from made_media import grey, make_clip

from animator_core.__main__ import main
from animator_core.animation.statistics import StageTimes
from animator_core.batch.runner import ClipRunner
from animator_core.cli import batch
from animator_core.clips.video import VideoReader
from animator_core.errors import AnimatorError


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    stand_ins.put_in_place(monkeypatch, stand_ins.character())
    monkeypatch.setattr(batch, "LocalWorkers", lambda count: InlineWorkers(ClipRunner(), count))
    stand_ins.write_motion(tmp_path / "sway.npz", 6)
    make_clip(tmp_path / "dark.mp4", [grey(0, 320, 240)] * 4)
    (tmp_path / "junk.mp4").write_bytes(b"\0\1\2\3" * 4000)
    (tmp_path / "me.png").touch()
    return tmp_path


def manifest(folder: Path, *lines: dict[str, Any]) -> Path:
    path = folder / "clips.jsonl"
    usual = {"character": "me.png", "driving": "sway.npz"}
    wanted = [{**usual, "output": f"{number}.mp4", **line} for number, line in enumerate(lines, 1)]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in wanted))
    return path


def run(path: Path, *more: str) -> int:
    return main(["batch", str(path), "--no-progress", *more])


def frame_count(path: Path) -> int:
    with VideoReader(path) as reader:
        return len(list(reader))


def test_every_clip_is_animated_as_its_line_says(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = manifest(folder, {}, {"max_frames": 4, "output": "b.webm"}, {"driving": "dark.mp4"})
    assert run(path, "--report", str(folder / "report.json")) == 0
    assert [frame_count(folder / name) for name in ("1.mp4", "b.webm", "3.mp4")] == [6, 4, 4]
    report = json.loads((folder / "report.json").read_text())
    assert (report["done"], report["failed"], report["skipped"]) == (3, 0, 0)
    assert [(clip["line"], clip["output"], clip["frames"]) for clip in report["clips"]] == [
        (1, "1.mp4", 6),
        (2, "b.webm", 4),
        (3, "3.mp4", 4),
    ]
    assert [clip["face_found"] for clip in report["clips"]] == [1, 1, 0]
    said = capsys.readouterr()
    assert said.out.startswith("3 done, 0 failed, 0 skipped of 3 clips in ")
    assert "warning: line 3, 3.mp4: only 0% of the frames" in said.err
    assert parts(folder) == []


def test_a_warning_about_all_clips_is_told_once_and_is_in_every_clips_report(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = replace(stand_ins.character(), warnings=("a large part of the face is hidden",))
    renderer, _ = stand_ins.put_in_place(monkeypatch, shown)
    renderer.note = AnimatorError("CUDA cannot run the networks", "update the driver")
    assert run(manifest(folder, {}, {}, {}), "--report", str(folder / "report.json")) == 0
    report = json.loads((folder / "report.json").read_text())
    told = ["CUDA cannot run the networks; update the driver", "orange.png: a large part of the face is hidden"]
    assert [clip["warnings"] for clip in report["clips"]] == [told] * 3
    said = capsys.readouterr().err
    assert [said.count(text) for text in told] == [1, 1]


def test_a_clip_that_cannot_be_done_is_told_and_the_others_are_done(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = manifest(folder, {}, {"driving": "junk.mp4"}, {})
    assert run(path, "--report", str(folder / "report.json")) == 1
    failed = json.loads((folder / "report.json").read_text())["clips"][1]
    assert (failed["state"], failed["attempts"]) == ("failed", 3)
    assert "cannot read the video" in failed["reason"]
    said = capsys.readouterr()
    assert "2 done, 1 failed, 0 skipped of 3 clips" in said.out
    assert said.err.count("trying again: line 2, 2.mp4") == 2
    assert "failed: line 2, 2.mp4, after 3 attempts: cannot read the video" in said.err
    assert sorted(each.name for each in folder.glob("?.mp4")) == ["1.mp4", "3.mp4"]


def test_a_resumed_batch_does_what_is_left(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = manifest(folder, {}, {"driving": "junk.mp4"}, {"max_frames": 5})
    assert run(path) == 1
    first = (folder / "1.mp4").stat().st_mtime_ns
    make_clip(folder / "junk.mp4", [grey(120, 320, 240)] * 3)
    manifest(folder, {}, {"driving": "junk.mp4"}, {"max_frames": 2})
    assert run(path, "--resume") == 0
    assert "2 done, 0 failed, 1 skipped of 3 clips" in capsys.readouterr().out
    assert (folder / "1.mp4").stat().st_mtime_ns == first
    assert [frame_count(folder / f"{number}.mp4") for number in (1, 2, 3)] == [6, 3, 2]
    assert run(path, "--resume") == 0
    assert "0 done, 0 failed, 3 skipped of 3 clips" in capsys.readouterr().out
    assert run(path) == 0
    said = capsys.readouterr()
    assert "3 done" in said.out
    assert "--resume would keep them" in said.err


def test_a_video_that_is_not_whole_is_not_done(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from animator_core.clips.video import VideoWriter

    real, count = VideoWriter.write, 0

    def lose_the_third(self: VideoWriter, *arguments: Any) -> None:
        nonlocal count
        count += 1
        if count != 3:
            real(self, *arguments)

    monkeypatch.setattr(VideoWriter, "write", lose_the_third)
    assert run(manifest(folder, {})) == 0
    assert "trying again: line 1, 1.mp4: the written video has 5 frames instead of 6" in capsys.readouterr().err
    assert frame_count(folder / "1.mp4") == 6


def test_a_fault_of_the_program_is_the_failure_of_one_clip(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fault(self: StageTimes) -> None:
        raise ZeroDivisionError("no frames")

    monkeypatch.setattr(StageTimes, "summary", fault)
    assert run(manifest(folder, {})) == 1
    assert "ZeroDivisionError: no frames" in capsys.readouterr().err


def test_a_bad_manifest_is_exit_2_and_nothing_runs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = manifest(folder, {}, {"driving": "nothing.npz"}, {"output": "1.mp4"})
    assert run(path) == 2
    said = capsys.readouterr().err.splitlines()
    assert [line.partition(": ")[0] for line in said] == [f"{path}:2", f"{path}:3", "error"]
    assert "2 of the 3 lines" in said[-1]
    assert not (folder / "1.mp4").exists()
    assert not (folder / "clips.ledger.jsonl").exists()


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (("--report", "clips.jsonl"), "--report and the manifest are the same file"),
        (("--report", "clips.ledger.jsonl"), "the ledger and --report are the same file"),
        (("--report", "1.mp4"), "1.mp4: output and the batch's own file 1.mp4 are the same file"),
        (("--report", "sway.npz"), "driving is the batch's own file sway.npz"),
        (("--report", "missing/r.json"), "there is no folder"),
    ],
)
def test_a_report_over_another_file_is_refused(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    says: str,
) -> None:
    monkeypatch.chdir(folder)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    path = manifest(folder, {})
    before[path] = path.read_bytes()
    assert run(path, *more) == 2
    assert says in capsys.readouterr().err
    assert {each: each.read_bytes() for each in folder.iterdir()} == before


def test_wrong_usage_is_exit_2(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        run(manifest(folder, {}), "--jobs", "0")
    assert left.value.code == 2


def test_networks_are_made_once_for_clips_of_the_same_settings(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from animator_core import assembly

    made, real = [], assembly.make_renderer_source

    def make(config: Any) -> Any:
        made.append(config)
        return real(config)

    monkeypatch.setattr(assembly, "make_renderer_source", make)
    assert run(manifest(folder, {}, {}, {"option": {"gaze_x": 1}}, {"option": {"gaze_x": 1}})) == 0
    assert len(made) == 2
