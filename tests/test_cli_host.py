"""The commands ``host`` and ``pair``."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("websockets", reason="install.py --remote installs it")

from animator_core.__main__ import main
from animator_core.config import PROJECT_ROOT, load_config
from animator_core.remote import installed
from animator_core.remote.hosts import token_of
from animator_core.remote.identity import FOLDER_VARIABLE
from tests.remote_host import running_host

CODE = "AAAA-BBBB-CCCC-DDDD"


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Settings to be changed, and a folder of the test's own for pairings."""
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "pairings"))
    path = tmp_path / "config.yaml"
    path.write_text("tracking:\n  smoothing: 0.25\n")
    return path


@pytest.mark.slow
def test_pair_writes_the_host_into_the_settings_and_off_takes_it_out(config, tmp_path, capsys):
    with running_host(tmp_path / "host") as host:
        command = ["pair", host.address.in_uri, host.host.door.pairing_code, "--config", str(config)]
        assert main([*command, "--landmarks"]) == 0
    remote = load_config(config).remote
    assert (remote.address, remote.send) == (host.address.in_uri, "landmarks")
    assert token_of(remote.fingerprint) == host.identity.token
    assert load_config(config).tracking.smoothing == 0.25
    assert "Restart OBS" in capsys.readouterr().out
    assert main(["pair", "--off", "--config", str(config)]) == 0
    assert load_config(config).remote.address == ""


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "address or code is missing"),
        (["gpu-pc"], "address or code is missing"),
        (["a b", CODE], "no address"),
        (["127.0.0.1:1", CODE], "nothing answers at 127.0.0.1:1"),
    ],
)
def test_pair_names_the_fault_and_leaves_the_settings(config, capsys, arguments, problem):
    before = config.read_text()
    assert main(["pair", *arguments, "--config", str(config)]) == 1
    assert problem in capsys.readouterr().err
    assert config.read_text() == before


def test_without_the_packages_both_commands_say_how_to_get_them(config, capsys, monkeypatch):
    monkeypatch.setattr(installed, "_PACKAGES", ("no_such_package",))
    for command in (["host"], ["pair", "gpu-pc", CODE]):
        assert main([*command, "--config", str(config)]) == 1
        assert "install.py --remote" in capsys.readouterr().err


def test_the_host_refuses_a_card_that_is_not_there(config, capsys):
    assert main(["host", "--gpus", "99", "--config", str(config)]) == 1
    assert "no graphics card" in capsys.readouterr().err


@pytest.mark.slow
def test_the_host_measures_tells_how_to_pair_and_ends(config, tmp_path):
    command = [sys.executable, "-m", "animator_core", "host", "--gpus", "none", "--workers", "1", "--port", "7935"]
    with subprocess.Popen(
        [*command, "--config", str(config)], cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True, env=os.environ
    ) as host:
        try:
            lines = []
            while not (lines and lines[-1].startswith("Ctrl-C")):
                lines.append(host.stdout.readline())
                assert lines[-1], lines
            code = next(line.split()[-1] for line in lines if line.startswith("Pairing code"))
            assert any("ms a frame" in line and "sessions of 30 frames a second fit" in line for line in lines)
            assert any("this computer only" in line for line in lines)
            assert main(["pair", "127.0.0.1:7935", code, "--config", str(config)]) == 0
            host.send_signal(signal.SIGINT if sys.platform != "win32" else signal.SIGTERM)
            assert sys.platform == "win32" or host.wait(30) == 0
        finally:
            host.kill()
