"""LivePortrait's motion live: steady crops, smoothing without lag, no jumps."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from animator_core.liveportrait.motion.crop import DrivingCrop, driving_square, seen_from
from animator_core.liveportrait.motion.emote import PlayedEmote
from animator_core.liveportrait.motion.face_motion import FaceMotion, rotation_from_vector
from animator_core.liveportrait.motion.landmark_motion import LandmarkMotion
from animator_core.liveportrait.motion.neutral_face import new_calibration
from animator_core.liveportrait.motion.transfer import LiveMotion, MotionSmoother
from animator_core.motion.options import MotionOptions
from animator_core.tracking.face_model import face_model

FRAME_NS = 33_333_333
PLAIN = MotionOptions(stitching=False)


class NoNetworks:
    """Stands for the small networks where nothing may ask them."""

    def stitch(self, keypoints_source, keypoints_driving):
        raise AssertionError("stitching is off")

    retarget_lips = retarget_eyes = stitch


def landmarks(x: float = 320, y: float = 240, size: float = 120) -> np.ndarray:
    return face_model().mean * size + np.array([x, y, 0])


def face(turn: float = 0.0, shift: float = 0.0, lids: float = 0.0) -> FaceMotion:
    expression = torch.zeros(1, 21, 3)
    expression[:, [11, 15], 1] = lids
    generator = torch.Generator().manual_seed(1)
    return FaceMotion(
        rotation_from_vector(torch.tensor([[0.0, turn, 0.0]])),
        expression,
        torch.full((1, 1), 1.2),
        torch.tensor([[shift, 0.0, 0.0]]),
        torch.rand(1, 21, 3, generator=generator) - 0.5,
        torch.full((1, 2), 0.3),
        torch.zeros(1, 1),
    )


def test_the_crop_rests_while_the_head_stays_in_it():
    crop, random = DrivingCrop(), np.random.default_rng(0)
    first = crop.update(landmarks(), 1)
    for index in range(1, 60):
        moved = landmarks(*(np.array([320, 240]) + random.uniform(-15, 15, 2)))
        assert crop.update(moved + random.normal(0, 0.5, moved.shape), index * FRAME_NS) is first


def test_the_crop_follows_a_head_that_leaves_gently_until_it_is_in_the_middle():
    crop = DrivingCrop()
    squares = [crop.update(landmarks(320 + min(index, 30) * 3), 1 + index * FRAME_NS) for index in range(90)]
    steps = [np.abs(b.centre - a.centre).max() / b.size for a, b in zip(squares, squares[1:])]
    assert 0 < max(steps) < 0.05
    assert np.abs(squares[-1].centre - driving_square(landmarks(410)).centre).max() < 0.05 * squares[-1].size


def test_following_the_head_is_not_mistaken_for_its_motion():
    motion = face(turn=0.2, shift=0.1)
    reference, square = driving_square(landmarks()), driving_square(landmarks(400, 200, 150))
    pixels = square.centre + motion.keypoints[0, :, :2].numpy() * square.size / 2
    seen = seen_from(motion, square, reference)
    again = reference.centre + seen.keypoints[0, :, :2].numpy() * reference.size / 2
    assert np.allclose(pixels, again, atol=1e-3)


def test_an_emote_moves_a_driven_face_by_as_much_as_it_says_and_leaves_less_of_the_driver():
    live = LiveMotion(face(), NoNetworks(), replace(PLAIN, smoothing=0.0))
    live.set_neutral(face())
    turned = face(turn=0.2, lids=0.01)
    plain = live.drive(turned, FRAME_NS)
    nod = LandmarkMotion(turn=rotation_from_vector(torch.tensor([[0.1, 0.0, 0.0]]))[0])
    now_ns = 1_000_000_000
    assert not torch.allclose(live.drive(turned, now_ns, PlayedEmote(nod)), plain, atol=1e-3)
    still = PlayedEmote(LandmarkMotion(), head=0.0, eyes=0.0)
    assert torch.allclose(live.drive(turned, now_ns + FRAME_NS, still), face().keypoints, atol=1e-4)
    assert torch.allclose(live.drive(turned, now_ns + 2 * FRAME_NS, PlayedEmote(LandmarkMotion())), plain, atol=1e-4)


@pytest.mark.parametrize("smoothing", [0.0, 0.5, 1.0])
def test_smoothing_delays_a_blink_by_at_most_a_frame(smoothing):
    lids = [0.0] * 10 + [0.007, 0.014, 0.02, 0.02, 0.013, 0.006] + [0.0] * 10
    smoother = MotionSmoother(smoothing)
    seen = [float(smoother(face(lids=each), 1 + i * FRAME_NS).expression[0, 11, 1]) for i, each in enumerate(lids)]
    assert max(seen) >= 0.85 * 0.02
    half = 0.01
    closes = [next(i for i, each in enumerate(series) if each >= half) for series in (lids, seen)]
    opens = [next(i for i, each in enumerate(series) if i > 13 and each < half) for series in (lids, seen)]
    assert closes[1] - closes[0] <= 1
    assert opens[1] - opens[0] <= 1


def test_smoothing_calms_a_resting_face():
    generator, smoother = torch.Generator().manual_seed(0), MotionSmoother(0.5)
    noise = 5e-4 * torch.randn(90, 1, 21, 3, generator=generator)
    seen = [smoother(replace(face(), expression=each), 1 + i * FRAME_NS).expression for i, each in enumerate(noise)]
    assert torch.cat(seen[10:]).std() < 0.6 * noise.std()


def test_no_step_is_a_jump_when_the_face_is_lost_and_found_elsewhere():
    live = LiveMotion(face(), NoNetworks(), PLAIN)
    live.set_neutral(face())
    shown = [live.drive(face(turn=0.3, shift=0.2), 1 + index * FRAME_NS) for index in range(30)]
    shown += [live.follow(LandmarkMotion(), 1 + index * FRAME_NS) for index in range(30, 60)]
    shown += [live.drive(face(turn=-0.3, shift=-0.2), 1 + index * FRAME_NS) for index in range(60, 90)]
    steps = [float((b - a).abs().max()) for a, b in zip(shown[15:], shown[16:])]
    assert max(steps) < 0.1
    assert torch.allclose(shown[59], face().keypoints, atol=1e-5)
    assert float((shown[89] - shown[59]).abs().max()) > 0.15


def test_the_neutral_face_is_found_in_a_calm_second():
    live = LiveMotion(face(), NoNetworks(), PLAIN)
    for index in range(20):
        live.drive(face(turn=0.02 * index), 1 + index * FRAME_NS)
    assert not live.is_calibrated
    for index in range(20, 70):
        shown = live.drive(face(turn=0.1), 1 + index * FRAME_NS)
    assert live.is_calibrated
    assert torch.allclose(shown, face().keypoints, atol=1e-4)


def test_calibrating_makes_the_present_face_neutral():
    live = LiveMotion(face(), NoNetworks(), PLAIN)
    live.set_neutral(face())
    for index in range(30):
        live.drive(face(turn=0.3), 1 + index * FRAME_NS)
    live.calibrate()
    for index in range(30, 60):
        shown = live.drive(face(turn=0.3), 1 + index * FRAME_NS)
    assert torch.allclose(shown, face().keypoints, atol=1e-4)


def test_a_head_far_outside_keeps_the_character_in_its_crop():
    live = LiveMotion(face(), NoNetworks(), replace(PLAIN, smoothing=0.0))
    live.set_neutral(face())
    for index in range(30):
        shown = live.drive(face(shift=3.0), 1 + index * FRAME_NS)
    assert float((shown - face().keypoints)[..., 0].abs().max()) <= 0.5 + 1e-4


@pytest.mark.parametrize("fps", [60, 30, 10, 7, 5, 3, 2, 1])
def test_a_calm_driver_is_calibrated_within_some_six_seconds_at_any_pace(fps):
    watch, seconds, found = new_calibration(), 0.0, None
    while found is None:
        seconds += 1 / fps
        found = watch.watch(face(turn=0.05), round(seconds * 1e9))
    assert seconds <= 6 + 2 / fps
    if fps >= 3:
        assert seconds <= max(2.2, 9 / fps)


def test_a_driver_who_moves_at_a_slow_pace_is_not_calibrated_before_six_seconds():
    watch = new_calibration()
    assert all(watch.watch(face(turn=0.4 * (number % 2)), number * 200_000_000) is None for number in range(30))
