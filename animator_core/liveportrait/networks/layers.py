"""What the networks are built of; `fold` turns a block that holds trained weights into its quicker, equal form."""

from __future__ import annotations

from typing import Union

import torch
import torch.nn.functional as F
from torch import nn

Conv = Union[nn.Conv2d, nn.Conv3d]
BatchNorm = Union[nn.BatchNorm2d, nn.BatchNorm3d]


class Foldable(nn.Module):
    """A block that can take its normalisation into its convolutions."""

    def fold(self) -> None:
        """Do so, once and in place; works on the meta device too, where it only changes the block's structure."""
        raise NotImplementedError


def fold(network: nn.Module) -> None:
    """Fold every block of ``network`` in place: batch norms and spectral norms become part of the convolutions."""
    for module in list(network.modules()):
        if isinstance(module, Foldable):
            module.fold()


def folded_conv(conv: Conv, norm: BatchNorm) -> Conv:
    """Return ``conv`` with the batch norm that follows it taken in; the weights are computed in float64."""
    assert conv.bias is not None and norm.running_var is not None and norm.running_mean is not None
    gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    shape = (-1, *[1] * (conv.weight.dim() - 1))
    bias = (conv.bias.double() - norm.running_mean.double()) * gain + norm.bias.double()
    conv.weight = frozen(conv.weight.double() * gain.reshape(shape))
    conv.bias = frozen(bias)
    return conv


def frozen(values: torch.Tensor) -> nn.Parameter:
    """Return ``values`` as float32 weights that are not trained."""
    return nn.Parameter(values.float(), requires_grad=False)


class ConvBlock2d(Foldable):
    """3×3 convolution, batch norm, leaky ReLU; (B, C, H, W) to (B, out_channels, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, negative_slope: float = 0.0) -> None:
        super().__init__()
        self.conv: nn.Conv2d = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm: nn.Module = nn.BatchNorm2d(out_channels)
        self.negative_slope = negative_slope

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.leaky_relu(self.norm(self.conv(x)), self.negative_slope)

    def fold(self) -> None:
        folded_conv(self.conv, self.norm)
        self.norm = nn.Identity()


class DownBlock2d(ConvBlock2d):
    """A `ConvBlock2d` that halves height and width."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.avg_pool2d(super().forward(x), 2)


class ConvBlock3d(Foldable):
    """3×3×3 convolution, batch norm, ReLU; (B, C, D, H, W) to (B, out_channels, D, H, W)."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv3d(in_channels, out_channels, 3, padding=1)
        self.norm: nn.Module = nn.BatchNorm3d(out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.relu(self.norm(self.conv(x)))

    def fold(self) -> None:
        folded_conv(self.conv, self.norm)
        self.norm = nn.Identity()


class DownBlock3d(ConvBlock3d):
    """A `ConvBlock3d` that halves height and width and keeps the depth."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = super().forward(x)
        # PyTorch has no 3-D pooling in half precision on CPUs, and what it has elsewhere leaves channels-last.
        x = x[..., ::2, :] + x[..., 1::2, :]
        return (x[..., ::2] + x[..., 1::2]) * 0.25


class UpBlock3d(ConvBlock3d):
    """A `ConvBlock3d` that first doubles height and width and keeps the depth."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(F.interpolate(x, scale_factor=(1, 2, 2)))


class ResBlock3d(Foldable):
    """x + conv(relu(norm(conv(relu(norm(x)))))), shape kept; (B, C, D, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv3d(channels, channels, 3, padding=1)
        self.conv2 = nn.Conv3d(channels, channels, 3, padding=1)
        self.norm1 = nn.BatchNorm3d(channels)
        self.norm2: nn.Module = nn.BatchNorm3d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv1(F.relu(self.norm1(x)))
        return x + self.conv2(F.relu(self.norm2(y)))

    def fold(self) -> None:
        # norm1 stays: there is a ReLU between it and the next convolution.
        folded_conv(self.conv1, self.norm2)
        self.norm2 = nn.Identity()


class ChannelLayerNorm(nn.LayerNorm):
    """Layer norm over the channels of (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SpectralConv2d(nn.Module):
    """A 2-D convolution whose weight is kept as weight_orig and divided by its spectral norm, as in the checkpoint."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, bias: bool = True) -> None:
        super().__init__()
        self.weight_orig = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.register_buffer("weight_u", torch.empty(out_channels))
        self.register_buffer("weight_v", torch.empty(in_channels * kernel_size**2))

    def weight(self) -> torch.Tensor:
        """Return the weight that the convolution uses, computed in float64."""
        # σ = uᵀ W v
        original = self.weight_orig.double()
        sigma = self.weight_u.double() @ original.flatten(1) @ self.weight_v.double()
        return (original / sigma).float()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.weight(), self.bias, padding=self.weight_orig.shape[-1] // 2)

    def folded(self) -> nn.Conv2d:
        """Return the plain convolution that does the same."""
        out_channels, in_channels, size, _ = self.weight_orig.shape
        with torch.device("meta"):
            conv = nn.Conv2d(in_channels, out_channels, size, padding=size // 2, bias=self.bias is not None)
        conv.weight = frozen(self.weight())
        conv.bias = None if self.bias is None else frozen(self.bias)
        return conv


class SPADE(Foldable):
    """Normalises x and scales and shifts it, place by place, by what a second picture says."""

    def __init__(self, channels: int, modulation_channels: int, hidden_channels: int = 128) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Conv2d(modulation_channels, hidden_channels, 3, padding=1), nn.ReLU())
        self.mlp_gamma: nn.Conv2d | None = nn.Conv2d(hidden_channels, channels, 3, padding=1)
        self.mlp_beta: nn.Conv2d | None = nn.Conv2d(hidden_channels, channels, 3, padding=1)
        self.mlp_scale_shift: nn.Conv2d | None = None

    def forward(self, x: torch.Tensor, modulation: torch.Tensor) -> torch.Tensor:
        """x: (B, channels, H, W). modulation: (B, modulation_channels, h, w). Returns x's shape."""
        hidden = self.mlp_shared(F.interpolate(modulation, size=x.shape[2:]))
        if self.mlp_scale_shift is None:
            scale, shift = 1 + self.mlp_gamma(hidden), self.mlp_beta(hidden)
        else:
            scale, shift = self.mlp_scale_shift(hidden).chunk(2, 1)
        return torch.addcmul(shift, F.instance_norm(x, eps=1e-5), scale)

    def fold(self) -> None:
        """Make one convolution of the two, with the 1 of 1 + gamma in its bias."""
        gamma, beta = self.mlp_gamma, self.mlp_beta
        with torch.device("meta"):
            both = nn.Conv2d(gamma.in_channels, 2 * gamma.out_channels, 3, padding=1)
        both.weight = frozen(torch.cat((gamma.weight, beta.weight)))
        both.bias = frozen(torch.cat((gamma.bias + 1, beta.bias)))
        self.mlp_scale_shift, self.mlp_gamma, self.mlp_beta = both, None, None


class SPADEResnetBlock(Foldable):
    """Two modulated convolutions beside a short cut; (B, in_channels, H, W) to (B, out_channels, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, modulation_channels: int) -> None:
        super().__init__()
        middle = min(in_channels, out_channels)
        self.has_shortcut_conv = in_channels != out_channels
        self.conv_0: nn.Module = SpectralConv2d(in_channels, middle, 3)
        self.conv_1: nn.Module = SpectralConv2d(middle, out_channels, 3)
        self.norm_0 = SPADE(in_channels, modulation_channels)
        self.norm_1 = SPADE(middle, modulation_channels)
        if self.has_shortcut_conv:
            self.conv_s: nn.Module = SpectralConv2d(in_channels, out_channels, 1, bias=False)
            self.norm_s = SPADE(in_channels, modulation_channels)

    def forward(self, x: torch.Tensor, modulation: torch.Tensor) -> torch.Tensor:
        shortcut = self.conv_s(self.norm_s(x, modulation)) if self.has_shortcut_conv else x
        y = self.conv_0(F.leaky_relu(self.norm_0(x, modulation), 0.2))
        return shortcut + self.conv_1(F.leaky_relu(self.norm_1(y, modulation), 0.2))

    def fold(self) -> None:
        self.conv_0 = self.conv_0.folded()
        self.conv_1 = self.conv_1.folded()
        if self.has_shortcut_conv:
            self.conv_s = self.conv_s.folded()
