"""What `prepare` says of characters and the anime networks, and the contact sheet that it leaves."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

import numpy as np
import pytest
from PIL import Image

from animator_core import assembly
from animator_core.__main__ import main
from animator_core.anime.contact_sheet import POSES
from animator_core.characters.library import CharacterLibrary
from animator_core.cli import anime_fit
from animator_core.errors import WeightsError
from tests import stand_ins
from tests.coloured_face import ColouredFaceNetworks, blank, draw_body, draw_face

Prepare = Callable[..., int]


@pytest.fixture
def networks() -> ColouredFaceNetworks:
    return ColouredFaceNetworks()


@pytest.fixture
def prepare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, networks: ColouredFaceNetworks) -> Prepare:
    stand_ins.put_in_place(monkeypatch)
    folder = tmp_path / "characters"
    folder.mkdir()
    library = CharacterLibrary(folder, detect=lambda rgb: None)
    for name, parts in (("ada", "lrm"), ("bob", "lr"), ("wall", "")):
        picture = blank()
        draw_body(picture, 230, 150)
        draw_face(picture, 230, 150, parts=parts)
        Image.fromarray(picture).save(folder / f"{name}.png")
    monkeypatch.setattr(assembly, "load_character", lambda text, config: library.load(text))
    monkeypatch.setattr(assembly, "make_library", lambda config: library)
    monkeypatch.setattr(assembly, "load_anime_networks", lambda config: networks)
    monkeypatch.setattr(anime_fit, "SHEETS", tmp_path / "output")
    config = tmp_path / "config.yaml"
    config.write_text(f"performance: {{cache_dir: '{tmp_path / 'cache'}'}}\n")
    return lambda *arguments: main(["prepare", "--config", str(config), *arguments])


def test_each_character_is_told_whether_it_fits_and_which_suits_it(
    prepare: Prepare, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert prepare() == 0
    told = [line.strip() for line in capsys.readouterr().out.splitlines() if "anime: " in line]
    assert told == [
        "anime: fits (head found by the networks): its eyes close and its mouth opens; anime suits it better",
        f"anime: drawing {len(POSES)} poses, 1 to 3 s each",
        f"anime: see it move in {tmp_path / 'output' / 'ada-anime.png'}",
        "anime: fits (head found by the networks): its eyes close, but its mouth does not open; another renderer suits "
        "it better",
        "anime: does not fit (head guessed by the silhouette): no head found, upright and with open eyes; show it "
        "with `prepare --renderer anime --pick`; another renderer suits it better",
    ]
    assert [path.name for path in (tmp_path / "output").iterdir()] == ["ada-anime.png"]


def test_the_sheet_shows_the_poses(prepare: Prepare, tmp_path: Path) -> None:
    assert prepare("ada.png") == 0
    with Image.open(tmp_path / "output" / "ada-anime.png") as image:
        sheet = np.asarray(image)
    assert sheet.shape == (3 * 280, 6 * 256, 3)
    reds = {}
    for number, (name, _) in enumerate(POSES):
        row, column = divmod(number, 6)
        cell = sheet[row * 280 : row * 280 + 256, column * 256 : column * 256 + 256].astype(int)
        reds[name] = int(((cell[..., 0] > 200) & (cell[..., 1] < 60)).sum())
    assert reds["neutral"] > 100
    assert reds["left eye closed"] == reds["aaa"] == reds["neutral"], "the red eye is the character's right one"
    assert reds["eyes closed"] == reds["right eye closed"] == 0


def test_an_unchanged_character_is_not_drawn_again(
    prepare: Prepare, networks: ColouredFaceNetworks, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare("ada.png")
    first = networks.looks
    prepare("ada.png")
    assert networks.looks == first, "neither searched nor drawn again"
    assert capsys.readouterr().out.count("drawing") == 1
    (tmp_path / "output" / "ada-anime.png").write_bytes(b"no picture")
    prepare("ada.png")
    (tmp_path / "characters" / "ada.yaml").write_text("anime: {center: [230, 130], scale: 0.8}\n")
    prepare("ada.png")
    assert capsys.readouterr().out.count("drawing") == 2


def test_asked_for_by_name_it_is_drawn_even_if_it_does_not_fit(prepare: Prepare, tmp_path: Path) -> None:
    assert prepare("--renderer", "anime", "wall.png") == 0
    assert (tmp_path / "output" / "wall-anime.png").is_file()


@pytest.mark.parametrize("way", ["option", "yaml"])
def test_nothing_is_said_of_another_renderer(
    way: str, prepare: Prepare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "characters" / "bob.yaml").write_text("renderer: warp\n" if way == "yaml" else "")
    assert prepare("bob.png", *(["--renderer", "warp"] if way == "option" else [])) == 0
    assert "anime" not in capsys.readouterr().out


def test_without_weights_one_line_says_so(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(assembly, "load_anime_networks", lambda config: None)
    assert prepare() == 0
    told = [line for line in capsys.readouterr().out.splitlines() if "anime" in line]
    assert told == ["note: the anime networks are not checked, because their weights are not there; run install.py"]


def test_damaged_weights_do_not_fail_the_characters(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def damaged(config: object) -> None:
        raise WeightsError("editor.pt is damaged", "delete it")

    monkeypatch.setattr(assembly, "load_anime_networks", damaged)
    assert prepare() == 0
    assert capsys.readouterr().err.count("anime: editor.pt is damaged; delete it") == 1


def test_a_folder_that_cannot_be_written_is_named(
    prepare: Prepare, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "output").write_bytes(b"a file where the folder should be")
    assert prepare("ada.png") == 0
    told = capsys.readouterr()
    assert f"anime: cannot write {tmp_path / 'output' / 'ada-anime.png'}" in told.err
    assert "prepared ada.png" in told.out


def test_a_character_without_a_face_for_the_renderer_is_still_checked(
    prepare: Prepare, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Refusing(stand_ins.FlatRenderer):
        def prepare(self, character: object) -> None:
            character.require_landmarks()  # type: ignore[attr-defined]

    stand_ins_networks = assembly.load_anime_networks
    stand_ins.put_in_place(monkeypatch, renderer=Refusing())
    monkeypatch.setattr(assembly, "load_anime_networks", stand_ins_networks)
    assert prepare("ada.png") == 1
    told = capsys.readouterr()
    assert "FAILED   ada.png: no face found in" in told.err
    assert "anime: fits" in told.out
