"""Video files from the wild: how they are shown, what is in them, and what is told of those that are not whole."""

from __future__ import annotations

import itertools
import struct
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from made_media import HEIGHT, WIDTH, Tone, grey, joined, make_clip, set_codec, set_matrix

from animator_core.clips.video import VideoReader
from animator_core.errors import CameraError

LEVELS = {(-1, -1): 40, (1, -1): 100, (-1, 1): 160, (1, 1): 220}
"""The grey of each quadrant by the side of the picture's middle it is on, x right and y down."""


def quadrants(levels: dict[tuple[int, int], int], width: int, height: int) -> np.ndarray:
    picture = np.zeros((height, width, 3), np.uint8)
    for (x, y), level in levels.items():
        rows = slice(height // 2) if y < 0 else slice(height // 2, height)
        picture[rows, slice(width // 2) if x < 0 else slice(width // 2, width)] = level
    return picture


def read(path: Path) -> list[np.ndarray]:
    with VideoReader(path) as reader:
        return [frame.picture for frame in reader]


EIGHT = [
    matrix
    for matrix in itertools.product((-1, 0, 1), repeat=4)
    if abs(matrix[0] * matrix[3] - matrix[1] * matrix[2]) == 1 and sum(map(abs, matrix)) == 2
]


@pytest.mark.parametrize(("a", "b", "c", "d"), EIGHT)
def test_every_display_matrix_is_obeyed(tmp_path: Path, a: int, b: int, c: int, d: int) -> None:
    path = make_clip(tmp_path / "clip.mp4", [quadrants(LEVELS, WIDTH, HEIGHT)] * 2)
    shown = {(a * x + c * y, b * x + d * y): level for (x, y), level in LEVELS.items()}
    size = (WIDTH, HEIGHT) if a else (HEIGHT, WIDTH)
    picture = read(set_matrix(path, a, b, c, d))[0]
    assert picture.shape == (size[1], size[0], 3)
    assert picture.flags.c_contiguous
    # Not at the edges, which the codec blurs.
    wanted = quadrants(shown, *size)
    np.testing.assert_allclose(picture[4:20, 4:20].mean(), wanted[4:20, 4:20].mean(), atol=6)
    np.testing.assert_allclose(picture[4:20, -20:-4].mean(), wanted[4:20, -20:-4].mean(), atol=6)
    np.testing.assert_allclose(picture[-20:-4, 4:20].mean(), wanted[-20:-4, 4:20].mean(), atol=6)


def test_there_are_eight_matrices() -> None:
    assert len(EIGHT) == 8


@pytest.mark.parametrize(("container", "codec", "wanted"), [(2, 1, 2 * WIDTH), (1, 2, WIDTH), (2, 2, 2 * WIDTH)])
def test_the_containers_pixel_aspect_counts_more_than_the_codecs(
    tmp_path: Path, container: int, codec: int, wanted: int
) -> None:
    path = make_clip(tmp_path / "clip.mp4", [grey(90)] * 3, aspect=codec)
    data = bytearray(path.read_bytes())
    struct.pack_into(">II", data, data.index(b"pasp") + 4, container, 1)
    path.write_bytes(data)
    assert [picture.shape[:2] for picture in read(path)] == [(HEIGHT, wanted)] * 3


def test_a_video_without_a_decoder_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = set_codec(make_clip(tmp_path / "raw.mp4", [grey(9)] * 3, Tone()), b"avc1", b"braw")
    with pytest.raises(CameraError, match=r"raw\.mp4 is braw, which has no decoder here; convert it to MP4 \(H\.264\)"):
        VideoReader(path)


@pytest.mark.parametrize("suffix", ["mp4", "mov"])
def test_a_cover_is_no_video(tmp_path: Path, suffix: str) -> None:
    path = make_clip(tmp_path / f"song.{suffix}", [grey(9)], Tone(), is_cover=True)
    with pytest.raises(CameraError, match="only sound or a cover; give a video of a face"):
        VideoReader(path)


def test_a_size_that_changes_in_mid_clip_loses_no_frame(tmp_path: Path) -> None:
    parts = [
        make_clip(tmp_path / "a.ts", [grey(60)] * 5),
        make_clip(tmp_path / "b.ts", [grey(60, WIDTH * 2, HEIGHT * 2)] * 5, first_time=0.2),
    ]
    shapes = [picture.shape[:2] for picture in read(joined(tmp_path / "both.ts", *parts))]
    assert shapes == [(HEIGHT, WIDTH)] * 5 + [(HEIGHT * 2, WIDTH * 2)] * 5


@pytest.mark.parametrize(("restart", "gap"), [(0.0, 0.04), (5000.0, 0.04), (7.0, 6.04)])
def test_a_clock_that_starts_again_goes_on_and_a_pause_stays(tmp_path: Path, restart: float, gap: float) -> None:
    parts = [
        make_clip(tmp_path / "a.ts", [grey(60)] * 25),
        make_clip(tmp_path / "b.ts", [grey(90)] * 25, first_time=restart),
    ]
    with VideoReader(joined(tmp_path / "both.ts", *parts)) as reader:
        times = [float(frame.time) for frame in reader]
    steps = np.diff(times)
    assert len(times) == 50
    assert steps[24] == pytest.approx(gap, abs=0.001)
    np.testing.assert_allclose(np.delete(steps, 24), 0.04, atol=0.001)


def test_a_clip_that_is_cut_off_says_how_much_is_missing(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (75, HEIGHT, WIDTH, 3), np.uint8)
    for name in ("clip.mkv", "clip.flv", "clip.mp4"):
        path = make_clip(tmp_path / name, list(noise), Tone())
        with VideoReader(path) as whole:
            assert len(list(whole)) == 75
            assert whole.missing_seconds == 0.0
        data = path.read_bytes()
        path.write_bytes(data[: len(data) // 2])
        with VideoReader(path) as reader:
            last = [frame.time for frame in reader][-1]
            assert reader.missing_seconds == pytest.approx(3 - float(last + Fraction(1, 25)), abs=0.05)
            assert reader.missing_seconds > 1


@pytest.mark.parametrize(
    "name", ["12:30.mp4", "a:b:c.mp4", "http:clip.mp4", "50%.mp4", "a%03d.mp4", "-x.mp4", "a\nb.mp4"]
)
def test_a_video_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.chdir(tmp_path)
    make_clip(tmp_path / "clip.mp4", [grey(9)] * 3).rename(tmp_path / name)
    for path in (Path(name), tmp_path / name):
        assert len(read(path)) == 3


def test_a_name_that_no_file_can_have_is_no_video() -> None:
    with pytest.raises(CameraError, match="there is no video"):
        VideoReader(Path("n" * 300 + ".mp4"))


def test_a_pause_of_minutes_and_a_long_last_frame_are_kept_and_no_fault(tmp_path: Path) -> None:
    path = tmp_path / "still.mp4"
    times = [Fraction(0), Fraction(1, 25), Fraction(150), Fraction(150) + Fraction(1, 25)]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.options = WIDTH, HEIGHT, "yuv420p", {"bf": "0"}
        stream.time_base = stream.codec_context.time_base = Fraction(1, 1000)
        packets = []
        for number, time in enumerate(times):
            frame = av.VideoFrame.from_ndarray(grey(50 + number), format="rgb24").reformat(format="yuv420p")
            frame.pts, frame.time_base = int(time * 1000), Fraction(1, 1000)
            packets += stream.encode(frame)
        packets += stream.encode(None)
        packets[-1].duration = 30_000
        container.mux(packets)
    with VideoReader(path) as reader:
        assert [frame.time for frame in reader] == times
        assert reader.missing_seconds == 0.0
