"""Painters run the per-frame networks, warping module and generator, by one of several back ends."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from animator_core.liveportrait.execution.optimized.warping import WarpingSource
from animator_core.liveportrait.networks.networks import Networks


@dataclass(frozen=True)
class Painting:
    """A generated face square.

    picture: (B, 3, 512, 512) float32 RGB in [0, 1]. deformation: (B, 16, 64, 64, 3) float32, see `warping.Warping`.
    """

    picture: torch.Tensor
    deformation: torch.Tensor


class Painter(Protocol):
    """Thread-safe; all painters give the same pictures up to rounding."""

    @property
    def name(self) -> str:
        """For the status line and the benchmark: "torch", "cuda-graph", "onnx …"."""
        ...

    def paint(self, source: WarpingSource, keypoints_driving: torch.Tensor) -> Painting:
        """Paint the source, from `Networks.prepare_warp`, with its keypoints moved to the driving ones, (B, 21, 3)."""
        ...


class TorchPainter:
    """Runs the networks in torch, kernel by kernel."""

    name = "torch"

    def __init__(self, networks: Networks) -> None:
        self._networks = networks

    @torch.inference_mode()
    def paint(self, source: WarpingSource, keypoints_driving: torch.Tensor) -> Painting:
        """See `Painter.paint`."""
        warping = self._networks.warp(source, keypoints_driving.to(self._networks.device))
        return Painting(self._networks.generate(warping.warped), warping.deformation)
