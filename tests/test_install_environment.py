"""animator_core.installation.environment: making .venv, continuing, and failing with one line."""

from __future__ import annotations

import http.server
import os
import sys
import threading
from pathlib import Path

import pytest

from animator_core.installation import environment as environment_module
from animator_core.installation.child_environment import pip_environment
from animator_core.installation.console import InstallError
from animator_core.installation.environment import Environment, IndexAway
from animator_core.installation.torch_build import TorchBuild

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


class Indexes:
    """Stands for pip; ``is_away`` is whether torch's own index can be used."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_away = False
        self.runs: list[tuple[str, ...]] = []
        monkeypatch.setattr(Environment, "_run_pip", lambda environment, arguments: self(arguments))

    def __call__(self, arguments: tuple[str, ...]) -> None:
        self.runs.append(arguments)
        if self.is_away and "--index-url" in arguments:
            raise IndexAway("the package index refuses (403)", "check it")


def test_torch_comes_from_its_own_index(environment: Environment, monkeypatch: pytest.MonkeyPatch) -> None:
    indexes = Indexes(monkeypatch)
    assert environment.install_torch(CPU_BUILD, lambda needed: None)
    assert not environment.install_torch(CPU_BUILD, lambda needed: None)
    assert indexes.runs == [("torch==1+cpu", "--index-url", "https://index/cpu")]


def test_torch_falls_back_to_the_usual_index_saying_so_and_goes_to_its_own_another_time(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    indexes = Indexes(monkeypatch)
    indexes.is_away = True
    assert environment.install_torch(CPU_BUILD, lambda needed: None)
    said = capsys.readouterr().out
    assert "https://index/cpu cannot be used (the package index refuses (403))" in said
    assert "taking torch==1 from pip's usual index" in said
    assert not environment.install_torch(CPU_BUILD, lambda needed: None)
    indexes.is_away = False
    assert environment.install_torch(CPU_BUILD, lambda needed: None)
    own = ("torch==1+cpu", "--index-url", "https://index/cpu")
    assert indexes.runs == [own, ("torch==1",), own, own]


def test_linux_without_a_gpu_hears_of_the_large_build_and_needs_the_disk_for_it(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(needed: int) -> None:
        raise InstallError(f"{needed} needed")

    indexes = Indexes(monkeypatch)
    indexes.is_away = True
    monkeypatch.setattr(sys, "platform", "linux")
    with pytest.raises(InstallError, match="5400000000 needed"):
        environment.install_torch(CPU_BUILD, refuse)
    assert "the CUDA build, 5.4 GB" in capsys.readouterr().out
    assert len(indexes.runs) == 1


def test_a_failure_that_is_not_the_networks_is_no_reason_for_another_build(
    environment: Environment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(environment: Environment, arguments: tuple[str, ...]) -> None:
        raise InstallError("no disk space is left")

    monkeypatch.setattr(Environment, "_run_pip", fail)
    with pytest.raises(InstallError, match="no disk space"):
        environment.install_torch(CPU_BUILD, lambda needed: None)


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


@pytest.mark.slow
def test_a_broken_environment_is_made_anew_and_a_working_one_is_kept(
    real_environment: Environment, capsys: pytest.CaptureFixture[str]
) -> None:
    found = real_environment.make()
    assert found.version == sys.version_info[:2]
    assert found.base_prefix == Path(sys.base_prefix)
    assert capsys.readouterr().out.startswith("Environment: .venv has Python 3.")


@pytest.mark.slow
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


@pytest.mark.slow
def test_the_users_pip_settings_say_where_packages_come_from_and_nothing_else(
    real_environment: Environment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    configuration = tmp_path / "pip.conf"
    configuration.write_text(
        "[global]\nuser = true\ntarget = /elsewhere\nprefix = /elsewhere\nrequire-virtualenv = true\n"
        "index-url = http://mirror/simple\nfind-links =\n    /wheels\n    /more\n[install]\nno-deps = true\n"
    )
    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(configuration))
    monkeypatch.setenv("PIP_NO_BINARY", ":all:")
    monkeypatch.setenv("PIP_PROXY", "http://proxy:1")
    monkeypatch.setenv("PYTHONPATH", "/foreign")
    monkeypatch.setenv("PYTHONHOME", sys.base_prefix)
    made = pip_environment(real_environment.python)
    settings = {name: value for name, value in made.items() if name.startswith("PIP_")}
    assert settings["PIP_INDEX_URL"] == "http://mirror/simple"
    assert settings["PIP_FIND_LINKS"] == "/wheels /more"
    assert settings["PIP_PROXY"] == "http://proxy:1"
    assert settings["PIP_CONFIG_FILE"] == os.devnull
    assert not {"PIP_USER", "PIP_TARGET", "PIP_PREFIX", "PIP_REQUIRE_VIRTUALENV", "PIP_NO_DEPS", "PIP_NO_BINARY"} & set(
        settings
    )
    assert not {"PYTHONPATH", "PYTHONHOME"} & set(made)


@pytest.mark.slow
@pytest.mark.parametrize("status", [401, 403])
def test_an_index_that_refuses_is_said_with_its_answer(
    real_environment: Environment, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    class Refusal(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            pass

    for name in [name for name in os.environ if name.startswith("PIP_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_USER", "1")
    with http.server.HTTPServer(("127.0.0.1", 0), Refusal) as listener:
        thread = threading.Thread(target=listener.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{listener.server_port}/simple")
        try:
            with pytest.raises(IndexAway, match=rf"^the package index refuses \({status}\); check pip's"):
                real_environment.install("base packages", ("no-such-package-of-this-program",))
        finally:
            listener.shutdown()
            thread.join()


@pytest.mark.parametrize(
    "error", ["OSError: [WinError 126] Das angegebene Modul wurde nicht gefunden", "WinError 1114"]
)
def test_torchs_missing_runtime_is_answered_with_microsofts(
    environment: Environment, monkeypatch: pytest.MonkeyPatch, error: str
) -> None:
    environment.python = Path(sys.executable)
    monkeypatch.setattr(environment_module, "_LOAD_ALL", f"raise OSError({error!r})")
    with pytest.raises(InstallError, match=r"Visual C\+\+ Redistributable"):
        environment.check_imports()
