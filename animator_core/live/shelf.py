"""The characters of ``run``: loaded in the background, at hand when a key chooses one."""

from __future__ import annotations

import logging
import queue
import threading

from animator_core.characters.character import Character
from animator_core.characters.library import CharacterLibrary
from animator_core.errors import CharacterError

logger = logging.getLogger(__name__)


class CharacterShelf:
    """The library's characters by number; one thread loads what was asked for, first come first served."""

    def __init__(self, library: CharacterLibrary, preload_all: bool) -> None:
        self._library, self._preload_all = library, preload_all
        self._wanted: queue.Queue[str | None] = queue.Queue()
        self._loaded: dict[str, Character] = {}
        self._fingerprints: dict[str, tuple[int, ...]] = {}
        self._failed: dict[str, CharacterError] = {}
        self._thread = threading.Thread(target=self._run, name="characters", daemon=True)
        self.names: tuple[str, ...] = ()
        self.refresh()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self._wanted.put(None)
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    @property
    def loaded_count(self) -> int:
        return len(self._loaded)

    def refresh(self) -> None:
        """Look at the folder again; pictures that changed are loaded anew."""
        self.names = tuple(entry.file for entry in self._library.list())
        self._failed.clear()
        for name, known in list(self._fingerprints.items()):
            if self._library.fingerprint(name) != known:
                self._loaded.pop(name, None)
                self._fingerprints.pop(name, None)
        if self._preload_all:
            for name in self.names:
                self.want(name)

    def add(self, character: Character) -> None:
        """Put a character there that was loaded elsewhere, in the library or not."""
        self._loaded[character.name] = character
        if character.name in self.names:
            self._fingerprints[character.name] = self._library.fingerprint(character.name)

    def want(self, name: str) -> None:
        """Have a character loaded unless it is, or could not be."""
        if name not in self._loaded and name not in self._failed:
            self._wanted.put(name)

    def get(self, name: str) -> Character | None:
        """Return a character, None while it is not loaded; raises CharacterError where it cannot be."""
        if name in self._failed:
            raise self._failed[name]
        return self._loaded.get(name)

    def _run(self) -> None:
        while True:
            name = self._wanted.get()
            if name is None:
                return
            if name in self._loaded or name in self._failed:
                continue
            try:
                fingerprint = self._library.fingerprint(name)
                self._loaded[name] = self._library.load(name)
                self._fingerprints[name] = fingerprint
            except CharacterError as exc:
                self._failed[name] = exc
                logger.warning("%s", exc)
