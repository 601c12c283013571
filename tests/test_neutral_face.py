"""The neutral face that motion is measured against: found whatever the person does first, never seen to move."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from animator_core.ipc.face_settings import FaceSettings
from animator_core.motion import anatomy
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.estimator import MotionEstimator
from animator_core.motion.face_state import NeutralPose
from animator_core.motion.kept_neutral import from_text, neutral_of_arrays, to_text
from animator_core.motion.neutrality import PRIOR, judge, without_expression
from animator_core.motion.rotation import euler_angles, rotation_from_euler
from animator_core.tracking.observation import FaceObservation
from animator_core.tracking.pose import DEPTH_SCALE, HeadPose

FRAME_NS = 33_333_333
ANGLES = (2.0, 9.0, -1.0)
"""How the person looks at the camera."""
Change = Mapping[str, float]
SMILE = {"corner_out_r": 0.035, "corner_out_l": 0.035, "corner_drop_r": -0.04, "corner_drop_l": -0.04, "opening": 0.04}
SMILE_SCORES = {"mouthSmileLeft": 0.8, "mouthSmileRight": 0.8, "jawOpen": 0.1}
RAISED = dict.fromkeys(("brow_r", "brow_l", "inner_brow_r", "inner_brow_l"), 0.05)
SQUINT, BLINK, STARE = ({"eye_r": change, "eye_l": change} for change in (-0.16, -0.26, 0.18))
PERSON = {"corner_out_r": 0.008, "corner_out_l": 0.008, "brow_r": -0.01, "brow_l": -0.01, "eye_r": 0.03, "eye_l": 0.03}
OTHER = {
    "corner_out_r": -0.012,
    "corner_out_l": -0.012,
    "brow_r": 0.012,
    "brow_l": 0.012,
    "lips": -0.02,
    "eye_r": -0.02,
}


def vector(change: Change) -> np.ndarray:
    return np.array([change.get(name, 0.0) for name in anatomy.MEASURES], np.float32)


def calm_shape(person: Change = PERSON) -> np.ndarray:
    """Return a neutral face, (478, 3): people's usual one with a person's own measures."""
    mean = anatomy.mean_shape()
    measures = anatomy.measures_of(mean, np.array([0.306, 0.306], np.float32))
    return without_expression(mean, PRIOR - measures + vector(person))


def seen(
    number: int,
    change: Change | None = None,
    *,
    person: Change = PERSON,
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0),
    gaze: float = 0.0,
    scores: Mapping[str, float] | None = None,
    place: tuple[float, float] = (320.0, 240.0),
    noise: float = 0.0008,
) -> FaceObservation:
    """Return what a tracker sees: an expression's change of the measures, angles against `ANGLES`, gaze in eyes."""
    shape = without_expression(calm_shape(person), vector(change or {}))
    shape[468:, 0] += gaze * 0.169
    shape = shape + np.random.default_rng(number).normal(0, noise, shape.shape).astype(np.float32)
    pose = HeadPose(rotation_from_euler(*np.add(ANGLES, angles)), np.array([*place, 0], np.float32), 200.0)
    points = pose.to_frame(shape)
    points[:, 2] /= DEPTH_SCALE
    return FaceObservation(points.astype(np.float32), 640, 480, number * FRAME_NS, scores)


class Sitting:
    """A person before the camera; keeps the neutral pose of every frame."""

    def __init__(self, estimator: MotionEstimator | None = None) -> None:
        self.estimator = estimator or MotionEstimator(FaceSettings(smoothing=0.0))
        self.number = 0
        self.neutrals: list[NeutralPose] = []

    def show(self, seconds: float, make: Callable[[int], FaceObservation] = seen) -> DrivingMotion:
        for _ in range(round(seconds * 30)):
            self.number += 1
            motion = self.estimator.update(make(self.number), self.number * FRAME_NS)
            pose = self.estimator._neutral.pose
            assert pose is not None
            self.neutrals.append(pose)
        return motion

    def leave(self, seconds: float) -> None:
        for _ in range(round(seconds * 30)):
            self.number += 1
            self.estimator.face_lost(self.number * FRAME_NS)
            self.estimator.update(None, self.number * FRAME_NS)

    def step(self, first: int = 0) -> float:
        """Return the largest shift of a neutral landmark from one frame to the next, in face sizes."""
        shapes = np.array([pose.shape for pose in self.neutrals[first:]])
        return float(np.abs(np.diff(shapes, axis=0)).max())


def at_rest(motion: DrivingMotion, tolerance: float = 0.017) -> None:
    assert np.abs(motion.expression[:468, :2]).max() < tolerance
    np.testing.assert_allclose(motion.eye_openness, 1, atol=0.12)
    np.testing.assert_allclose(motion.gaze, 0, atol=0.05)
    np.testing.assert_allclose(euler_angles(motion.rotation), 0, atol=4)


BEGINNINGS: dict[str, Callable[[int], FaceObservation]] = {
    "a smile": lambda n: seen(n, SMILE, scores=SMILE_SCORES),
    "a smile without blendshapes": lambda n: seen(n, SMILE),
    "speech": lambda n: seen(n, {"opening": 0.1 * abs(np.sin(n * 0.5)), "corner_out_r": 0.02 * np.sin(n * 0.3)}),
    "a shout": lambda n: seen(n, {"opening": 0.2}),
    "a kiss": lambda n: seen(n, {"corner_out_r": -0.04, "corner_out_l": -0.04}, scores={"mouthPucker": 0.9}),
    "raised brows": lambda n: seen(n, RAISED),
    "a squint": lambda n: seen(n, SQUINT),
    "eyes shut": lambda n: seen(n, BLINK),
    "a stare": lambda n: seen(n, STARE),
    "a glance aside": lambda n: seen(n, gaze=0.2),
    "a head turned": lambda n: seen(n, angles=(30, 0, 0)),
    "a head tilted": lambda n: seen(n, angles=(0, -15, 12)),
    "a moving head": lambda n: seen(n, angles=(20 * np.sin(n * 0.3), 8 * np.sin(n * 0.2), 0)),
}


@pytest.mark.parametrize("seconds", [0.3, 1.5, 5.0])
@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_two_seconds_after_the_person_is_calm_so_is_the_character(beginning: str, seconds: float) -> None:
    sitting = Sitting()
    sitting.show(seconds, BEGINNINGS[beginning])
    at_rest(sitting.show(2.0))
    assert sitting.step() < 0.008, "a neutral face that jumps is seen"


@pytest.mark.parametrize("beginning", ["a smile", "a shout", "raised brows", "a kiss"])
def test_an_expression_at_the_start_is_shown_as_one(beginning: str) -> None:
    sitting = Sitting()
    motion = sitting.show(1.0, BEGINNINGS[beginning])
    face = without_expression(calm_shape(), vector({}))
    true = BEGINNINGS[beginning](1)
    shape = HeadPose(rotation_from_euler(*ANGLES), np.array([320.0, 240.0, 0], np.float32), 200.0).to_head(
        true.landmarks * np.array([1, 1, DEPTH_SCALE], np.float32)
    )
    wanted, found = (shape - face)[:468, :2], motion.expression[:468, :2]
    assert np.sum(wanted * found) / np.sum(wanted * wanted) > 0.4


def test_a_calm_start_is_taken_at_once_and_moves_no_more() -> None:
    sitting = Sitting()
    at_rest(sitting.show(0.5))
    sitting.show(20.0)
    assert sitting.step(30) < 5e-4


def test_a_long_talk_does_not_move_a_good_neutral_face() -> None:
    sitting = Sitting()
    sitting.show(3.0)
    before = sitting.neutrals[-1]
    sitting.show(30.0, BEGINNINGS["speech"])
    sitting.show(10.0, BEGINNINGS["a smile"])
    sitting.show(10.0, BEGINNINGS["a squint"])
    sitting.show(10.0, BEGINNINGS["a head turned"])
    after = sitting.neutrals[-1]
    assert np.abs(after.shape - before.shape)[:468, :2].max() < 0.012
    assert sitting.step(90) < 5e-4, "slower than the tracker's noise"
    turned = np.subtract(euler_angles(after.pose.rotation), euler_angles(before.pose.rotation))
    assert np.abs(turned).max() < 3


def test_a_person_who_never_looks_like_people_usually_do_is_neutral_after_minutes() -> None:
    crooked = {**PERSON, "corner_drop_r": 0.045, "opening": 0.05}
    sitting = Sitting()
    sitting.show(150.0, lambda n: seen(n, person=crooked))
    at_rest(sitting.show(1.0, lambda n: seen(n, person=crooked)), tolerance=0.02)


def test_a_kept_neutral_face_is_known_at_once_and_goes_on_being_improved() -> None:
    first = Sitting()
    first.show(4.0)
    kept = first.estimator.neutral
    assert kept is not None
    neutral = neutral_of_arrays(from_text(to_text(kept.arrays)))
    assert neutral is not None
    estimator = MotionEstimator(FaceSettings(smoothing=0.0))
    estimator.set_neutral(neutral)
    assert estimator.is_calibrated
    again = Sitting(estimator)
    smiling = again.show(1.0, BEGINNINGS["a smile"])
    assert smiling.expression[61, 1] < -0.025
    at_rest(again.show(2.0))
    lower = {"corner_drop_r": -0.012, "corner_drop_l": -0.012}
    wrong = replace(neutral, shape=without_expression(neutral.shape, vector(lower)))
    estimator = MotionEstimator(FaceSettings(smoothing=0.0))
    estimator.set_neutral(wrong)
    later = Sitting(estimator)
    before = later.show(1.0).expression[61, 1]
    # Smiling by as much as its corners were said to be lower.
    assert before == pytest.approx(0.0068, abs=0.001)
    assert abs(later.show(180.0).expression[61, 1]) < 0.7 * before
    assert estimator.neutral is not wrong, "what is better is kept"
    assert later.step() < 5e-4


def test_the_button_takes_the_present_face_until_it_is_forgotten() -> None:
    sitting = Sitting()
    sitting.show(3.0)
    sitting.show(1.0, BEGINNINGS["a smile"])
    sitting.estimator.calibrate()
    at_rest(sitting.show(1.0, BEGINNINGS["a smile"]))
    sitting.show(60.0)
    at_rest(sitting.show(1.0, BEGINNINGS["a smile"]))
    kept = sitting.estimator.neutral
    assert kept is not None and kept.is_chosen
    again = neutral_of_arrays(from_text(to_text(kept.arrays)))
    assert again is not None and again.is_chosen
    sitting.estimator.forget_neutral()
    assert not sitting.estimator.is_calibrated and sitting.estimator.neutral is None
    at_rest(sitting.show(2.0))
    assert sitting.estimator.is_calibrated


@pytest.mark.parametrize("place", [(320.0, 240.0), (150.0, 260.0)])
def test_another_person_who_sits_down_is_neutral_within_two_seconds(place: tuple[float, float]) -> None:
    sitting = Sitting()
    sitting.show(20.0)
    sitting.leave(6.0)
    sitting.show(1.0, lambda n: seen(n, SMILE, person=OTHER, scores=SMILE_SCORES))
    motion = sitting.show(2.0, lambda n: seen(n, person=OTHER))
    assert np.abs(motion.expression[:468, :2]).max() < 0.015
    np.testing.assert_allclose(motion.eye_openness, 1, atol=0.12)


def test_what_is_not_seen_well_is_not_learned() -> None:
    found = []
    for share in (0.0, 1.0):
        sitting = Sitting()
        sitting.show(0.5)
        trusted = np.array([share, 1, 1, 1, 1], np.float32)
        estimator = sitting.estimator
        estimator._trusted = lambda trusted=trusted: trusted  # type: ignore[method-assign]
        sitting.show(20.0, lambda n: seen(n, {"lips": 0.01, "corner_out_r": -0.01, "corner_out_l": -0.01}))
        found.append(np.abs(sitting.neutrals[-1].shape - sitting.neutrals[10].shape)[61, 0])
    assert found[0] < 0.3 * found[1]


def test_blendshapes_tell_a_small_smile_from_a_wide_mouth() -> None:
    smile = vector({"corner_out_r": 0.02, "corner_out_l": 0.02})
    told = judge(PRIOR + smile, PRIOR, scores=SMILE_SCORES)
    untold = judge(PRIOR + smile, PRIOR, scores={"mouthSmileLeft": 0.02})
    assert told.unrest[0] > untold.unrest[0] + 0.5
    np.testing.assert_allclose(untold.removal, 0, atol=1e-6)
    assert told.removal[1] < -0.012


def test_modes_change_the_measures_that_they_are_for() -> None:
    shape = calm_shape()
    rest = anatomy.measures_of(shape, np.zeros(2, np.float32))[:11]
    for number, name in enumerate(anatomy.MEASURES[:11]):
        moved = (
            anatomy.measures_of(without_expression(shape, vector({name: 0.02})), np.zeros(2, np.float32))[:11] - rest
        )
        assert moved[number] == pytest.approx(0.02, abs=0.004), name
        assert np.abs(np.delete(moved, number)).max() < 0.004, name


def test_region_shares_are_whole_and_mirrored() -> None:
    shares = anatomy.region_shares()
    np.testing.assert_allclose(shares.sum(0), 1, atol=1e-5)
    modes = anatomy.expression_modes()
    np.testing.assert_allclose(anatomy.mirrored_modes(modes), modes, atol=2e-3)
    assert shares[0, 14] > 0.9 and shares[2, 159] > 0.6 and shares[3, 386] > 0.6 and shares[1, 105] > 0.6
