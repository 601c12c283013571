"""The characters to choose from, with no worker needed."""

from __future__ import annotations

import os
from typing import Sequence

from animator_core.protocol import CharacterEntry

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")


def list_pictures(folder: str) -> tuple[CharacterEntry, ...]:
    """Return the pictures of the character folder, sorted by name; none where the folder cannot be read."""
    try:
        names = sorted(os.listdir(folder), key=lambda name: (name.lower(), name))
    except OSError:
        return ()
    return tuple(
        CharacterEntry(name, _display_name(name), os.path.join(folder, name))
        for name in names
        if name.lower().endswith(PICTURE_SUFFIXES) and not name.startswith(".") and is_utf8(name)
    )


def is_utf8(name: str) -> bool:
    """Return whether OBS can keep the name: its settings are UTF-8, and a file's name need not be."""
    return name.encode("utf-8", "replace").decode() == name


def _display_name(file_name: str) -> str:
    return os.path.splitext(file_name)[0].replace("_", " ").replace("-", " ").strip() or file_name


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
