"""The per-frame computations between the convolutions: reference expressions that kernels may replace."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

import torch
import torch.nn.functional as F
from torch import nn

from animator_core.liveportrait.networks.warping import HEAT_VARIANCE, axis_coordinates, identity_grid, sample

SLOPE = 0.2
EPSILON = 1e-5


@dataclass(frozen=True)
class Operations:
    """One implementation of each operation; the functions of the same names in this file define the results."""

    modulated: Callable[[torch.Tensor, nn.Conv2d, torch.Tensor], torch.Tensor]
    modulated_upsampled: Callable[..., tuple[torch.Tensor, torch.Tensor]]
    hourglass_input: Callable[..., torch.Tensor]
    warped_features: Callable[
        [torch.Tensor, torch.Tensor, torch.Tensor], tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    ]
    picture: Callable[[torch.Tensor], torch.Tensor]


class OperationsModule(nn.Module):
    """A module with replaceable operations; compilers and exporters always see the reference ones."""

    def __init__(self) -> None:
        super().__init__()
        self.chosen = PLAIN

    @property
    def operations(self) -> Operations:
        """The implementation for this call."""
        # Not is_compiling, which is true while any other thread compiles.
        if self.chosen is PLAIN or torch.onnx.is_in_onnx_export() or torch.compiler.is_dynamo_compiling():
            return PLAIN
        return self.chosen


def use_operations(network: nn.Module, operations: Operations) -> None:
    """Make every part of ``network`` compute with ``operations``."""
    for module in network.modules():
        if isinstance(module, OperationsModule):
            module.chosen = operations


def modulated(x: torch.Tensor, scale_shift: nn.Conv2d, hidden: torch.Tensor) -> torch.Tensor:
    """Return leaky_relu(instance_norm(x) · scale + shift), (B, C, H, W) like x.

    scale_shift: the convolution for both, (B, 2·C, H, W), of ``hidden``, (B, hidden channels, H, W).
    """
    return _modulated(_normalised(x), scale_shift, hidden)


def modulated_upsampled(
    x: torch.Tensor,
    scale_shift: nn.Conv2d,
    hidden: torch.Tensor,
    shortcut_scale: nn.Conv2d,
    shortcut_hidden: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return `modulated` of x upsampled by 2, and the normalised, upsampled x · shortcut_scale(shortcut_hidden).

    x: (B, C, H, W), whose mean and variance upsampling does not change. hidden and results: 2·H by 2·W.
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
    """Return heat map and warped features of the identity and of each keypoint's motion: (B, 22·5, D, H, W) of dtype.

    The heat map, a Gaussian at the driving keypoint less one at the source's, is zero for the identity; four channels
    of ``compressed`` follow it. compressed: (B, 4, D, H, W) float32. resting: (B, 1, 4, D, H, W), the same sampled
    by the identity. keypoints: (B, 21, 3) float32. All but keypoints_driving may have B = 1.
    """
    batch, motions, _ = keypoints_driving.shape
    size = compressed.shape[2:]
    shift = keypoints_source - keypoints_driving
    coordinates = identity_grid(size, compressed.device) + shift[:, :, None, None, None]
    repeated = compressed.expand(batch, -1, -1, -1, -1).repeat_interleave(motions, 0)
    deformed = sample(repeated, coordinates.flatten(0, 1)).unflatten(0, (batch, motions))
    deformed = torch.cat((resting.expand(batch, -1, -1, -1, -1, -1), deformed), 1)
    heat = F.pad(_heat(keypoints_driving, size) - _heat(keypoints_source, size), (0, 0, 0, 0, 0, 0, 1, 0))
    return torch.cat((heat[:, :, None], deformed), 2).flatten(1, 2).to(dtype)


def warped_features(
    features: torch.Tensor, logits: torch.Tensor, shift: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return deformation, mask (see `Warping`) and the features warped by it: (B, C·D, H, W), of their type.

    features: (B or 1, C, D, H, W). logits: (B, 22, D, H, W), whose softmax is the mask. shift: (B, 21, 3) float32.
    """
    mask = logits.float().softmax(1)
    # Σ m (grid + shift) = grid + Σ m shift, since the masks of a voxel add up to 1; the identity has no shift.
    shifts = torch.einsum("bkdhw,bkc->bdhwc", mask[:, 1:], shift)
    deformation = identity_grid(features.shape[2:], features.device)[0] + shifts
    volume = features.float().expand(len(deformation), -1, -1, -1, -1)
    return deformation, mask, sample(volume, deformation).to(features.dtype).flatten(1, 2)


def picture(x: torch.Tensor) -> torch.Tensor:
    """Return sigmoid(pixel_shuffle(x)): (B, 4·C, H, W) to (B, C, 2·H, 2·W) in [0, 1], of x's type or float32."""
    return F.pixel_shuffle(x, 2).sigmoid()


PLAIN = Operations(
    modulated=modulated,
    modulated_upsampled=modulated_upsampled,
    hourglass_input=hourglass_input,
    warped_features=warped_features,
    picture=picture,
)


def largest_difference(actual: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> float:
    """Return the largest difference between tensors, relative to the largest value of each; NaN if one has NaN."""
    shares = [
        float((one.float() - other.float()).abs().max() / other.float().abs().max().clamp(min=1e-6))
        for one, other in zip(actual, expected)
    ]
    return float(torch.tensor(shares).max())


def _modulated(x: torch.Tensor, scale_shift: nn.Conv2d, hidden: torch.Tensor) -> torch.Tensor:
    # Split by known sizes: chunk would export a shape operator, which not all providers have.
    scale, shift = scale_shift(hidden).split(scale_shift.out_channels // 2, 1)
    return F.leaky_relu(torch.addcmul(shift, x, scale), SLOPE)


def _normalised(x: torch.Tensor) -> torch.Tensor:
    if torch.onnx.is_in_onnx_export():
        # A single operator, which providers implement themselves.
        return F.instance_norm(x, eps=EPSILON)
    # The same, but channels-last stays; in float32, whose squares do not overflow.
    var, mean = torch.var_mean(x.float(), (2, 3), correction=0, keepdim=True)
    return ((x - mean) * torch.rsqrt(var + EPSILON)).to(x.dtype)


def _heat(keypoints: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """Return a Gaussian around each keypoint, (B, 21, *size): the product of one along each axis."""
    scale = -0.5 / HEAT_VARIANCE
    z, y, x = (
        (scale * (axis_coordinates(length, keypoints.device) - keypoints[..., axis, None]).square()).exp()
        for length, axis in zip(size, (2, 1, 0))
    )
    return z[..., None, None] * (y[..., None] * x[..., None, :])[..., None, :, :]
