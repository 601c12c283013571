"""Expressions on faces of many proportions: as the driver's where a face can bear them, and never a grimace."""

from __future__ import annotations

import functools
from pathlib import Path

import numpy as np
import pytest

from animator_core.characters.library import CharacterLibrary
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.expression_coordinates import INDEX, NAMES, coordinates
from animator_core.motion.rotation import rotation_from_euler
from animator_core.tracking.face_model import FACE_OVAL, FOREHEAD, INNER_LIPS, face_model, fit_landmarks
from animator_core.tracking.pose import fit_pose, with_true_depth
from animator_core.warp.expression_limits import PictureExpression, soft_limits
from animator_core.warp.expression_room import rooms
from animator_core.warp.face_shape import FaceShape
from animator_core.warp.unfolding import double_areas
from tests.drawn_face import POINTS

SAMPLES = Path(__file__).parents[1] / "assets" / "characters"
FACES = ("mean", "smiling", "drawn", "mira.png", "amber.png", "mira_anime.png")
CHEEKS = [205, 425]
CORNERS = ((61, -1), (291, 1))
BROWS = (((52, 65, 55, 53), (160, 159, 158, 161)), ((282, 295, 285, 283), (387, 386, 385, 388)))


@functools.cache
def shape_of(face: str) -> np.ndarray:
    """Return a face's shape, (478, 3) face units in its head's axes."""
    mean = with_true_depth(face_model().mean)
    if face == "mean":
        return mean
    if face == "smiling":
        return mean + moved(corner_out=0.04, corner_down=-0.05, upper_lip=-0.02, lower_lip=0.02)
    if face == "drawn":
        landmarks = fit_landmarks(POINTS)
    else:
        landmarks = CharacterLibrary(SAMPLES).load(face).require_landmarks()
    landmarks = with_true_depth(landmarks.astype(np.float32))
    return fit_pose(landmarks).to_head(landmarks)


def moved(**movements: float) -> np.ndarray:
    """Return the expression, (478, 3), of some movements, of both sides if a pair's name has none."""
    values = np.zeros(len(NAMES), np.float32)
    for name, value in movements.items():
        for each in (name,) if name in INDEX else (f"{name}_right", f"{name}_left"):
            values[INDEX[each]] = value
    return (coordinates().spread @ values).reshape(-1, 3)


def driven(face: str, expression: np.ndarray, yaw: float = 0.0) -> DrivingMotion:
    """Return a motion by a driver with a mouth of the face's own width."""
    shape = shape_of(face)
    width = float(np.linalg.norm(shape[61] - shape[291]))
    return DrivingMotion(
        expression=expression.astype(np.float32), mouth_width=width, rotation=rotation_from_euler(yaw, 0, 0)
    )


def extremes(face: str, count: int = 60) -> list[np.ndarray]:
    """Return the expression of each of many impossible motions, among them every movement alone, both ways."""
    rng = np.random.default_rng(5)
    limits = rooms(shape_of("mean"))
    spread = coordinates().spread
    alone = [sign * 3 * size * spread[:, k] for k, size in enumerate(limits.high - limits.low) for sign in (-1, 1)]
    mixed = []
    for number in range(count):
        movements = rng.uniform(-3, 3, len(NAMES)) * (limits.high - limits.low) / 2
        noise = rng.normal(0, 0.006 * (number % 3), spread.shape[0])
        mixed.append(spread @ movements + noise)
    return [each.reshape(-1, 3).astype(np.float32) for each in (*alone, *mixed)]


@pytest.mark.parametrize("face", FACES)
def test_no_motion_breaks_a_face(face: str) -> None:
    own, drawn = shape_of(face), FaceShape(shape_of(face))
    triangles = face_model().triangles
    before = double_areas(own[:, :2], triangles)
    lies_right = before > 2e-5
    for expression in extremes(face):
        bent = drawn.bent(driven(face, expression))
        y = bent[:, 1]
        assert y[0] > y[2] + 0.25 * (own[0, 1] - own[2, 1]), "the upper lip is at the nose"
        assert y[152] > y[17] + 0.15 * (own[152, 1] - own[17, 1]), "the lower lip leaves the jaw"
        for upper, lower in ((0, 13), (14, 17)):
            thickness = own[lower, 1] - own[upper, 1]
            assert 0.12 * thickness - 0.004 < y[lower] - y[upper] < 2.2 * thickness + 0.01
        assert (y[list(INNER_LIPS[:10:-1])] >= y[list(INNER_LIPS[1:10])] - 1e-5).all(), "the lips cross"
        for corner, side in CORNERS:
            outline = bent[[each for each in FACE_OVAL if bent[each, 0] * side > 0.05]]
            outline = outline[np.argsort(outline[:, 1])]
            at = np.interp(y[corner], outline[:, 1], outline[:, 0] * side)
            assert bent[corner, 0] * side < at - 0.005, "a mouth's corner leaves the face"
        for brow, lid in BROWS:
            room = (own[list(lid), 1] - own[list(brow), 1]).mean()
            assert (y[list(lid)] - y[list(brow)]).mean() > 0.4 * room, "a brow runs into the eye"
            assert y[list(brow)].min() > y[FOREHEAD] + 0.02, "a brow leaves the forehead"
        areas = double_areas(bent[:, :2], triangles)[lies_right]
        assert np.maximum(-areas, 0).sum() < 0.02 * before[lies_right].sum(), "the face folds"


@pytest.mark.parametrize("face", FACES)
def test_the_strongest_movements_of_a_human_face_hardly_fold_any(face: str) -> None:
    own, drawn = shape_of(face), FaceShape(shape_of(face))
    triangles = face_model().triangles
    before = double_areas(own[:, :2], triangles)
    lies_right = before > 2e-5
    for movements in (
        {"chin": 0.12, "lower_lip": 0.19, "corner_down": 0.06, "corner_out": -0.04},
        {"corner_out": 0.05, "corner_down": -0.07, "upper_lip": -0.04},
        {"corner_out": -0.055, "upper_lip": 0.02, "lower_lip": 0.02, "lip_depth": -0.02},
        {"inner_brow": -0.05, "outer_brow": -0.05},
        {"inner_brow": 0.03, "outer_brow": 0.02, "brow_in": 0.015},
        {"corner_down_left": -0.06, "corner_out_left": 0.04, "upper_lip": -0.02},
    ):
        areas = double_areas(drawn.bent(driven(face, moved(**movements)))[:, :2], triangles)[lies_right]
        assert np.maximum(-areas, 0).sum() < 0.003 * before[lies_right].sum(), movements


@pytest.mark.parametrize("face", FACES)
def test_a_driver_who_was_taken_laughing_gives_no_deep_frown(face: str) -> None:
    own, drawn = shape_of(face), FaceShape(shape_of(face))
    laugh = moved(corner_out=0.045, corner_down=-0.04, lower_lip=0.19, chin=0.12, upper_lip=-0.04)
    calm = drawn.bent(driven(face, -laugh))
    fallen = calm[[61, 291], 1].mean() - own[[61, 291], 1].mean()
    lift = (own[[13, 14], 1].mean() - own[[61, 291], 1].mean()).clip(0)
    assert fallen < 0.05 + lift
    assert calm[152, 1] - own[152, 1] > -0.07
    narrower = (calm[291, 0] - calm[61, 0]) / (own[291, 0] - own[61, 0])
    assert narrower > 0.6


@pytest.mark.parametrize("name", NAMES)
def test_a_usual_movement_passes_with_its_gain(name: str) -> None:
    limits = rooms(shape_of("mean"))
    expression = PictureExpression(shape_of("mean"))
    movement = name.rsplit("_", 1)[0] if name.endswith(("_right", "_left")) else name
    for most in (limits.low, limits.high):
        value = 0.4 * float(most[INDEX[name]])
        carried = expression.carried(driven("mean", moved(**{movement: value})))
        gain = float(coordinates().measure[INDEX[name]] @ carried.ravel()) / value
        # A tracker sees less than half of a lip's growth, and less of a frown than of raised brows.
        most_gain = 2.3 if "thickness" in name else 1.7 if "brow" in name and value > 0 else 1.25
        assert (0.3 if "aside" in name else 0.99) < gain < most_gain


def test_the_rest_of_a_usual_expression_passes_around_the_mouth() -> None:
    expression = np.zeros((478, 3), np.float32)
    for each in CHEEKS:
        # No movement is measured there.
        expression[each, 1] = -0.006
    carried = PictureExpression(shape_of("mean")).carried(driven("mean", expression))
    assert carried[CHEEKS, 1] == pytest.approx(-0.006, rel=0.25)


def test_skin_beside_the_mouths_corners_follows_them_though_the_tracker_leaves_it_behind() -> None:
    expression = moved(corner_out=-0.04)
    expression[[57, 287]] = 0
    carried = PictureExpression(shape_of("mean")).carried(driven("mean", expression))
    assert carried[57, 0] > 0.6 * carried[61, 0] > 0
    assert carried[287, 0] < 0.6 * carried[291, 0] < 0


@pytest.mark.parametrize("face", FACES)
def test_lips_grow_as_the_mouth_narrows(face: str) -> None:
    own, drawn = shape_of(face), FaceShape(shape_of(face))
    bent = drawn.bent(driven(face, moved(corner_out=-0.04, lower_lip=0.04, upper_lip=-0.02)))
    for upper, lower in ((0, 13), (14, 17)):
        assert bent[lower, 1] - bent[upper, 1] > 1.15 * (own[lower, 1] - own[upper, 1])


def test_a_smiling_picture_closes_its_lips_as_they_are_pursed() -> None:
    face = "smiling"
    own, drawn = shape_of(face), FaceShape(shape_of(face))
    assert own[14, 1] - own[13, 1] > 0.06
    bent = drawn.bent(driven(face, moved(corner_out=-0.045)))
    assert bent[14, 1] - bent[13, 1] < 0.15 * (own[14, 1] - own[13, 1])


def test_differences_of_left_and_right_below_the_noise_are_damped_and_a_one_sided_smile_is_not() -> None:
    expression = PictureExpression(shape_of("mean"))

    def difference(half: float, yaw: float = 0.0) -> float:
        driver = moved(corner_down_right=half, corner_down_left=-half)
        carried = expression.carried(driven("mean", driver, yaw))
        return float((carried[61, 1] - carried[291, 1]) / 2 / half)

    assert difference(0.002) < 0.3
    assert 0.9 < difference(0.02) < 1.4
    # The far side of a turned head is seen worse.
    assert difference(0.008, yaw=30) < 0.8 * difference(0.008)


def test_a_raised_brow_and_a_one_sided_smile_keep_their_gain() -> None:
    for name, value in (("outer_brow_left", -0.04), ("inner_brow_right", -0.04), ("corner_down_left", -0.05)):
        carried = PictureExpression(shape_of("mean")).carried(driven("mean", moved(**{name: value})))
        other = name.replace("left", "right") if "left" in name else name.replace("right", "left")
        measured = coordinates().measure @ carried.ravel()
        one_sided = measured[INDEX[name]] - measured[INDEX[other]]
        assert 0.9 < one_sided / value < 1.4


@pytest.mark.parametrize("face", FACES)
def test_a_face_follows_smoothly_through_its_limits(face: str) -> None:
    drawn = FaceShape(shape_of(face))
    steps = np.linspace(-1, 1, 401)
    for expression in extremes(face)[::7]:
        frames = np.array([drawn.bent(driven(face, share * expression)) for share in steps])
        given = np.abs(expression).max() * (steps[1] - steps[0])
        assert np.abs(np.diff(frames, axis=0)).max() < 8 * given


def test_nose_and_outline_do_not_move_with_what_a_turn_of_the_head_does_to_the_tracker() -> None:
    """A tracker shifts nose and outline against each other as the head turns: the nose would shear, the jaw scallop."""
    mean = shape_of("mean")
    expression = np.zeros((478, 3), np.float32)
    expression[:, 0] = 0.16 * (mean[:, 2] - mean[:, 2].mean())
    carried = PictureExpression(mean).carried(driven("mean", expression, yaw=15))
    assert np.abs(carried[[1, 4, 5, 195], 0]).max() < 0.45 * np.abs(expression[[1, 4, 5, 195], 0]).max()
    outline = list(FACE_OVAL)
    assert np.abs(carried[outline, 0]).max() < 0.2 * np.abs(expression[outline, 0]).max()


def test_the_outline_follows_the_jaw_and_not_its_own_tracked_points() -> None:
    opening = moved(chin=0.12, lower_lip=0.16)
    shaken = opening.copy()
    shaken[list(FACE_OVAL)] += np.random.default_rng(2).normal(0, 0.01, (len(FACE_OVAL), 3))
    expression, outline = PictureExpression(shape_of("mean")), list(FACE_OVAL)
    calm, carried = (expression.carried(driven("mean", each))[outline, 1] for each in (opening, shaken))
    assert calm.max() == pytest.approx(0.12, rel=0.05)
    assert (np.diff(calm[: outline.index(152) + 1]) > -1e-3).all()
    # The chin's own points measure the jaw, and share its error.
    assert np.abs(carried - calm).max() < 0.006


def test_soft_limits_are_smooth_and_keep_what_is_well_within() -> None:
    values = np.linspace(-4, 4, 2001).astype(np.float32)
    limited = np.array([soft_limits(np.array([v]), np.array([-2.0]), np.array([1.0]))[0] for v in values])
    assert limited[(values > -1.2) & (values < 0.6)] == pytest.approx(values[(values > -1.2) & (values < 0.6)])
    assert limited.min() > -2
    assert limited.max() < 1
    assert (np.diff(limited) > 0).all()
    assert np.abs(np.diff(limited, 2)).max() < 1e-4
