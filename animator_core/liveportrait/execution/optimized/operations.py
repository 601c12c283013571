"""What is computed between the convolutions of a frame: as plain expressions, and how others take their place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.liveportrait.networks.warping import HEAT_VARIANCE, axis_places, identity_grid, sample

SLOPE = 0.2
EPSILON = 1e-5

Tensors = "tuple[torch.Tensor, ...]"


@dataclass(frozen=True)
class Operations:
    """One way to compute each of them; the functions of the same names in this file say what they return."""

    modulated: Callable[..., torch.Tensor]
    modulated_enlarged: Callable[..., Tensors]
    hourglass_input: Callable[..., torch.Tensor]
    moved: Callable[..., Tensors]
    picture: Callable[..., torch.Tensor]


class Operated(nn.Module):
    """A module whose operations can be exchanged, but for a compiler or an exporter, which see the plain ones."""

    chosen: Operations

    def __init__(self) -> None:
        super().__init__()
        self.chosen = PLAIN

    @property
    def operations(self) -> Operations:
        """What to compute with now."""
        # Not is_compiling, which is true while any other thread compiles.
        if self.chosen is PLAIN or torch.onnx.is_in_onnx_export() or torch.compiler.is_dynamo_compiling():
            return PLAIN
        return self.chosen


def use_operations(network: nn.Module, operations: Operations) -> None:
    """Have every part of ``network`` compute with ``operations``."""
    for module in network.modules():
        if isinstance(module, Operated):
            module.chosen = operations


def modulated(x: torch.Tensor, scale_shift: nn.Conv2d, hidden: torch.Tensor) -> torch.Tensor:
    """Return leaky_relu(x normalised over each channel's places · scale + shift), (B, C, H, W) like x.

    scale_shift: makes both, (B, 2·C, H, W), of ``hidden``, (B, hidden channels, H, W).
    """
    return _modulated(_normalised(x), scale_shift, hidden)


def modulated_enlarged(
    x: torch.Tensor,
    scale_shift: nn.Conv2d,
    hidden: torch.Tensor,
    shortcut_scale: nn.Conv2d,
    shortcut_hidden: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return what `modulated` does of x enlarged by 2, and x normalised, enlarged, times what ``shortcut_scale`` makes.

    x: (B, C, H, W), whose mean and variance are those of the enlarged one; all else and the results 2·H by 2·W.
    """
    x = F.interpolate(_normalised(x), scale_factor=2)
    return _modulated(x, scale_shift, hidden), x * shortcut_scale(shortcut_hidden)


def hourglass_input(
    compressed: torch.Tensor,
    resting: torch.Tensor,
    keypoints_source: torch.Tensor,
    keypoints_driving: torch.Tensor,
    dtype: torch.dtype,
) -> torch.Tensor:
    """Return for the picture at rest and for each keypoint's motion what changes and what would be seen.

    (B, 22·5, D, H, W) of ``dtype``: the heat (Gaussian) of the driving keypoint less that of the source's, nothing at
    rest, then the four channels of ``compressed`` moved. compressed: (B, 4, D, H, W) float32. resting: (B, 1, 4, D, H,
    W), the same where nothing moves. keypoints: (B, 21, 3) float32. All but the last may be of B = 1.
    """
    batch, motions, _ = keypoints_driving.shape
    size = compressed.shape[2:]
    shift = keypoints_source - keypoints_driving
    places = identity_grid(*size, compressed.device) + shift[:, :, None, None, None]
    repeated = compressed.expand(batch, -1, -1, -1, -1).repeat_interleave(motions, 0)
    deformed = sample(repeated, places.flatten(0, 1)).unflatten(0, (batch, motions))
    deformed = torch.cat((resting.expand(batch, -1, -1, -1, -1, -1), deformed), 1)
    heat = F.pad(_heat(keypoints_driving, size) - _heat(keypoints_source, size), (0, 0, 0, 0, 0, 0, 1, 0))
    return torch.cat((heat[:, :, None], deformed), 2).flatten(1, 2).to(dtype)


def moved(
    features: torch.Tensor, logits: torch.Tensor, shift: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return deformation, mask (see `Warping`) and the features moved by it: (B, C·D, H, W), of their type.

    features: (B or 1, C, D, H, W). logits: (B, 22, D, H, W), whose softmax is the mask. shift: (B, 21, 3) float32.
    """
    mask = logits.float().softmax(1)
    # Σ m (grid + shift) = grid + Σ m shift, since the shares of a place add up to 1; the first one does not shift.
    moves = torch.einsum("bkdhw,bkc->bdhwc", mask[:, 1:], shift)
    deformation = identity_grid(*features.shape[2:], features.device)[0] + moves
    volume = features.float().expand(len(deformation), -1, -1, -1, -1)
    return deformation, mask, sample(volume, deformation).to(features.dtype).flatten(1, 2)


def picture(x: torch.Tensor) -> torch.Tensor:
    """Return four channels as the four pixels of one place, through a sigmoid: (B, 4·C, H, W) to (B, C, 2·H, 2·W).

    Of x's type or float32.
    """
    return F.pixel_shuffle(x, 2).sigmoid()


PLAIN = Operations(modulated, modulated_enlarged, hourglass_input, moved, picture)


def _modulated(x: torch.Tensor, scale_shift: nn.Conv2d, hidden: torch.Tensor) -> torch.Tensor:
    # Channels are split by known sizes, for chunk asks for the shape in an exported graph, which not all can tell.
    scale, shift = scale_shift(hidden).split(scale_shift.out_channels // 2, 1)
    return F.leaky_relu(torch.addcmul(shift, x, scale), SLOPE)


def _normalised(x: torch.Tensor) -> torch.Tensor:
    if torch.onnx.is_in_onnx_export():
        # One operator, which providers have of their own.
        return F.instance_norm(x, eps=EPSILON)
    # The same, but channels-last stays; in float32, whose squares do not overflow.
    var, mean = torch.var_mean(x.float(), (2, 3), correction=0, keepdim=True)
    return ((x - mean) * torch.rsqrt(var + EPSILON)).to(x.dtype)


def _heat(keypoints: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """Return a Gaussian around each keypoint, (B, 21, *size); it is the product of one along each axis."""
    z, y, x = (
        (-0.5 / HEAT_VARIANCE * (axis_places(length, keypoints.device) - keypoints[..., axis, None]).square()).exp()
        for length, axis in zip(size, (2, 1, 0))
    )
    return z[..., None, None] * (y[..., None] * x[..., None, :])[..., None, :, :]
