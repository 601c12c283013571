"""Painting by compiled networks: only where they are the same and quicker, and never in a frame's way."""

from __future__ import annotations

import logging
import shutil
import threading
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from animator_core.liveportrait.execution.compiled import ImprovingPainter, compiled_networks
from animator_core.liveportrait.execution.optimized.warping import WarpingSource
from animator_core.liveportrait.execution.painter import Painting, TorchPainter
from animator_core.liveportrait.networks.networks import Networks

CPU = torch.device("cpu")


class Clock:
    """Stands still but for what painters let pass."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class StandInPainter:
    """Paints one level; lets some seconds of the clock pass."""

    def __init__(self, name: str, clock: Clock, seconds: float, level: float = 0.5) -> None:
        self.name = name
        self._clock, self._seconds, self._level = clock, seconds, level

    def paint(self, source, keypoints_driving) -> Painting:
        self._clock.seconds += self._seconds
        level = torch.full((len(keypoints_driving), 3, 2, 2), self._level)
        return Painting(level, level)


def keypoints(count: int = 1) -> torch.Tensor:
    return torch.zeros(count, 21, 3)


def source() -> WarpingSource:
    return WarpingSource(*(torch.full((1, 2), 0.5) for _ in range(4)))


def painting(better_seconds: float, level: float = 0.5) -> ImprovingPainter:
    clock = Clock()
    first = StandInPainter("plain", clock, 1.0)
    return ImprovingPainter(first, lambda: StandInPainter("better", clock, better_seconds, level), CPU, clock)


@pytest.mark.parametrize(
    ("better_seconds", "level", "name", "told"),
    [
        (0.5, 0.5, "better, compiled", "used"),
        (0.99, 0.5, "plain", "left out"),
        (2.0, 0.5, "plain", "left out"),
        (0.5, 0.6, "plain", "0.100 off"),
        (0.5, float("nan"), "plain", "nan off"),
    ],
)
def test_a_compiled_painter_takes_over_where_it_is_quicker_and_the_same(better_seconds, level, name, told, caplog):
    painter = painting(better_seconds, level)
    with caplog.at_level(logging.INFO):
        painter.paint(source(), keypoints())
        painter.wait(30)
    assert painter.name == name
    assert told in caplog.text
    assert painter.paint(source(), keypoints()).picture.mean() == 0.5


def test_frames_are_painted_while_something_is_compiled():
    may_end, made = threading.Event(), []

    def make_better():
        made.append(threading.current_thread())
        may_end.wait(30)
        return StandInPainter("better", Clock(), 0.0)

    painter = ImprovingPainter(StandInPainter("plain", Clock(), 1.0), make_better, CPU)
    for _ in range(3):
        painter.paint(source(), keypoints())
    assert painter.name == "plain"
    may_end.set()
    painter.wait(30)
    assert len(made) == 1
    assert made[0] is not threading.main_thread()


def test_a_compiler_that_fails_costs_nothing_but_a_word(caplog):
    def make_better():
        raise OSError("there is no compiler\nmore")

    painter = ImprovingPainter(StandInPainter("plain", Clock(), 1.0), make_better, CPU)
    painter.paint(source(), keypoints())
    painter.wait(30)
    assert painter.name == "plain"
    assert [record.getMessage() for record in caplog.records] == [
        "torch.compile does not work here: there is no compiler"
    ]


def test_several_frames_at_once_are_not_compiled_for():
    painter = painting(0.5)
    assert len(painter.paint(source(), keypoints(3)).picture) == 3
    painter.wait(0)
    painter.paint(source(), keypoints())
    painter.wait(30)
    assert painter.name == "better, compiled"


class Warp(nn.Module):
    def forward(self, source: WarpingSource, driving: torch.Tensor) -> SimpleNamespace:
        moved = source.features.mean() + driving.sum((1, 2)).reshape(-1, 1, 1, 1)
        return SimpleNamespace(warped=moved, deformation=moved.sin())


class Generate(nn.Module):
    def forward(self, warped: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(warped.expand(-1, 3, 4, 4))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*script_method.*:DeprecationWarning")
@pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs a C++ compiler on a CPU")
def test_compiled_networks_paint_as_the_plain_ones_and_are_kept_on_disk(tmp_path, monkeypatch):
    # So that what is set is taken back afterwards.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "elsewhere"))
    plain = Networks(None, None, Warp(), Generate(), None, None, None, CPU, torch.float32, "1")  # type: ignore[arg-type]
    compiled = compiled_networks(plain, tmp_path)
    for value in (0.1, 0.2):
        given = (source(), torch.full((1, 21, 3), value))
        expected, actual = TorchPainter(plain).paint(*given), TorchPainter(compiled).paint(*given)
        assert torch.allclose(actual.picture, expected.picture, atol=1e-6)
        assert torch.allclose(actual.deformation, expected.deformation, atol=1e-6)
    assert any((tmp_path / "compiled").rglob("*.cpp"))
