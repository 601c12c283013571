"""The motion extractor M: a face to its pose, expression and canonical keypoints."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.liveportrait.networks.keypoints import KEYPOINT_COUNT, POSE_BINS, KeypointMotion, degrees_from_bins
from animator_core.liveportrait.networks.layers import ChannelLayerNorm

_DEPTHS = (3, 3, 9, 3)
_CHANNELS = (96, 192, 384, 768)
_HEADS = {
    "kp": 3 * KEYPOINT_COUNT,
    "scale": 1,
    "pitch": POSE_BINS,
    "yaw": POSE_BINS,
    "roll": POSE_BINS,
    "t": 3,
    "exp": 3 * KEYPOINT_COUNT,
}


class GlobalResponseNorm(nn.Module):
    """Global response normalisation of ConvNeXt V2; (B, H, W, C), shape kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.empty(1, 1, 1, channels))
        self.beta = nn.Parameter(torch.empty(1, 1, 1, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # A sum of 4096 squares does not fit into float16.
        response = torch.linalg.vector_norm(x, dim=(1, 2), keepdim=True, dtype=torch.float32)
        share: torch.Tensor = (response / (response.mean(-1, keepdim=True) + 1e-6)).to(x.dtype)
        return self.gamma * (x * share) + self.beta + x


class ConvNeXtBlock(nn.Module):
    """A ConvNeXt V2 block; (B, channels, H, W), shape kept."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 7, padding=3, groups=channels)
        self.norm = nn.LayerNorm(channels, eps=1e-6)
        self.pwconv1 = nn.Linear(channels, 4 * channels)
        self.grn = GlobalResponseNorm(4 * channels)
        self.pwconv2 = nn.Linear(4 * channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.norm(self.dwconv(x).permute(0, 2, 3, 1))
        y = self.pwconv2(self.grn(F.gelu(self.pwconv1(y))))
        return x + y.permute(0, 3, 1, 2)


class ConvNeXt(nn.Module):
    """ConvNeXt V2 tiny with one linear head for each of pose, scale, translation, expression and keypoints."""

    def __init__(self) -> None:
        super().__init__()
        stem = nn.Sequential(nn.Conv2d(3, _CHANNELS[0], 4, stride=4), ChannelLayerNorm(_CHANNELS[0]))
        halvings = (
            nn.Sequential(ChannelLayerNorm(fine), nn.Conv2d(fine, coarse, 2, stride=2))
            for fine, coarse in zip(_CHANNELS, _CHANNELS[1:])
        )
        self.downsample_layers = nn.ModuleList([stem, *halvings])
        self.stages = nn.ModuleList(
            nn.Sequential(*(ConvNeXtBlock(channels) for _ in range(depth)))
            for channels, depth in zip(_CHANNELS, _DEPTHS)
        )
        self.norm = nn.LayerNorm(_CHANNELS[-1], eps=1e-6)
        for head, size in _HEADS.items():
            self.add_module(f"fc_{head}", nn.Linear(_CHANNELS[-1], size))

    def forward(self, image: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return the raw output of each head, (B, size of the head) float32."""
        x = image.to(next(self.downsample_layers.parameters()).dtype)
        for downsample, stage in zip(self.downsample_layers, self.stages):
            x = stage(downsample(x))
        pooled = self.norm(x.mean((2, 3)).float())
        return {head: self.get_submodule(f"fc_{head}")(pooled).float() for head in _HEADS}

    def cast_body(self, dtype: torch.dtype) -> None:
        """Compute all but the last norm and the heads in ``dtype``: their rounding shows as a trembling face."""
        self.downsample_layers.to(dtype)
        self.stages.to(dtype)


class MotionExtractor(nn.Module):
    """M of the paper; run once a character and once a driving frame."""

    def __init__(self) -> None:
        super().__init__()
        self.detector = ConvNeXt()

    def forward(self, image: torch.Tensor) -> KeypointMotion:
        """Return pose, expression and canonical keypoints in float32; image: (B, 3, 256, 256) RGB in [0, 1]."""
        raw = self.detector(image)
        return KeypointMotion(
            pitch=degrees_from_bins(raw["pitch"]),
            yaw=degrees_from_bins(raw["yaw"]),
            roll=degrees_from_bins(raw["roll"]),
            translation=raw["t"],
            expression=raw["exp"].reshape(-1, KEYPOINT_COUNT, 3),
            scale=raw["scale"],
            canonical_keypoints=raw["kp"].reshape(-1, KEYPOINT_COUNT, 3),
        )
