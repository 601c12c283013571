"""Pictures that are added to the library, cut out of their background, and shown as thumbnails."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from animator_core import assembly
from animator_core.__main__ import main
from animator_core.characters.adding import add_picture, write_cutout
from animator_core.characters.character import Character
from animator_core.characters.library import CharacterLibrary
from animator_core.characters.picture import load_picture
from animator_core.characters.thumbnails import write_page
from animator_core.config import load_config
from animator_core.cutout import cut_out, foreground_colours
from animator_core.errors import CharacterError


def picture(path: Path, shade: int = 90) -> Path:
    Image.new("RGB", (64, 80), (shade, 120, 200)).save(path)
    return path


def test_a_picture_is_copied_under_a_free_name_and_nothing_is_replaced(tmp_path: Path) -> None:
    library = tmp_path / "library"
    first = add_picture(picture(tmp_path / "ada.png"), library)
    assert first == "ada.png"
    assert add_picture(tmp_path / "ada.png", library) == "ada.png", "the same picture is not copied twice"
    assert add_picture(picture(tmp_path / "ADA.png", 10), library) == "ADA-2.png"
    assert add_picture(picture(tmp_path / "x.png", 20), library, "ada") == "ada-3.png"
    assert load_picture(library / "ada.png")[0, 0].tolist() == [90, 120, 200, 255]
    assert sorted(path.name for path in library.iterdir()) == ["ADA-2.png", "ada-3.png", "ada.png"]


def test_a_name_is_one_that_every_system_takes_and_no_expression_of_another(tmp_path: Path) -> None:
    library = tmp_path / "library"
    assert add_picture(picture(tmp_path / "ada.happy.png"), library) == "ada-happy.png"
    assert add_picture(picture(tmp_path / "b.png", 7), library, "A/B: über?") == "A-B- über.png"
    with pytest.raises(CharacterError, match="cannot be called"):
        add_picture(tmp_path / "b.png", library, "...")


@pytest.mark.parametrize(
    ("content", "reason"), [(b"", "is empty"), (b"no picture", "cannot be read as a picture"), (None, "is no file")]
)
def test_an_unreadable_file_is_refused_with_the_reason(tmp_path: Path, content: bytes | None, reason: str) -> None:
    path, library = tmp_path / "ada.png", tmp_path / "library"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CharacterError, match=reason) as caught:
        add_picture(path, library)
    assert caught.value.remedy and not library.exists()


def test_the_commands_add_a_picture_and_list_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        f"character: {{images_path: '{(tmp_path / 'library').as_posix()}'}}\n"
        f"performance: {{cache_dir: '{(tmp_path / 'cache').as_posix()}'}}\n"
    )
    source = picture(tmp_path / "some photo.png")
    named = ["--name", "Ada", "--config", str(config)]
    assert main(["add", str(source), "--without-preparing", *named]) == 0
    assert main(["characters", "--config", str(config)]) == 0
    assert "Ada.png: Ada" in capsys.readouterr().out
    assert main(["add", str(tmp_path / "none.png"), *named]) == 1
    assert "is no file" in capsys.readouterr().err
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    assert main(["characters", "--sheet", "--config", str(config)]) == 0
    assert opened[0].startswith("file:") and "thumbnails" in opened[0]


def test_the_page_of_thumbnails_shows_every_character_and_its_fault_and_loads_nothing_else(tmp_path: Path) -> None:
    library = CharacterLibrary(tmp_path / "library")
    library.directory.mkdir()
    for name in ("ada.png", "ada.happy.png", "<b>.png"):
        picture(library.directory / name)
    (library.directory / "broken.png").write_bytes(b"no picture")
    page = write_page(library.list(), tmp_path / "page", expressions=library.expressions())
    text = page.read_text("utf-8")
    assert "&lt;b&gt;.png" in text and "<b>.png" not in text and "happy" in text
    assert "cannot be read as a picture" in text and "http:" not in text and "https:" not in text
    thumbnails = set(page.parent.glob("*.png"))
    assert len(thumbnails) == 2 and all(path.name in text for path in thumbnails)
    (library.directory / "ada.png").unlink()
    write_page(library.list(), tmp_path / "page")
    assert len(set(page.parent.glob("*.png")) & thumbnails) == 1, "what nobody needs is gone, the rest is kept"


@pytest.fixture(scope="module")
def portrait() -> Character:
    config = load_config()
    small = replace(config, character=replace(config.character, target_size=(400, 400)))
    return assembly.load_character("astronaut.png", small)


def test_a_cutout_is_near_the_known_outline_and_its_edge_has_no_colour_of_the_background(portrait: Character) -> None:
    truth = portrait.picture.astype(np.float32)
    alpha = truth[..., 3:] / 255
    rows = np.linspace(0, 1, len(truth))[:, None, None]
    wall = np.array([200, 190, 170], np.float32) * (1 - 0.4 * rows)
    seen = np.rint(truth[..., :3] * alpha + wall * (1 - alpha)).astype(np.uint8)
    cut = cut_out(replace(portrait, picture=np.dstack([seen, np.full(seen.shape[:2], 255, np.uint8)])))
    found = cut[..., 3] / 255
    assert np.abs(found - alpha[..., 0]).mean() < 0.02
    assert (found[alpha[..., 0] == 1] > 0.9).mean() > 0.97
    colours = foreground_colours(seen, alpha[..., 0]).astype(np.float32)
    edge = (alpha[..., 0] > 0.2) & (alpha[..., 0] < 0.8)
    off = [np.abs(each[edge] - truth[..., :3][edge]).mean() for each in (colours, seen.astype(np.float32))]
    assert off[0] < 0.6 * off[1]


def test_a_transparent_picture_is_not_cut_out_and_a_cutout_replaces_no_file(
    portrait: Character, tmp_path: Path
) -> None:
    with pytest.raises(CharacterError, match="transparent background already"):
        cut_out(portrait)
    source = picture(tmp_path / "ada.png")
    (tmp_path / "ada.yaml").write_text("name: Ada\ncrop: [1, 2, 30, 40]\n", encoding="utf-8")
    written = write_cutout(source, portrait.picture)
    assert written.name == "ada-cutout.png" and load_picture(written).shape == portrait.picture.shape
    assert (tmp_path / "ada-cutout.yaml").read_text("utf-8") == "crop: [1, 2, 30, 40]\n"
    with pytest.raises(CharacterError, match="is there already"):
        write_cutout(source, portrait.picture)
