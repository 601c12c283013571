"""animator_core.installation.folders: folders in which the program could not be installed, or only badly."""

from __future__ import annotations

import sys
from pathlib import PureWindowsPath
from types import SimpleNamespace

import pytest

from animator_core.installation.long_paths import path_problem
from animator_core.installation.synced_folder import syncing_service


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
    assert "at most 61 fit" in str(path_problem(root))  # type: ignore[arg-type]
    assert r"such as C:\StreamMotionAnimator" in str(path_problem(root))  # type: ignore[arg-type]
    assert registry.asked[:2] == [r"SYSTEM\CurrentControlSet\Control\FileSystem", "LongPathsEnabled"]


def test_a_short_path_long_paths_and_other_systems_are_good(monkeypatch: pytest.MonkeyPatch) -> None:
    long, short = (PureWindowsPath("C:\\" + "x" * length) for length in (59, 58))
    assert path_problem(long) is None  # type: ignore[arg-type]
    windows(monkeypatch, 0)
    assert path_problem(short) is None  # type: ignore[arg-type]
    windows(monkeypatch, 1)
    assert path_problem(long) is None  # type: ignore[arg-type]


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
    assert syncing_service(PureWindowsPath(root)) == cloud  # type: ignore[arg-type]
