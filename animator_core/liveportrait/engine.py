"""The networks and features that all LivePortrait renderers of a process share."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable

from animator_core.liveportrait.execution.device import DeviceChoice
from animator_core.liveportrait.execution.device_errors import device_errors_as, release_memory
from animator_core.liveportrait.execution.onnx.painter import OnnxPainter
from animator_core.liveportrait.execution.painter import Painter
from animator_core.liveportrait.model import LivePortraitModel
from animator_core.liveportrait.networks.build import load_networks
from animator_core.liveportrait.networks.networks import Networks
from animator_core.liveportrait.renderer import LivePortraitRenderer
from animator_core.liveportrait.source.optimizer import InferenceOptimizer
from animator_core.liveportrait.source.residency import FeatureResidency
from animator_core.liveportrait.source.scene_shelf import SceneShelf
from animator_core.motion.options import MotionOptions

logger = logging.getLogger(__name__)

_REMEDY = "close programs that use it, or set compute.device to cpu"


@dataclass(frozen=True, eq=False)
class Engine:
    """One loaded model, and the characters that are ready on its device; freed with its last renderer.

    Features and scenes together take 300 MB of the device at most, however many renderers there are.
    """

    model: LivePortraitModel
    choice: DeviceChoice
    residency: FeatureResidency
    scenes: SceneShelf

    def make_renderer(self, feature_dir: Path | None, enable_motion_cache: bool) -> LivePortraitRenderer:
        """Return a renderer for one filter."""
        optimizer = InferenceOptimizer(
            self.choice.device,
            cache_dir=feature_dir,
            enable_motion_cache=enable_motion_cache,
            residency=self.residency,
        )
        return LivePortraitRenderer(
            self.model, optimizer, self.choice.name, self.choice.note, owner=self, scenes=self.scenes
        )


def load_engine(
    weights_dir: Path,
    choice: DeviceChoice,
    cache_dir: Path | None,
    options: MotionOptions | None = None,
) -> Engine:
    """Load the networks; raises WeightsError for the files, ModelError where the device cannot hold or run them.

    A device that gives no numbers in half precision runs them in single precision, with a note.
    """
    model = _loaded_model(weights_dir, choice, cache_dir, options)
    if choice.is_half and not _gives_numbers(model, choice):
        logger.warning("%s gives no numbers in half precision", choice.name)
        del model
        release_memory(choice.device)
        choice = choice.in_single_precision()
        model = _loaded_model(weights_dir, choice, cache_dir, options)
    logger.info("LivePortrait %s on %s, %s", model.version[:12], choice.name, choice.dtype)
    return Engine(model, choice, FeatureResidency(choice.device), SceneShelf(model))


def _loaded_model(
    weights_dir: Path, choice: DeviceChoice, cache_dir: Path | None, options: MotionOptions | None
) -> LivePortraitModel:
    with device_errors_as(f"LivePortrait cannot be loaded onto {choice.name}", _REMEDY, choice.device):
        return LivePortraitModel.load(
            weights_dir,
            choice.device,
            choice.dtype,
            cache_dir,
            options,
            _painter_maker(weights_dir, choice, cache_dir),
            choice.is_compiled,
        )


def _gives_numbers(model: LivePortraitModel, choice: DeviceChoice) -> bool:
    with device_errors_as(f"{choice.name} cannot run LivePortrait", _REMEDY, choice.device):
        return model.gives_numbers()


def _painter_maker(
    weights_dir: Path, choice: DeviceChoice, cache_dir: Path | None
) -> Callable[[Networks], Painter] | None:
    provider = choice.provider
    if provider is None:
        return None
    # The graph is written of networks in float32 on the CPU.
    exportable = partial(load_networks, weights_dir, cache_dir=cache_dir) if choice.device != "cpu" else None
    return lambda networks: OnnxPainter.load(networks, cache_dir, provider, exportable)
