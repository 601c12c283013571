"""The character to draw: the chosen one, the configured one, or the first that can be drawn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable

from animator_core.characters.library import CharacterLibrary
from animator_core.config import CharacterConfig

_MOST_PRELOADED = 16
_NEIGHBOURS = 2


class CharacterChoice:
    """The names of the library, and which of them are trusted; used by the thread that draws."""

    def __init__(self, library: CharacterLibrary, config: CharacterConfig) -> None:
        self.last_shown = ""
        """The last character of which a frame was shown."""
        self.distrusted = ""
        """A character that failed before its first frame was shown, so it would fail again."""
        self._library = library
        self._config = config
        self._names: tuple[str, ...] = ()

    def refresh(self) -> None:
        """List the library again."""
        self._names = tuple(entry.file for entry in self._library.list())

    def distrust(self, name: str) -> None:
        """Do not draw ``name`` again if no frame of it was shown."""
        if name not in ("", self.last_shown):
            self.distrusted = name

    def wanted(self, chosen: str, is_broken: Callable[[str], bool]) -> str:
        """Return the file name of the character to draw, "" for an empty library.

        chosen: file name, "" for none. is_broken: whether a picture is known to be at fault.
        """
        preferred = self._config.current_character
        if chosen or preferred in self._names:
            return chosen or preferred
        return next((name for name in self._names if not is_broken(name)), next(iter(self._names), ""))

    def to_preload(self, name: str) -> list[str]:
        """Return the characters to prepare beside ``name``, the nearest first."""
        return nearest_first(self._names, name)[: _MOST_PRELOADED if self._config.preload_all else _NEIGHBOURS]


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
