"""The networks and characters that all LivePortrait renderers of a process share."""

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
from animator_core.liveportrait.model import PortraitModel
from animator_core.liveportrait.motion.motion_cache import MotionCache
from animator_core.liveportrait.networks.build import load_networks
from animator_core.liveportrait.networks.networks import Networks
from animator_core.liveportrait.renderer import LivePortraitRenderer
from animator_core.liveportrait.source.preparation import FeaturePreparation
from animator_core.liveportrait.source.scene_cache import SceneCache
from animator_core.motion.options import MotionOptions

logger = logging.getLogger(__name__)

_REMEDY = "close programs that use it, or set compute.device to cpu"


@dataclass(frozen=True, eq=False)
class Engine:
    """One loaded model and the characters that are ready on its device; freed with its last renderer."""

    model: PortraitModel
    choice: DeviceChoice
    scenes: SceneCache

    def make_renderer(self, use_motion_cache: bool = False) -> LivePortraitRenderer:
        """Return a renderer for one filter; use_motion_cache: see `MotionCache`."""
        return LivePortraitRenderer(
            self.model,
            self.scenes,
            device_name=self.choice.name,
            note=self.choice.note,
            owner=self,
            motion_cache=MotionCache() if use_motion_cache else None,
        )


def load_engine(
    weights_dir: Path,
    choice: DeviceChoice,
    cache_dir: Path | None = None,
    *,
    feature_dir: Path | None = None,
    options: MotionOptions | None = None,
) -> Engine:
    """Load the networks; raises WeightsError for the files, ModelError if the device cannot hold or run them.

    A device that gives no finite numbers in half precision runs them in single precision, with a note.

    cache_dir: keeps converted weights. feature_dir: keeps characters' features, see `FeaturePreparation`.
    """
    load = partial(_loaded_model, weights_dir, cache_dir=cache_dir, options=options)
    model = load(choice)
    if choice.uses_fp16 and not _gives_numbers(model, choice):
        logger.warning("%s gives no numbers in half precision", choice.name)
        del model
        release_memory(choice.device)
        choice = choice.in_fp32()
        model = load(choice)
    logger.info("LivePortrait %s on %s, %s", model.version[:12], choice.name, choice.dtype)
    return Engine(model, choice, SceneCache(model, FeaturePreparation(feature_dir)))


def _loaded_model(
    weights_dir: Path, choice: DeviceChoice, *, cache_dir: Path | None, options: MotionOptions | None
) -> PortraitModel:
    with device_errors_as(f"LivePortrait cannot be loaded onto {choice.name}", _REMEDY, choice.device):
        return PortraitModel.load(
            weights_dir,
            choice.device,
            choice.dtype,
            cache_dir=cache_dir,
            options=options,
            make_painter=_painter_maker(weights_dir, choice, cache_dir),
            use_compile=choice.is_compiled,
        )


def _gives_numbers(model: PortraitModel, choice: DeviceChoice) -> bool:
    with device_errors_as(f"{choice.name} cannot run LivePortrait", _REMEDY, choice.device):
        return model.gives_numbers()


def _painter_maker(
    weights_dir: Path, choice: DeviceChoice, cache_dir: Path | None
) -> Callable[[Networks], Painter] | None:
    provider = choice.provider
    if provider is None:
        return None
    # The graph is exported from networks in float32 on the CPU.
    exportable = partial(load_networks, weights_dir, cache_dir=cache_dir) if choice.device != "cpu" else None
    return lambda networks: OnnxPainter.load(networks, cache_dir, provider, make_exportable=exportable)
