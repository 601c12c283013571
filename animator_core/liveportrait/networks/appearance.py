"""The appearance feature extractor F: a source picture to its appearance features."""

from __future__ import annotations

from collections import OrderedDict

import torch
from torch import nn

from animator_core.liveportrait.networks.layers import ConvBlock2d, DownBlock2d, ResBlock3d

FEATURE_CHANNELS = 32
FEATURE_DEPTH = 16
FEATURE_SIDE = 64
_RESIDUAL_BLOCKS = 6


class AppearanceFeatureExtractor(nn.Module):
    """F of the paper; run once a character."""

    def __init__(self) -> None:
        super().__init__()
        self.first = ConvBlock2d(3, 64)
        self.down_blocks = nn.ModuleList([DownBlock2d(64, 128), DownBlock2d(128, 256)])
        self.second = nn.Conv2d(256, FEATURE_CHANNELS * FEATURE_DEPTH, 1)
        blocks = [(f"3dr{i}", ResBlock3d(FEATURE_CHANNELS)) for i in range(_RESIDUAL_BLOCKS)]
        self.resblocks_3d = nn.Sequential(OrderedDict(blocks))

    def forward(self, source: torch.Tensor) -> torch.Tensor:
        """Return the appearance features, (B, 32, 16, 64, 64); source: (B, 3, 256, 256) RGB in [0, 1]."""
        x: torch.Tensor = self.first(source)
        for block in self.down_blocks:
            x = block(x)
        x = self.second(x)
        batch, _, height, width = x.shape
        features: torch.Tensor = self.resblocks_3d(x.reshape(batch, FEATURE_CHANNELS, FEATURE_DEPTH, height, width))
        return features
