"""The characters with what is wrong with each, and the numbers of their hotkeys."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import dataclasses
from typing import Callable, Tuple

from animator_core.ipc.protocol import CharacterEntry
from obs_plugin import character_list, still_picture

_Characters = Tuple[CharacterEntry, ...]


class Roster:
    """The characters as last listed; read by any thread."""

    def __init__(self, list_characters: Callable[[], _Characters]) -> None:
        """list_characters: returns the worker's list, or the folder's before the worker answers."""
        self._list = list_characters
        self._broken: dict[str, str] = {}
        self._seen: _Characters = ()
        self.numbers: tuple[str, ...] = ()
        """Which file each number from 1 stands for, "" for none; what was saved is set before the first `look`."""
        self.on_change: Callable[[], None] = lambda: None
        """Called by `look` where characters or numbers are not what they were."""

    def characters(self) -> _Characters:
        """Return the characters in the order of the panel."""
        return tuple(
            dataclasses.replace(entry, problem=entry.problem or self._broken.get(entry.file, ""))
            for entry in self._list()
        )

    def look(self) -> bool:
        """Read the beginnings of the files, give numbers to new characters, and return whether anything changed."""
        broken = ((entry.file, _header_problem(entry)) for entry in self._list())
        self._broken = {name: problem for name, problem in broken if problem}
        characters = self.characters()
        numbers = character_list.give_numbers(self.numbers, characters)
        if (characters, numbers) == (self._seen, self.numbers):
            return False
        self._seen, self.numbers = characters, numbers
        self.on_change()
        return True

    def forget(self) -> None:
        """Have the next `look` call `on_change` in any case: the hotkeys of a script loaded anew have no names yet."""
        self._seen = ()

    def numbered(self, number: int) -> CharacterEntry | None:
        """Return the character with this number (from 1), or None."""
        name = self.numbers[number - 1] if number <= len(self.numbers) else ""
        return character_list.find(self.characters(), name) if name else None


def _header_problem(entry: CharacterEntry) -> str:
    try:
        return still_picture.header_problem(entry)
    except ValueError:
        # A name that OBS's locale cannot spell; for the worker it is as good as any.
        return ""
