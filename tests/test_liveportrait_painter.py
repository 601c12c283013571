"""Painting by a recorded graph: the same pictures, and the plain way wherever recording does not work."""

from __future__ import annotations

import logging
from types import SimpleNamespace

import pytest
import torch

from animator_core.liveportrait.cuda_graph import GraphPainter
from animator_core.liveportrait.lean.warping import WarpingSource
from animator_core.liveportrait.painter import Painting, TorchPainter


class StandInNetworks:
    """Networks whose picture tells source and keypoints; counts how often they ran."""

    device = torch.device("cpu")

    def __init__(self) -> None:
        self.runs = 0

    def warp(self, source, keypoints):
        self.runs += 1
        warped = source.features.mean() + keypoints.sum((1, 2)).reshape(-1, 1, 1, 1)
        return SimpleNamespace(warped=warped, deformation=source.compressed.mean() + keypoints[:, :1, :, None, None])

    def generate(self, warped):
        return warped.expand(-1, 3, 4, 4).clone()


def source(value: float) -> WarpingSource:
    return WarpingSource(*(torch.full(shape, value) for shape in ((1, 2), (1, 21, 3), (1, 4), (1, 1, 4))))


def replaying(step):
    """Record on the CPU: a replay fills the tensors of the first painting again, as a graph's does."""
    painting = step()

    def start():
        again = step()
        painting.picture.copy_(again.picture)
        painting.deformation.copy_(again.deformation)

    return start, painting


def keypoints(value: float, count: int = 1) -> torch.Tensor:
    return torch.full((count, 21, 3), value)


def assert_same(one: Painting, other: Painting) -> None:
    assert torch.allclose(one.picture, other.picture)
    assert torch.allclose(one.deformation, other.deformation)


def test_a_graph_paints_every_frame_and_character_as_the_networks_do():
    networks = StandInNetworks()
    painter, plain = GraphPainter(networks, replaying), TorchPainter(networks)
    one, other = source(0.25), source(0.5)
    for character, value in ((one, 0.1), (one, 0.2), (other, 0.2), (one, 0.3)):
        assert_same(painter.paint(character, keypoints(value)), plain.paint(character, keypoints(value)))
    assert painter.name == "cuda-graph"


def test_a_painting_is_not_changed_by_the_next_one():
    painter = GraphPainter(StandInNetworks(), replaying)
    first = painter.paint(source(0.25), keypoints(0.1))
    kept = first.picture.clone()
    painter.paint(source(0.5), keypoints(0.4))
    assert torch.equal(first.picture, kept)


def test_batches_are_painted_without_the_graph():
    networks = StandInNetworks()
    painter = GraphPainter(networks, lambda step: pytest.fail("a batch was recorded"))
    assert len(painter.paint(source(0.25), keypoints(0.1, 3)).picture) == 3


def refused(step):
    raise RuntimeError("operation not permitted when stream is capturing\nmore")


def painting_something_else(step):
    painting = step()
    return (lambda: painting.picture.add_(0.5)), painting


@pytest.mark.parametrize(
    ("capture", "reason"),
    [(refused, "not permitted when stream is capturing"), (painting_something_else, "0.500 apart")],
)
def test_where_recording_does_not_work_the_networks_paint_and_the_log_says_so_once(caplog, capture, reason):
    networks = StandInNetworks()
    painter = GraphPainter(networks, capture)
    with caplog.at_level(logging.WARNING):
        for value in (0.1, 0.2):
            expected = TorchPainter(networks).paint(source(0.25), keypoints(value))
            assert_same(painter.paint(source(0.25), keypoints(value)), expected)
    assert [reason in record.getMessage() for record in caplog.records] == [True]
    assert painter.name == "torch"


@pytest.mark.requires_cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_graph_on_the_gpu_paints_as_the_networks_do(golden_weights_dir, golden_cache_dir):
    from animator_core.liveportrait.build import load_networks

    networks = load_networks(golden_weights_dir, "cuda", torch.float16, golden_cache_dir)
    torch.manual_seed(0)
    still = torch.randn(1, 21, 3) * 0.4
    prepared = networks.prepare_warp(torch.randn(1, 32, 16, 64, 64, device="cuda"), still.cuda())
    painter = GraphPainter(networks)
    for _ in range(3):
        driving = still + torch.randn(1, 21, 3) * 0.1
        difference = painter.paint(prepared, driving).picture - TorchPainter(networks).paint(prepared, driving).picture
        assert difference.abs().max() <= 1e-3
    assert painter.name == "cuda-graph"
