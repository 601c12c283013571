"""install.py and OBS: every kind of installation is found, the script is added to scene collections, and only that."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from animator_core.config import Config
from animator_core.diagnostics import check_collections
from animator_core.diagnostics.finding import FAILURE, OK, WARNING, CheckContext, Finding
from animator_core.installation import obs_entry
from animator_core.installation.console import InstallError
from animator_core.installation.obs_entry import add_to_obs, offer_to_add
from animator_core.installation.obs_installs import Machine, find_installs, read_settings
from animator_core.installation.obs_running import is_running
from animator_core.installation.obs_setup import SCRIPT
from animator_core.installation.scene_collections import BACKUP_SUFFIX, SceneCollection, collection_files
from animator_core.installation.uninstall import uninstall


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.fixture
def linux(tmp_path: Path) -> Machine:
    """A computer with OBS from a package, closed."""
    touch(tmp_path / "usr/bin/obs")
    return Machine("Linux", tmp_path / "home", {"PATH": "/usr/bin"}, tmp_path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The program's folder."""
    touch(tmp_path / "program" / SCRIPT)
    return tmp_path / "program"


def write_collection(machine: Machine, name: str = "Untitled", **content: Any) -> Path:
    path = machine.home / ".config/obs-studio/basic/scenes" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"name": name, "sources": [], **content}, ensure_ascii=False), encoding="utf-8")
    return path


def scripts(path: Path) -> list[str]:
    return SceneCollection(path).scripts


@pytest.mark.parametrize(
    ("system", "program", "mark", "kind", "settings"),
    [
        ("Windows", "pf/obs-studio/bin/64bit/obs64.exe", "", "installer", "home/AppData/Roaming/obs-studio"),
        (
            "Windows",
            "home/Desktop/OBS-Studio-31.0/bin/64bit/obs64.exe",
            "home/Desktop/OBS-Studio-31.0/portable_mode.txt",
            "portable",
            "home/Desktop/OBS-Studio-31.0/config/obs-studio",
        ),
        (
            "Windows",
            "pf/Steam/steamapps/common/OBS Studio/bin/64bit/obs64.exe",
            "",
            "Steam",
            "home/AppData/Roaming/obs-studio",
        ),
        ("Darwin", "Applications/OBS.app/Contents/MacOS/OBS", "", "app", "home/Library/Application Support/obs-studio"),
        ("Linux", "usr/bin/obs", "", "package", "home/.config/obs-studio"),
        (
            "Linux",
            "var/lib/flatpak/exports/bin/com.obsproject.Studio",
            "",
            "Flatpak",
            "home/.var/app/com.obsproject.Studio/config/obs-studio",
        ),
        ("Linux", "snap/bin/obs-studio", "", "Snap", "home/snap/obs-studio/current/.config/obs-studio"),
        ("Linux", "home/Downloads/OBS-Studio-32.0.AppImage", "", "AppImage", "home/.config/obs-studio"),
        ("Linux", "home/.config/obs-studio/global.ini", "", "program not found", "home/.config/obs-studio"),
    ],
)
def test_every_kind_of_installation_is_found(
    tmp_path: Path, system: str, program: str, mark: str, kind: str, settings: str
) -> None:
    touch(tmp_path / program)
    if mark:
        touch(tmp_path / mark)
    environ = {"ProgramFiles": str(tmp_path / "pf"), "PATH": "/usr/bin"}
    (found,) = find_installs(Machine(system, tmp_path / "home", environ, tmp_path))
    assert (found.kind, found.settings) == (kind, tmp_path / settings)
    assert found.is_sandboxed == (kind in ("Flatpak", "Snap"))


def test_steam_games_on_another_disk_are_found(tmp_path: Path) -> None:
    steam = tmp_path / "pf/Steam/steamapps"
    program = touch(tmp_path / "games/steamapps/common/OBS Studio/bin/64bit/obs64.exe")
    touch(steam / "libraryfolders.vdf").write_text(f'"0" {{ "path"\t\t"{tmp_path / "games"}" }}')
    machine = Machine("Windows", tmp_path / "home", {"ProgramFiles": str(tmp_path / "pf")}, tmp_path)
    assert [(found.kind, found.program) for found in find_installs(machine)] == [("Steam", program)]


def test_the_script_is_added_once_and_the_rest_is_kept(linux: Machine, root: Path) -> None:
    other = {"path": "/elsewhere/other.lua", "settings": {"volume": 0.1}}
    content = {
        "modules": {"scripts-tool": [other], "auto-scene-switcher": {"interval": 300}},
        "Ümläut": 1.1,
        "version": 2,
    }
    path = write_collection(linux, **content)
    before = path.read_bytes()
    path.chmod(0o600)
    (line,) = add_to_obs(root, linux)
    assert line.startswith('Added to the scene collection "Untitled" of OBS (package')
    backup = path.with_name(path.name + BACKUP_SUFFIX)
    assert backup.read_bytes() == before
    saved = json.loads(path.read_text(encoding="utf-8"))
    entries = saved["modules"].pop("scripts-tool")
    assert entries == [other, {"path": (root / SCRIPT).as_posix(), "settings": {}}]
    assert saved == {
        "name": "Untitled",
        "sources": [],
        **content,
        "modules": {"auto-scene-switcher": {"interval": 300}},
    }
    assert path.stat().st_mode & 0o777 == 0o600
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, backup.name]
    changed = path.read_bytes()
    assert add_to_obs(root, linux)[0].startswith("Already in the scene collection")
    assert (path.read_bytes(), backup.read_bytes()) == (changed, before)


def test_the_collection_that_obs_opens_next_is_taken_or_the_one_named(linux: Machine, root: Path) -> None:
    paths = {name: write_collection(linux, name) for name in ("Games", "Talk", "Zoo")}
    (linux.home / ".config/obs-studio/user.ini").write_text(
        "\ufeff[Basic]\nSceneCollectionFile=Talk\n", encoding="utf-8"
    )
    add_to_obs(root, linux)
    assert [name for name, path in paths.items() if scripts(path)] == ["Talk"]
    add_to_obs(root, linux, "zoo")
    assert [name for name, path in paths.items() if scripts(path)] == ["Talk", "Zoo"]
    with pytest.raises(InstallError, match=r'no scene collection is called "Work".*Talk, Games, Zoo'):
        add_to_obs(root, linux, "Work")


def test_collections_in_a_folder_that_obs_31_moved_are_found(linux: Machine, root: Path, tmp_path: Path) -> None:
    settings = touch(linux.home / ".config/obs-studio/global.ini")
    settings.write_text(f"[Locations]\nSceneCollections={tmp_path / 'moved'}\n")
    path = touch(tmp_path / "moved/obs-studio/basic/scenes/Mine.json")
    path.write_text('{"sources": []}')
    (install,) = find_installs(linux)
    assert collection_files(install.settings, read_settings(install)) == [path]
    add_to_obs(root, linux)
    assert scripts(path) == [str(root / SCRIPT)]


def test_the_entry_of_a_moved_program_is_corrected_and_keeps_its_hotkeys(linux: Machine, root: Path) -> None:
    settings = {"stream_motion_animator.next": [{"key": "OBS_KEY_N"}]}
    gone = {"path": f"/old/place/{SCRIPT}", "settings": settings}
    path = write_collection(linux, modules={"scripts-tool": [gone]})
    add_to_obs(root, linux)
    saved = json.loads(path.read_text())["modules"]["scripts-tool"]
    assert saved == [{"path": str(root / SCRIPT), "settings": settings}]


@pytest.mark.parametrize(
    "text",
    [
        "no JSON",
        "[]",
        '{"name": "Untitled"}',
        '{"sources": {}}',
        '{"sources": [], "modules": []}',
        '{"sources": [], "modules": {"scripts-tool": {}}}',
        '{"sources": [], "modules": {"scripts-tool": ["a"]}}',
        '{"sources": [], "version": 3}',
        '{"sources": [], "version": "1"}',
    ],
)
def test_an_unknown_format_is_left_as_it_is(linux: Machine, root: Path, text: str) -> None:
    path = write_collection(linux)
    path.write_text(text)
    with pytest.raises(InstallError, match="is not a scene collection as OBS 28 to 32 write it"):
        add_to_obs(root, linux)
    assert path.read_text() == text
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def write_process(machine: Machine, name: str, **environ: str) -> None:
    folder = machine.root / "proc" / str(100 + len(list(machine.root.glob("proc/*"))))
    folder.mkdir(parents=True)
    (folder / "comm").write_text(f"{name}\n")
    (folder / "environ").write_bytes(b"".join(f"{key}={value}\0".encode() for key, value in environ.items()))


def test_nothing_is_changed_while_obs_runs(linux: Machine, root: Path) -> None:
    path = write_collection(linux)
    before = path.read_bytes()
    write_process(linux, "obs", HOME=str(linux.home))
    with pytest.raises(InstallError, match=r"OBS is running.*close OBS and run .*--add-to-obs, or add it by hand"):
        add_to_obs(root, linux)
    assert path.read_bytes() == before


def test_an_obs_with_other_settings_and_other_programs_do_not_count(linux: Machine) -> None:
    (install,) = find_installs(linux)
    write_process(linux, "obs", HOME=str(linux.home), XDG_CONFIG_HOME="/somewhere/else")
    write_process(linux, "obsidian", HOME=str(linux.home))
    assert not is_running(install, linux)
    write_process(linux, "obs", XDG_CONFIG_HOME=str(linux.home / ".config"))
    assert is_running(install, linux)


@pytest.mark.parametrize(
    ("system", "answer", "expected"),
    [
        ("Windows", '"obs64.exe","4711","Console","1","200 K"', True),
        ("Windows", "INFO: No tasks are running which match the specified criteria.", False),
        ("Darwin", "/sbin/launchd\n/Applications/OBS.app/Contents/MacOS/OBS\n", True),
        ("Darwin", "/sbin/launchd\n", False),
        ("Darwin", None, True),
    ],
)
def test_a_running_obs_is_noticed_on_windows_and_macos(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, system: str, answer: str | None, expected: bool
) -> None:
    from types import SimpleNamespace

    def run(command: tuple[str, ...], **options: Any) -> Any:
        if answer is None:
            raise FileNotFoundError
        return SimpleNamespace(stdout=answer)

    monkeypatch.setattr("animator_core.installation.obs_running.subprocess.run", run)
    machine = Machine(system, tmp_path)
    install = obs_entry.ObsInstall("app", tmp_path, tmp_path)
    assert is_running(install, machine) == expected


def test_what_cannot_work_is_said(linux: Machine, root: Path, tmp_path: Path) -> None:
    with pytest.raises(InstallError, match=r"no scene collection yet.*start OBS once"):
        add_to_obs(root, linux)
    (tmp_path / "usr/bin/obs").unlink()
    with pytest.raises(InstallError, match="OBS Studio was not found"):
        add_to_obs(root, linux)
    touch(tmp_path / "snap/bin/obs-studio")
    with pytest.raises(InstallError, match="OBS from Snap cannot start the worker from its sandbox"):
        add_to_obs(root, linux)


@pytest.mark.parametrize(("answer", "expected"), [("", 1), ("y", 1), ("n", 0)])
def test_a_question_is_asked_on_a_terminal_only(
    monkeypatch: pytest.MonkeyPatch, linux: Machine, root: Path, answer: str, expected: int
) -> None:
    path = write_collection(linux)
    monkeypatch.setattr("builtins.input", lambda question: answer)
    assert offer_to_add(root, linux) == []
    for stream in ("stdin", "stdout"):
        monkeypatch.setattr(f"sys.{stream}.isatty", lambda: True, raising=False)
    offer_to_add(root, linux)
    assert len(scripts(path)) == expected
    assert offer_to_add(root, linux) == [] or not expected


def tree(*folders: Path) -> dict[str, bytes]:
    """Return every file and folder below some folders, with the files' bytes."""
    paths = [path for folder in folders for path in folder.rglob("*")]
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in paths}


@pytest.fixture
def installed(linux: Machine, root: Path) -> dict[str, bytes]:
    """A program as it was downloaded and used by its owner, then installed; return the tree before the installation."""
    for name in (
        "install.py",
        "animator_core/a.py",
        "assets/config.yaml",
        "assets/characters/mine.png",
        "output/a.mp4",
        "assets/emotes/nod.npz",
        "assets/emotes/own/bow.npz",
    ):
        touch(root / name).write_text(name)
    touch(linux.home / ".config/stream-motion-animator/host.json")
    filters = [{"id": "stream_motion_animator", "settings": {"on_problem": "camera"}}]
    write_collection(linux, sources=[{"name": "Webcam", "filters": filters}], modules={"scripts-tool": []})
    path = write_collection(linux, "Other")
    path.write_text(json.dumps(json.loads(path.read_text()), indent=4) + "\n")
    before = tree(root, linux.home)
    for name in (
        ".venv/bin/python",
        "assets/models/a.task",
        "cache/anime/basis.npz",
        "animator_core/__pycache__/a.pyc",
    ):
        touch(root / name)
    add_to_obs(root, linux, "Untitled")
    return before


def test_uninstalling_removes_what_was_added_and_nothing_else(
    linux: Machine, root: Path, installed: dict[str, bytes], capsys: pytest.CaptureFixture[str]
) -> None:
    notes = "\n".join(uninstall(root, linux, is_confirmed=True, removes_own=False))
    after = tree(root, linux.home)
    backup = next(path for path in after if path.endswith(BACKUP_SUFFIX))
    assert backup in notes
    after.pop(backup)
    collection = next(path for path in after if path.endswith("Untitled.json"))
    assert json.loads(after.pop(collection)) == json.loads(installed.pop(collection))
    assert after == installed
    assert "still has the filter on: Webcam" in notes and "before you go live" in notes
    assert "Kept in" in notes and "assets/characters" in notes and "paired computers" in notes
    assert ".venv (0 MB)" in capsys.readouterr().out
    assert uninstall(root, linux, is_confirmed=True, removes_own=False) == ["Nothing is installed here."]


def test_uninstalling_all_removes_the_users_own_things_too(linux: Machine, root: Path, installed: object) -> None:
    uninstall(root, linux, is_confirmed=True, removes_own=True)
    left = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    assert left == ["animator_core/a.py", "assets/emotes/nod.npz", "install.py", SCRIPT]
    assert not (linux.home / ".config/stream-motion-animator").exists()


def test_uninstalling_asks_first_and_needs_obs_closed(
    monkeypatch: pytest.MonkeyPatch, linux: Machine, root: Path, installed: object
) -> None:
    before = tree(root, linux.home)
    with pytest.raises(InstallError, match="nobody can be asked"):
        uninstall(root, linux, is_confirmed=False, removes_own=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("builtins.input", lambda question: "")
    with pytest.raises(InstallError, match="nothing was removed"):
        uninstall(root, linux, is_confirmed=False, removes_own=False)
    write_process(linux, "obs", HOME=str(linux.home))
    with pytest.raises(InstallError, match=r"OBS is running.*--uninstall$"):
        uninstall(root, linux, is_confirmed=True, removes_own=False)
    assert tree(root, linux.home) == before


def test_a_linked_environment_is_unlinked_and_its_files_stay(linux: Machine, root: Path, tmp_path: Path) -> None:
    kept = touch(tmp_path / "shared/bin/python")
    try:
        (root / ".venv").symlink_to(tmp_path / "shared", target_is_directory=True)
    except OSError:
        pytest.skip("this user may not make symbolic links")
    uninstall(root, linux, is_confirmed=True, removes_own=False)
    assert kept.is_file() and not os.path.lexists(root / ".venv")


SAVED_FILTER = {"id": "stream_motion_animator", "enabled": True, "settings": {}}


@pytest.mark.parametrize(
    ("paths", "saved", "state", "told"),
    [
        (["OURS"], {}, OK, "the script is in: Untitled"),
        ([], {}, WARNING, "the script is in none"),
        ([], SAVED_FILTER, FAILURE, "the filter on Webcam but not the script: OBS shows the camera itself"),
        (["OURS"], {**SAVED_FILTER, "enabled": False}, WARNING, "is switched off: OBS shows the camera itself"),
        (
            ["OURS"],
            {**SAVED_FILTER, "settings": {"on_problem": "camera"}},
            WARNING,
            "shows the camera if the animation",
        ),
        (["OURS", f"/gone/{SCRIPT}"], {}, FAILURE, "where it is no more"),
        (["OURS", "COPY"], {}, WARNING, "another copy of the program"),
        (["OURS", "PART"], {}, WARNING, "filter.py as a script, which is a part of it"),
        (["OURS", "SCENES"], {}, WARNING, "OBS can hang between the two"),
    ],
)
def test_doctor_tells_what_makes_obs_show_the_camera(
    monkeypatch: pytest.MonkeyPatch,
    linux: Machine,
    root: Path,
    tmp_path: Path,
    paths: list[str],
    saved: dict[str, Any],
    state: str,
    told: str,
) -> None:
    places = {
        "OURS": root / SCRIPT,
        "COPY": touch(tmp_path / "copy" / SCRIPT),
        "PART": touch(root / "obs_plugin/filter.py"),
        "SCENES": touch(tmp_path / "zoom.py"),
    }
    places["SCENES"].write_text("import obspython\nobspython.obs_sceneitem_set_pos(1, 2)\n")
    entries = [{"path": str(places.get(path, path))} for path in paths]
    sources = [{"name": "Webcam", "filters": [saved] if saved else []}]
    write_collection(linux, sources=sources, modules={"scripts-tool": entries})
    monkeypatch.setattr(check_collections, "this_machine", lambda: linux)
    findings = check_collections.check_collections(CheckContext(Config(), root, root))
    found = [Finding(f.name, f.state, f.detail, f.remedy) for f in findings if told in f.detail]
    assert [finding.state for finding in found] == [state]
    assert bool(found[0].remedy) == (state != OK)
    assert {finding.state for finding in findings} <= {OK, state, WARNING}


@pytest.mark.parametrize(("setting", "is_told"), [("", True), ("gone", True), ("python", False)])
def test_windows_is_told_what_is_left_to_do_in_python_settings(
    tmp_path: Path, root: Path, monkeypatch: pytest.MonkeyPatch, setting: str, is_told: bool
) -> None:
    touch(tmp_path / "python" / "python312.dll")
    touch(tmp_path / "pf/obs-studio/bin/64bit/obs64.exe")
    settings = tmp_path / "home/AppData/Roaming/obs-studio"
    touch(settings / "basic/scenes/Untitled.json").write_text('{"sources": []}')
    (settings / "user.ini").write_text(f"[Python]\nPath64bit={tmp_path / setting if setting else ''}\n")
    monkeypatch.setattr(obs_entry, "is_running", lambda install, machine: False)
    machine = Machine("Windows", tmp_path / "home", {"ProgramFiles": str(tmp_path / "pf")}, tmp_path)
    assert any("Python Settings" in line for line in add_to_obs(root, machine)) == is_told
