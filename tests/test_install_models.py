"""animator_core.installation.models: the installer's step that gets the models, with and without a network."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from animator_core.errors import ModelError
from animator_core.installation import model_files, model_transfer
from animator_core.installation import models as models_module
from animator_core.installation.model_files import ModelFile
from animator_core.installation.models import ModelsStep

UNREACHABLE = "http://127.0.0.1:9"


def make_model(name: str, content: bytes, folder: str = "") -> ModelFile:
    return ModelFile(name, f"{UNREACHABLE}/{name}", len(content), hashlib.sha256(content).hexdigest(), "MIT", folder)


LANDMARKER = make_model("face_landmarker.task", b"landmarker")
GENERATOR = make_model("spade_generator.pth", b"generator", "liveportrait")
WANTED = (LANDMARKER, GENERATOR)


def no_pip(requirement: str, sha256: str, folder: Path) -> None:
    raise AssertionError("pip gets the anime networks only")


@pytest.fixture(autouse=True)
def manifest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "MANIFEST", WANTED)
    monkeypatch.setattr(models_module, "FACE_LANDMARKER", LANDMARKER)
    monkeypatch.setattr(models_module, "LIVEPORTRAIT", (GENERATOR,))


def test_models_that_are_there_are_verified_and_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / LANDMARKER.name).write_bytes(b"landmarker")
    (tmp_path / "liveportrait").mkdir()
    (tmp_path / "liveportrait" / GENERATOR.name).write_bytes(b"generator")
    step = ModelsStep(tmp_path, WANTED, no_pip)
    step.run()
    assert step.missing == []
    assert step.bytes_to_come == 0
    assert step.summary((3, 11)) == []
    assert capsys.readouterr().out.count("is there, verified") == 2


def test_a_local_folder_serves_without_any_network(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "face_landmarker_v2_with_blendshapes.task").write_bytes(b"landmarker")
    (folder / GENERATOR.name).write_bytes(b"generator")
    step = ModelsStep(tmp_path / "models", WANTED, no_pip, folder=folder)
    step.run()
    assert step.missing == []
    assert (tmp_path / "models" / LANDMARKER.name).read_bytes() == b"landmarker"
    assert (tmp_path / "models" / "liveportrait" / GENERATOR.name).read_bytes() == b"generator"


def test_no_network_is_said_once_a_server_and_is_no_damage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    step = ModelsStep(tmp_path, WANTED, no_pip)
    step.run()
    output = capsys.readouterr().out
    assert step.missing == list(WANTED)
    assert not step.has_damage
    assert output.count("downloading") == 1
    assert "spade_generator.pth is not downloaded, its server cannot be reached" in output


def test_a_zero_byte_model_is_named_and_reported_until_it_is_replaced(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / LANDMARKER.name).touch()
    step = ModelsStep(tmp_path, (LANDMARKER,), no_pip)
    step.run()
    assert "face_landmarker.task is empty (0 bytes), expected 10; getting it anew" in capsys.readouterr().out
    assert step.missing == [LANDMARKER]


def test_a_damaged_file_in_the_local_folder_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / LANDMARKER.name).write_bytes(b"landmarkes")
    step = ModelsStep(tmp_path / "models", (LANDMARKER,), no_pip, folder=folder)
    step.run()
    assert "is not the face_landmarker.task that was published" in capsys.readouterr().out
    assert step.missing == [LANDMARKER]


def test_wrong_bytes_of_a_server_count_as_damage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fetch(*arguments: object, **options: object) -> Path:
        raise ModelError("arrived with the wrong bytes")

    monkeypatch.setattr(model_transfer, "fetch", fetch)
    step = ModelsStep(tmp_path, (LANDMARKER,), no_pip)
    step.run()
    assert step.has_damage


def test_the_summary_says_what_works_without_the_models_and_how_to_get_them(tmp_path: Path) -> None:
    step = ModelsStep(tmp_path, WANTED, no_pip, missing=list(WANTED))
    lines = step.summary((3, 12))
    assert "tracked by the model inside mediapipe's package" in lines[0]
    assert "warp renderer" in lines[1]
    assert "--models FOLDER that has face_landmarker.task, spade_generator.pth" in lines[2]
    assert not step.has_no_tracker((3, 12))


def test_a_python_without_a_tracker_inside_cannot_do_without_the_landmarker(tmp_path: Path) -> None:
    step = ModelsStep(tmp_path, WANTED, no_pip, missing=[LANDMARKER])
    assert step.has_no_tracker((3, 13))
    assert "no face can be tracked" in step.summary((3, 13))[0]
