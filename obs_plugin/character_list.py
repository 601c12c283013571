"""The characters to choose from, with no worker needed."""

from __future__ import annotations

import os
from typing import Sequence

from animator_core import character_names
from animator_core.protocol import CharacterEntry


def list_pictures(folder: str) -> tuple[CharacterEntry, ...]:
    """Return the pictures of the character folder in order; none where the folder cannot be read."""
    try:
        names = character_names.list_names(folder)
    except OSError:
        return ()
    text = character_names.as_text(folder)
    return tuple(CharacterEntry(name, character_names.display_name(name), os.path.join(text, name)) for name in names)


def missing_picture(folder: str) -> str:
    """Return what to tell where there is no character: pictures of other kinds are named."""
    others = character_names.list_other_pictures(folder)
    if others:
        return f"{others[0]} in assets/characters cannot be used; save it as PNG, JPEG or WebP and press Refresh"
    return "There is no picture in assets/characters; put a PNG, JPEG or WebP file there and press Refresh"


def find(characters: Sequence[CharacterEntry], file_name: str) -> CharacterEntry | None:
    """Return the character with this file name, the first one for "", or None."""
    if not file_name:
        return characters[0] if characters else None
    return next((entry for entry in characters if entry.file == file_name), None)


def neighbour(characters: Sequence[CharacterEntry], file_name: str, step: int) -> CharacterEntry | None:
    """Return the character ``step`` places after this one, round and round; the first one where it is unknown."""
    if not characters:
        return None
    current = find(characters, file_name)
    if current is None:
        return characters[0]
    return characters[(characters.index(current) + step) % len(characters)]
