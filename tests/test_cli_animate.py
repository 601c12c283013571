"""Promises of ``python -m animator_core animate``."""

from __future__ import annotations

import json
import os
import pickle
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from animator_core.__main__ import main
from animator_core.characters.face_quality import FaceWarning
from animator_core.clips.track_file import read_track
from animator_core.clips.video import VideoReader, VideoWriter, choose_encoding
from animator_core.errors import AnimatorError
from animator_core.liveportrait.motion.template import read_template
from tests import stand_ins

NTSC = Fraction(30000, 1001)


@pytest.fixture(autouse=True)
def _small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins.put_in_place(monkeypatch, stand_ins.character())


def _animate(driving: Path, output: Path, *more: str) -> int:
    arguments = ["animate", "--character", "x.png", "--driving", str(driving), "--output", str(output)]
    return main([*arguments, "--no-progress", *more])


def _driving_video(path: Path, times: list[Fraction], black: tuple[int, ...] = ()) -> Path:
    base = Fraction(1, 90000)
    with VideoWriter(path, choose_encoding(path, False), NTSC, time_base=base) as writer:
        for number, time in enumerate(times):
            level = 0 if number in black else 120
            writer.write(np.full((240, 320, 3), level, np.uint8), time)
    return path


def _frame_times(path: Path) -> list[Fraction]:
    with VideoReader(path) as reader:
        return [frame.time for frame in reader]


def _pixel(path: Path) -> list[int]:
    with VideoReader(path) as reader:
        picture = next(iter(reader)).picture
    return picture[20, 50].astype(int).tolist()


def test_the_output_has_the_driving_clips_frames_and_rate(tmp_path: Path) -> None:
    times = [number / NTSC for number in range(45)]
    driving = _driving_video(tmp_path / "driving.mp4", times)
    assert _animate(driving, tmp_path / "out.mp4") == 0
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert reader.rate == pytest.approx(NTSC, rel=1e-3)
        assert len(list(reader)) == 45
    assert _frame_times(tmp_path / "out.mp4") == _frame_times(driving)


def test_a_clip_of_variable_rate_keeps_every_frames_time(tmp_path: Path) -> None:
    times = [Fraction(tick, 90000) for tick in (0, 3000, 4500, 12000, 40000, 90000, 99000, 140000)]
    driving = _driving_video(tmp_path / "driving.mp4", times)
    assert _animate(driving, tmp_path / "out.mp4") == 0
    assert _frame_times(tmp_path / "out.mp4") == times


def test_frames_without_a_face_are_written_too(tmp_path: Path) -> None:
    driving = _driving_video(tmp_path / "d.mp4", [number / NTSC for number in range(20)], black=tuple(range(5, 15)))
    assert _animate(driving, tmp_path / "out.mp4", "--stats", str(tmp_path / "s.json")) == 0
    assert len(_frame_times(tmp_path / "out.mp4")) == 20
    assert json.loads((tmp_path / "s.json").read_text())["face_found"] == 0.5


def test_a_motion_drives_as_a_video_does(tmp_path: Path) -> None:
    driving = stand_ins.write_motion(tmp_path / "sway.npz", 40, missing=(7, 8))
    assert _animate(driving, tmp_path / "out.mp4") == 0
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert reader.rate == NTSC
        assert len(list(reader)) == 40


def test_the_neutral_pose_is_known_before_the_first_frame(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renderer, _ = stand_ins.put_in_place(monkeypatch, stand_ins.character())
    driving = stand_ins.write_motion(tmp_path / "sway.npz", 60, step=2.0)
    assert _animate(driving, tmp_path / "out.mp4", "--max-frames", "50") == 0
    assert len(renderer.motions) == 50
    # The face is where it usually is in the middle of its way.
    assert renderer.motions[0].translation[0] < -0.2
    assert renderer.motions[20].translation[0] == pytest.approx(0, abs=0.1)
    assert renderer.motions[40].translation[0] > 0.2
    assert renderer.is_closed


def test_max_frames_ends_the_output(tmp_path: Path) -> None:
    driving = stand_ins.write_motion(tmp_path / "sway.npz", 40)
    assert _animate(driving, tmp_path / "out.mp4", "--max-frames", "7") == 0
    assert len(_frame_times(tmp_path / "out.mp4")) == 7


def test_the_statistics_have_what_was_promised(tmp_path: Path) -> None:
    driving = _driving_video(tmp_path / "d.mp4", [number / NTSC for number in range(10)])
    assert _animate(driving, tmp_path / "out.mp4", "--stats", str(tmp_path / "s.json")) == 0
    found = json.loads((tmp_path / "s.json").read_text())
    assert found["frames"] == 10
    assert found["fps"] == pytest.approx(float(NTSC), rel=1e-3)
    assert (found["renderer"], found["device"], found["tracker"]) == ("flat", "nowhere", "pixel")
    assert found["face_found"] == 1.0
    assert found["wall_seconds"] > 0
    assert found["warnings"] == []
    assert list(found["stages_ms"]) == ["read", "tracking", "motion", "render", "write"]
    for stage in found["stages_ms"].values():
        assert 0 <= stage["p50"] <= stage["p95"] <= stage["p99"]


def test_what_will_look_wrong_of_the_character_is_said_once_and_in_the_statistics(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    warnings = (FaceWarning("the mouth is covered", "use another picture"),)
    stand_ins.put_in_place(monkeypatch, replace(stand_ins.character(), warnings=warnings))
    driving, stats = stand_ins.write_motion(tmp_path / "sway.npz", 5), tmp_path / "s.json"
    assert _animate(driving, tmp_path / "out.mp4", "--stats", str(stats)) == 0
    line = "the mouth is covered; use another picture"
    assert capsys.readouterr().err.count(f"warning: orange.png: {line}") == 1
    assert json.loads(stats.read_text())["warnings"] == [f"orange.png: {line}"]


def test_a_saved_motion_drives_the_same_clip_again(tmp_path: Path) -> None:
    driving = _driving_video(tmp_path / "d.mp4", [number / NTSC for number in range(6)], black=(2,))
    assert _animate(driving, tmp_path / "out.mp4", "--save-motion", str(tmp_path / "m.npz")) == 0
    track = read_track(tmp_path / "m.npz")
    assert len(track) == 6
    assert (track.frame_width, track.frame_height) == (320, 240)
    assert [track.observation(index) is None for index in range(6)] == [False, False, True, False, False, False]


@pytest.mark.parametrize(("suffix", "pixel_format"), [(".webm", "yuv420p"), (".mov", "yuva444p12le")])
def test_a_transparent_character_stays_transparent_where_the_format_can(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, pixel_format: str
) -> None:
    stand_ins.put_in_place(monkeypatch, stand_ins.character(is_transparent=True))
    driving = stand_ins.write_motion(tmp_path / "sway.npz", 3)
    output = tmp_path / f"out{suffix}"
    assert _animate(driving, output) == 0
    with av.open(str(output)) as container:
        stream = container.streams.video[0]
        # FFmpeg's own VP9 decoder drops alpha; the file says that it is there.
        has_alpha = stream.metadata.get("ALPHA_MODE", stream.metadata.get("alpha_mode")) == "1"
        assert has_alpha or stream.codec_context.pix_fmt == pixel_format
        if suffix == ".webm":
            decoder = av.CodecContext.create("libvpx-vp9", "r")
            frame = next(frame for packet in container.demux(stream) for frame in decoder.decode(packet))
        else:
            frame = next(container.decode(stream))
    rgba = frame.reformat(format="rgba", src_colorspace=1, dst_colorspace=5).to_ndarray()
    np.testing.assert_allclose(rgba[20, 10].astype(int), (210, 120, 40, 255), atol=4)
    np.testing.assert_allclose(rgba[20, 54].astype(int), (210, 120, 40, 128), atol=4)


def test_in_an_mp4_a_transparent_character_stands_before_the_background(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand_ins.put_in_place(monkeypatch, stand_ins.character(is_transparent=True))
    driving = stand_ins.write_motion(tmp_path / "sway.npz", 2)
    assert _animate(driving, tmp_path / "black.mp4", "--background", "#000") == 0
    assert _animate(driving, tmp_path / "white.mp4", "--background", "#ffffff") == 0
    # Half the light of (210, 120, 40), and that with half the light of white.
    np.testing.assert_allclose(_pixel(tmp_path / "black.mp4"), (154, 87, 27), atol=8)
    np.testing.assert_allclose(_pixel(tmp_path / "white.mp4"), (234, 201, 189), atol=8)


@pytest.mark.parametrize(
    ("output", "more", "named"),
    [
        ("out.avi", (), ".avi is not supported"),
        ("missing/out.mp4", (), "there is no folder"),
        ("out.mp4", ("--background", "mauve"), "'mauve' is not a colour"),
        ("out.mp4", ("--stats", "missing/s.json"), "there is no folder"),
        ("out.mp4", ("--driving", "nothing.mp4"), "there is no video nothing.mp4"),
        ("out.mp4", ("--driving", "nothing.npz"), "nothing.npz"),
        ("out.mp4", ("--driving", "nothing.pkl"), "nothing.pkl"),
        ("out.mp4", ("--save-template", "t.mp4"), "use a name that ends in .npz"),
        (
            "out.mp4",
            ("--save-template", "t.npz", "--save-motion", "t.npz"),
            "--save-template and --save-motion are the same file",
        ),
        ("out.mp4", ("--save-template", "missing/t.npz"), "there is no folder"),
        ("out.mp4", ("--option", "region"), "NAME=VALUE"),
        ("out.mp4", ("--option", "regoin=eyes"), "did you mean 'region'?"),
        ("out.mp4", ("--option", "region=nose"), "one of all, expression"),
        ("out.mp4", ("--option", "gaze_x=60"), "from -25 to 25"),
    ],
)
def test_what_cannot_be_done_is_one_line_and_exit_1(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    output: str,
    more: tuple[str, ...],
    named: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    stand_ins.write_motion(tmp_path / "sway.npz", 2)
    assert _animate(Path("sway.npz"), Path(output), *more) == 1
    complaint = capsys.readouterr().err.strip()
    assert complaint.startswith("error: ")
    assert named in complaint
    assert "\n" not in complaint
    assert [entry.name for entry in tmp_path.iterdir()] == ["sway.npz"]


def test_a_corrupt_video_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "junk.mp4").write_bytes(b"\0\1\2\3" * 4000)
    assert _animate(tmp_path / "junk.mp4", tmp_path / "out.mp4") == 1
    assert "junk.mp4" in capsys.readouterr().err
    assert not (tmp_path / "out.mp4").exists()


def test_an_existing_output_survives_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    renderer, _ = stand_ins.put_in_place(monkeypatch, stand_ins.character())

    def give_up(placement: object) -> np.ndarray:
        raise KeyboardInterrupt

    monkeypatch.setattr(renderer, "draw", give_up)
    (tmp_path / "out.mp4").write_bytes(b"precious")
    driving = stand_ins.write_motion(tmp_path / "sway.npz", 4)
    assert _animate(driving, tmp_path / "out.mp4") == 130
    assert (tmp_path / "out.mp4").read_bytes() == b"precious"
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["out.mp4", "sway.npz"]


@pytest.fixture
def replaying(monkeypatch: pytest.MonkeyPatch) -> stand_ins.ReplayingRenderer:
    renderer = stand_ins.ReplayingRenderer()
    stand_ins.put_in_place(monkeypatch, stand_ins.character(), renderer)
    return renderer


def official_template(path: Path, **more: Any) -> Path:
    """Write a template as the official program does, with ``more`` in its first frame."""
    made = stand_ins.template(3)
    motion = [
        {"R": made.rotation[i][None], "exp": made.expression[i][None], "scale": made.scale[i][None]} for i in range(3)
    ]
    for number, frame in enumerate(motion):
        frame["t"] = made.translation[number][None]
    motion[0] |= more
    path.write_bytes(pickle.dumps({"n_frames": 3, "output_fps": 25, "motion": motion}))
    return path


@pytest.mark.parametrize("suffix", [".npz", ".pkl"])
def test_a_template_is_replayed_as_it_was_recorded(
    tmp_path: Path, replaying: stand_ins.ReplayingRenderer, suffix: str
) -> None:
    driving = tmp_path / f"turn{suffix}"
    if suffix == ".npz":
        stand_ins.write_template_file(driving)
    else:
        official_template(driving)
    (tmp_path / "c.yaml").write_text("ai_model: {batch_size: 4}")
    assert _animate(driving, tmp_path / "out.mp4", "--config", str(tmp_path / "c.yaml")) == 0
    assert replaying.replayed is not None
    assert np.array_equal(replaying.replayed.rotation, stand_ins.template().rotation)
    assert replaying.batch_sizes == [3]
    with VideoReader(tmp_path / "out.mp4") as reader:
        assert reader.rate == 25
        assert len(list(reader)) == 3


def test_a_template_is_replayed_up_to_max_frames(tmp_path: Path, replaying: stand_ins.ReplayingRenderer) -> None:
    driving = stand_ins.write_template_file(tmp_path / "turn.npz", 9)
    stats = tmp_path / "s.json"
    assert _animate(driving, tmp_path / "out.mp4", "--max-frames", "4", "--stats", str(stats)) == 0
    found = json.loads(stats.read_text())
    assert (found["frames"], found["tracker"], found["face_found"]) == (4, "template", 1.0)


def test_another_renderer_says_how_to_replay_a_template(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    driving = stand_ins.write_template_file(tmp_path / "turn.npz")
    assert _animate(driving, tmp_path / "out.mp4") == 1
    complaint = capsys.readouterr().err
    assert "the flat renderer cannot replay" in complaint
    assert "--renderer liveportrait" in complaint
    assert "--save-motion" in complaint


class Runs:
    """Pickles as a command."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.system, ("touch was-run",)


def test_a_malicious_template_runs_nothing(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    replaying: stand_ins.ReplayingRenderer,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    driving = official_template(tmp_path / "evil.pkl", scale=Runs())
    assert _animate(driving, tmp_path / "out.mp4") == 1
    complaint = capsys.readouterr().err.strip()
    assert "evil.pkl" in complaint
    assert "posix.system" in complaint or "nt.system" in complaint
    assert "\n" not in complaint
    assert [entry.name for entry in tmp_path.iterdir()] == ["evil.pkl"]


@pytest.mark.parametrize("suffix", [".npz", ".pkl"])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_truncated_template_is_named(
    tmp_path: Path,
    replaying: stand_ins.ReplayingRenderer,
    capsys: pytest.CaptureFixture[str],
    suffix: str,
    share: float,
) -> None:
    driving = tmp_path / f"turn{suffix}"
    content = (stand_ins.write_template_file if suffix == ".npz" else official_template)(driving).read_bytes()
    driving.write_bytes(content[: int(share * len(content))])
    assert _animate(driving, tmp_path / "out.mp4") == 1
    assert driving.name in capsys.readouterr().err
    assert not (tmp_path / "out.mp4").exists()


def test_an_archive_of_another_kind_is_named(
    tmp_path: Path, replaying: stand_ins.ReplayingRenderer, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savez(tmp_path / "weights.npz", kind="something", layer=np.zeros(3))
    assert _animate(tmp_path / "weights.npz", tmp_path / "out.mp4") == 1
    assert "weights.npz" in capsys.readouterr().err


def test_a_video_tells_such_a_renderer_its_neutral_face_first(
    tmp_path: Path, replaying: stand_ins.ReplayingRenderer
) -> None:
    driving = _driving_video(tmp_path / "d.mp4", [number / NTSC for number in range(40)], black=(0,))
    assert _animate(driving, tmp_path / "out.mp4") == 0
    # All frames that have a face.
    assert len(replaying.faces) == 39
    assert replaying.batch_sizes == []
    assert replaying.faces[0].observation.captured_ns > 1
    assert replaying.faces[0].frame.shape == (240, 320, 3)
    assert len(replaying.motions) == 40


def test_a_template_is_recorded_without_a_character_or_a_renderer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    renderer, _ = stand_ins.put_in_place(monkeypatch)
    stand_ins.put_recorder_in_place(monkeypatch)
    driving = _driving_video(tmp_path / "d.mp4", [number / NTSC for number in range(8)], black=(3,))
    arguments = ["animate", "--driving", str(driving), "--no-progress", "--save-template", str(tmp_path / "t.npz")]
    assert main([*arguments, "--save-motion", str(tmp_path / "m.npz"), "--max-frames", "6"]) == 0
    assert len(read_template(tmp_path / "t.npz")) == 6
    assert len(read_track(tmp_path / "m.npz")) == 6
    assert renderer.motions == []
    said = capsys.readouterr().out
    assert "t.npz: a LivePortrait template of 6 frames" in said
    assert "m.npz: a landmark motion of 6 frames" in said


def test_a_template_is_recorded_beside_animating(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_ins.put_recorder_in_place(monkeypatch)
    driving = _driving_video(tmp_path / "d.mp4", [number / NTSC for number in range(5)])
    assert _animate(driving, tmp_path / "out.mp4", "--save-template", str(tmp_path / "t.npz")) == 0
    assert len(read_template(tmp_path / "t.npz")) == 5
    assert len(_frame_times(tmp_path / "out.mp4")) == 5


def test_an_official_template_becomes_a_safe_one(tmp_path: Path) -> None:
    driving = official_template(tmp_path / "turn.pkl")
    made = tmp_path / "t.npz"
    assert main(["animate", "--driving", str(driving), "--save-template", str(made), "--no-progress"]) == 0
    assert np.array_equal(read_template(made).rotation, stand_ins.template().rotation)


@pytest.mark.parametrize(
    ("more", "named"),
    [
        ((), "use --output, --save-motion or --save-template"),
        (("--output", "o.mp4"), "--character"),
        (("--save-motion", "m.npz"), "without landmarks"),
        (("--save-template", "t.npz", "--mirror"), "cannot be mirrored"),
        (("--save-template", "t.npz", "--stats", "s.json"), "--stats needs --output"),
    ],
)
def test_what_cannot_be_recorded_is_named(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    more: tuple[str, ...],
    named: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    stand_ins.write_template_file(tmp_path / "turn.npz")
    assert main(["animate", "--driving", "turn.npz", *more]) == 1
    assert named in capsys.readouterr().err
    assert [entry.name for entry in tmp_path.iterdir()] == ["turn.npz"]


def test_options_reach_the_motion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    driving = stand_ins.write_motion(tmp_path / "sway.npz", 60, step=2.0)
    shifts = []
    for more in ((), ("--option", "sensitivity-pose=0.5", "--option", "smoothing=0")):
        renderer, _ = stand_ins.put_in_place(monkeypatch, stand_ins.character())
        assert _animate(driving, tmp_path / "out.mp4", "--option", "smoothing=0", *more) == 0
        shifts.append(renderer.motions[50].translation[0])
    assert shifts[1] == pytest.approx(shifts[0] / 2, rel=1e-3)


def test_why_it_is_another_renderer_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    renderer, _ = stand_ins.put_in_place(monkeypatch, stand_ins.character())
    renderer.note = AnimatorError("CUDA cannot run the networks", "update the driver")
    assert _animate(stand_ins.write_motion(tmp_path / "sway.npz", 2), tmp_path / "out.mp4") == 0
    assert "note: CUDA cannot run the networks; update the driver" in capsys.readouterr().err
