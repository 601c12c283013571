"""animator_core.installation.obs_setup: the clicks in OBS on each system."""

from __future__ import annotations

from pathlib import Path

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
    assert f"enter {tmp_path} (Python 3.12, accepted by OBS 30.1 and newer)" in steps


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
