"""The networks as one model: a source picture's features once, then a picture for each driving frame."""

from __future__ import annotations

import copy
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, TypeVar

import numpy as np
import torch

from animator_core.arrays import UInt8Array
from animator_core.liveportrait.execution.compiled import CompilingPainter, compiled_networks
from animator_core.liveportrait.execution.cuda_graph import CapturedFunction, GraphPainter
from animator_core.liveportrait.execution.optimized.warping import WarpingSource
from animator_core.liveportrait.execution.painter import Painter, Painting, TorchPainter
from animator_core.liveportrait.motion.crop import DRIVING_CROP_SIZE
from animator_core.liveportrait.motion.retargeting import Retargeters
from animator_core.liveportrait.networks.build import load_networks
from animator_core.liveportrait.networks.keypoints import KeypointMotion, transform_keypoints, unpacked
from animator_core.liveportrait.networks.networks import Networks
from animator_core.motion.options import MotionOptions

Model = TypeVar("Model", bound="PortraitModel")


@dataclass(frozen=True)
class SourceFeatures:
    """The networks' output for a source picture.

    appearance_features: (B, 32, 16, 64, 64). motion: its pose, expression and canonical keypoints.
    keypoints_source: (B, 21, 3) float32.
    """

    appearance_features: torch.Tensor
    motion: KeypointMotion
    keypoints_source: torch.Tensor


class PortraitModel:
    """All networks on one device; may be used by several threads, and by all characters and filters at once."""

    name = "liveportrait"

    def __init__(
        self, networks: Networks, options: MotionOptions | None = None, painter: Painter | None = None
    ) -> None:
        self.networks = networks
        self.painter = painter or TorchPainter(networks)
        self._packed_motion: Callable[[torch.Tensor], tuple[torch.Tensor, ...]] = self._extract_packed
        if networks.device.type == "cuda":
            self._packed_motion = CapturedFunction(self._extract_packed, "motion extraction")
        self.options = options or MotionOptions()
        self.retargeters: Retargeters = _on_cpu(networks)
        """The three small networks, on the CPU: quickest for so few numbers."""

    @classmethod
    def load(
        cls: type[Model],
        weights_dir: Path,
        device: str | torch.device = "cpu",
        dtype: torch.dtype = torch.float32,
        *,
        cache_dir: Path | None = None,
        options: MotionOptions | None = None,
        make_painter: Callable[[Networks], Painter] | None = None,
        use_compile: bool = False,
    ) -> Model:
        """Return the model with the weights of a folder; raises WeightsError, see `load_networks`.

        dtype: of the large networks. cache_dir: keeps converted weights, see `load_networks`. make_painter: replaces
        torch's painter. use_compile: compiles torch's painter in the background, see `CompilingPainter`.
        """
        networks = load_networks(weights_dir, device, dtype, cache_dir=cache_dir)
        if make_painter is not None:
            return cls(networks, options, make_painter(networks))
        painter = _torch_painter(networks)
        if use_compile:
            painter = CompilingPainter(
                painter, lambda: _torch_painter(compiled_networks(networks, cache_dir)), networks.device
            )
        return cls(networks, options, painter)

    @property
    def device(self) -> torch.device:
        """The networks' device."""
        return self.networks.device

    @property
    def version(self) -> str:
        """Text that differs if the features of a picture do: hash of the weights, and the precision."""
        return f"{self.networks.version}-{str(self.networks.dtype).removeprefix('torch.')}"

    @torch.inference_mode()
    def extract_features(self, source_tensor: torch.Tensor) -> SourceFeatures:
        """Return the features of source squares; source_tensor: (B, 3, 256, 256) RGB in [0, 1]."""
        source = source_tensor.to(self.device)
        motion = self.networks.extract_motion(source)
        return SourceFeatures(self.networks.extract_appearance(source), motion, transform_keypoints(motion))

    @torch.inference_mode()
    def extract_motion(self, driving_tensor: torch.Tensor) -> KeypointMotion:
        """Return the motion of driving squares, on the CPU; driving_tensor: (B, 3, 256, 256) RGB in [0, 1]."""
        (packed,) = self._packed_motion(driving_tensor.to(self.device))
        return unpacked(packed.cpu())

    def gives_numbers(self) -> bool:
        """Return whether the networks give finite results for a plain picture, on this device and precision.

        Some GPUs (GTX 16xx) make NaN of convolutions in half precision, which shows as a black face.
        """
        picture = torch.linspace(0, 1, DRIVING_CROP_SIZE).expand(1, 3, DRIVING_CROP_SIZE, DRIVING_CROP_SIZE)
        features, motion = self.extract_features(picture), self.extract_motion(picture)
        painting = self.paint(self.prepare_warp(features), features.keypoints_source)
        made = (features.appearance_features, features.keypoints_source, motion.packed, painting.picture)
        return all(bool(torch.isfinite(each).all()) for each in (*made, painting.deformation))

    def paint(self, source: SourceFeatures | WarpingSource, keypoints_driving: torch.Tensor) -> Painting:
        """Return the source with its keypoints, those of `SourceFeatures`, moved to the given ones, (B, 21, 3)."""
        if isinstance(source, SourceFeatures):
            source = self.prepare_warp(source)
        return self.painter.paint(source, keypoints_driving)

    @torch.inference_mode()
    def prepare_warp(self, source_features: SourceFeatures) -> WarpingSource:
        """Return the part of warping that is the same for every driving frame, for `paint`."""
        return self.networks.prepare_warp(source_features.appearance_features, source_features.keypoints_source)

    def _extract_packed(self, driving: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return (self.networks.extract_motion(driving).packed,)


def to_tensor(picture: UInt8Array) -> torch.Tensor:
    """Return (H, W, 3) uint8 RGB as (1, 3, H, W) float32 in [0, 1]."""
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))[None]).float() / 255.0


def to_bytes(pictures: torch.Tensor) -> UInt8Array:
    """Return (B, 3, H, W) RGB in [0, 1] as (B, H, W, 3) uint8; values are cut off, not rounded, as officially."""
    scaled = pictures.float().clamp(0, 1) * 255.0
    return np.asarray(scaled.to(torch.uint8).permute(0, 2, 3, 1).contiguous().cpu().numpy())


def _torch_painter(networks: Networks) -> Painter:
    return GraphPainter(networks) if networks.device.type == "cuda" else TorchPainter(networks)


def _on_cpu(networks: Networks) -> Networks:
    if networks.device.type == "cpu":
        return networks
    small = {name: copy.deepcopy(getattr(networks, name)).to("cpu") for name in ("stitching", "lip", "eye")}
    return replace(networks, **small)
