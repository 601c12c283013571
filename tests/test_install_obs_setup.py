"""animator_core.installation.obs_setup: the clicks in OBS on each system."""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import SimpleNamespace

import pytest

from animator_core.installation.obs_setup import first_obs_for_python, obs_steps, python_folder

FRAMEWORK = Path("/Library/Frameworks/Python.framework/Versions/3.12")


@pytest.mark.parametrize(
    ("version", "obs"), [((3, 9), "28"), ((3, 10), "28"), ((3, 11), "29.1"), ((3, 12), "30.1"), ((3, 13), "")]
)
def test_first_obs_that_loads_a_python(version: tuple[int, int], obs: str) -> None:
    assert first_obs_for_python(version) == obs


def test_linux_has_nothing_to_set(tmp_path: Path) -> None:
    steps = obs_steps(tmp_path, "Linux", (3, 13), Path("/usr"))
    assert "nothing to set" in steps
    assert str(tmp_path / "obs_plugin" / "stream_motion_animator.py") in steps
    assert [line[0] for line in steps.splitlines()[:5]] == list("12345")


def test_windows_gets_the_folder_that_has_the_library(tmp_path: Path) -> None:
    assert python_folder("Windows", (3, 12), tmp_path) is None
    (tmp_path / "python312.dll").touch()
    assert python_folder("Windows", (3, 12), tmp_path) == tmp_path
    steps = obs_steps(tmp_path, "Windows", (3, 12), tmp_path)
    assert (
        f"press Browse and paste this path into the dialog: {tmp_path} (Python 3.12, accepted by OBS 30.1 and newer)"
        in steps
    )


@pytest.mark.parametrize(
    "base", [FRAMEWORK, Path("/opt/homebrew/opt/python@3.12/Frameworks/Python.framework/Versions/3.12")]
)
def test_macos_gets_the_folder_that_has_the_framework(base: Path) -> None:
    assert python_folder("Darwin", (3, 12), base) == base.parents[2]


@pytest.mark.parametrize(
    ("system", "version", "base"),
    [
        ("Windows", (3, 13), Path("/anywhere")),
        ("Windows", (3, 12), Path("/store/without/library")),
        ("Darwin", (3, 13), FRAMEWORK),
        ("Darwin", (3, 12), Path("/Users/me/.pyenv/versions/3.12.1")),
    ],
)
def test_a_python_that_obs_cannot_load_is_answered_with_one_that_it_can(
    system: str, version: tuple[int, int], base: Path
) -> None:
    assert python_folder(system, version, base) is None
    assert "Install one from python.org" in obs_steps(Path("/program"), system, version, base)


class Kernel32:
    """Stands for kernel32: ``short`` is the 8.3 name of every folder, "" if the disk keeps none."""

    def __init__(self, short: str) -> None:
        self.short = short

    def GetShortPathNameW(self, path: str, buffer: ctypes.Array[ctypes.c_wchar] | None, length: int) -> int:
        if not self.short:
            return 0
        if buffer is None:
            return len(self.short) + 1
        assert length == len(self.short) + 1
        buffer.value = self.short
        return len(self.short)


@pytest.mark.parametrize(
    ("short", "said"),
    [
        (r"C:\Users\2D12~1\PY", r"paste this path into the dialog: C:\Users\2D12~1\PY (Python 3.12"),
        ("", "Install Python 3.12 from python.org for all users"),
    ],
)
def test_windows_gets_a_path_that_obs_can_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, short: str, said: str
) -> None:
    folder = tmp_path / "Яна"
    folder.mkdir()
    (folder / "python312.dll").touch()
    kernel = SimpleNamespace(kernel32=Kernel32(short))
    monkeypatch.setattr(ctypes, "windll", kernel, raising=False)
    assert said in obs_steps(tmp_path, "Windows", (3, 12), folder)


def test_the_stores_python_is_refused_though_its_library_is_there(tmp_path: Path) -> None:
    folder = tmp_path / "WindowsApps" / "PythonSoftwareFoundation.Python.3.12"
    folder.mkdir(parents=True)
    (folder / "python312.dll").touch()
    assert python_folder("Windows", (3, 12), folder) is None
    assert "this Python is the Microsoft Store's, which OBS cannot open" in obs_steps(
        tmp_path, "Windows", (3, 12), folder
    )
