"""Head and body: the rotator finds the flow at half size, the editor refines it and paints what comes into sight."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from animator_core.anime import parameters
from animator_core.anime.networks.layers import (
    ResidualBlock,
    block,
    colour_layer,
    flow_layer,
    halving_block,
    leaky_rectifier,
    mix,
    sample,
    share_layer,
    spread,
)


class _ResizingEncoderDecoder(nn.Module):
    """Halves a picture three times and doubles it back by repeated pixels; 64 channels come out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (64, 128, 256, 512)
        steps = list(zip(widths, widths[1:]))
        self.downsample_blocks = nn.ModuleList(
            [
                block(channels, 64, activation=leaky_rectifier, size=7),
                *(halving_block(a, b, leaky_rectifier) for a, b in steps),
            ]
        )
        self.bottleneck_blocks = nn.ModuleList(ResidualBlock(512, leaky_rectifier) for _ in range(6))
        self.upsample_blocks = nn.ModuleList(
            nn.Sequential(nn.Upsample(scale_factor=2), block(b, a, leaky_rectifier)) for a, b in reversed(steps)
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        for each in (*self.downsample_blocks, *self.bottleneck_blocks, *self.upsample_blocks):
            features = each(features)
        return features


class Rotator(nn.Module):
    """Turns head and body at 256x256."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder_decoder = _ResizingEncoderDecoder(4 + len(parameters.BODY))
        self.grid_change_creator = flow_layer()

    def forward(self, picture: torch.Tensor, pose: torch.Tensor) -> torch.Tensor:
        """Return the flow, (N, 2, 256, 256); picture: (N, 4, 256, 256); pose: (N, 6)."""
        features = self.encoder_decoder(torch.cat((picture, spread(pose, picture)), dim=1))
        flow: torch.Tensor = self.grid_change_creator(features)
        return flow


class _UNet(nn.Module):
    """Halves a picture three times and doubles it back beside what it was; 32 channels come out."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        widths = (32, 64, 128, 256)
        steps = list(zip(widths, widths[1:]))
        self.downsample_blocks = nn.ModuleList(
            [block(channels, 32, leaky_rectifier), *(halving_block(a, b, leaky_rectifier) for a, b in steps)]
        )
        self.bottleneck_blocks = nn.ModuleList(ResidualBlock(256, leaky_rectifier) for _ in range(6))
        self.upsample_blocks = nn.ModuleList(block(a + b, a, leaky_rectifier) for a, b in reversed(steps))
        self.enlarge = nn.Upsample(scale_factor=2)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        passed = []
        for each in self.downsample_blocks:
            features = each(features)
            passed.append(features)
        for each in self.bottleneck_blocks:
            features = each(features)
        for each, beside in zip(self.upsample_blocks, passed[-2::-1]):
            features = each(torch.cat((self.enlarge(features), beside), dim=1))
        return features


@dataclass(frozen=True)
class BodyChange:
    """What a pose of head and body changes, to be applied to the picture with the expression.

    flow: (N, 2, H, W), see `layers.flow_layer`. share: (N, 4, H, W), 0 to 1. colour: (N, 4, H, W), -1 to 1.
    """

    flow: torch.Tensor
    share: torch.Tensor
    colour: torch.Tensor

    def apply(self, picture: torch.Tensor) -> torch.Tensor:
        """Return the character in the pose, (N, 4, H, W)."""
        return mix(self.share, self.colour, sample(picture, self.flow))


class Editor(nn.Module):
    """Refines the rotator's flow at 512x512."""

    def __init__(self) -> None:
        super().__init__()
        self.body = _UNet(2 * 4 + len(parameters.BODY) + 2)
        self.color_change_creator = colour_layer(32)
        self.alpha_creator = share_layer(32, 4)
        self.grid_change_creator = flow_layer(32)

    def forward(
        self, picture: torch.Tensor, turned: torch.Tensor, flow: torch.Tensor, pose: torch.Tensor
    ) -> BodyChange:
        """Return the change; picture, turned: (N, 4, 512, 512), before and after the rotator's flow; pose: (N, 6)."""
        features = self.body(torch.cat((picture, turned, flow, spread(pose, picture)), dim=1))
        return BodyChange(
            flow + self.grid_change_creator(features), self.alpha_creator(features), self.color_change_creator(features)
        )
