"""The motion extractor without the other networks: what recording a motion takes."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import torch

from animator_core.liveportrait.networks.build import load_unfolded
from animator_core.liveportrait.networks.keypoints import KeypointMotion
from animator_core.liveportrait.networks.motion_extractor import MotionExtractor
from animator_core.liveportrait.networks.weights import find_checkpoints

ExtractMotion = Callable[[torch.Tensor], KeypointMotion]
"""Driving crops, (B, 3, 256, 256) RGB in [0, 1], → the motion of their faces."""


def load_motion_extractor(weights_dir: Path, device: str = "cpu", dtype: torch.dtype = torch.float32) -> ExtractMotion:
    """Return what extracts motion with the weights of a folder; raises WeightsError, see `build.load_networks`."""
    name = "motion_extractor"
    network = load_unfolded(name, find_checkpoints(weights_dir)[name])
    assert isinstance(network, MotionExtractor)
    network.eval().requires_grad_(False).to(device)
    network.detector.cast_body(dtype)

    @torch.inference_mode()
    def extract(crops: torch.Tensor) -> KeypointMotion:
        motion: KeypointMotion = network(crops.to(device))
        return motion

    return extract
