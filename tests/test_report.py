"""Promises of ``doctor --report``: what a bug report needs, and nobody's names."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path

import pytest

from animator_core.__main__ import main
from animator_core.diagnostics import report
from animator_core.diagnostics.finding import Finding
from animator_core.diagnostics.report import Redaction, write_report
from animator_core.installation.obs_installs import Machine

HOME, ROOT = Path("/home/Joan.Doe"), Path("/home/Joan.Doe/Stream Tools/animator")
LOG = """21:18:51.856: CPU Name: AMD EPYC
21:18:51.877: OBS 29.0.2 (linux)
21:18:52.037: \tbase resolution:   1920x1080
21:18:52.279: [obs-scripting]: Loaded python script: stream_motion_animator.py
21:18:52.540: [Python: stream_motion_animator.py] Warning: /home/Joan.Doe/Stream Tools/animator/assets/my secret.png
21:18:53.000: - source: 'Camera of my bedroom' (v4l2_input)
21:18:53.100: [rtmp stream: 'simple_stream'] Connecting to RTMP URL rtmp://live.example/app...
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    logs = tmp_path / "home" / ".config" / "obs-studio" / "logs"
    logs.mkdir(parents=True)
    (logs / "2026-11-28 21-18-51.txt").write_text(LOG)
    made = Machine("Linux", HOME, {"XDG_CONFIG_HOME": str(tmp_path / "home" / ".config")}, tmp_path)
    monkeypatch.setattr(report, "this_machine", lambda: made)
    monkeypatch.setattr(report, "PROJECT_ROOT", ROOT)
    monkeypatch.setattr(report, "_user", lambda: "Joan.Doe")
    return made


@pytest.fixture
def characters(tmp_path: Path) -> Path:
    folder = tmp_path / "characters"
    folder.mkdir()
    for name in ("my secret.png", "mira.png", "x.png"):
        (folder / name).write_bytes(b"")
    return folder


def test_a_report_holds_what_helps_and_no_name(machine: Machine, characters: Path, tmp_path: Path) -> None:
    findings = [
        Finding("project folder", "ok", f"{ROOT}"),
        Finding("character My Secret", "failure", f"{characters / 'my secret.png'} has no face", "see joan.doe"),
        Finding("renderer", "ok", "mira.png is drawn by the warp; the channel is Joan.Does"),
    ]
    config = tmp_path / "config.yaml"
    config.write_text("character: {images_path: '/home/joan.doe/pictures'}\n")
    names = write_report(tmp_path / "report.zip", findings, config_path=config, characters=characters)
    with zipfile.ZipFile(tmp_path / "report.zip") as archive:
        contents = {name: archive.read(name).decode() for name in archive.namelist()}
    assert list(contents) == names == ["findings.json", "versions.txt", "config.yaml", "install.log", "obs-1.log"]
    everything = "\n".join(contents.values())
    for name in ("doe/", "Joan.Doe\n", "secret", "Stream Tools", "bedroom", "rtmp"):
        assert name.lower() not in everything.lower(), name
    told = json.loads(contents["findings.json"])
    assert told[0]["detail"] == "PROJECT"
    assert told[1]["detail"].endswith("character-1.png has no face")
    assert told[1]["remedy"] == "see USER"
    assert told[2]["detail"] == "mira.png is drawn by the warp; the channel is Joan.Does", "part of another word"
    assert contents["config.yaml"] == "character: {images_path: 'HOME/pictures'}\n"
    assert "AMD EPYC" in contents["obs-1.log"]
    assert "1920x1080" in contents["obs-1.log"]
    assert "Warning: PROJECT/assets/character-1.png" in contents["obs-1.log"]
    assert contents["versions.txt"].startswith("Stream Motion Animator")
    assert "numpy" in contents["versions.txt"]


@pytest.mark.parametrize(
    "path", [r"C:\Users\Joan\animator\assets", "C:/Users/Joan/animator/assets", r"c:\users\JOAN\animator"]
)
def test_paths_of_windows_are_replaced_however_they_are_written(path: str) -> None:
    class WindowsPath(str):
        pass

    redacted = Redaction(WindowsPath(r"C:\Users\Joan\animator"), WindowsPath(r"C:\Users\Joan"), [])  # type: ignore[arg-type]
    assert "joan" not in redacted(path).lower()
    assert redacted(path).startswith("PROJECT")


def test_nothing_of_this_computer_is_needed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "this_machine", lambda: Machine("Linux", tmp_path, {}, tmp_path))
    monkeypatch.setattr(report, "PROJECT_ROOT", tmp_path)
    names = write_report(
        tmp_path / "report.zip", [], config_path=tmp_path / "absent.yaml", characters=tmp_path / "absent"
    )
    assert "obs-1.log" not in names


def test_the_command_names_the_archive(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("animator_core.cli.doctor.examine", lambda _: iter([Finding("ring", "ok", "works")]))
    assert main(["doctor", "--report", str(tmp_path / "report.zip")]) == 0
    assert "Look through it before you attach it" in capsys.readouterr().err
    assert zipfile.is_zipfile(tmp_path / "report.zip")
    assert main(["doctor", "--report", str(tmp_path / "absent" / "report.zip")]) == 1
    assert "make it first" in capsys.readouterr().err
