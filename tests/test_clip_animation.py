"""Promises of `animate_clip`, which both `animate` and `batch` call."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import stand_ins
from made_media import grey, make_clip

from animator_core.animation.statistics import StageTimes
from animator_core.clip_animation import ClipListener, ClipRequest, animate_clip
from animator_core.clips.driving_clip import open_clip
from animator_core.clips.offline import animate_moments
from animator_core.clips.track_file import MotionTrack, write_track
from animator_core.clips.verification import require_frames
from animator_core.clips.video import VideoReader, VideoWriter
from animator_core.config import Config
from animator_core.errors import AnimatorError
from animator_core.motion.estimator import MotionEstimator


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


@pytest.mark.parametrize("is_looked_through", [True, False])
def test_a_clip_that_starts_in_mid_word_is_right_from_its_first_frame(tmp_path: Path, is_looked_through: bool) -> None:
    landmarks = np.tile(stand_ins.face_landmarks(), (150, 1, 1))
    # The jaw drops by a twelfth of the face, of 110 pixels, in the first second and a half.
    landmarks[:45, [14, 17, 87, 317, 178, 402, 152], 1] += 9
    write_track(tmp_path / "word.npz", MotionTrack(30.0, stand_ins.FRAME_WIDTH, stand_ins.FRAME_HEIGHT, landmarks))
    clip = open_clip(tmp_path / "word.npz", stand_ins.PixelTracker)
    renderer, times = stand_ins.FlatRenderer(), StageTimes()
    faces = clip.look_through(times) if is_looked_through else ()
    list(animate_moments(clip.moments(times), MotionEstimator(), renderer, faces=faces, times=times))
    opened = [float(motion.expression[14, 1]) for motion in renderer.motions]
    assert (0.07 < opened[0] < 0.09) == is_looked_through
    assert abs(opened[-1]) < 0.01


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
