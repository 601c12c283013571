"""What doctor says of OBS and of the Python that it loads, on every system; the systems are doubles."""

from __future__ import annotations

import ctypes
import plistlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from animator_core.config import Config
from animator_core.diagnostics import check_obs as obs
from animator_core.diagnostics.finding import FAILURE, OK, WARNING, CheckContext, Finding
from animator_core.installation import obs_installs
from animator_core.installation.obs_installs import ObsInstall


@pytest.fixture
def context(tmp_path: Path) -> CheckContext:
    (tmp_path / "obs_plugin").mkdir()
    (tmp_path / "obs_plugin" / "stream_motion_animator.py").write_bytes(b"")
    return CheckContext(Config(), tmp_path, tmp_path / "models")


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Make a machine with this system, Python from python.org and OBS."""

    def make(system: str, python: tuple[int, int] = (3, 12), version: tuple[int, int] | None = (30, 2)) -> None:
        number = f"{python[0]}.{python[1]}"
        folder = tmp_path / "Python.framework" / "Versions" / number
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"python{number.replace('.', '')}.dll").write_bytes(b"")
        monkeypatch.setattr(sys, "base_prefix", str(folder))
        monkeypatch.setattr(sys, "platform", system)
        monkeypatch.setattr(sys, "version_info", (*python, 0))
        monkeypatch.setattr(obs, "find_installs", lambda machine: [ObsInstall("app", Path("obs"), tmp_path / "obs")])
        monkeypatch.setattr(obs, "obs_version", lambda install, system: version)
        monkeypatch.setattr(obs, "is_running", lambda install, machine: False)
        monkeypatch.setattr(obs, "python_setting", lambda settings: str(tmp_path if system == "darwin" else folder))

    return make


def about_python(context: CheckContext) -> Finding:
    return next(finding for finding in obs.check_obs(context) if finding.name == "Python for OBS")


@pytest.mark.parametrize("system", ["linux", "win32", "darwin"])
@pytest.mark.parametrize(
    ("version", "state"), [((27, 2), FAILURE), ((28, 0), OK), ((29, 0), OK), ((32, 2), OK), (None, OK)]
)
def test_an_old_obs_is_a_failure(
    machine, context: CheckContext, system: str, version: tuple[int, int] | None, state: str
) -> None:
    machine(system, version=version)
    assert obs.check_obs(context)[0].state == state


def test_a_missing_script_is_a_failure_and_a_missing_obs_is_not(
    monkeypatch: pytest.MonkeyPatch, machine, context: CheckContext
) -> None:
    machine("linux")
    monkeypatch.setattr(obs, "find_installs", lambda machine: [])
    assert [finding.state for finding in obs.check_obs(context)] == [WARNING]
    (context.root / "obs_plugin" / "stream_motion_animator.py").unlink()
    assert [finding.state for finding in obs.check_obs(context)] == [FAILURE]


@pytest.mark.parametrize("system", ["win32", "darwin"])
@pytest.mark.parametrize("version", [(32, 2), None])
@pytest.mark.parametrize("python", [(3, 13), (3, 14)])
def test_a_python_that_obs_cannot_load_is_told_whether_or_not_obs_has_a_version(
    machine, context: CheckContext, system: str, version: tuple[int, int] | None, python: tuple[int, int]
) -> None:
    machine(system, python, version)
    found = about_python(context)
    assert found.state == WARNING
    assert f"OBS cannot load Python 3.{python[1]} of " in found.detail
    assert "install Python 3.12" in found.remedy
    assert "Browse" in found.remedy


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_a_python_without_a_library_for_obs_is_told_with_its_folder(
    monkeypatch: pytest.MonkeyPatch, machine, context: CheckContext, tmp_path: Path, system: str
) -> None:
    machine(system)
    monkeypatch.setattr(sys, "base_prefix", str(tmp_path / "conda"))
    found = about_python(context)
    assert found.state == WARNING
    assert f"OBS cannot load Python 3.12 of {tmp_path / 'conda'}" in found.detail
    assert "install Python 3.12 from python.org" in found.remedy


@pytest.mark.parametrize("system", ["win32", "darwin"])
def test_a_python_that_obs_cannot_load_is_told_also_if_obs_is_somewhere_else(
    monkeypatch: pytest.MonkeyPatch, machine, context: CheckContext, system: str
) -> None:
    machine(system, (3, 13))
    monkeypatch.setattr(obs, "find_installs", lambda machine: [])
    assert [finding.name for finding in obs.check_obs(context)] == ["OBS", "Python for OBS"]


@pytest.mark.parametrize(
    ("python", "version", "first", "is_loaded"),
    [
        ((3, 9), (28, 0), "28", True),
        ((3, 10), (28, 1), "28", True),
        ((3, 11), (29, 0), "29.1", False),
        ((3, 11), (29, 1), "29.1", True),
        ((3, 12), (30, 0), "30.1", False),
        ((3, 12), (30, 1), "30.1", True),
        ((3, 12), (32, 2), "30.1", True),
        ((3, 12), None, "30.1", True),
    ],
)
def test_a_python_is_told_with_the_first_obs_that_loads_it(
    machine, context: CheckContext, python: Any, version: Any, first: str, is_loaded: bool
) -> None:
    machine("win32", python, version)
    found = about_python(context)
    assert (found.state, found.remedy) == ((OK, "") if is_loaded else (WARNING, "update OBS"))
    assert f"OBS {first} and newer can load" in found.detail if is_loaded else f"needs OBS {first} or" in found.detail


@pytest.mark.parametrize(
    ("system", "current", "version", "state"),
    [
        ("darwin", "3.13", (30, 2), WARNING),
        ("darwin", "3.13", (31, 0), WARNING),
        ("darwin", "3.13", (31, 1), OK),
        ("darwin", "3.12", (30, 2), OK),
        ("darwin", "", (30, 2), OK),
        ("win32", "3.13", (30, 2), OK),
    ],
)
def test_older_obs_on_macos_loads_only_the_current_python(
    monkeypatch: pytest.MonkeyPatch, machine, context: CheckContext, system, current, version, state
) -> None:
    versions = context.root / "Python.framework" / "Versions"
    (versions / "3.13").mkdir(parents=True)
    if current:
        try:
            (versions / "Current").symlink_to(current, target_is_directory=True)
        except OSError:
            pytest.skip("this user may not make symbolic links")
    machine(system, (3, 12), version)
    found = about_python(context)
    assert found.state == state
    assert ("31.0.2" in found.remedy) == (state == WARNING)


def test_obs_on_linux_brings_its_own_python(machine, context: CheckContext) -> None:
    machine("linux", (3, 14), (31, 0, 1))
    assert obs.check_obs(context) == [Finding("OBS", OK, "app, obs, version 31.0.1")]


@pytest.mark.parametrize(
    ("version", "settings", "told"),
    [
        ((30, 2, 3), "", "crashes when a source is removed"),
        ((30, 2), "", "crashes when a source is removed"),
        ((30, 2, 4), "", ""),
        ((29, 0, 2), "", "can crash while scenes change"),
        ((29, 0, 2), "[BasicWindow]\nSpacingHelpersEnabled=true\n", "can crash while scenes change"),
        ((29, 0, 2), "[BasicWindow]\nSpacingHelpersEnabled=false\n", ""),
        ((32, 2, 2), "", ""),
    ],
)
def test_a_fault_of_this_obs_is_told(machine, context: CheckContext, version, settings: str, told: str) -> None:
    machine("linux", version=version)
    (context.root / "obs").mkdir()
    (context.root / "obs" / "global.ini").write_text(settings)
    said = [finding.detail for finding in obs.check_obs(context) if finding.state == WARNING]
    assert [told in detail for detail in said] == ([True] if told else [])


@pytest.mark.parametrize(
    ("chosen", "state", "told"),
    [
        (None, OK, "Python 3.12 in "),
        ("", WARNING, "no folder is chosen"),
        ("gone", FAILURE, "has no Python from 3.6 to 3.12"),
        ("WindowsApps", FAILURE, "has no Python from 3.6 to 3.12"),
        ("Яна", FAILURE, "has no Python from 3.6 to 3.12"),
        ("old", FAILURE, "the script needs 3.8 or newer"),
    ],
)
def test_the_python_chosen_in_obs_is_checked(
    monkeypatch: pytest.MonkeyPatch, machine, context: CheckContext, chosen: str | None, state: str, told: str
) -> None:
    machine("win32")
    for name, library in (("WindowsApps", "python312.dll"), ("Яна", "python312.dll"), ("old", "python37.dll")):
        (context.root / name).mkdir()
        (context.root / name / library).touch()
    if chosen is not None:
        path = str(context.root / chosen) if chosen else ""
        monkeypatch.setattr(obs, "python_setting", lambda settings: path)
    found = next(finding for finding in obs.check_obs(context) if finding.name == "OBS's Python Settings")
    assert found.state == state and told in found.detail
    assert ("Browse" in found.remedy) == (state != OK)


@pytest.mark.parametrize(
    ("others", "state"), [([], FAILURE), ([ObsInstall("package", Path("obs"), Path("x"))], WARNING)]
)
def test_a_sandboxed_obs_fails_only_if_there_is_no_other(
    monkeypatch: pytest.MonkeyPatch, machine, context: CheckContext, others: list[ObsInstall], state: str
) -> None:
    machine("linux", version=(31, 0))
    sandboxed = ObsInstall("Flatpak", Path("flatpak"), context.root)
    monkeypatch.setattr(obs, "find_installs", lambda machine: [sandboxed, *others])
    found = obs.check_obs(context)[0]
    assert found.state == state and "cannot start the worker" in found.detail


@pytest.mark.parametrize(("language", "states"), [("C", [WARNING]), ("", [WARNING]), ("de_DE.UTF-8", [])])
def test_a_locale_in_which_obs_cannot_read_the_folder_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, language: str, states: list[str]
) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("LC_ALL", "LC_CTYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", language)
    assert [finding.state for finding in obs._locale(tmp_path / "Яна")] == states
    assert obs._locale(Path("/plain")) == []


def test_a_package_without_python_scripts_is_told(tmp_path: Path) -> None:
    program = tmp_path / "bin" / "obs"
    install = ObsInstall("package", program, tmp_path)
    assert [finding.state for finding in obs._scripting(install)] == [WARNING]
    (tmp_path / "lib" / "machine" / "obs-scripting").mkdir(parents=True)
    (tmp_path / "lib" / "machine" / "obs-scripting" / "_obspython.so").touch()
    assert obs._scripting(install) == []


def obs_version(program: Path, system: str) -> tuple[int, ...] | None:
    return obs_installs.obs_version(ObsInstall("installer", program, program), system)


@pytest.mark.parametrize(
    ("said", "version"),
    [(b"OBS Studio - 29.0.2.1-1+b1 (linux)\n", (29, 0, 2)), (b"\xff\xfe OBS Studio - 29.0\n", (29, 0))],
)
def test_the_version_is_read_from_what_obs_says_on_linux(
    monkeypatch: pytest.MonkeyPatch, said: bytes, version: tuple[int, ...]
) -> None:
    script = [sys.executable, "-c", f"import sys; sys.stdout.buffer.write({said!r})"]
    run = subprocess.run
    monkeypatch.setattr(obs_installs.subprocess, "run", lambda command, **options: run(script, **options))
    assert obs_version(Path("obs"), "Linux") == version


def test_the_version_is_read_from_the_bundle_on_macos(tmp_path: Path) -> None:
    program = tmp_path / "OBS.app" / "Contents" / "MacOS" / "OBS"
    program.parent.mkdir(parents=True)
    assert obs_version(program, "Darwin") is None
    information = program.parents[1] / "Info.plist"
    information.write_bytes(plistlib.dumps({"CFBundleShortVersionString": "31.0.2"}))
    assert obs_version(program, "Darwin") == (31, 0, 2)
    information.write_bytes(b"broken")
    assert obs_version(program, "Darwin") is None


class VersionLibrary:
    """Answers as Windows' version.dll for a program of that version, or for one without."""

    def __init__(self, version: tuple[int, int, int] | None) -> None:
        words = (0xFEEF04BD, 0x10000, (version[0] << 16) + version[1], version[2] << 16) if version else ()
        self._information = (ctypes.c_uint32 * 13)(*words)
        self._is_there = version is not None

    def GetFileVersionInfoSizeW(self, path: str, handle: None) -> int:
        assert path.endswith("obs64.exe")
        return 2000 if self._is_there else 0

    def GetFileVersionInfoW(self, path: str, handle: int, size: int, data: Any) -> int:
        assert (handle, size, len(data)) == (0, 2000, 2000)
        return 1

    def VerQueryValueW(self, data: Any, block: str, value: Any, length: Any) -> int:
        assert block == "\\"
        value._obj.value = ctypes.addressof(self._information)
        length._obj.value = ctypes.sizeof(self._information)
        return 1


@pytest.mark.parametrize("version", [(28, 1, 2), (30, 2, 3), (32, 0, 4), None])
def test_the_version_is_read_from_the_program_on_windows(monkeypatch: pytest.MonkeyPatch, version) -> None:
    monkeypatch.setattr(obs_installs.ctypes, "WinDLL", lambda name: VersionLibrary(version), raising=False)
    assert obs_version(Path("bin") / "obs64.exe", "Windows") == version
