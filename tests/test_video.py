"""Promises of animator_core.clips.video and animator_core.clips.soundtrack."""

from __future__ import annotations

import os
import struct
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition
from made_media import grey, make_clip

from animator_core.animation.statistics import StageTimes
from animator_core.clips.driving_clip import VideoClip
from animator_core.clips.soundtrack import Soundtrack
from animator_core.clips.video import VideoReader, VideoWriter, choose_encoding
from animator_core.errors import AnimatorError, CameraError
from animator_core.tracking.observation import FaceObservation

NTSC = Fraction(30000, 1001)


def _picture(level: int, width: int = 64, height: int = 48, channels: int = 3) -> np.ndarray:
    picture = np.full((height, width, channels), level, np.uint8)
    if channels == 4:
        picture[:, : width // 2, 3] = 255
        picture[:, width // 2 :, 3] = 96
    return picture


def _write(path: Path, times: list[Fraction], rate: Fraction = NTSC, base: Fraction | None = None, **size: int) -> None:
    encoding = choose_encoding(path, size.get("channels") == 4)
    with VideoWriter(path, encoding, rate, time_base=base or 1 / rate) as writer:
        for number, time in enumerate(times):
            writer.write(_picture(40 + number, **size), time)


def _read(path: Path) -> list[Fraction]:
    with VideoReader(path) as reader:
        return [frame.time for frame in reader]


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_a_fractional_rate_and_every_frame_are_kept(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"clip{suffix}"
    times = [number / NTSC for number in range(40)]
    _write(path, times)
    with VideoReader(path) as reader:
        assert reader.rate == NTSC
        assert reader.frame_count == 40
        assert [frame.time for frame in reader] == times


def test_webm_keeps_the_rate_and_every_frame_to_its_millisecond(tmp_path: Path) -> None:
    path = tmp_path / "clip.webm"
    times = [number / NTSC for number in range(20)]
    _write(path, times)
    found = _read(path)
    assert len(found) == 20
    assert max(abs(a - b) for a, b in zip(found, times)) <= Fraction(1, 1000)


def test_variable_frame_times_are_kept(tmp_path: Path) -> None:
    base = Fraction(1, 90000)
    times = [base * tick for tick in (0, 3000, 4500, 12000, 12001, 60000, 63000)]
    _write(tmp_path / "vfr.mp4", times, Fraction(10), base)
    assert _read(tmp_path / "vfr.mp4") == times


def test_every_player_reads_the_mp4(tmp_path: Path) -> None:
    path = tmp_path / "odd.mp4"
    _write(path, [number / NTSC for number in range(9)], width=65, height=47)
    with av.open(str(path)) as container:
        context = container.streams.video[0].codec_context
        assert (context.name, context.pix_fmt, context.width, context.height) == ("h264", "yuv420p", 66, 48)
    capture = cv2.VideoCapture(str(path))
    assert capture.get(cv2.CAP_PROP_FPS) == pytest.approx(float(NTSC))
    assert sum(1 for _ in iter(lambda: capture.read()[0], False)) == 9


@pytest.mark.parametrize(("suffix", "decoder", "tolerance"), [(".webm", "libvpx-vp9", 4), (".mov", "prores", 2)])
def test_alpha_and_colour_survive(tmp_path: Path, suffix: str, decoder: str, tolerance: int) -> None:
    path = tmp_path / f"ghost{suffix}"
    picture = _picture(0, channels=4)
    picture[..., :3] = (210, 60, 30)
    with VideoWriter(path, choose_encoding(path, has_alpha=True), NTSC, time_base=1 / NTSC) as writer:
        for number in range(6):
            writer.write(picture, number / NTSC)
    with av.open(str(path)) as container:
        # FFmpeg's own VP9 decoder drops alpha, so the decoder is named.
        context: Any = av.CodecContext.create(decoder, "r")
        stream = container.streams.video[0]
        if stream.codec_context.extradata:
            context.extradata = stream.codec_context.extradata
        decoded = [
            frame
            for packet in container.demux(stream)
            for frame in (context if suffix == ".webm" else packet).decode(*([packet] if suffix == ".webm" else []))
        ]
    assert len(decoded) == 6
    rgba = decoded[0].reformat(format="rgba", src_colorspace=1, dst_colorspace=5).to_ndarray()
    np.testing.assert_allclose(rgba[24, 8].astype(int), (210, 60, 30, 255), atol=tolerance)
    np.testing.assert_allclose(rgba[24, 56].astype(int), (210, 60, 30, 96), atol=tolerance)


def test_an_opaque_picture_needs_no_alpha_format(tmp_path: Path) -> None:
    assert choose_encoding(tmp_path / "a.mov", has_alpha=False).codec == "libx264"
    assert choose_encoding(tmp_path / "a.mp4", has_alpha=True).has_alpha is False


@pytest.mark.parametrize("name", ["clip.avi", "clip", "clip.exe"])
def test_an_unknown_suffix_names_those_that_work(tmp_path: Path, name: str) -> None:
    with pytest.raises(AnimatorError, match=r"use \.mp4, \.webm or \.mov"):
        choose_encoding(tmp_path / name, has_alpha=False)


def test_a_failure_midway_leaves_no_file_and_keeps_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    path.write_bytes(b"the old one")
    with (
        pytest.raises(RuntimeError),
        VideoWriter(path, choose_encoding(path, False), NTSC, time_base=1 / NTSC) as writer,
    ):
        writer.write(_picture(9), Fraction(0))
        raise RuntimeError
    assert path.read_bytes() == b"the old one"
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.mp4"]


def test_a_video_of_no_frames_is_an_error_and_leaves_nothing(tmp_path: Path) -> None:
    path = tmp_path / "none.mp4"
    with (
        pytest.raises(AnimatorError, match="no frame"),
        VideoWriter(path, choose_encoding(path, False), NTSC, time_base=1 / NTSC),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_an_output_that_is_a_folder_or_in_none_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "dir.mp4").mkdir()
    for path in (tmp_path / "dir.mp4", tmp_path / "missing" / "a.mp4"):
        with (
            pytest.raises(AnimatorError, match="cannot write"),
            VideoWriter(path, choose_encoding(path, False), NTSC, time_base=1 / NTSC),
        ):
            pass
    assert [entry.name for entry in tmp_path.iterdir()] == ["dir.mp4"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such permission bits")
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_may_not_be_written_is_an_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with (
        pytest.raises(AnimatorError, match="can be written"),
        VideoWriter(tmp_path / "a.mp4", choose_encoding(tmp_path / "a.mp4", False), NTSC, time_base=1 / NTSC),
    ):
        pass


@pytest.mark.parametrize(("most_frames", "most_bytes"), [(0, 1), (3, 1 << 30), (99, 1 << 30), (99, 2 * 64 * 48 * 3)])
def test_frames_that_are_read_ahead_come_once_and_in_order(tmp_path: Path, most_frames: int, most_bytes: int) -> None:
    path, times = tmp_path / "a.mp4", [number / NTSC for number in range(8)]
    _write(path, times)
    tracker: Any = SimpleNamespace(name="none", track=lambda frame, captured_ns: None, close=lambda: None)
    clip = VideoClip(VideoReader(path), tracker)
    clip.read_ahead(most_frames, most_bytes)
    assert [moment.time for moment in clip.moments(StageTimes())] == times
    clip.close()


@pytest.mark.parametrize("most_frames", [None, 5, 0])
def test_a_clip_that_was_looked_through_is_tracked_once_and_in_order(tmp_path: Path, most_frames: int | None) -> None:
    path, times, tracked = tmp_path / "a.mp4", [number / NTSC for number in range(8)], []

    def track(frame: np.ndarray, captured_ns: int) -> FaceObservation | None:
        tracked.append(captured_ns)
        points = np.full((478, 3), frame.mean(), np.float32)
        return FaceObservation(points, 64, 48, captured_ns) if len(tracked) != 3 else None

    _write(path, times)
    tracker: Any = SimpleNamespace(name="some", track=track, close=lambda: None)
    clip = VideoClip(VideoReader(path), tracker)
    faces = list(clip.look_through(StageTimes(), most_frames))
    moments = list(clip.moments(StageTimes()))
    assert tracked == [moment.captured_ns for moment in moments] == sorted(set(tracked))
    assert [moment.time for moment in moments] == times
    assert [moment.observation is None for moment in moments] == [number == 2 for number in range(8)]
    seen = [moment.observation for moment in moments[:most_frames] if moment.observation is not None]
    assert len(faces) == len(seen)
    assert all(face.observation is each for face, each in zip(faces, seen))
    clip.close()


@pytest.mark.parametrize("failure", [KeyboardInterrupt, SystemExit, OSError])
def test_a_file_that_is_stopped_while_it_is_opened_is_not_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: type[BaseException]
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise failure

    monkeypatch.setattr(av, "open", interrupted)
    path = tmp_path / "a.mp4"
    with (
        pytest.raises(AnimatorError if failure is OSError else failure),
        VideoWriter(path, choose_encoding(path, False), NTSC, time_base=1 / NTSC),
    ):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_missing_video_a_folder_and_junk_are_named(tmp_path: Path) -> None:
    (tmp_path / "junk.mp4").write_bytes(b"\0" * 5000)
    (tmp_path / "empty.mp4").write_bytes(b"")
    for name in ("missing.mp4", "junk.mp4", "empty.mp4"):
        with pytest.raises(CameraError, match=name):
            _read(tmp_path / name)
    with pytest.raises(CameraError, match="folder"):
        _read(tmp_path)


def test_of_two_videos_the_one_that_the_file_marks_as_default_is_read(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        videos: list[Any] = [container.add_stream("mjpeg", rate=25) for _ in range(2)]
        for number, video in enumerate(videos):
            video.width, video.height, video.pix_fmt = 64 + 32 * number, 48, "yuvj420p"
        videos[0].disposition, videos[1].disposition = Disposition(0), Disposition.default
        for video in videos:
            picture = av.VideoFrame.from_ndarray(_picture(90, video.width), "rgb24")
            container.mux([*video.encode(picture), *video.encode(None)])
    (frame,) = VideoReader(path)
    assert frame.picture.shape == (48, 96, 3)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_title_in_an_old_encoding_keeps_no_video_from_being_read(tmp_path: Path, suffix: str) -> None:
    clip = make_clip(tmp_path / f"clip{suffix}", [grey(90), grey(90)], title="Caf\u00e9 & cr\u00e8me")
    content = clip.read_bytes()
    utf_8, latin_1 = "Caf\u00e9 & cr\u00e8me".encode(), "Caf\u00e9 & cr\u00e8me  ".encode("latin-1")
    assert utf_8 in content and len(utf_8) == len(latin_1)
    clip.write_bytes(content.replace(utf_8, latin_1))
    with VideoReader(clip) as reader:
        assert len(list(reader)) == 2


def test_damage_midway_costs_frames_not_the_clip(tmp_path: Path) -> None:
    path = tmp_path / "clip.webm"
    _write(path, [number / NTSC for number in range(30)])
    content = bytearray(path.read_bytes())
    path.write_bytes(content[: len(content) * 2 // 3])
    assert 0 < len(_read(path)) < 30


def _write_with_sound(path: Path, codec: str, seconds: float, channels: str = "mono") -> None:
    """A clip whose sound is silence for its first second and a tone afterwards."""
    with av.open(str(path), "w") as container:
        video: Any = container.add_stream("libx264", rate=25)
        video.width, video.height, video.pix_fmt = 64, 48, "yuv420p"
        sound: Any = container.add_stream(codec, rate=44100 if codec != "libopus" else 48000)
        sound.codec_context.layout = channels
        for number in range(int(25 * seconds)):
            frame = av.VideoFrame.from_ndarray(_picture(number % 200), format="rgb24")
            container.mux(video.encode(frame.reformat(format="yuv420p")))
        container.mux(video.encode())
        rate = sound.codec_context.sample_rate
        time = np.arange(int(rate * seconds)) / rate
        samples = np.where(time < 1, 0, np.sin(time * 2 * np.pi * 440) * 12000).astype(np.int16)[None]
        frame = av.AudioFrame.from_ndarray(samples, format="s16", layout="mono")
        frame.sample_rate = rate
        container.mux(sound.encode(frame))
        container.mux(sound.encode(None))


def _onset_and_length(path: Path) -> tuple[float, float]:
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
    rate = frames[0].sample_rate
    start = float(frames[0].pts * frames[0].time_base)
    level = np.concatenate([np.abs(frame.to_ndarray().astype(float)).max(0) for frame in frames])
    return start + float(np.argmax(level > level.max() / 4)) / rate, start + len(level) / rate


@pytest.mark.parametrize(("codec", "suffix"), [("aac", ".mp4"), ("aac", ".webm"), ("aac", ".mov"), ("libopus", ".mp4")])
def test_the_sound_of_the_clip_comes_over_in_time(tmp_path: Path, codec: str, suffix: str) -> None:
    driving, produced = tmp_path / "driving.mkv", tmp_path / f"produced{suffix}"
    _write_with_sound(driving, codec, 2.0)
    with VideoReader(driving) as reader:
        frames = iter(reader)
        first = next(frames)
        assert reader.first_time is not None
        sound = Soundtrack.of(driving, reader.first_time)
        with VideoWriter(
            produced, choose_encoding(produced, False), reader.rate, time_base=reader.time_base, soundtrack=sound
        ) as writer:
            writer.write(first.picture, first.time)
            for frame in frames:
                writer.write(frame.picture, frame.time)
    onset, length = _onset_and_length(produced)
    assert onset == pytest.approx(1.0, abs=0.06)
    assert length == pytest.approx(2.0, abs=0.1)


def test_a_clip_without_sound_has_no_soundtrack(tmp_path: Path) -> None:
    _write(tmp_path / "mute.mp4", [Fraction(0)])
    assert Soundtrack.of(tmp_path / "mute.mp4", Fraction(0)) is None


def test_a_clip_that_a_phone_marked_as_turned_is_read_upright(tmp_path: Path) -> None:
    path = tmp_path / "turned.mp4"
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:16, :16] = 255
    with VideoWriter(path, choose_encoding(path, False), NTSC, time_base=1 / NTSC) as writer:
        writer.write(picture, Fraction(0))
    # The track header's matrix, from upright to a quarter turn clockwise.
    upright = struct.pack(">9i", 1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30)
    quarter = struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 32 << 16, 0, 1 << 30)
    before, after = path.read_bytes().split(b"tkhd")
    path.write_bytes(before + b"tkhd" + after.replace(upright, quarter, 1))
    with VideoReader(path) as reader:
        seen = next(iter(reader)).picture
    assert seen.shape == (64, 32, 3)
    assert seen[:16, 16:].mean() > 200
    assert seen[32:].mean() < 40
