"""Where commands write: never over what they read, through links, and told before the work if they cannot."""

from __future__ import annotations

import os
from fractions import Fraction
from pathlib import Path

import pytest
import stand_ins
from made_media import RATE, grey, make_clip

from animator_core import assembly, atomic_file
from animator_core.__main__ import main
from animator_core.clips.video import VideoReader, VideoWriter, choose_encoding

needs_links = pytest.mark.skipif(os.name == "nt", reason="Windows users may not make links")


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    stand_ins.put_in_place(monkeypatch, stand_ins.character())
    monkeypatch.chdir(tmp_path)
    return make_clip(tmp_path / "mine.mp4", [grey(120, 320, 240)] * 5)


@pytest.fixture
def no_work(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    for name in ("load_character", "opened_clip", "made_renderer", "make_tracker"):
        monkeypatch.setattr(assembly, name, fail)


def animate(*arguments: str) -> int:
    return main(["animate", "--character", "x.png", "--driving", "mine.mp4", "--no-progress", *arguments])


def other_name(kind: str, path: Path) -> str:
    """Return another way to name a file."""
    if kind == "plain":
        return path.name
    if kind == "roundabout":
        return os.path.join("..", path.parent.name, ".", path.name)
    if kind == "hard link":
        os.link(path, path.with_name("other.mp4"))
    else:
        path.with_name("other.mp4").symlink_to(path.name)
    return "other.mp4"


@needs_links
@pytest.mark.parametrize("kind", ["plain", "roundabout", "hard link", "link"])
def test_the_driving_clip_is_not_overwritten(
    clip: Path, no_work: None, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    before = clip.read_bytes()
    assert animate("--output", other_name(kind, clip)) == 1
    assert "--output and --driving are the same file; give another name" in capsys.readouterr().err
    assert clip.read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--output", "o.mp4", "--stats", "mine.mp4"), "--stats and --driving"),
        (("--output", "o.mp4", "--stats", "x.png"), "--stats and --character"),
        (("--output", "o.mp4", "--config", "c.yaml", "--stats", "c.yaml"), "--stats and --config"),
        (("--driving", "m.npz", "--save-motion", "./m.npz"), "--save-motion and --driving"),
        (("--driving", "m.npz", "--save-template", "m.npz"), "--save-template and --driving"),
        (("--save-template", "t.npz", "--save-motion", "./t.npz"), "--save-template and --save-motion"),
        (("--output", "o.mp4", "--stats", "o.mp4"), "--stats and --output"),
    ],
)
def test_no_input_and_no_other_output_is_overwritten(
    clip: Path, no_work: None, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], says: str
) -> None:
    (clip.parent / "c.yaml").touch()
    (clip.parent / "x.png").touch()
    stand_ins.write_motion(clip.parent / "m.npz", 3)
    assert animate(*arguments) == 1
    assert f"{says} are the same file" in capsys.readouterr().err


def test_a_recording_does_not_overwrite_the_video_that_plays_as_camera(
    clip: Path, no_work: None, capsys: pytest.CaptureFixture[str]
) -> None:
    motion = stand_ins.write_motion(clip.parent / "m.npz", 3)
    assert main(["run", "--camera", str(motion), "--save-motion", "m.npz", "--no-window"]) == 1
    assert "--save-motion and --driving are the same file" in capsys.readouterr().err


@needs_links
def test_the_file_that_a_link_names_is_written_and_the_link_stays(clip: Path) -> None:
    (clip.parent / "big").mkdir()
    (clip.parent / "big" / "target.mp4").write_text("old")
    (clip.parent / "link.mp4").symlink_to(Path("big") / "target.mp4")
    assert animate("--output", "link.mp4") == 0
    assert (clip.parent / "link.mp4").is_symlink()
    with VideoReader(clip.parent / "big" / "target.mp4") as reader:
        assert len(list(reader)) == 5
    assert [path.name for path in (clip.parent / "big").iterdir()] == ["target.mp4"]


@needs_links
@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("missing/o.mp4", "there is no folder"),
        ("folder.mp4", "it is a folder"),
        ("n" * 252 + ".mp4", "choose another folder or name"),
        ("/proc/o.mp4", "choose another folder or name"),
        ("pipe.mp4", "it cannot be overwritten"),
        ("dangling.mp4", "there is no folder"),
    ],
)
def test_what_cannot_be_written_is_told_before_the_work(
    clip: Path, no_work: None, capsys: pytest.CaptureFixture[str], output: str, says: str
) -> None:
    if output.startswith("/proc") and not os.path.isdir("/proc"):
        pytest.skip("a folder that nobody can write to is not at hand")
    (clip.parent / "folder.mp4").mkdir()
    os.mkfifo(clip.parent / "pipe.mp4")
    (clip.parent / "dangling.mp4").symlink_to(Path("missing") / "o.mp4")
    before = sorted(path.name for path in clip.parent.iterdir())
    assert animate("--output", output) == 1
    assert says in capsys.readouterr().err
    assert sorted(path.name for path in clip.parent.iterdir()) == before


@pytest.mark.parametrize("name", ["out-12:30.mp4", "12:30.webm", "n" * 251 + ".mp4", "100%d.mp4", "a\nb.mov"])
@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_video_may_be_written_under_any_name(clip: Path, name: str) -> None:
    assert animate("--output", name) == 0
    with VideoReader(clip.parent / name) as reader:
        assert len(list(reader)) == 5
    assert sorted(path.name for path in clip.parent.iterdir()) == sorted(["mine.mp4", name])


def test_a_video_whose_old_file_is_open_elsewhere_is_kept_beside_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, path = os.replace, tmp_path / "out.mp4"

    def replace(source: Path, target: Path) -> None:
        if target == path:
            raise PermissionError(13, "Access is denied")
        real(source, target)

    monkeypatch.setattr(atomic_file.os, "replace", replace)
    monkeypatch.setattr(atomic_file.time, "sleep", lambda seconds: None)
    path.write_text("old")
    (tmp_path / "out (2).mp4").write_text("another one")
    with VideoWriter(path, choose_encoding(path, False), Fraction(RATE), time_base=Fraction(1, RATE)) as writer:
        writer.write(grey(90), Fraction(0))
    assert writer.path == tmp_path / "out (3).mp4"
    assert writer.notice == f"{path} is open in another program; the video is in {writer.path}"
    with VideoReader(writer.path) as reader:
        assert len(list(reader)) == 1
    assert path.read_text() == "old"
    assert (tmp_path / "out (2).mp4").read_text() == "another one"
