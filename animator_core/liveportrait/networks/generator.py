"""The generator G: warped features become a picture."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.liveportrait.networks.layers import SPADEResnetBlock

_MODULATION_CHANNELS = 256
_CHANNELS = 512


class SPADEGenerator(nn.Module):
    """G of the paper, a SPADE decoder; run once a driving frame."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Conv2d(_MODULATION_CHANNELS, _CHANNELS, 3, padding=1)
        self.G_middle_0 = SPADEResnetBlock(_CHANNELS, _CHANNELS, _MODULATION_CHANNELS)
        self.G_middle_1 = SPADEResnetBlock(_CHANNELS, _CHANNELS, _MODULATION_CHANNELS)
        self.G_middle_2 = SPADEResnetBlock(_CHANNELS, _CHANNELS, _MODULATION_CHANNELS)
        self.G_middle_3 = SPADEResnetBlock(_CHANNELS, _CHANNELS, _MODULATION_CHANNELS)
        self.G_middle_4 = SPADEResnetBlock(_CHANNELS, _CHANNELS, _MODULATION_CHANNELS)
        self.G_middle_5 = SPADEResnetBlock(_CHANNELS, _CHANNELS, _MODULATION_CHANNELS)
        self.up_0 = SPADEResnetBlock(_CHANNELS, 256, _MODULATION_CHANNELS)
        self.up_1 = SPADEResnetBlock(256, 64, _MODULATION_CHANNELS)
        self.conv_img = nn.Sequential(nn.Conv2d(64, 3 * 2 * 2, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        """Return the picture, (B, 3, 512, 512) RGB in [0, 1]; feature: (B, 256, 64, 64)."""
        middle = (self.G_middle_0, self.G_middle_1, self.G_middle_2, self.G_middle_3, self.G_middle_4, self.G_middle_5)
        x = self.fc(feature)
        for block in middle:
            x = block(x, feature)
        for block in (self.up_0, self.up_1):
            x = block(F.interpolate(x, scale_factor=2), feature)
        return self.conv_img(F.leaky_relu(x, 0.2)).sigmoid()
