"""Small blocks of the networks give the same results folded and in half precision."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from animator_core.liveportrait.networks.layers import (
    ChannelLayerNorm,
    ConvBlock2d,
    ConvBlock3d,
    DownBlock2d,
    DownBlock3d,
    ResBlock3d,
    SPADEResnetBlock,
    UpBlock3d,
    fold,
)
from animator_core.liveportrait.networks.motion_extractor import ConvNeXtBlock

PICTURE, VOLUME = (2, 8, 12, 12), (2, 8, 3, 12, 12)
BLOCKS = {
    "conv 2d": (lambda: ConvBlock2d(8, 6, 0.01), [PICTURE], (2, 6, 12, 12)),
    "down 2d": (lambda: DownBlock2d(8, 6), [PICTURE], (2, 6, 6, 6)),
    "conv 3d": (lambda: ConvBlock3d(8, 6), [VOLUME], (2, 6, 3, 12, 12)),
    "down 3d": (lambda: DownBlock3d(8, 6), [VOLUME], (2, 6, 3, 6, 6)),
    "up 3d": (lambda: UpBlock3d(8, 6), [VOLUME], (2, 6, 3, 24, 24)),
    "residual 3d": (lambda: ResBlock3d(8), [VOLUME], VOLUME),
    "spade": (lambda: SPADEResnetBlock(8, 8, 4), [PICTURE, (2, 4, 6, 6)], PICTURE),
    "spade with shortcut": (lambda: SPADEResnetBlock(8, 6, 4), [PICTURE, (2, 4, 6, 6)], (2, 6, 12, 12)),
    "channel norm": (lambda: ChannelLayerNorm(8), [PICTURE], PICTURE),
    "convnext": (lambda: ConvNeXtBlock(8), [PICTURE], PICTURE),
}


def filled(name: str) -> tuple[nn.Module, list[torch.Tensor], tuple[int, ...]]:
    """Return a block with plausible weights, its inputs and the shape of its result."""
    make, shapes, shape = BLOCKS[name]
    random = torch.Generator().manual_seed(7)
    block = make().eval().requires_grad_(False)
    for key, value in block.state_dict().items():
        if key.endswith("running_var"):
            value.uniform_(0.5, 1.5, generator=random)
        elif value.is_floating_point():
            value.uniform_(-0.3, 0.3, generator=random)
    return block, [torch.randn(each, generator=random) for each in shapes], shape


@pytest.mark.parametrize("name", BLOCKS)
def test_a_folded_block_matches_the_unfolded_one(name):
    block, inputs, shape = filled(name)
    expected = block(*inputs)
    assert expected.shape == shape
    fold(block)
    assert (block(*inputs) - expected).abs().max() <= 1e-5 * expected.abs().max()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", BLOCKS)
def test_a_folded_block_works_in_half_precision(name, dtype):
    block, inputs, _ = filled(name)
    fold(block)
    expected = block(*inputs)
    actual = copy.deepcopy(block).to(dtype)(*(each.to(dtype) for each in inputs))
    assert actual.dtype == dtype
    tolerance = 0.01 if dtype == torch.float16 else 0.08
    assert (actual.float() - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize("name", BLOCKS)
def test_folding_needs_no_values(name):
    with torch.device("meta"):
        empty = BLOCKS[name][0]()
    block, _, _ = filled(name)
    fold(empty)
    fold(block)
    assert {key: value.shape for key, value in empty.state_dict().items()} == {
        key: value.shape for key, value in block.state_dict().items()
    }
