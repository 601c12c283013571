"""The generator G: warped features to a picture."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.liveportrait.networks.layers import SPADEResnetBlock

_MODULATION_CHANNELS = 256
_CHANNELS = 512
_MIDDLE_BLOCKS = 6


class SPADEGenerator(nn.Module):
    """G of the paper, a SPADE decoder; run once a driving frame."""

    def __init__(self) -> None:
        super().__init__()
        self.fc = nn.Conv2d(_MODULATION_CHANNELS, _CHANNELS, 3, padding=1)
        for index in range(_MIDDLE_BLOCKS):
            self.add_module(f"G_middle_{index}", SPADEResnetBlock(_CHANNELS, _CHANNELS, _MODULATION_CHANNELS))
        self.up_0 = SPADEResnetBlock(_CHANNELS, 256, _MODULATION_CHANNELS)
        self.up_1 = SPADEResnetBlock(256, 64, _MODULATION_CHANNELS)
        self.conv_img = nn.Sequential(nn.Conv2d(64, 3 * 2 * 2, 3, padding=1), nn.PixelShuffle(2))

    def middle_blocks(self) -> list[SPADEResnetBlock]:
        """Return the blocks before the first upsampling, in order."""
        return [getattr(self, f"G_middle_{index}") for index in range(_MIDDLE_BLOCKS)]

    def forward(self, feature: torch.Tensor) -> torch.Tensor:
        """Return the picture, (B, 3, 512, 512) RGB in [0, 1]; feature: (B, 256, 64, 64)."""
        x = self.fc(feature)
        for block in self.middle_blocks():
            x = block(x, feature)
        for block in (self.up_0, self.up_1):
            x = block(F.interpolate(x, scale_factor=2), feature)
        picture: torch.Tensor = self.conv_img(F.leaky_relu(x, 0.2))
        return picture.sigmoid()
