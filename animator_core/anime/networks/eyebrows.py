"""Eyebrows: taken off the face once a character, moved, and laid back."""

from __future__ import annotations

import torch
from torch import nn

from animator_core.anime import parameters
from animator_core.anime.networks.layers import EncoderDecoder, colour_layer, flow_layer, mix, sample, share_layer


class EyebrowDecomposer(nn.Module):
    """Splits the middle of a face into the brows and the skin below them."""

    def __init__(self) -> None:
        super().__init__()
        self.body = EncoderDecoder(4, 0)
        self.background_layer_alpha = share_layer()
        self.background_layer_color_change = colour_layer()
        self.eyebrow_layer_alpha = share_layer()
        self.eyebrow_layer_color_change = colour_layer()

    def forward(self, picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return (background, brows), as ``picture`` (N, 4, 128, 128)."""
        features = self.body(picture)
        background = mix(self.background_layer_alpha(features), self.background_layer_color_change(features), picture)
        # The share of the brows is of the picture itself, that of the background of the paint over it.
        brows = mix(self.eyebrow_layer_alpha(features), picture, self.eyebrow_layer_color_change(features))
        return background, brows


class EyebrowMorphingCombiner(nn.Module):
    """Moves the brows and lays them over the background."""

    def __init__(self) -> None:
        super().__init__()
        self.body = EncoderDecoder(8, len(parameters.EYEBROWS))
        self.morphed_eyebrow_layer_grid_change = flow_layer()
        self.morphed_eyebrow_layer_alpha = share_layer()
        self.morphed_eyebrow_layer_color_change = colour_layer()

    def forward(self, background: torch.Tensor, brows: torch.Tensor, pose: torch.Tensor) -> torch.Tensor:
        """Return the face's middle with moved brows, (N, 4, 128, 128); pose: (N, 12)."""
        features = self.body(torch.cat((background, brows), dim=1), pose)
        moved = mix(
            self.morphed_eyebrow_layer_alpha(features),
            self.morphed_eyebrow_layer_color_change(features),
            sample(brows, self.morphed_eyebrow_layer_grid_change(features)),
        )
        cover = (moved[:, 3:] + 1) / 2
        return torch.cat((mix(cover, moved[:, :3], background[:, :3]), background[:, 3:]), dim=1)
