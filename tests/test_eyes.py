"""Eyes that the warp renderer draws: iris, white, gaze, lids, and that nothing beside the eyes moves with them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from animator_core.characters.character import Character
from animator_core.motion.driving import DrivingMotion
from animator_core.tracking.face_model import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS, face_model
from animator_core.tracking.pose import fit_pose, with_true_depth
from animator_core.warp.eye_outline import EyeOutline, smooth_curve
from animator_core.warp.eyes import Eyes
from animator_core.warp.iris import Iris, measured_iris
from animator_core.warp.renderer import WarpRenderer
from animator_core.warp.sclera import white_colour

SIDE, SCALE = 640, 450
SKIN, WHITE, IRIS, LASH = (150, 180, 220), (236, 238, 240), (150, 70, 30), (25, 20, 20)
"""BGR."""
RINGS = ((RIGHT_EYE, RIGHT_IRIS), (LEFT_EYE, LEFT_IRIS))


def eye_width(landmarks: np.ndarray) -> float:
    return float(np.linalg.norm(landmarks[33, :2] - landmarks[133, :2]))


def face(
    *, radius: float = 0.21, noise: float = 0.0, light: float = 1.0, has_lashes: bool = True, has_glasses: bool = False
) -> Character:
    """Return a face; radius: of its irises, in eye widths; noise: a photograph's, as a share of the light."""
    landmarks = (face_model().mean * SCALE + np.array([SIDE / 2, 260, 0])).astype(np.float32)
    picture = np.full((SIDE, SIDE, 3), SKIN, np.uint8)
    for ring, iris in RINGS:
        curves = [smooth_curve(landmarks[list(each), :2]) for each in (ring[:9], (ring[0], *ring[:7:-1]))]
        outline = np.rint(np.concatenate([curves[0], curves[1][::-1]]) * 16).astype(np.int32)
        inside = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillPoly(inside, [outline], (255,), cv2.LINE_AA, 4)
        eye = np.full_like(picture, WHITE)
        centre = np.rint(landmarks[iris, :2] * 16).astype(int).tolist()
        cv2.circle(eye, centre, round(radius * eye_width(landmarks) * 16), IRIS, -1, cv2.LINE_AA, 4)
        share = inside[..., None] / 255
        picture = np.rint(picture + share * (eye.astype(float) - picture)).astype(np.uint8)
        if has_lashes:
            line = [np.rint(curves[0] * 16).astype(np.int32)]
            cv2.polylines(picture, line, False, LASH, 4, cv2.LINE_AA, 4)
        if has_glasses:
            middle = landmarks[list(ring), :2].mean(0)
            low, high = (np.rint(middle + side * np.array([0.62, 0.42]) * eye_width(landmarks)) for side in (-1, 1))
            cv2.rectangle(picture, low.astype(int).tolist(), high.astype(int).tolist(), (10, 10, 10), 4)
    levels = picture * light
    if noise:
        grain = np.random.default_rng(3).normal(0, 1, (SIDE, SIDE)).astype(np.float32)
        levels = levels * (1 + noise * cv2.GaussianBlur(grain, (0, 0), 1.0)[..., None])
    rgb = np.clip(levels, 0, 255).astype(np.uint8)[..., ::-1]
    alpha = np.full((SIDE, SIDE), 255, np.uint8)
    name = f"face-{radius}-{noise}-{light}-{has_lashes}-{has_glasses}"
    return Character(name, name, np.ascontiguousarray(np.dstack([rgb, alpha])), landmarks, name)


def photo(**options: float) -> Character:
    return face(noise=0.05, **options)


def renderer_of(character: Character) -> WarpRenderer:
    renderer = WarpRenderer()
    renderer.set_character(character)
    return renderer


def looking(gaze: tuple[float, float] = (0, 0), openness: float = 1.0) -> DrivingMotion:
    return DrivingMotion(gaze=np.array([gaze, gaze], np.float32), eye_openness=np.full(2, openness, np.float32))


def drawn(renderer: WarpRenderer, motion: DrivingMotion) -> np.ndarray:
    return renderer.render(motion)[..., :3].astype(int)


def around(character: Character, ring: tuple[int, ...], reach: float) -> np.ndarray:
    """Return (H, W) bool, closer than ``reach`` eye widths to an eye's opening."""
    mask = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(mask, [np.rint(character.landmarks[list(ring), :2]).astype(np.int32)], (1,))
    away = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 5)
    return np.asarray(away <= reach * eye_width(character.landmarks))


def iris_place(frame: np.ndarray, mask: np.ndarray, gaze: tuple[float, float]) -> float:
    """Return the iris' centre along x, or its upper or lower edge, whichever no lid hides as it moves along y."""
    like_iris = np.abs(frame - np.array(IRIS)).max(2) < 45
    rows, columns = np.nonzero(like_iris & mask)
    return float(columns.mean() if gaze[0] else np.percentile(rows, 98 if gaze[1] < 0 else 2))


@pytest.mark.parametrize("make", [face, photo], ids=["drawn", "photo"])
def test_at_rest_the_eyes_are_the_pictures_own(make: type) -> None:
    character = make()
    frame = drawn(renderer_of(character), DrivingMotion())
    assert np.abs(frame - character.picture[..., 2::-1]).max() <= 6


@pytest.mark.parametrize("share", [0.16, 0.21, 0.27, 0.33, 0.38])
def test_the_irises_size_is_measured_in_the_picture(share: float) -> None:
    character = face(radius=share)
    landmarks = with_true_depth(character.landmarks)
    eyes = Eyes(np.ascontiguousarray(character.picture[..., 2::-1]), landmarks, fit_pose(landmarks))
    for eye in eyes._eyes:
        assert eye.iris.radius_x / eye._width == pytest.approx(share, rel=0.05)
        assert eye.iris.radius_y / eye.iris.radius_x == pytest.approx(1, abs=0.13)


def test_an_eye_without_an_iris_has_none() -> None:
    patch = np.full((100, 160, 3), 150, np.float32)
    polygon = np.array([[45, 50], [80, 35], [117, 50], [80, 60]], np.float32)
    found = measured_iris(patch, polygon, guess=Iris(np.array([80.0, 48.0]), 15.0, 15.0), drawn=0.0)
    assert found.clarity == 0


@pytest.mark.parametrize("make", [face, photo], ids=["drawn", "photo"])
@pytest.mark.parametrize("gaze", [(-0.12, 0), (0.12, 0), (0, -0.03), (0, 0.03)], ids=["left", "right", "up", "down"])
def test_irises_move_as_far_as_the_gaze(make: type, gaze: tuple[float, float]) -> None:
    character = make(radius=0.12, has_lashes=False)
    renderer = renderer_of(character)
    wanted = sum(gaze) * eye_width(character.landmarks)
    straight, moved = (drawn(renderer, looking(each)) for each in ((0, 0), gaze))
    for ring, _ in RINGS:
        mask = around(character, ring, 0.1)
        shift = iris_place(moved, mask, gaze) - iris_place(straight, mask, gaze)
        # Trackers see less of an iris' way than it is, and less than half of it up or down.
        least, most = (1.1, 1.5) if gaze[0] else (1.4, 2.8)
        assert least <= shift / wanted <= most


@pytest.mark.parametrize("light", [1.0, 0.5])
@pytest.mark.parametrize("gaze", [-0.25, 0.25])
def test_the_white_that_a_side_glance_uncovers_is_as_bright_as_the_pictures(light: float, gaze: float) -> None:
    character = photo(light=light)
    renderer = renderer_of(character)
    frame = drawn(renderer, looking((gaze, 0)))
    for _, iris in RINGS:
        x, y = (
            int(v) for v in character.landmarks[iris, :2] - [0.14 * np.sign(gaze) * eye_width(character.landmarks), 0]
        )
        uncovered = frame[y - 1 : y + 4, x - 2 : x + 3].reshape(-1, 3).mean(0)
        assert uncovered == pytest.approx(np.array(WHITE) * light, rel=0.15)


@pytest.mark.parametrize("skin", [(60, 80, 110), (150, 180, 220), (120, 120, 120)])
def test_an_unseen_white_is_lit_like_the_skin(skin: tuple[int, int, int]) -> None:
    light = np.array(skin, float)
    white = white_colour(np.zeros((0, 3), np.float32), light)
    assert 0.6 * light.mean() <= white.mean() <= 1.05 * light.mean()
    assert np.ptp(white) <= np.ptp(light)


@pytest.mark.parametrize("make", [face, photo], ids=["drawn", "photo"])
@pytest.mark.parametrize("gaze", [(0, 0), (0.3, 0), (0, -0.15), (0, 0.15)])
def test_closed_lids_show_nothing_of_the_eyeball(make: type, gaze: tuple[float, float]) -> None:
    character = make(radius=0.3)
    frame = drawn(renderer_of(character), looking(gaze, openness=0.0))
    for ring, _ in RINGS:
        near = frame[around(character, ring, 0.15)]
        assert (near.min(1) > 205).sum() == 0
        assert (np.abs(near - np.array(IRIS)).max(1) < 40).sum() == 0
        # The line where the lids meet.
        assert (near.max(1) < 90).sum() > 0.3 * eye_width(character.landmarks)


def test_the_upper_lid_does_most_of_the_way() -> None:
    character = face()
    frame = drawn(renderer_of(character), looking(openness=0.0))
    for ring, _ in RINGS:
        upper, lower = (float(character.landmarks[ring[i], 1]) for i in (4, 12))
        x = round(float(character.landmarks[ring[4], 0]))
        column = frame[round(upper) - 2 : round(lower) + 8, x].max(1)
        line = round(upper) - 2 + int(column.argmin())
        assert (line - upper) / (lower - upper) > 2 / 3


def test_openness_grows_evenly_from_closed_to_wide() -> None:
    renderer = renderer_of(face(has_lashes=False))
    mask = np.logical_or(*(around(face(), ring, 0.4) for ring, _ in RINGS))
    areas = []
    for openness in np.linspace(0, 1.4, 29):
        frame = drawn(renderer, looking(openness=float(openness)))
        unlike_skin = np.clip(np.abs(frame - np.array(SKIN)).max(2) / 80, 0, 1)
        areas.append(float(unlike_skin[mask].sum()))
    steps = np.diff(areas) / areas[20]
    assert areas[0] < 0.03 * areas[20]
    assert areas[-1] > 1.15 * areas[20]
    assert steps.min() > -0.01
    assert steps.max() < 0.1


@pytest.mark.parametrize("make", [face, photo], ids=["drawn", "photo"])
@pytest.mark.parametrize("axis", ["openness", "gaze"])
def test_small_motions_change_the_eyes_no_more_at_rest_than_elsewhere(make: type, axis: str) -> None:
    character = make()
    renderer = renderer_of(character)
    mask = np.logical_or(*(around(character, ring, 0.4) for ring, _ in RINGS))
    rest, step = (1.0, 0.02) if axis == "openness" else (0.0, 0.01)
    frames = []
    for value in rest - step * np.arange(10):
        motion = looking(openness=float(value)) if axis == "openness" else looking((float(value), 0))
        frames.append(drawn(renderer, motion)[mask])
    changes = [float(np.abs(one - other).mean()) for one, other in zip(frames, frames[1:])]
    assert max(changes[:4]) < 2.2 * np.median(changes[4:])


def test_a_smile_raises_the_lower_lid() -> None:
    bow = np.stack([np.linspace(0, 70, 9), -16 * np.sin(np.linspace(0, np.pi, 9))], 1).astype(np.float32)
    outline = EyeOutline(bow, bow * np.array([1, -0.7], np.float32))
    calm, smiling = (outline.at(0.6, smile=smile) for smile in (0.0, 1.0))
    middle = len(calm.lower) // 2
    assert smiling.lower[middle, 1] < calm.lower[middle, 1] - 1
    assert smiling.lower[middle, 1] > smiling.upper[middle, 1]


@pytest.mark.parametrize("openness", [0.0, 0.3, 0.7, 1.0, 1.4])
@pytest.mark.parametrize("down", [-30.0, 0.0, 30.0])
def test_lids_never_cross(openness: float, down: float) -> None:
    bow = np.stack([np.linspace(0, 70, 9), -16 * np.sin(np.linspace(0, np.pi, 9))], 1).astype(np.float32)
    outline = EyeOutline(bow, bow * np.array([1, -0.7], np.float32))
    lids = outline.at(openness, smile=1.0, look_down=down)
    assert (lids.lower[:, 1] - lids.upper[:, 1]).min() > -0.6


def test_both_eyes_move_alike() -> None:
    character = face()
    frame = drawn(renderer_of(character), looking((0, 0), openness=0.4))
    flipped = frame[:, ::-1]
    # The middle of the face lies at SIDE / 2, so that its mirror image is half a pixel further.
    difference = np.abs(frame[:, 1:] - flipped[:, :-1]).max(2)
    mask = around(character, RIGHT_EYE, 0.5)[:, 1:]
    assert np.percentile(difference[mask], 97) <= 24


@pytest.mark.parametrize("motion", [looking((0.3, 0.1)), looking(openness=0.0), looking(openness=1.4)])
@pytest.mark.parametrize("make", [face, photo], ids=["drawn", "photo"])
def test_nothing_changes_outside_of_the_eyes(make: type, motion: DrivingMotion) -> None:
    character = make()
    renderer = renderer_of(character)
    still = drawn(renderer, DrivingMotion())
    moved = drawn(renderer, motion)
    outside = ~np.logical_or(*(around(character, ring, 0.36) for ring, _ in RINGS))
    assert np.abs(moved - still)[outside].max() == 0
    assert np.abs(moved - still)[~outside].max() > 60


@pytest.mark.parametrize("make", [face, photo], ids=["drawn", "photo"])
@pytest.mark.parametrize("openness", [0.0, 0.5, 1.4])
def test_the_rim_of_glasses_stays(make: type, openness: float) -> None:
    character = make(has_glasses=True)
    renderer = renderer_of(character)
    still, moved = (drawn(renderer, looking(openness=each)) for each in (1.0, openness))
    rim = (still.max(2) < 40) & ~np.logical_or(*(around(character, ring, 0.1) for ring, _ in RINGS))
    assert rim.sum() > 500
    assert (moved[rim].max(1) < 60).mean() > 0.995
