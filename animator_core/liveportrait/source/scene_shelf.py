"""The characters that are ready to be drawn, shared by all filters of a process."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import Callable

from animator_core.characters.character import Character
from animator_core.liveportrait.model import LivePortraitModel
from animator_core.liveportrait.source.features import CharacterFeatures
from animator_core.liveportrait.source.scene import Scene

SCENE_BYTES = 200_000_000
"""Ten characters of 512×512 take some 120 MB in single precision and 80 MB in half, features included."""


class SceneShelf:
    """Keeps scenes up to ``max_bytes``, the last used ones; used by any thread.

    The newest stays even where it alone exceeds the bound, and what a renderer still draws with stays in memory until
    it lets go of it.
    """

    def __init__(self, model: LivePortraitModel, max_bytes: int = SCENE_BYTES) -> None:
        self._model = model
        self._max_bytes = max_bytes
        self._scenes: OrderedDict[str, Scene] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """How much memory of the device the kept scenes take."""
        with self._lock:
            return sum(scene.nbytes for scene in self._scenes.values())

    @property
    def count(self) -> int:
        """How many characters are kept."""
        return len(self._scenes)

    def scene(self, character: Character, features_of: Callable[[Character], CharacterFeatures]) -> Scene:
        """Return the character's scene; ``features_of`` is asked where it is not there. Raises CharacterError."""
        key = character.content_hash
        with self._lock:
            scene = self._scenes.get(key)
        if scene is None:
            scene = Scene(character, features_of(character), self._model)
        with self._lock:
            scene = self._scenes.setdefault(key, scene)
            self._scenes.move_to_end(key)
            while len(self._scenes) > 1 and sum(each.nbytes for each in self._scenes.values()) > self._max_bytes:
                self._scenes.popitem(last=False)
        return scene

    def clear(self) -> None:
        """Let go of everything."""
        with self._lock:
            self._scenes.clear()
