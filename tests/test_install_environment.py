"""animator_core.installation.environment: making .venv, continuing, and failing with one line."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from animator_core.installation import environment as environment_module
from animator_core.installation.console import InstallError
from animator_core.installation.environment import Environment
from animator_core.installation.requirements import TorchBuild

CPU_BUILD = TorchBuild("torch==1+cpu", "https://index/cpu", "torch==1", "torch 1", False)


@pytest.fixture
def environment(tmp_path: Path) -> Environment:
    """An environment whose folder exists but holds no Python."""
    (tmp_path / ".venv").mkdir()
    return Environment(tmp_path, tmp_path / "install.log")


@pytest.fixture
def pip_runs(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, ...]]:
    """What pip was asked for, instead of running it."""
    runs: list[tuple[str, ...]] = []
    monkeypatch.setattr(Environment, "_run_pip", lambda self, arguments: runs.append(arguments))
    return runs


def test_a_group_that_is_there_is_not_installed_again(
    environment: Environment, pip_runs: list[tuple[str, ...]]
) -> None:
    assert environment.install("base", ("a", "b"))
    assert not environment.install("base", ("a", "b"))
    assert pip_runs == [("a", "b")]


def test_a_group_whose_requirements_changed_is_installed_again(
    environment: Environment, pip_runs: list[tuple[str, ...]]
) -> None:
    environment.install("base", ("a<2",))
    assert environment.install("base", ("a<3",))
    assert len(pip_runs) == 2


def test_an_interrupted_run_goes_on_with_the_group_it_was_at(
    environment: Environment, pip_runs: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    environment.install("base", ("a",))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):

        def interrupt(self: Environment, arguments: tuple[str, ...]) -> None:
            raise KeyboardInterrupt

        patch.setattr(Environment, "_run_pip", interrupt)
        environment.install("torch", ("t",))
    assert not environment.is_complete
    assert not environment.install("base", ("a",))
    assert environment.install("torch", ("t",))
    assert environment.is_complete


def test_a_damaged_stamp_counts_as_none(environment: Environment, pip_runs: list[tuple[str, ...]]) -> None:
    for content in ("", "[]", "{"):
        (environment.folder / environment_module.STAMP_NAME).write_text(content)
        assert environment.install("base", ("a",))


def test_torch_comes_from_its_own_index_where_that_is_reached(
    environment: Environment, pip_runs: list[tuple[str, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment_module, "_is_reachable", lambda url: True)
    assert environment.install_torch(CPU_BUILD)
    assert pip_runs == [("torch==1+cpu", "--index-url", "https://index/cpu")]
    assert not environment.install_torch(CPU_BUILD)


def test_torch_falls_back_to_the_usual_index_saying_so_and_goes_to_its_own_another_time(
    environment: Environment,
    pip_runs: list[tuple[str, ...]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(environment_module, "_is_reachable", lambda url: False)
    assert environment.install_torch(CPU_BUILD)
    assert "https://index/cpu cannot be reached; taking torch==1 from pip's usual index" in capsys.readouterr().out
    assert not environment.install_torch(CPU_BUILD)
    monkeypatch.setattr(environment_module, "_is_reachable", lambda url: True)
    assert environment.install_torch(CPU_BUILD)
    assert pip_runs == [("torch==1",), ("torch==1+cpu", "--index-url", "https://index/cpu")]


@pytest.mark.skipif(os.name == "nt", reason="the stand-in for Python is a shell script")
@pytest.mark.parametrize(
    ("output", "said"),
    [
        (
            "The virtual environment was not created successfully because ensurepip is not available.",
            "-venv (Debian, Ubuntu) and run",
        ),
        ("Error: [Errno 28] No space left on device", "no disk space is left; free some"),
        ("Error: [Errno 13] Permission denied: '.venv'", "close OBS, delete that folder"),
    ],
)
def test_an_environment_that_cannot_be_made_is_one_line_with_the_remedy(
    environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, output: str, said: str
) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\necho "{output}"\nexit 1\n')
    python.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(python))
    with pytest.raises(InstallError, match=r"^[^\n]+$") as caught:
        environment.make()
    assert said in str(caught.value)


def test_packages_that_do_not_load_are_named(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    environment.python = Path(sys.executable)
    monkeypatch.setattr(environment_module, "_LOAD_ALL", "raise ImportError('libGL.so.1: cannot open shared object')")
    with pytest.raises(InstallError, match=r"libGL\.so\.1.*apt install libgl1"):
        environment.check_imports()
    monkeypatch.setattr(environment_module, "_LOAD_ALL", "import no_such_package")
    with pytest.raises(InstallError, match=r"no_such_package.*delete .*run .*install\.py again"):
        environment.check_imports()


@pytest.fixture(scope="module")
def real_environment(tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """A real environment, made where a broken one was."""
    root = tmp_path_factory.mktemp("real")
    (root / ".venv" / "bin").mkdir(parents=True)
    (root / ".venv" / "bin" / "python").write_text("no program")
    environment = Environment(root, root / "install.log")
    assert environment.describe() is None
    environment.make()
    return environment


def test_a_broken_environment_is_made_anew_and_a_working_one_is_kept(
    real_environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    found = real_environment.make()
    assert found.version == sys.version_info[:2]
    assert found.base_prefix == Path(sys.base_prefix)
    assert capsys.readouterr().out.startswith("Environment: .venv has Python 3.")


def test_pip_without_a_network_is_one_line_with_the_remedy(
    real_environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "1")
    with pytest.raises(
        InstallError, match=r"^the package index cannot be reached; check the network .* again \("
    ) as caught:
        real_environment.install("base packages", ("no-such-package-of-this-program",))
    assert "\n" not in str(caught.value)
    assert not real_environment.is_complete
