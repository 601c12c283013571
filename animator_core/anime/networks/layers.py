"""The blocks that the five networks are built from: depthwise separable convolutions, and sampling by a flow."""

from __future__ import annotations

from typing import Callable

import torch
import torch.nn.functional as F
from torch import nn

Activation = Callable[[], nn.Module]


def rectifier() -> nn.Module:
    """Return the activation of brow and face networks."""
    return nn.ReLU()


def leaky_rectifier() -> nn.Module:
    """Return the activation of rotator and editor."""
    return nn.LeakyReLU(0.1)


def separable(channels: int, made: int, size: int = 3) -> nn.Sequential:
    """Return a depthwise convolution and a pointwise one: (N, channels, H, W) to (N, made, H, W)."""
    return nn.Sequential(
        nn.Conv2d(channels, channels, size, padding=size // 2, groups=channels, bias=False),
        nn.Conv2d(channels, made, 1, bias=False),
    )


def block(channels: int, made: int, activation: Activation, size: int = 3) -> nn.Sequential:
    """Return a separable convolution, normalised and activated."""
    return nn.Sequential(*separable(channels, made, size), nn.InstanceNorm2d(made, affine=True), activation())


def halving_block(channels: int, made: int, activation: Activation) -> nn.Sequential:
    """Return the same with stride 2."""
    depthwise = nn.Conv2d(channels, channels, 4, stride=2, padding=1, groups=channels, bias=False)
    return nn.Sequential(
        depthwise, nn.Conv2d(channels, made, 1, bias=False), nn.InstanceNorm2d(made, affine=True), activation()
    )


def doubling_block(channels: int, made: int, activation: Activation) -> nn.Sequential:
    """Return the same by a transposed convolution of stride 2."""
    depthwise = nn.ConvTranspose2d(channels, channels, 4, stride=2, padding=1, groups=channels, bias=False)
    return nn.Sequential(
        depthwise, nn.Conv2d(channels, made, 1, bias=False), nn.InstanceNorm2d(made, affine=True), activation()
    )


class ResidualBlock(nn.Module):
    """Two separable convolutions beside the identity."""

    def __init__(self, channels: int, activation: Activation) -> None:
        super().__init__()
        self.resnet_path = nn.Sequential(
            separable(channels, channels),
            nn.InstanceNorm2d(channels, affine=True),
            activation(),
            separable(channels, channels),
            nn.InstanceNorm2d(channels, affine=True),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Return (N, C, H, W) as given."""
        changed: torch.Tensor = self.resnet_path(features)
        return features + changed


class EncoderDecoder(nn.Module):
    """Halves a picture three times, adds the parameters, and doubles it back; 64 channels come out.

    channels: of the picture. parameters: how many are added, 0 for none.
    """

    def __init__(self, channels: int, parameters: int) -> None:
        super().__init__()
        widths = (64, 128, 256, 512)
        steps = list(zip(widths, widths[1:]))
        self.downsample_blocks = nn.ModuleList(
            [block(channels, 64, rectifier), *(halving_block(a, b, rectifier) for a, b in steps)]
        )
        self.bottleneck_blocks = nn.ModuleList(
            [block(512 + parameters, 512, rectifier), *(ResidualBlock(512, rectifier) for _ in range(5))]
        )
        self.upsample_blocks = nn.ModuleList(doubling_block(b, a, rectifier) for a, b in reversed(steps))

    def forward(self, picture: torch.Tensor, parameters: torch.Tensor | None = None) -> torch.Tensor:
        """Return features (N, 64, H, W); picture: (N, C, H, W), H and W multiples of 8; parameters: (N, P)."""
        features = picture
        for each in self.downsample_blocks:
            features = each(features)
        if parameters is not None:
            features = torch.cat((features, spread(parameters, features)), dim=1)
        for each in (*self.bottleneck_blocks, *self.upsample_blocks):
            features = each(features)
        return features


def spread(parameters: torch.Tensor, features: torch.Tensor) -> torch.Tensor:
    """Return parameters, (N, P), at every pixel of ``features``: (N, P, H, W)."""
    return parameters[:, :, None, None].expand(-1, -1, *features.shape[2:])


def flow_layer(channels: int = 64) -> nn.Conv2d:
    """Return the layer that makes a flow: (N, 2, H, W), x and y in halves of the picture's width and height."""
    return nn.Conv2d(channels, 2, 3, padding=1, bias=False)


def share_layer(channels: int = 64, made: int = 1) -> nn.Sequential:
    """Return the layer that makes shares, 0 to 1."""
    return nn.Sequential(nn.Conv2d(channels, made, 3, padding=1), nn.Sigmoid())


def colour_layer(channels: int = 64) -> nn.Sequential:
    """Return the layer that makes an RGBA picture, -1 to 1."""
    return nn.Sequential(nn.Conv2d(channels, 4, 3, padding=1), nn.Tanh())


def sample(picture: torch.Tensor, flow: torch.Tensor) -> torch.Tensor:
    """Return ``picture``, (N, C, H, W), sampled at each pixel's place plus ``flow``: bilinear, border clamped."""
    identity = torch.eye(2, 3, dtype=flow.dtype, device=flow.device).expand(len(flow), -1, -1)
    grid = F.affine_grid(identity, list(picture.shape), align_corners=False) + flow.permute(0, 2, 3, 1)
    return F.grid_sample(picture, grid, mode="bilinear", padding_mode="border", align_corners=False)


def mix(share: torch.Tensor, colour: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
    """Return share · colour + (1 - share) · picture."""
    mixed: torch.Tensor = colour * share + picture * (1 - share)
    return mixed
