"""The characters of the folder, their order and their numbers; needs no worker."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import os
from typing import Sequence

from animator_core.ipc import character_names
from animator_core.ipc.protocol import CharacterEntry
from obs_plugin.problem import Problem, told

NUMBERS = 9
"""Count of the numbered hotkeys."""


def list_pictures(folder: str) -> tuple[CharacterEntry, ...]:
    """Return the pictures of the character folder in order, () if it cannot be read."""
    try:
        names = character_names.list_names(folder)
    except OSError:
        return ()
    text = character_names.as_text(folder)
    return tuple(CharacterEntry(name, character_names.display_name(name), os.path.join(text, name)) for name in names)


def expressions(folder: str, file_name: str) -> tuple[str, ...]:
    """Return the names of a character's expressions, in order."""
    try:
        return tuple(character_names.list_expressions(folder).get(file_name, {}))
    except OSError:
        return ()


def missing_picture(folder: str) -> Problem:
    """Return the problem of an empty character folder; it names a picture of another kind, if there is one."""
    others = character_names.list_other_pictures(folder)
    if others:
        return told("OtherPicture", name=others[0])
    return told("NoPicture")


def find(characters: Sequence[CharacterEntry], file_name: str) -> CharacterEntry | None:
    """Return the character with this file name, for "" the first that can be shown; None if there is none."""
    if not file_name:
        return next((entry for entry in characters if not entry.problem), characters[0] if characters else None)
    return next((entry for entry in characters if entry.file == file_name), None)


def neighbour(characters: Sequence[CharacterEntry], file_name: str, step: int) -> CharacterEntry | None:
    """Return the next character that can be shown, in the direction of ``step`` (1 or -1), with wrap-around.

    The first one for an unknown ``file_name``, None if there is no other.
    """
    current = find(characters, file_name)
    if current is None:
        return find(characters, "")
    place = characters.index(current)
    others = [characters[(place + step * count) % len(characters)] for count in range(1, len(characters))]
    return next((entry for entry in others if not entry.problem), None)


def give_numbers(numbers: Sequence[str], characters: Sequence[CharacterEntry]) -> tuple[str, ...]:
    """Return the file of each number from 1 to `NUMBERS`, "" for none.

    numbers: the previous ones. A character keeps its number, also while its file is gone. New ones take free numbers in
    the order of the list, then the numbers of missing files.
    """
    kept = [*numbers[:NUMBERS], *[""] * (NUMBERS - len(numbers))]
    present = [entry.file for entry in characters]
    free = [place for place, name in enumerate(kept) if not name]
    free += [place for place, name in enumerate(kept) if name and name not in present]
    new = (name for name in present if name not in kept)
    for place, name in zip(free, list(new)):
        kept[place] = name
    return tuple(kept)
