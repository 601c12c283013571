"""The generator G with less arithmetic."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.liveportrait.execution.optimized.operations import SLOPE, OperationsModule
from animator_core.liveportrait.execution.optimized.upsampling import MakeUpConv, fewest_products
from animator_core.liveportrait.networks.appearance import FEATURE_SIDE
from animator_core.liveportrait.networks.generator import SPADEGenerator
from animator_core.liveportrait.networks.layers import SPADE, SPADEResnetBlock, frozen


class OptimizedGenerator(OperationsModule):
    """Equals a folded `SPADEGenerator`; (B, 256, 64, 64) to (B, 3, 512, 512) RGB in [0, 1]."""

    def __init__(self, folded: SPADEGenerator, make_up_conv: MakeUpConv = fewest_products) -> None:
        """make_up_conv: makes the convolutions after upsampling."""
        super().__init__()
        blocks = folded.middle_blocks()
        # All of them read the warped features only: one convolution instead of thirteen.
        shared = [_shared_conv(norm) for block in blocks for norm in (block.norm_0, block.norm_1)]
        self.head = _concatenated(folded.fc, *shared)
        self._hidden_channels = shared[0].out_channels
        self._parts = [folded.fc.out_channels, len(shared) * self._hidden_channels]
        self.middle = nn.ModuleList(OptimizedBlock(block) for block in blocks)
        self.up_0 = OptimizedUpBlock(folded.up_0, 2, make_up_conv)
        self.up_1 = OptimizedUpBlock(folded.up_1, 4, make_up_conv)
        self.conv_img = folded.conv_img[0]

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        x, hidden = self.head(feature).split(self._parts, 1)
        hidden = _rectified(hidden, self._hidden_channels)
        for block, hidden_0, hidden_1 in zip(self.middle, hidden[::2], hidden[1::2]):
            x = block(x, hidden_0, hidden_1)
        x = self.up_1(self.up_0(x, feature), feature)
        return self.operations.picture(self.conv_img(F.leaky_relu(x, SLOPE)))


class OptimizedBlock(OperationsModule):
    """A folded `SPADEResnetBlock` without shortcut convolution, given the hidden maps of its two norms.

    Equal up to a constant per channel, which the next normalisation removes; so its convolutions need no bias, which
    would be a separate pass after cuDNN.
    """

    def __init__(self, folded: SPADEResnetBlock) -> None:
        super().__init__()
        self.scale_shift_0 = _plain(folded.norm_0.mlp_scale_shift)
        self.conv_0 = _conv(_plain(folded.conv_0).weight)
        self.scale_shift_1 = _plain(folded.norm_1.mlp_scale_shift)
        self.conv_1 = _conv(_plain(folded.conv_1).weight)

    def forward(self, x: torch.Tensor, hidden_0: torch.Tensor, hidden_1: torch.Tensor) -> torch.Tensor:
        modulated = self.operations.modulated
        y: torch.Tensor = self.conv_0(modulated(x, self.scale_shift_0, hidden_0))
        y = self.conv_1(modulated(y, self.scale_shift_1, hidden_1))
        return x + y


class OptimizedUpBlock(OperationsModule):
    """A folded `SPADEResnetBlock` with shortcut convolution, of the input upsampled by 2.

    x: (B, in_channels, H, W). feature: (B, 256, H·2/factor, W·2/factor), ``factor`` times smaller than the result,
    (B, out_channels, 2·H, 2·W). Mean and variance are taken before upsampling, which does not change them. The
    shortcut's shift is linear in the hidden map, so its two convolutions become one with fewer channels.
    """

    def __init__(self, folded: SPADEResnetBlock, factor: int, make_up_conv: MakeUpConv = fewest_products) -> None:
        super().__init__()
        shared = _concatenated(*(_shared_conv(norm) for norm in (folded.norm_0, folded.norm_1, folded.norm_s)))
        self.shared = make_up_conv(shared, factor, (FEATURE_SIDE, FEATURE_SIDE))
        self.scale_shift_0 = _plain(folded.norm_0.mlp_scale_shift)
        self.conv_0 = _conv(_plain(folded.conv_0).weight)
        self.scale_shift_1 = _plain(folded.norm_1.mlp_scale_shift)
        self._hidden_channels = _shared_conv(folded.norm_0).out_channels
        self.conv_s = _plain(folded.conv_s)
        self.scale_s, self.shift_s = _shortcut(_plain(folded.norm_s.mlp_scale_shift), self.conv_s)
        # One bias is enough for a sum, and none is needed before a norm.
        conv_1 = _plain(folded.conv_1)
        self.conv_1 = _conv(conv_1.weight, _bias(conv_1) + _bias(self.shift_s))
        self.shift_s.bias = None

    def forward(self, x: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        operations = self.operations
        hidden_0, hidden_1, hidden_s = _rectified(self.shared(feature), self._hidden_channels)
        x, unshifted = operations.modulated_upsampled(
            x=x,
            scale_shift=self.scale_shift_0,
            hidden=hidden_0,
            shortcut_scale=self.scale_s,
            shortcut_hidden=hidden_s,
        )
        shortcut: torch.Tensor = self.conv_s(unshifted) + self.shift_s(hidden_s)
        y: torch.Tensor = self.conv_1(operations.modulated(self.conv_0(x), self.scale_shift_1, hidden_1))
        return shortcut + y


def _rectified(hidden: torch.Tensor, channels: int) -> list[torch.Tensor]:
    """Return the hidden maps of several norms, each with its own ReLU: of a slice, convolutions would make a copy."""
    return [F.relu(part) for part in hidden.split(channels, 1)]


def _concatenated(*convs: nn.Conv2d) -> nn.Conv2d:
    """Return one convolution with the channels of all of them, for the same input."""
    return _conv(torch.cat([conv.weight for conv in convs]), torch.cat([_bias(conv) for conv in convs]))


def _shortcut(scale_shift: nn.Conv2d, conv: nn.Conv2d) -> tuple[nn.Conv2d, nn.Conv2d]:
    """Return the convolutions of the hidden map to 1 + gamma, and to the shortcut convolution of beta."""
    scale_weight, shift_weight = scale_shift.weight.chunk(2)
    scale_bias, shift_bias = _bias(scale_shift).chunk(2)
    mix = conv.weight.double().flatten(1)
    weight = torch.einsum("oc,cihw->oihw", mix, shift_weight.double())
    return _conv(scale_weight, scale_bias), _conv(weight, mix @ shift_bias.double())


def _shared_conv(norm: SPADE) -> nn.Conv2d:
    return _plain(norm.mlp_shared[0])


def _plain(conv: nn.Module | None) -> nn.Conv2d:
    """Return the convolution that folding left."""
    assert isinstance(conv, nn.Conv2d), "the network is not folded"
    return conv


def _bias(conv: nn.Conv2d) -> torch.Tensor:
    assert conv.bias is not None
    return conv.bias


def _conv(weight: torch.Tensor, bias: torch.Tensor | None = None) -> nn.Conv2d:
    out_channels, in_channels, size, _ = weight.shape
    with torch.device("meta"):
        conv = nn.Conv2d(in_channels, out_channels, size, padding=size // 2, bias=bias is not None)
    conv.weight = frozen(weight)
    conv.bias = None if bias is None else frozen(bias)
    return conv
