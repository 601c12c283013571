"""Painting by compiled networks: only if they are the same and faster, and without delaying frames."""

from __future__ import annotations

import logging
import shutil
import threading
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from animator_core.liveportrait.execution.compiled import CompilingPainter, compiled_networks
from animator_core.liveportrait.execution.optimized.warping import WarpingSource
from animator_core.liveportrait.execution.painter import Painting, TorchPainter
from animator_core.liveportrait.networks.networks import Networks

CPU = torch.device("cpu")


class Clock:
    """Advanced only by the painters."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


class StandInPainter:
    """Paints one level; advances the clock by some seconds."""

    def __init__(self, name: str, clock: Clock, seconds: float, *, level: float = 0.5) -> None:
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


def wait_for_compiling() -> None:
    for thread in threading.enumerate():
        if thread.name == "compiling":
            thread.join(30)


def painting(compiled_seconds: float, level: float = 0.5) -> CompilingPainter:
    clock = Clock()
    plain = StandInPainter("plain", clock, 1.0)
    return CompilingPainter(
        plain, lambda: StandInPainter("better", clock, compiled_seconds, level=level), CPU, clock=clock
    )


@pytest.mark.parametrize(
    ("compiled_seconds", "level", "name", "told"),
    [
        (0.5, 0.5, "better, compiled", "used"),
        (0.99, 0.5, "plain", "left out"),
        (2.0, 0.5, "plain", "left out"),
        (0.5, 0.6, "plain", "0.100 off"),
        (0.5, float("nan"), "plain", "nan off"),
    ],
)
def test_a_compiled_painter_takes_over_if_it_is_faster_and_the_same(compiled_seconds, level, name, told, caplog):
    painter = painting(compiled_seconds, level)
    with caplog.at_level(logging.INFO):
        painter.paint(source(), keypoints())
        wait_for_compiling()
    assert painter.name == name
    assert told in caplog.text
    assert painter.paint(source(), keypoints()).picture.mean() == 0.5


def test_frames_are_painted_while_the_networks_compile():
    may_end, made = threading.Event(), []

    def make_compiled():
        made.append(threading.current_thread())
        may_end.wait(30)
        return StandInPainter("better", Clock(), 0.0)

    painter = CompilingPainter(StandInPainter("plain", Clock(), 1.0), make_compiled, CPU)
    for _ in range(3):
        painter.paint(source(), keypoints())
    assert painter.name == "plain"
    may_end.set()
    wait_for_compiling()
    assert len(made) == 1
    assert made[0] is not threading.main_thread()


def test_a_compiler_that_fails_is_only_logged(caplog):
    def make_compiled():
        raise OSError("there is no compiler\nmore")

    painter = CompilingPainter(StandInPainter("plain", Clock(), 1.0), make_compiled, CPU)
    painter.paint(source(), keypoints())
    wait_for_compiling()
    assert painter.name == "plain"
    assert [record.getMessage() for record in caplog.records] == [
        "torch.compile does not work here: there is no compiler"
    ]


def test_nothing_is_compiled_for_batches():
    painter = painting(0.5)
    assert len(painter.paint(source(), keypoints(3)).picture) == 3
    wait_for_compiling()
    painter.paint(source(), keypoints())
    wait_for_compiling()
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
    # So that the variable is restored afterwards.
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "elsewhere"))
    others = dict.fromkeys(("appearance_feature_extractor", "motion_extractor", "stitching", "lip", "eye"))
    networks = {**others, "warping_module": Warp(), "spade_generator": Generate()}
    plain = Networks(**networks, device=CPU, dtype=torch.float32, version="1")
    compiled = compiled_networks(plain, tmp_path)
    for value in (0.1, 0.2):
        given = (source(), torch.full((1, 21, 3), value))
        expected, actual = TorchPainter(plain).paint(*given), TorchPainter(compiled).paint(*given)
        assert torch.allclose(actual.picture, expected.picture, atol=1e-6)
        assert torch.allclose(actual.deformation, expected.deformation, atol=1e-6)
    assert any((tmp_path / "compiled").rglob("*.cpp"))
