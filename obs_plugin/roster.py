"""The characters of panel and hotkeys: the fault of each, and its number."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import dataclasses
from typing import Callable, Tuple

from animator_core.ipc.protocol import CharacterEntry
from obs_plugin import character_list, still_picture
from obs_plugin.problem import Problem

_Characters = Tuple[CharacterEntry, ...]


class Roster:
    """The characters as last listed; read by any thread."""

    def __init__(self, list_characters: Callable[[], _Characters]) -> None:
        """list_characters: returns the worker's list, or the folder's before the worker answers."""
        self._list = list_characters
        self._faults: dict[str, Problem] = {}
        self._seen: _Characters = ()
        self.numbers: tuple[str, ...] = ()
        """The file of each number from 1, "" for none; saved ones are set before the first `refresh`."""
        self.on_change: Callable[[], None] = lambda: None
        """Called by `refresh` if characters or numbers changed."""

    def characters(self) -> _Characters:
        """Return the characters in the order of the panel."""
        return tuple(self._with_fault(entry) for entry in self._list())

    def _with_fault(self, entry: CharacterEntry) -> CharacterEntry:
        fault = None if entry.problem else self._faults.get(entry.file)
        return dataclasses.replace(entry, problem=fault.message, remedy=fault.remedy) if fault else entry

    def refresh(self) -> bool:
        """Read the headers of the files, give numbers to new characters, and return whether anything changed."""
        faults = ((entry.file, _header_problem(entry)) for entry in self._list())
        self._faults = {name: fault for name, fault in faults if fault is not None}
        characters = self.characters()
        numbers = character_list.give_numbers(self.numbers, characters)
        if (characters, numbers) == (self._seen, self.numbers):
            return False
        self._seen, self.numbers = characters, numbers
        self.on_change()
        return True

    def forget(self) -> None:
        """Have the next `refresh` call `on_change` in any case: the hotkeys of a reloaded script have no names yet."""
        self._seen = ()

    def numbered(self, number: int) -> CharacterEntry | None:
        """Return the character with this number (from 1), or None."""
        name = self.numbers[number - 1] if number <= len(self.numbers) else ""
        return character_list.find(self.characters(), name) if name else None


def _header_problem(entry: CharacterEntry) -> Problem | None:
    try:
        return still_picture.header_problem(entry)
    except ValueError:
        # A name that OBS's locale cannot spell; the worker can read the file all the same.
        return None
