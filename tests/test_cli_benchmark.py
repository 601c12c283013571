"""Promises of ``python -m animator_core benchmark``."""

from __future__ import annotations

import contextlib
import json
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from stand_in_model import StandInModel, face_character

from animator_core import assembly
from animator_core.__main__ import main
from animator_core.clips.video import VideoWriter, choose_encoding
from animator_core.diagnostics.benchmark.run import WARM_UP_FRAMES
from animator_core.liveportrait.engine import Engine
from animator_core.liveportrait.execution.device import DeviceChoice
from animator_core.liveportrait.source.scene_cache import SceneCache
from tests import stand_ins


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins.put_in_place(monkeypatch, stand_ins.character())


def write_clip(path: Path, frames: int) -> Path:
    with VideoWriter(path, choose_encoding(path, False), Fraction(30), time_base=Fraction(1, 30)) as writer:
        for number in range(frames):
            writer.write(np.full((48, 64, 3), 120, np.uint8), Fraction(number, 30))
    return path


def test_both_paths_are_measured_without_the_warm_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip, figures = write_clip(tmp_path / "d.mp4", 60), tmp_path / "b.json"
    assert main(["benchmark", "--driving", str(clip), "--frames", "75", "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())
    assert (found["frames"], found["warm_up_frames"]) == (75, WARM_UP_FRAMES)
    plain, optimizer = found["paths"]
    assert list(plain["stages_ms"]) == ["tracking", "motion", "render", "publish", "total"]
    for stage in plain["stages_ms"].values():
        assert 0 <= stage["p50"] <= stage["p95"] <= stage["p99"]
    assert (plain["enable_optimizer"], plain["drawn"], plain["reused"], plain["likeness"]) == (False, 75, 0, None)
    assert optimizer["enable_optimizer"]
    assert optimizer["drawn"] + optimizer["reused"] == 75
    assert optimizer["reused"] > 50, "the face rests"
    assert optimizer["likeness"]["differing"] == 0
    assert optimizer["mean_ms"]["render"] < plain["mean_ms"]["render"]
    assert found["overlapped_fps"] > 0
    assert found["peak_memory_mib"] > 10
    assert found["cpu_share"] > 0
    assert found["machine"]["cpu"]
    assert found["machine"]["versions"]["numpy"] == np.__version__
    table = capsys.readouterr().out
    assert f"75 frames after {WARM_UP_FRAMES} warm-up frames" in table
    assert "all 75 frames equal" in table
    assert "The optimizer saves" in table
    if found["gpu"] is None:
        assert "no NVIDIA GPU found" in table


@pytest.mark.parametrize("wanted", ["true", "false"])
def test_one_path_can_be_chosen(wanted: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    driving = stand_ins.write_motion(tmp_path / "m.npz", 10)
    figures = tmp_path / "b.json"
    command = ["benchmark", "--driving", str(driving), "--frames", "15", "--optimizer", wanted, "--json", str(figures)]
    assert main(command) == 0
    (path,) = json.loads(figures.read_text())["paths"]
    assert path["enable_optimizer"] == (wanted == "true")
    assert path["likeness"] is None
    assert "saves" not in capsys.readouterr().out


def test_several_characters_are_drawn_in_every_frame(tmp_path: Path) -> None:
    driving, figures = stand_ins.write_motion(tmp_path / "m.npz", 10), tmp_path / "b.json"
    command = ["benchmark", "--driving", str(driving), "--frames", "15", "--characters", "3", "--optimizer", "false"]
    assert main([*command, "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())
    assert found["characters"] == 3
    assert found["paths"][0]["drawn"] == 45


def test_liveportrait_is_measured_with_its_motion_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = StandInModel()
    model.painter = SimpleNamespace(name="stand-in")
    choice = DeviceChoice("cpu", torch.float32, "CPU")
    engine = Engine(model, choice, SceneCache(model))

    @contextlib.contextmanager
    def made_renderer(name, config, source, use_motion_cache):
        yield engine.make_renderer(use_motion_cache)

    monkeypatch.setattr(assembly, "made_renderer", made_renderer)
    monkeypatch.setattr(assembly, "load_character", lambda text, config: face_character())
    clip, figures = write_clip(tmp_path / "d.mp4", 60), tmp_path / "b.json"
    assert main(["benchmark", "--driving", str(clip), "--frames", "20", "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())
    assert (found["renderer"], found["backend"]) == ("liveportrait", "stand-in")
    plain, optimizer = found["paths"]
    assert plain["motion_cache_hit_rate"] is None
    assert optimizer["motion_cache_hit_rate"] > 0.5, "the face rests"
    assert (plain["drawn"], optimizer["drawn"] + optimizer["reused"]) == (20, 20)
    assert optimizer["reused"] > 10


def test_a_plot_is_drawn(tmp_path: Path) -> None:
    picture = tmp_path / "b.png"
    driving = stand_ins.write_motion(tmp_path / "m.npz", 10)
    assert main(["benchmark", "--driving", str(driving), "--frames", "15", "--plot", str(picture)]) == 0
    drawn = cv2.imread(str(picture))
    assert drawn.shape[0] > 600
    assert len(np.unique(drawn.reshape(-1, 3), axis=0)) > 10


def test_a_recorded_motion_is_said_not_to_measure_tracking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    driving = stand_ins.write_motion(tmp_path / "m.npz", 10)
    assert main(["benchmark", "--driving", str(driving), "--frames", "15"]) == 0
    table = capsys.readouterr().out
    assert "Tracking was not measured" in table
    assert "15 frames" in table


def test_a_missing_clip_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--driving", str(tmp_path / "no.mp4")]) == 1
    assert "no.mp4" in capsys.readouterr().err


def test_a_template_is_no_clip_to_measure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--driving", str(stand_ins.write_template_file(tmp_path / "t.npz"))]) == 1
    assert "t.npz is a template" in capsys.readouterr().err


def test_usual_sizes_are_measured_alone_and_beside_a_tracker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(assembly, "load_character", lambda text, config: stand_ins.character(is_transparent=True))
    clip, figures = write_clip(tmp_path / "d.mp4", 12), tmp_path / "b.json"
    command = ["benchmark", "--sizes", "--driving", str(clip), "--frames", "15", "--json", str(figures)]
    assert main(command) == 0
    rows = json.loads(figures.read_text())["sizes"]
    assert [row["name"] for row in rows] == [
        f"{size} {kind}{near}"
        for size, near in (("512x512", ""), ("1920x1080", ""), ("1920x1080", ", close up"))
        for kind in ("transparent", "opaque")
    ]
    table = capsys.readouterr().out
    assert all(row["name"] in table for row in rows)
    assert rows[0]["face_height"] < rows[2]["face_height"] < rows[4]["face_height"]
    for row in rows:
        assert row["prepared_seconds"] > 0
        assert row["fps"] > 0
        assert row["beside_fps"] > 0
        assert row["tracked_fps"] > 0


def test_usual_sizes_driven_by_a_recorded_motion_are_measured_without_tracking(tmp_path: Path) -> None:
    driving, figures = stand_ins.write_motion(tmp_path / "m.npz", 10), tmp_path / "b.json"
    assert main(["benchmark", "--sizes", "--driving", str(driving), "--frames", "15", "--json", str(figures)]) == 0
    rows = json.loads(figures.read_text())["sizes"]
    assert [row["name"] for row in rows] == ["512x512 opaque", "1920x1080 opaque", "1920x1080 opaque, close up"]
    assert all(row["beside_fps"] is None for row in rows)
