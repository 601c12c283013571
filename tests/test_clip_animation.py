"""Promises of `animate_clip`, which both `animate` and `batch` call."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import stand_ins
from made_media import grey, make_clip

from animator_core.clip_animation import ClipListener, ClipRequest, animate_clip
from animator_core.clips.verification import require_frames
from animator_core.clips.video import VideoReader, VideoWriter
from animator_core.config import Config
from animator_core.errors import AnimatorError


@pytest.fixture
def request_of_five(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ClipRequest:
    stand_ins.put_in_place(monkeypatch, stand_ins.character())
    driving = stand_ins.write_motion(tmp_path / "sway.npz", 5)
    return ClipRequest("x.png", driving, tmp_path / "out.mp4", is_verified=True)


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".webm"])
@pytest.mark.parametrize("is_transparent", [False, True])
def test_a_verified_video_has_every_frame(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str, is_transparent: bool
) -> None:
    stand_ins.put_in_place(monkeypatch, stand_ins.character(is_transparent=is_transparent))
    driving = stand_ins.write_motion(tmp_path / "sway.npz", 40)
    animated = animate_clip(
        ClipRequest("x.png", driving, tmp_path / f"out{suffix}", max_frames=33, is_verified=True), Config()
    )
    assert animated.frames == 33
    with VideoReader(animated.path) as reader:
        assert len(list(reader)) == 33


def test_a_video_that_lost_a_frame_does_not_appear(
    request_of_five: ClipRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, written = VideoWriter.write, []

    def lose_the_third(self: VideoWriter, *arguments: object) -> None:
        written.append(arguments)
        if len(written) != 3:
            write(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(VideoWriter, "write", lose_the_third)
    with pytest.raises(AnimatorError, match="has 4 frames instead of 5"):
        animate_clip(request_of_five, Config())
    assert [entry.name for entry in tmp_path.iterdir()] == ["sway.npz"]


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_file_that_was_cut_off_is_not_whole(tmp_path: Path, share: float) -> None:
    clip = make_clip(tmp_path / "a.mp4", [grey(level) for level in range(0, 250, 10)])
    require_frames(clip, 25)
    content = clip.read_bytes()
    clip.write_bytes(content[: int(share * len(content))])
    with pytest.raises(AnimatorError, match="the written video"):
        require_frames(clip, 25)


def test_an_interruption_removes_the_unfinished_file(request_of_five: ClipRequest, tmp_path: Path) -> None:
    unfinished = tmp_path / "out.mp4.1.part"

    class Impatient(ClipListener):
        def begun(self, frame_count: int | None) -> None:
            self.expected, self.count = frame_count, 0

        def written(self) -> None:
            assert unfinished.exists()
            self.count += 1
            if self.count == 3:
                raise KeyboardInterrupt

    listener = Impatient()
    with pytest.raises(KeyboardInterrupt):
        animate_clip(replace(request_of_five, unfinished=unfinished), Config(), listener=listener)
    assert listener.expected == 5
    assert [entry.name for entry in tmp_path.iterdir()] == ["sway.npz"]
