"""The networks that run for every frame give, with less arithmetic, what the plain ones give."""

from __future__ import annotations

import copy

import pytest
import torch
from golden.golden_rule import input_noise
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from animator_core.liveportrait.execution.optimized.enlarging import (
    WAYS,
    EnlargingConv,
    PhaseConv,
    QuickestOnDevice,
    RepeatingConv,
)
from animator_core.liveportrait.execution.optimized.generator import LeanGenerator
from animator_core.liveportrait.execution.optimized.warping import LeanWarping
from animator_core.liveportrait.networks.build import build_empty, load_unfolded, to_channels_last
from animator_core.liveportrait.networks.layers import fold


def noise(name: str, shape: tuple[int, ...], scale: float = 0.3) -> torch.Tensor:
    return torch.from_numpy(input_noise(f"lean.{name}", shape, scale))


def assert_near(actual: torch.Tensor, expected: torch.Tensor, share: float = 1e-5) -> None:
    assert actual.shape == expected.shape
    assert (actual - expected).square().mean().sqrt() <= share * expected.std()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("shape", [(2, 5, 6, 7), (1, 5, 3, 4, 6), (1, 5, 1, 1)])
@torch.inference_mode()
def test_every_way_of_an_enlarging_convolution_equals_one_of_the_enlarged_picture(shape, factor, bias, way):
    torch.manual_seed(factor)
    conv = (nn.Conv2d if len(shape) == 4 else nn.Conv3d)(5, 4, 3, padding=1, bias=bias)
    x = torch.randn(shape)
    enlarged = x.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    assert_near(way(conv, factor)(x), conv(enlarged), 1e-6)


@pytest.mark.parametrize("shape", [(1, 5, 6, 7), (2, 5, 3, 4, 6)])
@torch.inference_mode()
def test_places_side_by_side_are_laid_out_for_tensor_cores(shape):
    layout = torch.channels_last if len(shape) == 4 else torch.channels_last_3d
    conv = (nn.Conv2d if len(shape) == 4 else nn.Conv3d)(5, 4, 3, padding=1)
    assert PhaseConv(conv, 2)(torch.randn(shape)).is_contiguous(memory_format=layout)


class StandInClock:
    """Says that what runs took as long as the next of the given numbers, or fails where there is no number."""

    def __init__(self, *seconds: float | None) -> None:
        self._left = list(seconds)

    def __call__(self, run) -> float:
        seconds = self._left.pop(0)
        if seconds is None:
            raise RuntimeError("CUDNN_STATUS_NOT_SUPPORTED\nmore")
        run()
        return seconds


@pytest.mark.parametrize(
    ("seconds", "way"),
    [
        ((3.0, 2.0, 1.0), RepeatingConv),
        ((3.0, 1.0, 2.0), PhaseConv),
        ((1.0, 2.0, 3.0), EnlargingConv),
        ((None, 2.0, 3.0), PhaseConv),
        ((None, None, None), EnlargingConv),
    ],
)
@pytest.mark.parametrize("size", [(4, 6), (3, 4, 6)])
def test_a_device_takes_the_way_that_is_quickest_there(seconds, way, size, caplog):
    conv = (nn.Conv2d if len(size) == 2 else nn.Conv3d)(5, 4, 3, padding=1)
    choose = QuickestOnDevice(torch.device("cpu"), torch.float64, StandInClock(*seconds))
    chosen = choose(conv, 2, size)
    assert type(chosen) is way
    assert conv.weight.dtype == torch.float32
    assert len(caplog.records) == seconds.count(None)


def test_the_time_of_a_way_is_taken_by_the_clock():
    conv = nn.Conv2d(5, 4, 3, padding=1)
    assert type(QuickestOnDevice(torch.device("cpu"), torch.float32)(conv, 2, (4, 6))) in WAYS


@torch.inference_mode()
@pytest.mark.parametrize("way", [PhaseConv, RepeatingConv])
def test_the_lean_generator_paints_the_same_by_every_way(way):
    """Small pictures suffice: no layer knows its size."""
    torch.manual_seed(1)
    folded = build_empty("spade_generator").to_empty(device="cpu").eval()
    fold(folded)
    for parameter in folded.parameters():
        nn.init.normal_(parameter, std=0.02)
    feature = noise("feature", (1, 256, 4, 4))
    sizes = []

    def choose(conv, factor, size):
        sizes.append((factor, *size))
        return way(conv, factor)

    assert_near(LeanGenerator(folded, choose)(feature), LeanGenerator(folded)(feature))
    assert sizes == [(2, 64, 64), (4, 64, 64)]


def plain(network: str, weights_dir) -> nn.Module:
    return load_unfolded(network, weights_dir / f"{network}.pth").eval().requires_grad_(False)


@torch.inference_mode()
def test_the_lean_generator_paints_what_the_plain_one_paints(golden_networks, golden_weights_dir):
    warped = noise("warped", (2, 256, 16, 16))
    assert_near(golden_networks.generate(warped), plain("spade_generator", golden_weights_dir)(warped))


@torch.inference_mode()
def test_the_lean_warp_of_one_source_moves_many_frames_as_the_plain_one_does(golden_networks, golden_weights_dir):
    features = noise("features", (1, 32, 16, 32, 32))
    source, driving = noise("source", (1, 21, 3)), noise("driving", (2, 21, 3))
    module = plain("warping_module", golden_weights_dir)
    expected = module(features.expand(2, -1, -1, -1, -1), kp_driving=driving, kp_source=source.expand(2, -1, -1))
    actual = golden_networks.warp(golden_networks.prepare_warp(features, source), driving)
    assert_near(actual.mask, expected.mask, 1e-4)
    assert_near(actual.deformation, expected.deformation, 1e-4)
    assert_near(actual.occlusion_map, expected.occlusion_map, 1e-4)
    assert_near(actual.warped, expected.warped, 1e-3)


@torch.inference_mode()
def test_the_layout_of_tensor_cores_changes_no_result(golden_networks):
    warping, generator = copy.deepcopy(golden_networks.warping_module), copy.deepcopy(golden_networks.spade_generator)
    to_channels_last(warping)
    to_channels_last(generator)
    source = golden_networks.prepare_warp(noise("features", (1, 32, 16, 32, 32)), noise("source", (1, 21, 3)))
    driving = noise("driving", (1, 21, 3))
    expected = golden_networks.warp(source, driving)
    actual = warping(source, driving)
    assert_near(actual.deformation, expected.deformation, 1e-4)
    warped = expected.warped
    assert warping.dense_motion_network.hourglass.encoder(noise("volume", (1, 110, 16, 32, 32)))[1].is_contiguous(
        memory_format=torch.channels_last_3d
    )
    assert generator.up_0(generator.head(warped)[:, :512], warped).is_contiguous(memory_format=torch.channels_last)
    assert_near(generator(warped), golden_networks.generate(warped))


def giga_macs(call) -> float:
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() / 2e9


@torch.inference_mode()
def test_a_frame_takes_a_seventh_less_arithmetic_than_the_plain_networks():
    keypoints = torch.empty(1, 21, 3, device="meta")
    features = torch.empty(1, 32, 16, 64, 64, device="meta")
    warped = torch.empty(1, 256, 64, 64, device="meta")
    warping, generator = build_empty("warping_module").eval(), build_empty("spade_generator").eval()
    fold(warping)
    fold(generator)
    before = giga_macs(lambda: warping(features, keypoints, keypoints)), giga_macs(lambda: generator(warped))
    # What SPEC counts for the official networks.
    assert before == pytest.approx((171.0, 445.8), abs=0.5)
    lean_warping, lean_generator = LeanWarping(warping), LeanGenerator(generator)
    source = lean_warping.prepare(features, keypoints)
    after = giga_macs(lambda: lean_warping(source, keypoints)), giga_macs(lambda: lean_generator(warped))
    print(f"GMAC a frame: W {before[0]:.1f} -> {after[0]:.1f}, G {before[1]:.1f} -> {after[1]:.1f}")
    assert after[0] <= 0.9 * before[0]
    assert after[1] <= 0.85 * before[1]
