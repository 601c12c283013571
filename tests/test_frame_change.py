"""A driver stays where they are when the frames change their size in mid-clip."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from animator_core.clips.recording import LandmarkRecorder
from animator_core.clips.track_file import read_track
from animator_core.ipc.face_settings import FaceSettings
from animator_core.liveportrait.motion.crop import DrivingViews, driving_square
from animator_core.motion.estimator import MotionEstimator
from animator_core.motion.face_state import SteadyFrame
from animator_core.motion.frame_change import frame_change
from animator_core.tracking.observation import FaceObservation
from tests.stand_ins import FRAME_HEIGHT, FRAME_WIDTH, face_landmarks

FRAME_NS = 40_000_000
SIZE = (FRAME_WIDTH, FRAME_HEIGHT)


def seen(number: int, shift: float = 0.0) -> FaceObservation:
    return FaceObservation(face_landmarks(shift), *SIZE, 1 + number * FRAME_NS)


def resized(observation: FaceObservation, factor: float, cut: tuple[float, float] = (0.0, 0.0)) -> FaceObservation:
    """Return what is seen in frames that are scaled, and then lack ``cut`` pixels at both sides, top and bottom."""
    landmarks = observation.landmarks * np.float32(factor) - np.array([*cut, 0], np.float32)
    width = round(observation.frame_width * factor - 2 * cut[0])
    height = round(observation.frame_height * factor - 2 * cut[1])
    return replace(observation, landmarks=landmarks, frame_width=width, frame_height=height)


@pytest.mark.parametrize(
    ("new", "growth", "factor"),
    [
        ((320, 180), 0.5, 0.5),
        ((1280, 720), 1.9, 2.0),
        ((640, 480), 1.03, 1.0),  # more at top and bottom
        ((640, 480), 1.31, 480 / 360),  # the sides are missing
        ((360, 640), 0.98, 1.0),  # turned
    ],
)
def test_what_was_cut_shows_in_the_size_of_the_face(new: tuple[int, int], growth: float, factor: float) -> None:
    change = frame_change((640, 360), new, growth)
    assert change.factor == pytest.approx(factor)
    assert change.new_middle == (new[0] / 2, new[1] / 2)


@pytest.mark.parametrize(("factor", "cut"), [(0.5, (0, 0)), (2.0, (0, 0)), (1.5, (FRAME_WIDTH * 0.2, 0))])
def test_the_motion_is_the_same_before_and_after(factor: float, cut: tuple[float, float]) -> None:
    estimator = MotionEstimator(FaceSettings(smoothing=0.0))
    estimator.calibrate_from([seen(number) for number in range(1, 31)])
    for number in range(31, 60):
        before = estimator.update(seen(number, shift=9.0), number * FRAME_NS)
    for number in range(60, 90):
        after = estimator.update(resized(seen(number, shift=9.0), factor, cut), number * FRAME_NS)
    assert abs(before.translation[0]) > 0.02
    np.testing.assert_allclose(after.translation, before.translation, atol=5e-3)
    assert after.scale == pytest.approx(before.scale, abs=2e-3)


def test_the_first_size_comes_back_exactly() -> None:
    frame = SteadyFrame()
    for factor in (1.0, 0.5, 2.0, 1.0):
        steady = frame.observe(resized(seen(1, 5.0), factor))
        np.testing.assert_allclose(steady.landmarks, seen(1, 5.0).landmarks, atol=1e-3)
        assert (steady.frame_width, steady.frame_height) == SIZE


def test_a_recorded_motion_is_in_pixels_of_its_first_frame(tmp_path: Path) -> None:
    recorder = LandmarkRecorder()
    recorder.add(None, 1)
    for number in range(1, 8):
        recorder.add(resized(seen(number), 1.0 if number < 4 else 0.5), 1 + number * FRAME_NS)
    recorder.write(tmp_path / "m.npz", 25.0)
    track = read_track(tmp_path / "m.npz")
    assert (track.frame_width, track.frame_height) == SIZE
    np.testing.assert_allclose(track.landmarks[7], track.landmarks[2], atol=1e-3)


@pytest.mark.parametrize("is_recentred", [False, True])
def test_liveportraits_crop_and_its_reference_stay_on_the_face(is_recentred: bool) -> None:
    views = DrivingViews()
    for number, factor in ((1, 1.0), (2, 0.5), (3, 2.0)):
        observation = resized(seen(number), factor)
        if is_recentred:
            views.recentre()
        frame = np.zeros((observation.frame_height, observation.frame_width, 3), np.uint8)
        view = views.look(frame, observation.landmarks, observation.captured_ns)
        wanted = driving_square(observation.landmarks)
        for square in (view.square, view.reference):
            assert square.size == pytest.approx(wanted.size, rel=1e-3)
            np.testing.assert_allclose(square.centre, wanted.centre, atol=0.01 * wanted.size)
