"""The stitching and retargeting networks: small MLPs that correct the driving keypoints."""

from __future__ import annotations

import torch
from torch import nn

from animator_core.liveportrait.networks.keypoints import KEYPOINT_COUNT

_COORDINATES = 3 * KEYPOINT_COUNT


class KeypointMLP(nn.Module):
    """Linear layers with ReLU in between; (B, in_size) to (B, out_size)."""

    def __init__(self, in_size: int, hidden: tuple[int, ...], out_size: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for size in hidden:
            layers += [nn.Linear(in_size, size), nn.ReLU()]
            in_size = size
        self.mlp = nn.Sequential(*layers, nn.Linear(in_size, out_size))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        out: torch.Tensor = self.mlp(x)
        return out


class StitchingNetwork(KeypointMLP):
    """Fits the driving keypoints to the still parts of the source: shoulders and hair."""

    def __init__(self) -> None:
        super().__init__(2 * _COORDINATES, (128, 128, 64), _COORDINATES + 2)

    def stitch(self, keypoints_source: torch.Tensor, keypoints_driving: torch.Tensor) -> torch.Tensor:
        """Return the corrected driving keypoints, (B, 21, 3); both given: (B, 21, 3) float32."""
        correction = self(torch.cat((keypoints_source.flatten(1), keypoints_driving.flatten(1)), 1))
        delta, shift = correction[:, :_COORDINATES], correction[:, None, _COORDINATES:]
        stitched = keypoints_driving + delta.reshape(keypoints_driving.shape)
        return torch.cat((stitched[..., :2] + shift, stitched[..., 2:]), 2)


class RetargetingNetwork(KeypointMLP):
    """Opens and closes eyes or lips to given ratios."""

    def retarget(self, keypoints_source: torch.Tensor, ratios: torch.Tensor) -> torch.Tensor:
        """Return the delta for the driving keypoints, (B, 21, 3).

        keypoints_source: (B, 21, 3) float32. ratios: (B, N) float32; see `LipRetargeting`, `EyeRetargeting`.
        """
        delta: torch.Tensor = self(torch.cat((keypoints_source.flatten(1), ratios), 1))
        return delta.reshape(keypoints_source.shape)


class LipRetargeting(RetargetingNetwork):
    """ratios: (B, 2), lip opening of the source and the wanted one."""

    def __init__(self) -> None:
        super().__init__(_COORDINATES + 2, (128, 128, 64), _COORDINATES)


class EyeRetargeting(RetargetingNetwork):
    """ratios: (B, 3), left and right eye opening of the source and the wanted one of both."""

    def __init__(self) -> None:
        super().__init__(_COORDINATES + 3, (256, 256, 128, 128, 64), _COORDINATES)
