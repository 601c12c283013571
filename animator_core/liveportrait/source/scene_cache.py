"""The characters that are ready to be drawn, shared by all filters of a process."""

from __future__ import annotations

from animator_core.characters.character import Character
from animator_core.liveportrait.model import PortraitModel
from animator_core.liveportrait.source.preparation import FeaturePreparation
from animator_core.liveportrait.source.scene import Scene
from animator_core.lru import CacheStatistics, LruCache

MAX_BYTES = 200_000_000
"""Ten characters of 512×512 take some 120 MB in single precision and 80 MB in half, features included."""


class SceneCache:
    """Keeps scenes in the device's memory, the least recently used are evicted above ``max_bytes``; thread-safe.

    Features are in a scene and nowhere else on the device. A scene that a renderer draws stays until it is done.
    preparation: gets the features of a character; by default they are not kept on disk.
    """

    def __init__(
        self, model: PortraitModel, preparation: FeaturePreparation | None = None, max_bytes: int = MAX_BYTES
    ) -> None:
        self.preparation = preparation or FeaturePreparation(None)
        self._model = model
        self._scenes: LruCache[str, Scene] = LruCache(max_bytes, lambda scene: scene.nbytes)

    @property
    def statistics(self) -> CacheStatistics:
        """Counts so far; size: bytes of the device's memory."""
        return self._scenes.statistics

    def scene(self, character: Character) -> Scene:
        """Return the character's scene, made if it is missing; raises CharacterError, ModelError."""
        return self._scenes.get_or_make(character.content_hash, lambda: self._made(character))

    def _made(self, character: Character) -> Scene:
        model, landmarks = self._model, character.require_landmarks()
        features = self.preparation.features(model, character.name, character.picture, landmarks=landmarks)
        return Scene(character, features.to(model.device), model)
