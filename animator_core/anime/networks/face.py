"""Eyes, irises and mouth."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from animator_core.anime import parameters
from animator_core.anime.networks.layers import EncoderDecoder, colour_layer, flow_layer, mix, sample, share_layer


@dataclass(frozen=True)
class FaceChange:
    """What the expression changes, to be applied to a face picture of the same size: flow, then mouth, then eyes.

    flow: (N, 2, H, W), see `layers.flow_layer`, of irises and mouth. mouth_share, eye_share: (N, 1, H, W), 0 to 1.
    mouth_colour, eye_colour: (N, 4, H, W), -1 to 1.
    """

    flow: torch.Tensor
    mouth_share: torch.Tensor
    mouth_colour: torch.Tensor
    eye_share: torch.Tensor
    eye_colour: torch.Tensor

    def apply(self, picture: torch.Tensor) -> torch.Tensor:
        """Return the face with the expression, (N, 4, H, W)."""
        mouth = mix(self.mouth_share, self.mouth_colour, sample(picture, self.flow))
        return mix(self.eye_share, self.eye_colour, mouth)


class FaceMorpher(nn.Module):
    """Opens and closes eyes and mouth and turns the irises."""

    def __init__(self) -> None:
        super().__init__()
        self.body = EncoderDecoder(4, len(parameters.FACE))
        self.iris_mouth_grid_change = flow_layer()
        self.iris_mouth_color_change = colour_layer()
        self.iris_mouth_alpha = share_layer()
        self.eye_color_change = colour_layer()
        self.eye_alpha = share_layer()

    def forward(self, picture: torch.Tensor, pose: torch.Tensor) -> FaceChange:
        """Return the change of a face; picture: (N, 4, 192, 192) with its brows moved already; pose: (N, 27)."""
        features = self.body(picture, pose)
        return FaceChange(
            self.iris_mouth_grid_change(features),
            mouth_share=self.iris_mouth_alpha(features),
            mouth_colour=self.iris_mouth_color_change(features),
            eye_share=self.eye_alpha(features),
            eye_colour=self.eye_color_change(features),
        )
