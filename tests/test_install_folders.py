"""animator_core.installation.folders: folders in which the program could not be installed, or only badly."""

from __future__ import annotations

import os
import sys
from pathlib import Path, PureWindowsPath
from types import SimpleNamespace

import pytest

from animator_core.installation import folders


class Registry(SimpleNamespace):
    """Stands for ``winreg``; ``value`` is that of LongPathsEnabled, None if it is not there."""

    HKEY_LOCAL_MACHINE = object()

    def __init__(self, value: int | None) -> None:
        self.value = value
        self.asked: list[str] = []

    def OpenKey(self, hive: object, path: str) -> Registry:
        assert hive is self.HKEY_LOCAL_MACHINE
        self.asked.append(path)
        return self

    def QueryValueEx(self, key: object, name: str) -> tuple[int, int]:
        self.asked.append(name)
        if self.value is None:
            raise FileNotFoundError(2, "no such value")
        return self.value, 4

    def __enter__(self) -> Registry:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


def windows(monkeypatch: pytest.MonkeyPatch, value: int | None) -> Registry:
    registry = Registry(value)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setitem(sys.modules, "winreg", registry)
    return registry


@pytest.mark.parametrize("value", [0, None])
def test_a_path_that_torchs_longest_member_does_not_fit_below_is_refused(
    monkeypatch: pytest.MonkeyPatch, value: int | None
) -> None:
    registry = windows(monkeypatch, value)
    root = PureWindowsPath("C:\\" + "x" * 59)
    assert "at most 61 fit" in folders.path_problem(root)  # type: ignore[arg-type]
    assert r"such as C:\StreamMotionAnimator" in folders.path_problem(root)  # type: ignore[arg-type]
    assert registry.asked[:2] == [r"SYSTEM\CurrentControlSet\Control\FileSystem", "LongPathsEnabled"]


def test_a_short_path_long_paths_and_other_systems_are_good(monkeypatch: pytest.MonkeyPatch) -> None:
    long, short = (PureWindowsPath("C:\\" + "x" * length) for length in (59, 58))
    assert folders.path_problem(long) == ""  # type: ignore[arg-type]
    windows(monkeypatch, 0)
    assert folders.path_problem(short) == ""  # type: ignore[arg-type]
    windows(monkeypatch, 1)
    assert folders.path_problem(long) == ""  # type: ignore[arg-type]


def test_a_folder_that_may_not_be_written_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[object] = []

    def refuse(path: object, *flags: object) -> int:
        tries.append(path)
        raise PermissionError(13, "Permission denied")  # as Windows does, where os.access says that all is well

    folders.probe_writable(tmp_path / "new")
    assert list((tmp_path / "new").iterdir()) == []
    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(PermissionError):
        folders.probe_writable(tmp_path)
    assert len(tries) == 1


@pytest.mark.parametrize(
    ("variable", "place", "root", "cloud"),
    [
        ("OneDrive", r"C:\Users\Me\OneDrive", r"c:\users\me\onedrive\Desktop\animator", "OneDrive"),
        ("OneDriveCommercial", r"C:\Users\Me\OneDrive - Firm", r"C:\Users\Me\OneDrive - Firm\animator", "OneDrive"),
        ("OneDrive", r"C:\Users\Me\OneDrive", r"C:\Users\Me\OneDriveless\animator", ""),
        ("OneDrive", "", r"C:\animator", ""),
    ],
)
def test_a_folder_in_onedrive_is_recognised(
    monkeypatch: pytest.MonkeyPatch, variable: str, place: str, root: str, cloud: str
) -> None:
    for name in ("OneDrive", "OneDriveConsumer", "OneDriveCommercial"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv(variable, place)
    assert folders.cloud_of(PureWindowsPath(root)) == cloud  # type: ignore[arg-type]


def test_a_folder_in_icloud_is_recognised(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    assert folders.cloud_of(tmp_path / "Library" / "Mobile Documents" / "x") == "iCloud Drive"
    assert folders.cloud_of(tmp_path / "x") == ""
