"""Promises of ``python -m animator_core benchmark``."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from animator_core.__main__ import main
from animator_core.benchmark import WARM_UP_FRAMES
from animator_core.video import VideoWriter, choose_encoding
from tests import stand_ins


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins.put_in_place(monkeypatch, stand_ins.character())


def test_the_stages_are_measured_without_the_warm_up(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clip, figures = tmp_path / "d.mp4", tmp_path / "b.json"
    with VideoWriter(clip, choose_encoding(clip, False), Fraction(30), Fraction(1, 30)) as writer:
        for number in range(60):
            writer.write(np.full((48, 64, 3), 120, np.uint8), Fraction(number, 30))
    assert main(["benchmark", "--driving", str(clip), "--frames", "75", "--json", str(figures)]) == 0
    found = json.loads(figures.read_text())
    assert (found["frames"], found["warm_up_frames"]) == (75, WARM_UP_FRAMES)
    assert list(found["stages_ms"]) == ["read", "tracking", "motion", "render", "publish", "total"]
    for stage in found["stages_ms"].values():
        assert 0 <= stage["p50"] <= stage["p95"] <= stage["p99"]
    assert found["fps"] > 0
    assert found["peak_memory_mib"] > 10
    assert found["machine"]["cpu"]
    assert found["machine"]["versions"]["numpy"] == np.__version__
    table = capsys.readouterr().out
    assert f"75 frames, after {WARM_UP_FRAMES} more that are not counted" in table
    assert "p50       p95       p99" in table


def test_a_recorded_motion_is_said_not_to_measure_tracking(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    driving = stand_ins.write_motion(tmp_path / "m.npz", 10)
    assert main(["benchmark", "--driving", str(driving), "--frames", "15"]) == 0
    table = capsys.readouterr().out
    assert "tracking was not measured" in table
    assert "15 frames" in table


def test_a_missing_clip_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["benchmark", "--driving", str(tmp_path / "no.mp4")]) == 1
    assert "no.mp4" in capsys.readouterr().err
