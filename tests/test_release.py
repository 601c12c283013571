"""animator_core.installation.release: the archive that users download, and that it can be installed from."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from animator_core.installation.console import InstallError
from animator_core.installation.release import FOLDER, build_release, main

ROOT = Path(__file__).resolve().parents[1]
INSTALL = """
import sys
sys.path.insert(0, "")
from animator_core.installation.environment import Environment
Environment._has = lambda *group: True  # the packages are there
import install
sys.exit(install.main(["--mirror", "http://127.0.0.1:9", "--without-liveportrait", "--without-anime"]))
"""


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), "-c", "user.name=Test", "-c", "user.email=test@example.com", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the tracked files of this checkout, committed."""
    if shutil.which("git") is None or not (ROOT / ".git").exists():
        pytest.skip("this is no checkout, or git is not installed")
    folder = tmp_path_factory.mktemp("repository")
    for name in git(ROOT, "ls-files", "-z").split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Everything")
    return folder


@pytest.fixture(scope="module")
def archive(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_release(repository, tmp_path_factory.mktemp("release"))


@pytest.fixture
def unpacked(archive: Path, tmp_path: Path) -> Path:
    """The folder that a user has after unpacking the archive."""
    with zipfile.ZipFile(archive) as file:
        file.extractall(tmp_path)
    return tmp_path / FOLDER


def test_the_same_commit_gives_the_same_archive(repository: Path, archive: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repository), str(clone))
    (clone / "assets" / "characters" / "untracked.png").write_bytes(b"a user's picture")
    assert build_release(clone, tmp_path).read_bytes() == archive.read_bytes()


def test_the_archive_has_what_a_user_needs_and_nothing_else(unpacked: Path) -> None:
    tops = {path.name for path in unpacked.iterdir()}
    needed = {"install.py", "README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "pyproject.toml"}
    assert tops == needed | {"obs_plugin", "animator_core", "assets", "docs"}
    for kept in ("obs_plugin", "animator_core", "assets/characters", "assets/motions", "docs/images"):
        there = {path.relative_to(unpacked).as_posix() for path in (unpacked / kept).rglob("*") if path.is_file()}
        tracked = {name for name in git(ROOT, "ls-files", kept).splitlines() if (ROOT / name).exists()}
        assert there == {name for name in tracked if not (kept == "docs/images" and name.endswith(".py"))}
    names = [path.relative_to(unpacked).as_posix() for path in unpacked.rglob("*") if path.is_file()]
    assert [name for name in names if re.search(r"^docs/.*[.]py$|/test_|[.]pyc$|^assets/sources", name)] == []


def test_every_link_of_the_documents_leads_to_a_file_of_the_archive(unpacked: Path) -> None:
    documents = [unpacked / "README.md", *(unpacked / "docs").glob("*.md")]
    for document in documents:
        for link in re.findall(r"\]\(([^)#]+)[^)]*\)", document.read_text(encoding="utf-8")):
            assert "://" in link or (document.parent / link).exists(), f"{document.name}: {link}"


def test_paths_stay_short_enough_for_windows(archive: Path) -> None:
    with zipfile.ZipFile(archive) as file:
        assert max(len(name) for name in file.namelist()) < 110
        assert all(name.startswith(f"{FOLDER}/") and ".." not in name for name in file.namelist())


def test_uncommitted_changes_are_refused(repository: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", str(repository), str(clone))
    (clone / "README.md").write_text("changed")
    with pytest.raises(InstallError, match=r"1 files differ from the last commit \(README.md\)"):
        build_release(clone, tmp_path)
    with pytest.raises(InstallError, match="run this in a checkout with git"):
        build_release(tmp_path, tmp_path)


def test_the_command_says_where_the_archive_is(
    repository: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("animator_core.installation.release.__file__", str(repository / "animator_core/a/release.py"))
    assert main(["--output", str(tmp_path / "dist")]) == 0
    said = capsys.readouterr().out
    assert re.search(r"stream-motion-animator-\d+\.\d+\.\d+\.zip: \d\.\d MB, SHA-256 [0-9a-f]{64}$", said.strip())


@pytest.mark.slow
def test_a_user_can_install_from_the_archive(unpacked: Path) -> None:
    # An environment with the packages of the one that runs the tests, so that none is downloaded.
    for name in ("astronaut", "mira_anime"):  # two are enough, and quicker
        (unpacked / "assets" / "characters" / f"{name}.png").unlink()
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=unpacked, check=True, timeout=120)
    library = next((unpacked / ".venv").rglob("site-packages"))
    (library / "packages.pth").write_text(sysconfig.get_paths()["purelib"], encoding="utf-8")
    done = subprocess.run([sys.executable, "-c", INSTALL], cwd=unpacked, capture_output=True, text=True, timeout=300)
    assert done.returncode in (0, 1), done.stderr
    assert "2. In Scripts, press + and choose" in done.stdout, done.stdout + done.stderr
    python = next(path for path in (unpacked / ".venv").rglob("python*") if path.stem == "python")
    command = [str(python), "-m", "animator_core"]
    told = subprocess.run([*command, "doctor", "--json"], cwd=unpacked, capture_output=True, text=True, timeout=200)
    failed = [finding for finding in json.loads(told.stdout) if finding["state"] == "failure"]
    # Nothing can be downloaded here; Python 3.13 and newer have no tracker without the model.
    assert {finding["name"] for finding in failed} <= {"face tracker's model", "face tracker"}, failed
    assert any(finding["name"] == "renderer" and "draws" in finding["detail"] for finding in json.loads(told.stdout))
