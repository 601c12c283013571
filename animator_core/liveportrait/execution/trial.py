"""Trying another way to compute the same: whether it is the same, and when a device is done with it."""

from __future__ import annotations

from collections.abc import Sequence

import torch


def largest_difference(actual: Sequence[torch.Tensor], expected: Sequence[torch.Tensor]) -> float:
    """Return how far tensors are apart at most, as a share of the largest value of each; NaN where one has NaN."""
    shares = [
        float((one.float() - other.float()).abs().max() / other.float().abs().max().clamp(min=1e-6))
        for one, other in zip(actual, expected)
    ]
    return float(torch.tensor(shares).max())


def finish(device: torch.device) -> None:
    """Wait until the device has done what it was given."""
    if device.type == "mps":
        torch.mps.synchronize()
    elif device.type != "cpu":
        getattr(torch, device.type).synchronize(device)
