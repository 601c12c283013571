"""Promises of ``python -m animator_core prepare``."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from animator_core import assembly
from animator_core.__main__ import main
from animator_core.characters.character import Character
from animator_core.characters.face_quality import FaceWarning
from animator_core.errors import NoFaceFound
from animator_core.ipc.protocol import CharacterEntry
from tests import stand_ins


class _Library:
    directory = Path("somewhere")

    def __init__(self, *names: str) -> None:
        self._names = names

    def list(self) -> tuple[CharacterEntry, ...]:
        return tuple(CharacterEntry(name, name, name) for name in self._names)


def _big_face(name: str = "ada.png", low: float = 100, high: float = 300) -> Character:
    landmarks = np.random.default_rng(3).uniform(low, high, (478, 3)).astype(np.float32)
    landmarks[:2] = ((low, low, 0), (high, high, 0))
    return Character(name, name, np.full((400, 400, 4), 255, np.uint8), landmarks, name)


def _put(monkeypatch: pytest.MonkeyPatch, library: _Library) -> stand_ins.FlatRenderer:
    renderer, _ = stand_ins.put_in_place(monkeypatch)

    def load(text: str, config: Any) -> Character:
        if text == "wall.png":
            raise NoFaceFound("no face found in wall.png", "use a front-facing portrait")
        return _big_face(text)

    monkeypatch.setattr(assembly, "load_character", load)
    monkeypatch.setattr(assembly, "make_library", lambda config: library)
    return renderer


def test_the_whole_library_is_prepared_by_default(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    renderer = _put(monkeypatch, _Library("ada.png", "bob.png"))
    assert main(["prepare"]) == 0
    assert renderer.prepared == ["ada.png", "bob.png"]
    assert renderer.motions, "nothing was rendered, so nothing was compiled"
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "prepared ada.png (ada.png): 400x400, opaque, face 200 px"


def test_one_that_fails_is_named_with_its_remedy_and_the_others_are_prepared(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    renderer = _put(monkeypatch, _Library())
    assert main(["prepare", "wall.png", "bob.png"]) == 1
    assert renderer.prepared == ["bob.png"]
    assert "FAILED   wall.png: no face found in wall.png; use a front-facing portrait" in capsys.readouterr().err


def test_an_empty_library_is_an_error(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    _put(monkeypatch, _Library())
    assert main(["prepare"]) == 1
    assert "no picture in somewhere" in capsys.readouterr().err


def test_what_will_look_wrong_is_said_and_is_no_failure(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    _put(monkeypatch, _Library())
    warnings = (FaceWarning("the eyes are covered", "show them"), FaceWarning("the face is small", "use a larger one"))
    monkeypatch.setattr(assembly, "load_character", lambda text, config: replace(_big_face(text), warnings=warnings))
    assert main(["prepare", "ada.png"]) == 0
    assert capsys.readouterr().out.splitlines()[1:3] == [
        "         warning: the eyes are covered; show them",
        "         warning: the face is small; use a larger one",
    ]


def test_pictures_of_other_kinds_are_named_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("g.gif", "ada.HEIC"):
        (tmp_path / name).touch()
    for names, status in (("ada.png",), 0), ((), 1):
        library = _Library(*names)
        library.directory = tmp_path
        _put(monkeypatch, library)
        assert main(["prepare"]) == status
        told = capsys.readouterr().err
        assert f"note: ada.HEIC, g.gif in {tmp_path} cannot be used; save as PNG, JPEG or WebP" in told
