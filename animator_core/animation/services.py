"""The library, the preparation thread and the factories that every live loop of a process shares."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Callable, Protocol

from animator_core.animation.preparation import PreparationThread
from animator_core.characters.library import CharacterLibrary
from animator_core.config import EMOTES_DIR, Config
from animator_core.motion.emotes.files import EmoteLibrary
from animator_core.rendering.contract import Renderer
from animator_core.tracking.observation import FaceTracker, TrackedFrame


class FaceLink(Protocol):
    """The way of faces from other programs and to them."""

    @property
    def note(self) -> tuple[str, str]:
        """Why no face comes, and the remedy; else two empty texts."""
        ...

    def take(self, tracked: TrackedFrame, captured_ns: int) -> None:
        """Take every tracked frame, in the thread that tracks."""
        ...

    def close(self) -> None:
        """End its thread and free its ports."""
        ...


@dataclass(frozen=True)
class Services:
    """Made once by `assembly.make_services`.

    create_tracker: called in the thread that tracks, again after each failure. create_renderer: takes one of
    `protocol.RENDERERS`, called in the preparation thread. link: None if faces neither come from other programs nor go
    to them.
    """

    config: Config
    library: CharacterLibrary
    preparation: PreparationThread
    create_tracker: Callable[[], FaceTracker]
    create_renderer: Callable[[str], Renderer]
    emotes: EmoteLibrary = field(default_factory=lambda: EmoteLibrary(EMOTES_DIR))
    link: FaceLink | None = None
