"""The optimized per-frame networks equal the plain ones, with less arithmetic."""

from __future__ import annotations

import copy

import pytest
import torch
from golden.golden_rule import input_noise
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from animator_core.liveportrait.execution.optimized.generator import OptimizedGenerator
from animator_core.liveportrait.execution.optimized.upsampling import (
    VARIANTS,
    InterpolatedUpConv,
    SubpixelUpConv,
    TransposedUpConv,
    UpConvAutotuner,
)
from animator_core.liveportrait.execution.optimized.warping import OptimizedWarping
from animator_core.liveportrait.networks.build import build_empty, load_unfolded
from animator_core.liveportrait.networks.layers import fold, to_channels_last


def noise(name: str, shape: tuple[int, ...], scale: float = 0.3) -> torch.Tensor:
    return torch.from_numpy(input_noise(f"optimized.{name}", shape, scale))


def assert_near(actual: torch.Tensor, expected: torch.Tensor, share: float = 1e-5) -> None:
    assert actual.shape == expected.shape
    assert (actual - expected).square().mean().sqrt() <= share * expected.std()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("factor", [2, 3, 4])
@pytest.mark.parametrize("shape", [(2, 5, 6, 7), (1, 5, 3, 4, 6), (1, 5, 1, 1)])
@torch.inference_mode()
def test_every_variant_equals_a_convolution_after_upsampling(shape, factor, bias, variant):
    torch.manual_seed(factor)
    conv = (nn.Conv2d if len(shape) == 4 else nn.Conv3d)(5, 4, 3, padding=1, bias=bias)
    x = torch.randn(shape)
    upsampled = x.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
    assert_near(variant(conv, factor)(x), conv(upsampled), 1e-6)


@pytest.mark.parametrize("shape", [(1, 5, 6, 7), (2, 5, 3, 4, 6)])
@torch.inference_mode()
def test_interleaved_phases_are_channels_last(shape):
    layout = torch.channels_last if len(shape) == 4 else torch.channels_last_3d
    conv = (nn.Conv2d if len(shape) == 4 else nn.Conv3d)(5, 4, 3, padding=1)
    assert SubpixelUpConv(conv, 2)(torch.randn(shape)).is_contiguous(memory_format=layout)


class StandInTimer:
    """Returns the next of the given durations, or fails for None."""

    def __init__(self, *seconds: float | None) -> None:
        self._left = list(seconds)

    def __call__(self, run) -> float:
        seconds = self._left.pop(0)
        if seconds is None:
            raise RuntimeError("CUDNN_STATUS_NOT_SUPPORTED\nmore")
        run()
        return seconds


@pytest.mark.parametrize(
    ("seconds", "variant"),
    [
        ((3.0, 2.0, 1.0), InterpolatedUpConv),
        ((3.0, 1.0, 2.0), SubpixelUpConv),
        ((1.0, 2.0, 3.0), TransposedUpConv),
        ((None, 2.0, 3.0), SubpixelUpConv),
        ((None, None, None), TransposedUpConv),
    ],
)
@pytest.mark.parametrize("size", [(4, 6), (3, 4, 6)])
def test_the_autotuner_takes_the_fastest_variant(seconds, variant, size, caplog):
    conv = (nn.Conv2d if len(size) == 2 else nn.Conv3d)(5, 4, 3, padding=1)
    choose = UpConvAutotuner(torch.device("cpu"), torch.float64, StandInTimer(*seconds))
    chosen = choose(conv, 2, size)
    assert type(chosen) is variant
    assert conv.weight.dtype == torch.float32
    assert len(caplog.records) == seconds.count(None)


def test_the_autotuner_measures_with_the_clock():
    conv = nn.Conv2d(5, 4, 3, padding=1)
    assert type(UpConvAutotuner(torch.device("cpu"), torch.float32)(conv, 2, (4, 6))) in VARIANTS


@torch.inference_mode()
@pytest.mark.parametrize("variant", [SubpixelUpConv, InterpolatedUpConv])
def test_the_optimized_generator_paints_the_same_with_every_variant(variant):
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
        return variant(conv, factor)

    assert_near(OptimizedGenerator(folded, choose)(feature), OptimizedGenerator(folded)(feature))
    assert sizes == [(2, 64, 64), (4, 64, 64)]


def plain(network: str, weights_dir) -> nn.Module:
    return load_unfolded(network, weights_dir / f"{network}.pth").eval().requires_grad_(False)


@torch.inference_mode()
def test_the_optimized_generator_equals_the_plain_one(golden_networks, golden_weights_dir):
    warped = noise("warped", (2, 256, 16, 16))
    assert_near(golden_networks.generate(warped), plain("spade_generator", golden_weights_dir)(warped))


@torch.inference_mode()
def test_the_optimized_warp_of_one_source_and_many_frames_equals_the_plain_one(golden_networks, golden_weights_dir):
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
def test_channels_last_changes_no_result(golden_networks):
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
    # The official networks, as counted in SPEC.
    assert before == pytest.approx((171.0, 445.8), abs=0.5)
    optimized_warping, optimized_generator = OptimizedWarping(warping), OptimizedGenerator(generator)
    source = optimized_warping.prepare(features, keypoints)
    after = giga_macs(lambda: optimized_warping(source, keypoints)), giga_macs(lambda: optimized_generator(warped))
    print(f"GMAC a frame: W {before[0]:.1f} -> {after[0]:.1f}, G {before[1]:.1f} -> {after[1]:.1f}")
    assert after[0] <= 0.9 * before[0]
    assert after[1] <= 0.85 * before[1]
