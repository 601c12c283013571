"""Which files of the character folder are characters, in which order, and how they are called.

OBS's side lists the folder before the worker runs, the worker afterwards: both ask here, so that panel, hotkeys and
still pictures agree. Standard library only.
"""

from __future__ import annotations

import os
import re
import unicodedata
from typing import Collection, List, Tuple, Union

SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp")
OTHER_SUFFIXES = (
    *(".heic", ".heif", ".avif", ".jxl", ".gif", ".bmp", ".tif", ".tiff", ".tga", ".svg", ".psd", ".kra", ".xcf"),
    *(".apng", ".dng", ".jp2"),
)
"""Pictures that are not read: to be saved as one of the others."""

_Key = Tuple[List[Tuple[int, int, str]], str, str]
_AnyPath = Union[str, "os.PathLike[str]"]


def list_names(folder: _AnyPath) -> tuple[str, ...]:
    """Return the file names of the characters in a folder, in order, their expressions left out; raises OSError."""
    pictures = _pictures(folder)
    return tuple(sorted((name for name in pictures if _base(name, pictures) is None), key=natural_key))


def list_expressions(folder: _AnyPath) -> dict[str, dict[str, str]]:
    """Return each character's pictures of other expressions: file by expression, by the character's file.

    ``ada.happy.png`` is the expression "happy" of ``ada.png`` (or ``ada.jpg``) beside it. Raises OSError.
    """
    pictures = _pictures(folder)
    found: dict[str, dict[str, str]] = {}
    for name in sorted(pictures, key=natural_key):
        base = _base(name, pictures)
        if base is not None:
            expression = os.path.splitext(os.path.splitext(name)[0])[1][1:].lower()
            found.setdefault(base, {}).setdefault(expression, name)
    return found


def list_other_pictures(folder: _AnyPath) -> tuple[str, ...]:
    """Return the file names of pictures in a folder that cannot be characters as they are; () without a folder."""
    try:
        names = _files(folder)
    except OSError:
        return ()
    return tuple(sorted((name for name in names if name.lower().endswith(OTHER_SUFFIXES)), key=natural_key))


def _pictures(folder: _AnyPath) -> list[str]:
    return [name for name in _files(folder) if name.lower().endswith(SUFFIXES)]


def _base(name: str, pictures: Collection[str]) -> str | None:
    """Return the character whose expression a picture is, None if it is a character of its own."""
    stem, expression = os.path.splitext(os.path.splitext(name)[0])
    if not stem or len(expression) < 2:
        return None
    bases = (each for each in pictures if os.path.splitext(each)[0] == stem)
    return min(bases, key=natural_key, default=None)


def natural_key(name: str) -> _Key:
    """Return the sort key of a file name: numbers by value and before letters, without case and accents."""
    stem, suffix = os.path.splitext(name)
    letters = unicodedata.normalize("NFD", stem.casefold())
    parts = re.split(r"(\d+)", "".join(letter for letter in letters if not unicodedata.combining(letter)))
    key = [(0, int(part), "") if part.isdecimal() else (1, 0, part) for part in parts if part]
    return key, suffix.lower(), name


def display_name(file_name: str) -> str:
    """Return how a character is called whose description gives no name."""
    return os.path.splitext(file_name)[0].replace("_", " ").replace("-", " ").strip() or file_name


def system_path(path: str) -> str:
    """Return a path as this Python's file functions take it.

    A name is UTF-8 on disk, in OBS and in messages. Without a locale (a service, ssh, a container) the Python in OBS
    takes paths as ASCII, with other bytes as surrogates.
    """
    return path if os.name == "nt" else os.fsdecode(path.encode("utf-8", "surrogateescape"))


def as_text(path: _AnyPath) -> str:
    """Return a path of this Python's file functions as text, the reverse of `system_path`; text stays as it is."""
    try:
        return os.fspath(path) if os.name == "nt" else os.fsencode(path).decode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        # Such a name comes from the list of characters: the file functions could not have given it.
        return os.fspath(path)


def _files(folder: _AnyPath) -> list[str]:
    """Return the names of files that are not hidden and that OBS can keep: its settings are UTF-8."""
    names = []
    with os.scandir(os.fsencode(folder)) as entries:
        for entry in entries:
            try:
                name = entry.name.decode("utf-8")
            except UnicodeDecodeError:
                continue
            if not name.startswith(".") and entry.is_file():
                names.append(name)
    return names
