"""Puts the worker's parts together: the one place that knows which trackers, estimators and renderers there are."""

from __future__ import annotations

from pathlib import Path

from animator_core.characters.library import CharacterLibrary
from animator_core.config import Config
from animator_core.motion.estimator import MotionEstimator
from animator_core.render.build import create_renderer
from animator_core.serving.parts import WorkerParts
from animator_core.serving.preparation import PreparationThread
from animator_core.tracking.build import create_tracker
from animator_core.tracking.observation import FaceTracker


def build_parts(config: Config, models_dir: Path) -> WorkerParts:
    """Return what the filters are built from, as the configuration says."""
    tracking, character = config.tracking, config.character
    library = CharacterLibrary(
        character.images_path,
        config.performance.cache_dir if config.ai_model.use_feature_cache else None,
        character.target_size,
        character.auto_crop,
    )

    def new_tracker() -> FaceTracker:
        return create_tracker(models_dir, tracking.min_detection_confidence, tracking.min_tracking_confidence)

    return WorkerParts(config, library, PreparationThread(), new_tracker, create_renderer, MotionEstimator)
