"""Puts the worker's parts together: the one place that knows which trackers and renderers there are."""

from __future__ import annotations

from animator_core.animation.parts import WorkerParts
from animator_core.animation.preparation import PreparationThread
from animator_core.assembly import make_library, make_renderer_source, make_tracker
from animator_core.config import Config


def build_parts(config: Config) -> WorkerParts:
    """Return what the filters are built from, as the configuration says."""
    return WorkerParts(
        config,
        make_library(config),
        PreparationThread(),
        lambda: make_tracker(config),
        make_renderer_source(config).create,
    )
