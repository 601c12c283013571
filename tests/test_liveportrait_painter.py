"""Painting by a captured graph: the same pictures, and without a graph if capturing fails."""

from __future__ import annotations

import logging
from dataclasses import fields
from types import SimpleNamespace

import pytest
import torch

from animator_core.liveportrait.execution.cuda_graph import CapturedFunction, GraphPainter
from animator_core.liveportrait.execution.optimized.warping import WarpingSource
from animator_core.liveportrait.execution.painter import Painting, TorchPainter
from animator_core.liveportrait.networks.keypoints import KeypointMotion, unpacked


class StandInNetworks:
    """Networks whose picture depends on source and keypoints; counts the runs."""

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


def replaying(run):
    """Capture on the CPU: a replay fills the tensors of the first run, as a graph's does."""
    outputs = run()

    def start():
        for kept, again in zip(outputs, run()):
            kept.copy_(again)

    return start, outputs


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
    painter = GraphPainter(networks, lambda run: pytest.fail("a batch was captured"))
    assert len(painter.paint(source(0.25), keypoints(0.1, 3)).picture) == 3


def test_inputs_of_another_shape_are_computed_without_the_graph():
    doubled = CapturedFunction(lambda values: (values * 2,), "doubling", replaying)
    for count in (1, 2, 1):
        assert torch.equal(doubled(torch.ones(count, 3))[0], torch.full((count, 3), 2.0))


def refused(run):
    raise RuntimeError("operation not permitted when stream is capturing\nmore")


def computing_something_else(run):
    outputs = run()
    return (lambda: outputs[0].fill_(5.0)), outputs


def computing_nonsense(run):
    outputs = run()
    return (lambda: outputs[0].fill_(float("nan"))), outputs


@pytest.mark.parametrize(
    ("capture", "reason"),
    [
        (refused, "not permitted when stream is capturing"),
        (computing_something_else, "its replay is"),
        (computing_nonsense, "its replay is nan off"),
    ],
)
def test_if_capturing_fails_the_networks_paint_and_the_log_says_so_once(caplog, capture, reason):
    networks = StandInNetworks()
    painter = GraphPainter(networks, capture)
    with caplog.at_level(logging.WARNING):
        for value in (0.1, 0.2):
            expected = TorchPainter(networks).paint(source(0.25), keypoints(value))
            assert_same(painter.paint(source(0.25), keypoints(value)), expected)
    assert [reason in record.getMessage() for record in caplog.records] == [True]
    assert painter.name == "torch"


def test_a_motion_comes_back_from_one_tensor():
    random = torch.Generator().manual_seed(3)
    shapes = ((2,), (2,), (2,), (2, 3), (2, 21, 3), (2, 1), (2, 21, 3))
    motion = KeypointMotion(*(torch.randn(shape, generator=random) for shape in shapes))
    again = unpacked(motion.packed)
    assert all(torch.equal(getattr(again, each.name), getattr(motion, each.name)) for each in fields(KeypointMotion))


@pytest.mark.requires_cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_a_graph_on_the_gpu_paints_as_the_networks_do(golden_weights_dir, golden_cache_dir):
    from animator_core.liveportrait.networks.build import load_networks

    networks = load_networks(golden_weights_dir, "cuda", torch.float16, cache_dir=golden_cache_dir)
    torch.manual_seed(0)
    still = torch.randn(1, 21, 3) * 0.4
    prepared = networks.prepare_warp(torch.randn(1, 32, 16, 64, 64, device="cuda"), still.cuda())
    painter = GraphPainter(networks)
    for _ in range(3):
        driving = still + torch.randn(1, 21, 3) * 0.1
        difference = painter.paint(prepared, driving).picture - TorchPainter(networks).paint(prepared, driving).picture
        assert difference.abs().max() <= 1e-3
    assert painter.name == "cuda-graph"
