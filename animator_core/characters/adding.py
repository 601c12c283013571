"""Adds a picture to the character library: a checked copy under a name of its own."""

from __future__ import annotations

import filecmp
import itertools
import shutil
from pathlib import Path

from PIL import Image

from animator_core.arrays import UInt8Array
from animator_core.atomic_file import written_atomically
from animator_core.characters.description import description_path
from animator_core.characters.picture import load_picture
from animator_core.errors import CharacterError
from animator_core.ipc import character_names

_REFUSED = set('<>:"/\\|?*')
"""Characters that some system does not allow in a file's name."""
_LONGEST_NAME = 100


def add_picture(source: Path, directory: Path, name: str = "") -> str:
    """Copy a picture into the folder of a library and return its file name there.

    name: what the character is called, "" for the picture's own name. No file is ever replaced: a name that is taken
    gets a number, and a picture that is there already is not copied again. Raises CharacterError for a file that cannot
    be read as a picture, with the reason, or a folder that cannot be written.
    """
    load_picture(source)
    suffix = source.suffix.lower() if source.suffix.lower() in character_names.SUFFIXES else ".png"
    stem = _stem(name or character_names.as_text(source.stem))
    try:
        directory.mkdir(parents=True, exist_ok=True)
        target = _free_place(source, directory / f"{stem}{suffix}")
        if not target.exists():
            with written_atomically(target) as unfinished:
                shutil.copyfile(source, unfinished)
    except OSError as exc:
        raise CharacterError(
            f"cannot copy {source} to {directory}: {exc.strerror or exc}", "make the folder writable"
        ) from exc
    return character_names.as_text(target.name)


def _free_place(source: Path, wanted: Path) -> Path:
    """Return a path that is free, or that has the same picture already."""
    taken = {
        path.stem.casefold(): path for path in wanted.parent.iterdir() if path.is_file() and path.suffix != ".yaml"
    }
    for number in itertools.count(1):
        candidate = wanted.stem if number == 1 else f"{wanted.stem}-{number}"
        present = taken.get(candidate.casefold())
        if present is None:
            return wanted.with_name(f"{candidate}{wanted.suffix}")
        if filecmp.cmp(source, present, shallow=False):
            return present
    raise AssertionError("unreachable")


def _stem(name: str) -> str:
    """Return a file name without suffix; a dot in it would make the picture an expression of another one."""
    kept = "".join("-" if letter == "." or letter in _REFUSED else letter for letter in name if letter.isprintable())
    stem = kept.strip(" -")[:_LONGEST_NAME]
    if not stem:
        raise CharacterError(f"a character cannot be called {name!r}", "give it a name with a letter or a digit")
    return stem


def write_cutout(source: Path, picture: UInt8Array, target: Path | None = None) -> Path:
    """Write a picture without its background as PNG, with the description of the one with it, and return its path.

    picture: (H, W, 4) uint8 RGBA, straight alpha, in the size of the source. target: None for ``NAME-cutout.png``
    beside the source. No file is replaced. Raises CharacterError.
    """
    target = target or source.with_name(f"{source.stem}-cutout.png")
    if target.exists():
        raise CharacterError(f"{target} is there already", "delete it, or give another name")
    try:
        with written_atomically(target) as unfinished:
            Image.fromarray(picture).save(unfinished, format="PNG")
        described, description = description_path(source), target.with_suffix(".yaml")
        if described.exists() and not description.exists():
            # Its points are pixels of the picture; its name would be there twice.
            lines = described.read_text(encoding="utf-8-sig").splitlines(keepends=True)
            kept = "".join(line for line in lines if not line.startswith("name:"))
            description.write_text(kept, encoding="utf-8")
    except OSError as exc:
        raise CharacterError(f"cannot write {target}: {exc.strerror or exc}", "make its folder writable") from exc
    return target
