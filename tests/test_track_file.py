"""Promises of animator_core.clips.track_file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from animator_core.clips.track_file import MotionTrack, read_track, track_from_observations, write_track
from animator_core.errors import MotionError
from animator_core.tracking.observation import FaceObservation

NAMES = tuple(f"shape{number}" for number in range(52))


def _landmarks(frames: int) -> np.ndarray:
    return np.random.default_rng(7).random((frames, 478, 3)).astype(np.float32) * 100


def _members(**changes: Any) -> dict[str, Any]:
    members: dict[str, Any] = {
        "format_version": 1,
        "fps": 29.97,
        "frame_size": np.array([640, 480]),
        "landmarks": _landmarks(4),
    }
    members.update(changes)
    return {name: value for name, value in members.items() if value is not None}


def test_a_motion_survives_the_round_trip(tmp_path: Path) -> None:
    landmarks = _landmarks(5)
    landmarks[2] = np.nan
    scores = np.random.default_rng(8).random((5, 52)).astype(np.float32)
    write_track(tmp_path / "wave.npz", MotionTrack(29.97, 640, 480, landmarks, scores, NAMES))
    track = read_track(tmp_path / "wave.npz")
    assert (track.fps, track.frame_width, track.frame_height, len(track)) == (29.97, 640, 480, 5)
    np.testing.assert_array_equal(track.landmarks, landmarks)
    np.testing.assert_array_equal(track.blendshapes, scores)
    assert track.blendshape_names == NAMES
    assert [entry.name for entry in tmp_path.iterdir()] == ["wave.npz"]


def test_a_frame_without_a_face_gives_no_observation(tmp_path: Path) -> None:
    seen = FaceObservation(_landmarks(1)[0], 640, 480, 1, {"jawOpen": 0.25} | dict.fromkeys(NAMES[1:], 0.0))
    track = track_from_observations([None, seen, None], 25.0, (640, 480))
    write_track(tmp_path / "m.npz", track)
    track = read_track(tmp_path / "m.npz")
    assert track.observation(0) is None
    assert track.observation(2) is None
    observation = track.observation(1)
    assert observation is not None
    np.testing.assert_array_equal(observation.landmarks, seen.landmarks)
    assert observation.blendshapes is not None
    assert observation.blendshapes["jawOpen"] == pytest.approx(0.25)
    assert (observation.frame_width, observation.captured_ns) == (640, 40_000_001)


def test_times_rise_and_are_never_zero() -> None:
    track = MotionTrack(60.0, 64, 64, _landmarks(3))
    times = [track.captured_ns(index) for index in range(3)]
    assert times[0] > 0
    assert times == sorted(set(times))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"format_version": 2}, "format_version is 2"),
        ({"format_version": None}, "`format_version` is missing"),
        ({"landmarks": None}, "`landmarks` is missing"),
        ({"fps": 0.0}, "fps is 0"),
        ({"fps": np.nan}, "fps is nan"),
        ({"fps": "fast"}, "`fps` is"),
        ({"frame_size": np.array([0, 480])}, "frame_size is 0x480"),
        ({"frame_size": np.array([640])}, "`frame_size` is"),
        ({"landmarks": np.zeros((4, 468, 3), np.float32)}, r"\(4, 468, 3\)"),
        ({"landmarks": np.zeros((0, 478, 3), np.float32)}, "0 frames"),
        ({"landmarks": np.full((2, 478, 3), np.inf, np.float32)}, "infinite"),
        ({"landmarks": np.where(np.arange(478)[None, :, None] < 5, np.nan, np.ones((2, 478, 3)))}, "partly NaN"),
        ({"blendshapes": np.zeros((4, 52), np.float32)}, "only one of"),
        ({"blendshapes": np.zeros((3, 52), np.float32), "blendshape_names": np.array(NAMES)}, r"\(3, 52\)"),
        ({"blendshapes": np.zeros((4, 52), np.float32), "blendshape_names": np.arange(52)}, "blendshape_names"),
    ],
)
def test_a_malformed_motion_is_rejected_by_name_and_remedy(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    path = tmp_path / "bad.npz"
    np.savez(path, **_members(**changes))
    with pytest.raises(MotionError, match=named) as caught:
        read_track(path)
    assert "bad.npz" in str(caught.value)
    assert "--save-motion" in str(caught.value)


def test_a_pickled_member_is_never_unpickled(tmp_path: Path) -> None:
    path = tmp_path / "evil.npz"
    np.savez(path, **_members(landmarks=np.array([{"a": 1}], dtype=object)))
    with pytest.raises(MotionError, match=r"evil\.npz"):
        read_track(path)


@pytest.mark.parametrize("content", [b"", b"not a zip", b"PK\x03\x04" + bytes(60)])
def test_a_file_that_is_no_archive_is_rejected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "junk.npz"
    path.write_bytes(content)
    with pytest.raises(MotionError, match=r"junk\.npz is not a motion file"):
        read_track(path)


def test_a_truncated_motion_is_rejected(tmp_path: Path) -> None:
    path = tmp_path / "cut.npz"
    write_track(path, MotionTrack(30.0, 64, 64, _landmarks(20)))
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with pytest.raises(MotionError, match=r"cut\.npz"):
        read_track(path)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(MotionError, match=r"gone\.npz"):
        read_track(tmp_path / "gone.npz")


def test_a_folder_that_cannot_be_written_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    with pytest.raises(MotionError, match="choose a folder"):
        write_track(tmp_path / "missing" / "m.npz", MotionTrack(30.0, 64, 64, _landmarks(1)))
    assert list(tmp_path.iterdir()) == []
