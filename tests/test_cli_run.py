"""Promises of ``python -m animator_core run``."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from animator_core import assembly
from animator_core.__main__ import main
from animator_core.characters.library import CharacterLibrary
from animator_core.cli import run
from animator_core.clips.track_file import read_track
from animator_core.clips.video import VideoWriter, choose_encoding
from animator_core.live import outputs, screen
from animator_core.live.screen import Screen
from animator_core.live.session import LiveSession
from animator_core.liveportrait.motion.template import read_template
from tests import stand_ins
from tests.test_live import Library
from tests.worker_harness import save_character


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins.put_in_place(monkeypatch, stand_ins.character())
    monkeypatch.setattr(assembly, "make_library", lambda config: Library())


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    path = tmp_path / "face.mp4"
    with VideoWriter(path, choose_encoding(path, False), Fraction(60), time_base=Fraction(1, 60)) as writer:
        for number in range(90):
            writer.write(np.full((48, 64, 3), 120, np.uint8), Fraction(number, 60))
    return path


def test_a_video_drives_without_a_window_and_prints_the_statistics(
    clip: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--camera", str(clip), "--no-window"]) == 0
    lines = capsys.readouterr().out.splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("FPS: Capture="))
    assert [line.split("=")[0].split(":")[0] for line in lines[start : start + 4]] == [
        "FPS",
        "Inference Time",
        "Character",
        "Optimizer",
    ]
    assert lines[-1].startswith("showed ")


def test_max_frames_ends_it(clip: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--camera", str(clip), "--no-window", "--max-frames", "5"]) == 0
    assert "showed 5 frames" in capsys.readouterr().out


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can be without a screen like this")
def test_without_a_screen_the_error_names_the_virtual_camera(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert main(["run", "--camera", str(clip)]) == 1
    assert "--virtual-camera" in capsys.readouterr().err


def test_a_headless_opencv_is_explained(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refuse(*arguments: object) -> None:
        raise cv2.error("The function is not implemented")

    monkeypatch.setattr(outputs, "find_screen", lambda: Screen(True))
    monkeypatch.setattr(cv2, "namedWindow", refuse)
    assert main(["run", "--camera", str(clip)]) == 1
    complaint = capsys.readouterr().err
    assert "a headless build" in complaint
    assert "--virtual-camera" in complaint


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can be without a screen like this")
@pytest.mark.parametrize("display", [{"DISPLAY": ":399"}, {"WAYLAND_DISPLAY": "wayland-399"}])
def test_a_display_that_does_not_answer_is_an_error_and_no_abort(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], display: dict[str, str]
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in display.items():
        monkeypatch.setenv(name, value)
    assert main(["run", "--camera", str(clip)]) == 1
    complaint = capsys.readouterr().err
    assert "there is no screen for a window; use --virtual-camera, or --no-window" in complaint
    (named,) = (f"{name}={value}" for name, value in display.items())
    assert f"({named} cannot be used" in complaint


def test_a_display_that_hangs_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    def hang(*_: object, timeout: float, **__: object) -> None:
        raise subprocess.TimeoutExpired("python", timeout)

    monkeypatch.setenv("DISPLAY", "localhost:10.0")
    monkeypatch.setattr(screen.sys, "platform", "linux")
    monkeypatch.setattr(screen.subprocess, "run", hang)
    assert not screen.find_screen().is_there


def test_a_missing_virtual_camera_has_a_remedy(
    clip: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import pyvirtualcam

    def refuse(*arguments: object, **options: object) -> None:
        raise RuntimeError("'v4l2loopback' backend: no device\nmore words")

    monkeypatch.setattr(pyvirtualcam, "Camera", refuse)
    assert main(["run", "--camera", str(clip), "--no-window", "--virtual-camera"]) == 1
    complaint = capsys.readouterr().err.strip()
    assert "no virtual camera" in complaint
    assert "install" in complaint
    assert "\n" not in complaint


def test_a_picture_from_elsewhere_is_animated(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "library").mkdir()
    monkeypatch.setattr(assembly, "make_library", lambda config: CharacterLibrary(tmp_path / "library"))
    picture = save_character(tmp_path / "elsewhere", "ada.png", (1, 2, 3))
    arguments = ["run", "--camera", str(clip), "--no-window", "--max-frames", "3", "--character"]
    assert main([*arguments, str(picture)]) == 0
    assert "face.mp4 drives ada; flat on nowhere" in capsys.readouterr().out
    assert main([*arguments, str(tmp_path / "absent.png")]) == 1
    assert "there is no picture" in capsys.readouterr().err


def test_a_video_without_a_frame_ends_with_an_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "junk.mp4").write_bytes(bytes(4000))
    assert main(["run", "--camera", str(tmp_path / "junk.mp4"), "--no-window"]) == 1
    assert "junk.mp4" in capsys.readouterr().err


def test_a_session_is_recorded_at_the_cameras_pace(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_ins.put_recorder_in_place(monkeypatch)
    template, motion = tmp_path / "t.npz", tmp_path / "m.npz"
    arguments = ["run", "--camera", str(clip), "--no-window", "--save-template", str(template)]
    assert main([*arguments, "--save-motion", str(motion)]) == 0
    # 1.5 seconds; how many frames a busy machine captures of them is another matter.
    for recorded in (read_template(template), read_track(motion)):
        assert 0.5 < len(recorded) / recorded.fps < 5
    assert "t.npz: a LivePortrait template of" in capsys.readouterr().out


def test_what_an_interrupted_session_recorded_is_written(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(session: LiveSession, max_frames: int | None) -> None:
        run_session(session, 30)
        raise KeyboardInterrupt

    run_session = LiveSession.run
    monkeypatch.setattr(LiveSession, "run", interrupt)
    motion = tmp_path / "m.npz"
    assert main(["run", "--camera", str(clip), "--no-window", "--save-motion", str(motion)]) == 0
    assert len(read_track(motion)) > 0
    assert main(["run", "--camera", str(clip), "--no-window"]) == 130


def test_a_template_without_room_ends_with_a_warning(
    clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    stand_ins.put_recorder_in_place(monkeypatch)
    monkeypatch.setattr(run, "_MOST_WAITING", 3)
    template = tmp_path / "t.npz"
    assert main(["run", "--camera", str(clip), "--no-window", "--save-template", str(template)]) == 0
    assert capsys.readouterr().err.count("full after 3 frames") == 1
    assert len(read_template(template)) >= 3


def test_nothing_can_be_recorded_without_tracking(
    clip: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "c.yaml").write_text("tracking: {face_enabled: false}")
    arguments = ["run", "--camera", str(clip), "--no-window", "--config", str(tmp_path / "c.yaml")]
    assert main([*arguments, "--save-motion", str(tmp_path / "m.npz")]) == 1
    assert "tracking.face_enabled" in capsys.readouterr().err
