"""The library, the preparation thread and the factories that every live loop of a process shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable

from animator_core.animation.preparation import PreparationThread
from animator_core.characters.library import CharacterLibrary
from animator_core.config import EMOTES_DIR, Config
from animator_core.motion.emotes.files import EmoteLibrary
from animator_core.rendering.contract import Renderer
from animator_core.tracking.observation import FaceTracker


@dataclass(frozen=True)
class Services:
    """Made once by `assembly.make_services`.

    create_tracker: called in the thread that tracks, again after each failure. create_renderer: takes one of
    `protocol.RENDERERS`, called in the preparation thread.
    """

    config: Config
    library: CharacterLibrary
    preparation: PreparationThread
    create_tracker: Callable[[], FaceTracker]
    create_renderer: Callable[[str], Renderer]
    emotes: EmoteLibrary = field(default_factory=lambda: EmoteLibrary(EMOTES_DIR))
