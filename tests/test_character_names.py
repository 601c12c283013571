"""One rule for both sides: which files are characters, in which order, how they are called."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from animator_core.characters.library import CharacterLibrary
from animator_core.config import PROJECT_ROOT
from animator_core.ipc import character_names
from obs_plugin import character_list

ORDERED = [
    "1 me.png",
    "2.png",
    "007.png",
    "10.png",
    "2026-11-28 12.png",
    "_x.png",
    "Ada.PNG",
    "ada 2.png",
    "ada 10.jpg",
    "bob.jfif",
    "Émile.jpe",
    "file2.webp",
    "file10.webp",
    "my_cat.png",
    "Zoë.jpeg",
    "Яна ☕.png",
]


@pytest.mark.parametrize("shift", [1, 5])
def test_both_sides_list_the_same_characters_in_natural_order(tmp_path: Path, shift: int) -> None:
    for name in ORDERED[::shift] + ORDERED:
        (tmp_path / name).touch()
    for name in ("a.yaml", ".hidden.png", "._a.png", "g.gif", "noise.png.bak"):
        (tmp_path / name).touch()
    (tmp_path / "folder.png").mkdir()
    before, after = character_list.list_pictures(str(tmp_path)), CharacterLibrary(tmp_path).list()
    assert [entry.file for entry in before] == ORDERED
    assert before == after


def test_a_name_is_shown_as_words() -> None:
    assert character_names.display_name("my_cat.png") == "my cat"
    assert character_names.display_name("_.png") == "_.png"


def test_pictures_of_other_kinds_are_known_by_name(tmp_path: Path) -> None:
    for name in ("ada.HEIC", "b.avif", "g.gif", "t.tiff", "ada.png", "notes.txt", ".x.gif"):
        (tmp_path / name).touch()
    assert character_names.list_other_pictures(tmp_path) == ("ada.HEIC", "b.avif", "g.gif", "t.tiff")
    assert character_names.list_other_pictures(tmp_path / "absent") == ()


def test_an_empty_folder_says_what_to_do_with_the_pictures_that_are_there(tmp_path: Path) -> None:
    assert "Put a PNG, JPEG or WebP file there" in character_list.missing_picture(str(tmp_path)).remedy
    (tmp_path / "ada.heic").touch()
    missing = character_list.missing_picture(str(tmp_path))
    assert missing.message == "ada.heic in assets/characters cannot be used"
    assert missing.remedy == "Save it as PNG, JPEG or WebP and press Refresh"


WITHOUT_LOCALE = """
import os, sys
from animator_core.ipc.character_names import as_text, system_path
from obs_plugin import character_list, picture_header
assert sys.getfilesystemencoding() == ENCODING, sys.getfilesystemencoding()
(entry,) = character_list.list_pictures(os.fsdecode(FOLDER))
assert entry.file == NAME, ascii(entry.file)
assert entry.path.encode() == FOLDER + b"/" + NAME.encode(), ascii(entry.path)
assert picture_header.read_size(entry.path) == (70, 64)
assert as_text(system_path(entry.path)) == entry.path
assert as_text(entry.path) == entry.path
"""
WORKER_WITHOUT_LOCALE = """
from pathlib import Path
from animator_core import assembly
from animator_core.characters.library import CharacterLibrary
library = CharacterLibrary(Path(os.fsdecode(FOLDER)))
assert library.list() == character_list.list_pictures(os.fsdecode(FOLDER))
path = library.path(NAME)
assert path.stat().st_size and any(library.fingerprint(NAME))
assert assembly.find_in_library(library, os.fsdecode(NAME.encode())) == NAME
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has locales in which paths are ASCII")
@pytest.mark.parametrize(
    ("settings", "encoding"),
    [
        ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, "ascii"),
        ({"LC_ALL": "C"}, "utf-8"),
        ({"PYTHONUTF8": "1"}, "utf-8"),
    ],
)
@pytest.mark.parametrize("folder", ["characters", "Figuren ü"])
def test_names_are_the_same_without_a_locale(
    tmp_path: Path, settings: dict[str, str], encoding: str, folder: str
) -> None:
    from PIL import Image

    name = "Яна ☕.png"
    (tmp_path / folder).mkdir()
    Image.new("RGB", (70, 64)).save(tmp_path / folder / name)
    code = f"ENCODING, NAME, FOLDER = {encoding!r}, {name!a}, {os.fsencode(tmp_path / folder)!r}"
    environment = {**os.environ, **settings, "PYTHONPATH": str(PROJECT_ROOT)}
    for script in (WITHOUT_LOCALE, WITHOUT_LOCALE + WORKER_WITHOUT_LOCALE):
        done = subprocess.run(
            [sys.executable, "-c", code + script], env=environment, capture_output=True, text=True, timeout=60
        )
        assert done.returncode == 0, done.stderr


def test_a_colon_in_a_name_is_a_letter_where_files_may_have_it(tmp_path: Path) -> None:
    if os.name == "nt":
        pytest.skip("Windows has no such names")
    name = "Screenshot from 2026-11-28 12:30:45.png"
    (tmp_path / name).touch()
    assert CharacterLibrary(tmp_path).path(name) == tmp_path / name
