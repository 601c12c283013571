"""What every filter of a worker is built from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Callable

from animator_core.animation.preparation import PreparationThread
from animator_core.characters.library import CharacterLibrary
from animator_core.config import Config
from animator_core.ipc.protocol import AnimationSettings
from animator_core.motion.estimator import MotionSettings
from animator_core.rendering.contract import Renderer
from animator_core.tracking.observation import FaceTracker


@dataclass(frozen=True)
class WorkerParts:
    """Shared by all filters; the factories are called once a filter, in a background thread."""

    config: Config
    library: CharacterLibrary
    preparation: PreparationThread
    create_tracker: Callable[[], FaceTracker]
    create_renderer: Callable[[str], Renderer]


def renderer_name(settings: AnimationSettings, config: Config) -> str:
    """Return the renderer that a filter asks for; where it leaves the choice, the configuration decides."""
    return config.ai_model.type if settings.renderer == "auto" else settings.renderer


def motion_settings(settings: AnimationSettings) -> MotionSettings:
    """Return a filter's settings of motion."""
    face = settings.face
    return MotionSettings(
        mirror=face.mirror,
        sensitivity_expression=face.sensitivity_expression,
        sensitivity_pose=face.sensitivity_pose,
        smoothing=face.smoothing,
    )


def nearest_first(names: Sequence[str], name: str) -> list[str]:
    """Return the other names in the order in which hotkeys are likely to ask for them: next, previous, and so on."""
    if name not in names:
        return list(names)
    index = names.index(name)
    ordered: list[str] = []
    for distance in range(1, len(names) // 2 + 1):
        for position in (index + distance, index - distance):
            other = names[position % len(names)]
            if other != name and other not in ordered:
                ordered.append(other)
    return ordered
