"""The blocks that the networks are built of; `fold` moves their norms into the convolutions."""

from __future__ import annotations

from typing import Union

import torch
import torch.nn.functional as F
from torch import nn

Conv = Union[nn.Conv2d, nn.Conv3d]


class Foldable(nn.Module):
    """A block whose normalisation can become part of its convolutions."""

    def fold(self) -> None:
        """Fold once, in place; on the meta device this changes only the block's structure."""
        raise NotImplementedError


def fold(network: nn.Module) -> None:
    """Fold every block of ``network`` in place: batch norms and spectral norms become part of the convolutions."""
    for module in list(network.modules()):
        if isinstance(module, Foldable):
            module.fold()


def fold_norm(conv: Conv, norm: nn.Module) -> nn.Identity:
    """Fold the batch norm after ``conv`` into its weights, in float64, and return the norm's replacement."""
    assert isinstance(norm, (nn.BatchNorm2d, nn.BatchNorm3d))
    assert conv.bias is not None and norm.running_var is not None and norm.running_mean is not None
    gain = norm.weight.double() / (norm.running_var.double() + norm.eps).sqrt()
    shape = (-1, *[1] * (conv.weight.dim() - 1))
    bias = (conv.bias.double() - norm.running_mean.double()) * gain + norm.bias.double()
    conv.weight = frozen(conv.weight.double() * gain.reshape(shape))
    conv.bias = frozen(bias)
    return nn.Identity()


def to_channels_last(module: nn.Module) -> None:
    """Convert the convolutions' weights to channels-last, as tensor cores read them, in place; results follow."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        elif parameter.dim() == 5:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last_3d)


def frozen(values: torch.Tensor) -> nn.Parameter:
    """Return ``values`` as float32 weights without gradients."""
    return nn.Parameter(values.float(), requires_grad=False)


class ConvBlock2d(Foldable):
    """3×3 convolution, batch norm, leaky ReLU; (B, C, H, W) to (B, out_channels, H, W)."""

    def __init__(self, in_channels: int, out_channels: int, negative_slope: float = 0.0) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)
        self.norm: nn.Module = nn.BatchNorm2d(out_channels)
        self.negative_slope = negative_slope

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.leaky_relu(self.norm(self.conv(x)), self.negative_slope)

    def fold(self) -> None:
        self.norm = fold_norm(self.conv, self.norm)


class DownBlock2d(ConvBlock2d):
    """A `ConvBlock2d` and 2×2 average pooling."""

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
        self.norm = fold_norm(self.conv, self.norm)


class DownBlock3d(ConvBlock3d):
    """A `ConvBlock3d` and average pooling of height and width by 2."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = super().forward(x)
        # PyTorch has no 3-D pooling in half precision on CPUs; on GPUs its pooling drops the channels-last layout.
        x = x[..., ::2, :] + x[..., 1::2, :]
        return (x[..., ::2] + x[..., 1::2]) * 0.25


class UpBlock3d(ConvBlock3d):
    """Nearest-neighbour upsampling of height and width by 2, then a `ConvBlock3d`."""

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
        y: torch.Tensor = self.conv1(F.relu(self.norm1(x)))
        y = self.conv2(F.relu(self.norm2(y)))
        return x + y

    def fold(self) -> None:
        # norm1 stays: there is a ReLU between it and the next convolution.
        self.norm2 = fold_norm(self.conv1, self.norm2)


class ChannelLayerNorm(nn.LayerNorm):
    """Layer norm over the channels of (B, C, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels, eps=1e-6)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class SpectralConv2d(nn.Module):
    """A 2-D convolution with spectral norm; the checkpoint keeps weight_orig and the singular vectors."""

    weight_u: torch.Tensor
    weight_v: torch.Tensor

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, bias: bool = True) -> None:
        super().__init__()
        self.weight_orig = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None
        self.register_buffer("weight_u", torch.empty(out_channels))
        self.register_buffer("weight_v", torch.empty(in_channels * kernel_size**2))

    def weight(self) -> torch.Tensor:
        """Return the normalised weight, float32, computed in float64."""
        # σ = uᵀ W v
        original = self.weight_orig.double()
        sigma = self.weight_u.double() @ original.flatten(1) @ self.weight_v.double()
        return (original / sigma).float()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.conv2d(x, self.weight(), self.bias, padding=self.weight_orig.shape[-1] // 2)

    def folded(self) -> nn.Conv2d:
        """Return the equal plain convolution."""
        out_channels, in_channels, size, _ = self.weight_orig.shape
        with torch.device("meta"):
            conv = nn.Conv2d(in_channels, out_channels, size, padding=size // 2, bias=self.bias is not None)
        conv.weight = frozen(self.weight())
        conv.bias = None if self.bias is None else frozen(self.bias)
        return conv


class SPADE(Foldable):
    """Spatially-adaptive normalisation: instance norm, scaled and shifted by maps made from a second picture."""

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
            assert self.mlp_gamma is not None and self.mlp_beta is not None
            scale, shift = 1 + self.mlp_gamma(hidden), self.mlp_beta(hidden)
        else:
            scale, shift = self.mlp_scale_shift(hidden).chunk(2, 1)
        return torch.addcmul(shift, F.instance_norm(x, eps=1e-5), scale)

    def fold(self) -> None:
        """Merge the convolutions for gamma and beta, with the 1 of 1 + gamma in the bias."""
        gamma, beta = self.mlp_gamma, self.mlp_beta
        assert gamma is not None and gamma.bias is not None and beta is not None and beta.bias is not None
        with torch.device("meta"):
            both = nn.Conv2d(gamma.in_channels, 2 * gamma.out_channels, 3, padding=1)
        both.weight = frozen(torch.cat((gamma.weight, beta.weight)))
        both.bias = frozen(torch.cat((gamma.bias + 1, beta.bias)))
        self.mlp_scale_shift, self.mlp_gamma, self.mlp_beta = both, None, None


class SPADEResnetBlock(Foldable):
    """Two SPADE norms, each with leaky ReLU and convolution, and a shortcut; (B, in, H, W) to (B, out, H, W)."""

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
        shortcut: torch.Tensor = self.conv_s(self.norm_s(x, modulation)) if self.has_shortcut_conv else x
        y: torch.Tensor = self.conv_0(F.leaky_relu(self.norm_0(x, modulation), 0.2))
        y = self.conv_1(F.leaky_relu(self.norm_1(y, modulation), 0.2))
        return shortcut + y

    def fold(self) -> None:
        for name, conv in list(self.named_children()):
            if isinstance(conv, SpectralConv2d):
                setattr(self, name, conv.folded())
