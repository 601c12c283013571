"""The generator G with less arithmetic."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.liveportrait.execution.optimized.enlarging import Choose, with_least_arithmetic
from animator_core.liveportrait.execution.optimized.operations import SLOPE, Operated
from animator_core.liveportrait.networks.appearance import FEATURE_SIDE
from animator_core.liveportrait.networks.generator import SPADEGenerator
from animator_core.liveportrait.networks.layers import SPADE, SPADEResnetBlock, frozen


class LeanGenerator(Operated):
    """Does what a folded `SPADEGenerator` does; (B, 256, 64, 64) to (B, 3, 512, 512) RGB in [0, 1]."""

    def __init__(self, folded: SPADEGenerator, choose: Choose = with_least_arithmetic) -> None:
        """choose: how pictures are convolved that are enlarged before."""
        super().__init__()
        blocks = [getattr(folded, f"G_middle_{index}") for index in range(6)]
        # All of them look at the warped feature only: one convolution in place of thirteen.
        shared = [norm.mlp_shared[0] for block in blocks for norm in (block.norm_0, block.norm_1)]
        self.head = _side_by_side(folded.fc, *shared)
        self._hidden_channels = shared[0].out_channels
        self._parts = [folded.fc.out_channels, len(shared) * self._hidden_channels]
        self.middle = nn.ModuleList(LeanBlock(block) for block in blocks)
        self.up_0 = LeanUpBlock(folded.up_0, 2, choose)
        self.up_1 = LeanUpBlock(folded.up_1, 4, choose)
        self.conv_img = folded.conv_img[0]

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        x, hidden = self.head(feature).split(self._parts, 1)
        hidden = _rectified(hidden, self._hidden_channels)
        for block, hidden_0, hidden_1 in zip(self.middle, hidden[::2], hidden[1::2]):
            x = block(x, hidden_0, hidden_1)
        x = self.up_1(self.up_0(x, feature), feature)
        return self.operations.picture(self.conv_img(F.leaky_relu(x, SLOPE)))


class LeanBlock(Operated):
    """A folded `SPADEResnetBlock` of equal channels, given the hidden pictures of its two norms.

    Up to what is the same for all places of a channel: whatever comes after it normalises that away, as its own second
    norm does. So its convolutions need no bias, which would be a pass of its own over what cuDNN gives.
    """

    def __init__(self, folded: SPADEResnetBlock) -> None:
        super().__init__()
        self.scale_shift_0 = folded.norm_0.mlp_scale_shift
        self.conv_0 = _conv(folded.conv_0.weight)
        self.scale_shift_1 = folded.norm_1.mlp_scale_shift
        self.conv_1 = _conv(folded.conv_1.weight)

    def forward(self, x: torch.Tensor, hidden_0: torch.Tensor, hidden_1: torch.Tensor) -> torch.Tensor:
        modulated = self.operations.modulated
        y = self.conv_0(modulated(x, self.scale_shift_0, hidden_0))
        return x + self.conv_1(modulated(y, self.scale_shift_1, hidden_1))


class LeanUpBlock(Operated):
    """A folded `SPADEResnetBlock` with a short cut, of the input enlarged by 2.

    x: (B, in_channels, H, W). feature: (B, 256, H·2/factor, W·2/factor), ``factor`` times smaller than what comes out,
    (B, out_channels, 2·H, 2·W). What an enlarged picture's mean and variance are, the small one's are too. The short
    cut's shift is linear from the hidden picture on: its two convolutions become one to the fewer channels.
    """

    def __init__(self, folded: SPADEResnetBlock, factor: int, choose: Choose = with_least_arithmetic) -> None:
        super().__init__()
        norms = (folded.norm_0, folded.norm_1, folded.norm_s)
        shared = _side_by_side(*(norm.mlp_shared[0] for norm in norms))
        self.shared = choose(shared, factor, (FEATURE_SIDE, FEATURE_SIDE))
        self.scale_shift_0 = folded.norm_0.mlp_scale_shift
        self.conv_0 = _conv(folded.conv_0.weight)
        self.scale_shift_1 = folded.norm_1.mlp_scale_shift
        self._hidden_channels = folded.norm_0.mlp_shared[0].out_channels
        self.scale_s, self.shift_s = _shortcut(folded.norm_s, folded.conv_s)
        self.conv_s = folded.conv_s
        # One bias is enough for a sum, and none is needed before a norm.
        self.conv_1 = _conv(folded.conv_1.weight, folded.conv_1.bias + self.shift_s.bias)
        self.shift_s.bias = None

    def forward(self, x: torch.Tensor, feature: torch.Tensor) -> torch.Tensor:
        operations = self.operations
        hidden_0, hidden_1, hidden_s = _rectified(self.shared(feature), self._hidden_channels)
        x, unshifted = operations.modulated_enlarged(x, self.scale_shift_0, hidden_0, self.scale_s, hidden_s)
        shortcut = self.conv_s(unshifted) + self.shift_s(hidden_s)
        return shortcut + self.conv_1(operations.modulated(self.conv_0(x), self.scale_shift_1, hidden_1))


def _rectified(hidden: torch.Tensor, channels: int) -> list[torch.Tensor]:
    """Return the hidden pictures of several norms; one by one, else convolutions copy their part of channels-last."""
    return [F.relu(part) for part in hidden.split(channels, 1)]


def _side_by_side(*convs: nn.Conv2d) -> nn.Conv2d:
    """Return one convolution that gives what all of them give of the same picture, one after the other."""
    return _conv(torch.cat([conv.weight for conv in convs]), torch.cat([conv.bias for conv in convs]))


def _shortcut(norm: SPADE, conv: nn.Conv2d) -> tuple[nn.Conv2d, nn.Conv2d]:
    """Return the convolutions of the hidden picture to 1 + gamma and to what the short cut makes of beta."""
    both = norm.mlp_scale_shift
    scale_weight, shift_weight = both.weight.chunk(2)
    scale_bias, shift_bias = both.bias.chunk(2)
    mix = conv.weight.double().flatten(1)
    weight = torch.einsum("oc,cihw->oihw", mix, shift_weight.double())
    return _conv(scale_weight, scale_bias), _conv(weight, mix @ shift_bias.double())


def _conv(weight: torch.Tensor, bias: torch.Tensor | None = None) -> nn.Conv2d:
    out_channels, in_channels, size, _ = weight.shape
    with torch.device("meta"):
        conv = nn.Conv2d(in_channels, out_channels, size, padding=size // 2, bias=bias is not None)
    conv.weight = frozen(weight)
    conv.bias = None if bias is None else frozen(bias)
    return conv
