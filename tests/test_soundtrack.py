"""The sound of clips from the wild: what can be carried over is, and no fault of it costs the video."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import av
import numpy as np
import pytest
from made_media import RATE, Tone, grey, joined, make_clip, set_codec

from animator_core.animation.timing import StageTimes
from animator_core.clips import soundtrack
from animator_core.clips.audio_timeline import RATE as RATE_OF_LINE
from animator_core.clips.audio_timeline import AudioTimeline
from animator_core.clips.driving_clip import VideoClip
from animator_core.clips.video import VideoReader, VideoWriter, choose_encoding

SUFFIXES = [".mp4", ".webm", ".mov"]


def carry_over(driving: Path, produced: Path) -> str:
    """Write the clip's pictures and sound into another file and return what is told of the clip."""
    tracker: Any = SimpleNamespace(name="none", track=lambda frame, captured_ns: None, close=lambda: None)
    clip = VideoClip(VideoReader(driving), tracker)
    moments = list(clip.moments(StageTimes()))
    with VideoWriter(
        produced,
        choose_encoding(produced, False),
        clip.rate,
        time_base=clip.time_base,
        soundtrack=clip.soundtrack(),
    ) as writer:
        for moment in moments:
            assert moment.picture is not None
            writer.write(moment.picture, moment.time)
    clip.close()
    return clip.notice


def frames_and_levels(path: Path) -> tuple[int, list[float]]:
    """Return the count of pictures, and how loud each tenth of a second is in the middle, full scale being 1."""
    with av.open(str(path)) as container:
        count = sum(1 for _ in container.decode(video=0))
    with av.open(str(path)) as container:
        if not container.streams.audio:
            return count, []
        resampler = av.AudioResampler(format="fltp", layout="stereo", rate=10000)
        line = np.zeros(200000)
        for frame in container.decode(audio=0):
            at = round(float(frame.time) * 10000)
            for part in resampler.resample(frame):
                samples = np.abs(part.to_ndarray()).max(0)
                line[at : at + len(samples)] = samples
                at += len(samples)
    tenths = np.abs(line.reshape(-1, 1000))[:, 300:700].max(1)
    used = np.flatnonzero(tenths > 0.02)
    return count, [round(float(level), 2) for level in tenths[: used[-1] + 1]] if len(used) else []


QUIET, LOUD = Tone(level=0.2), Tone(level=0.6)
# FFmpeg spreads one channel over two with the power kept.
MONO_LEVEL = 0.6 * 2**0.5
MONO, QUICK = Tone(level=MONO_LEVEL, layout="mono"), Tone(level=0.6, rate=48000)
CHANGES = {
    "restarts": (QUIET, LOUD, 0.0, 0),
    "jumps": (QUIET, LOUD, 5000.0, 0),
    "pauses": (QUIET, LOUD, 3.0, 20),
    "becomes mono": (QUIET, MONO, 1.0, 0),
    "changes its rate": (QUIET, QUICK, 1.0, 0),
    "changes rate and channels": (QUIET, Tone("aac", 32000, "mono", MONO_LEVEL), 1.0, 0),
    "changes in mp2": (Tone("mp2", 48000, level=0.2), Tone("mp2", 48000, "mono", MONO_LEVEL), 1.0, 0),
    "changes in ac3": (Tone("ac3", 48000, level=0.2), Tone("ac3", 44100, "mono", MONO_LEVEL), 1.0, 0),
}


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("change", CHANGES)
def test_sound_that_changes_half_way_is_heard_to_its_end(tmp_path: Path, change: str, suffix: str) -> None:
    before, after, start, silent_tenths = CHANGES[change]
    parts = [
        make_clip(tmp_path / "a.ts", [grey(60)] * RATE, before),
        make_clip(tmp_path / "b.ts", [grey(90)] * RATE, after, first_time=start),
    ]
    assert carry_over(joined(tmp_path / "both.ts", *parts), tmp_path / f"out{suffix}") == ""
    count, levels = frames_and_levels(tmp_path / f"out{suffix}")
    assert count == 2 * RATE
    wanted = [0.2] * 10 + [0.0] * silent_tenths + [0.6] * 10
    assert len(levels) == pytest.approx(len(wanted), abs=1)
    close = np.abs(np.array(levels[:20]) - wanted[: len(levels)][:20]) < 0.08
    assert close.sum() >= 18, levels  # the joint and the end may be anything
    assert levels[-3] == pytest.approx(0.6, abs=0.08)


def test_steady_sound_is_copied_as_it_is(tmp_path: Path) -> None:
    driving = make_clip(tmp_path / "in.mp4", [grey(60)] * RATE, QUIET)
    carry_over(driving, tmp_path / "out.mp4")
    with av.open(str(driving)) as one, av.open(str(tmp_path / "out.mp4")) as other:
        packets = [[bytes(packet) for packet in each.demux(audio=0) if packet.size] for each in (one, other)]
    assert set(packets[1]) <= set(packets[0])
    assert len(packets[1]) >= len(packets[0]) - 2


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_sound_without_a_decoder_is_left_out_and_told(tmp_path: Path, suffix: str) -> None:
    driving = set_codec(make_clip(tmp_path / "in.mov", [grey(60)] * 5, QUIET), b"mp4a", b"apac")
    notice = carry_over(driving, tmp_path / f"out{suffix}")
    assert "its sound (apac) cannot be decoded and was left out; convert it to AAC" in notice
    assert frames_and_levels(tmp_path / f"out{suffix}") == (5, [])


def test_the_first_sound_that_can_be_decoded_is_taken(tmp_path: Path) -> None:
    driving = make_clip(tmp_path / "in.mov", [grey(60)] * RATE, Tone(level=0.4, streams=2))
    assert carry_over(set_codec(driving, b"mp4a", b"apac"), tmp_path / "out.mp4") == ""
    count, levels = frames_and_levels(tmp_path / "out.mp4")
    assert count == RATE
    assert levels[2:8] == pytest.approx([0.4] * 6, abs=0.08)


@pytest.mark.parametrize("late", [-0.5, 0.5])
def test_sound_that_begins_before_or_after_the_pictures_stays_in_time(tmp_path: Path, late: float) -> None:
    make_clip(tmp_path / "in.mkv", [grey(60)] * RATE, LOUD, first_time=1.0, sound_time=1.0 + late)
    carry_over(tmp_path / "in.mkv", tmp_path / "out.webm")
    _, levels = frames_and_levels(tmp_path / "out.webm")
    silent = 5 if late > 0 else 0
    assert levels[:silent] == pytest.approx([0.0] * silent, abs=0.05)
    assert levels[silent + 1 : silent + 3] == pytest.approx([0.6] * 2, abs=0.08)
    assert len(levels) == pytest.approx(10 if late > 0 else 5, abs=1)


def test_sound_that_cannot_be_converted_ends_and_the_video_does_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Failing(soundtrack.AudioTimeline):
        def add(self, frame: Any, start: Any) -> list[Any]:
            if self.position > 20000:
                raise ValueError("a kind of sound that nobody knows")
            return super().add(frame, start)

    monkeypatch.setattr(soundtrack, "AudioTimeline", Failing)
    driving = make_clip(tmp_path / "in.ts", [grey(60)] * RATE, LOUD)
    assert "its sound ends after 0.4 s" in carry_over(driving, tmp_path / "out.mp4")
    count, levels = frames_and_levels(tmp_path / "out.mp4")
    assert count == RATE
    assert 3 <= len(levels) <= 5


@pytest.mark.parametrize(("may_jump", "seconds"), [(True, 1.0), (False, 100.5)])
def test_a_long_pause_is_silence_except_where_clocks_start_again(may_jump: bool, seconds: float) -> None:
    line, sizes = AudioTimeline(may_jump), []
    for start in (0, 100):
        frame = av.AudioFrame.from_ndarray(np.full((1, RATE_OF_LINE), 9000, np.int16), format="s16", layout="stereo")
        frame.sample_rate = RATE_OF_LINE
        sizes += [each.samples for each in line.add(frame, Fraction(start))]
    sizes += [each.samples for each in line.flush()]
    assert sum(sizes) == line.position == round(seconds * RATE_OF_LINE)
    assert max(sizes) <= RATE_OF_LINE, "an hour of silence must not be made at once"
