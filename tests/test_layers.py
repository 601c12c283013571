"""The person's layer over a background that stands still, on a drawn portrait whose true outline is known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from animator_core.characters.character import Character
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.rotation import rotation_from_euler
from animator_core.rendering.srgb import premultiplied_bgra
from animator_core.tracking.face_model import FACE_OVAL, face_model
from animator_core.warp import matte
from animator_core.warp.head import moved_pose
from animator_core.warp.layers import Layers, lay_over, separate
from animator_core.warp.painting import KEEP, PAINT
from animator_core.warp.renderer import WarpRenderer

SIDE, FACE = 480, 120
SKIN, HAIR, CLOTH = (225, 180, 150), (70, 40, 25), (170, 30, 40)
MOTIONS = [
    DrivingMotion(rotation=rotation_from_euler(yaw, pitch, roll), translation=np.array(shift, np.float32), scale=scale)
    for yaw, pitch, roll, shift, scale in (
        (25, 0, 0, (0, 0), 1.0),
        (-25, 8, 0, (0.1, 0.1), 1.0),
        (0, 0, 20, (-0.3, 0), 1.0),
        (0, 0, -20, (0.3, 0.2), 0.85),
        (5, -10, 0, (0, -0.3), 1.2),
    )
]


def portrait(top: float = 190.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return a drawn portrait, (H, W, 4) RGBA, its landmarks, and the person's true opacity, (H, W) float32."""
    landmarks = (face_model().mean * FACE + np.array([SIDE / 2, top, 0])).astype(np.float32)
    noise = np.random.default_rng(5).normal(0, 20, (SIDE, SIDE, 3)).astype(np.float32)
    background = np.linspace(90, 210, SIDE)[None, :, None] * np.array([0.7, 1.0, 0.9]) + cv2.GaussianBlur(
        noise, (0, 0), 1.5
    )
    person, opacity = np.zeros((SIDE, SIDE, 3), np.float32), np.zeros((SIDE, SIDE), np.float32)

    def fill(points: np.ndarray, colour: tuple[int, int, int]) -> None:
        mask = np.zeros((SIDE, SIDE), np.uint8)
        cv2.fillPoly(mask, [np.rint(points * 16).astype(np.int32)], (255,), cv2.LINE_AA, 4)
        share = mask[..., None] / np.float32(255)
        person[:] += share * (np.array(colour, np.float32) - person)
        opacity[:] = np.maximum(opacity, share[..., 0])

    chin = landmarks[152, :2]
    fill(chin + FACE * np.array([[-0.25, -0.3], [0.25, -0.3], [0.3, 0.4], [-0.3, 0.4]]), SKIN)
    body = np.array([[-0.35, 0.3], [0.35, 0.3], [1.0, 0.55], [1.3, 3], [-1.3, 3], [-1.0, 0.55]])
    fill(chin + FACE * body, CLOTH)
    oval = landmarks[list(FACE_OVAL), :2]
    middle = oval.mean(0)
    fill(middle + 1.3 * (oval - middle) - [0, 0.15 * FACE], HAIR)
    fill(oval, SKIN)
    mixed = person * opacity[..., None] + background * (1 - opacity[..., None])
    picture = np.dstack([np.clip(np.rint(mixed), 0, 255), np.full((SIDE, SIDE), 255)]).astype(np.uint8)
    return picture, landmarks, opacity


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """The segmentation knows the drawn person, roughly."""
    truth = portrait()[2]
    monkeypatch.setattr(matte, "person_probability", lambda _: cv2.GaussianBlur(truth, (0, 0), 3))


def renderer_of(picture: np.ndarray, landmarks: np.ndarray) -> WarpRenderer:
    renderer = WarpRenderer()
    renderer.set_character(Character("drawn.png", "Drawn", picture, landmarks, "drawn"))
    return renderer


def layers_of_portrait() -> Layers:
    picture, landmarks, _ = portrait()
    return separate(picture, landmarks, FACE)


def cut_by_the_upper_edge(monkeypatch: pytest.MonkeyPatch) -> tuple[WarpRenderer, np.ndarray]:
    """Return a renderer of a portrait whose hair the picture's upper edge cuts, and the landmarks."""
    picture, landmarks, truth = portrait(top=55)
    assert truth[0].any()
    monkeypatch.setattr(matte, "person_probability", lambda _: cv2.GaussianBlur(truth, (0, 0), 3))
    return renderer_of(picture, landmarks), landmarks


def plate_of(renderer: WarpRenderer) -> np.ndarray:
    assert renderer._puppet is not None
    plate = renderer._puppet._canvas._plate
    assert plate is not None
    return plate.view(np.uint8).reshape(SIDE, SIDE, 4)


def fall_of(renderer: WarpRenderer, motion: DrivingMotion) -> int:
    """Return the rows by which a motion moves the head down."""
    puppet = renderer._puppet
    assert puppet is not None
    moved = moved_pose(puppet._pose, motion, puppet._head_grid.limits)
    return round(float(moved.translation[1] - puppet._pose.translation[1]))


def person_width(row: np.ndarray, background: np.ndarray) -> int:
    """Return the width of what differs from the background in a row, (W, 4) uint8 each."""
    return int((np.abs(row[:, :3].astype(int) - background[:, :3]).max(1) > 25).sum())


def over_plate(layers: Layers) -> np.ndarray:
    assert layers.plate is not None
    person, plate = layers.person.astype(np.float32), layers.plate.astype(np.float32)
    return person[..., :3] + (1 - person[..., 3:] / 255) * plate[..., :3]


@pytest.mark.usefixtures("known")
def test_the_person_over_the_plate_is_the_picture() -> None:
    picture = portrait()[0]
    assert np.abs(over_plate(layers_of_portrait()) - picture[..., 2::-1]).max() <= 3


@pytest.mark.usefixtures("known")
def test_the_matte_is_the_true_outline() -> None:
    truth = portrait()[2]
    alpha = layers_of_portrait().person[..., 3] / 255
    assert np.abs(alpha - truth).mean() < 0.01
    assert alpha[cv2.erode(truth, np.ones((15, 15))) > 0.99].min() > 0.9


@pytest.mark.usefixtures("known")
def test_the_plate_shows_nothing_of_the_person_and_the_picture_elsewhere() -> None:
    picture, _, truth = portrait()
    plate = layers_of_portrait().plate
    assert plate is not None
    rows, columns = np.nonzero(truth > 0.5)
    hidden = plate[rows, columns, 2::-1].astype(int)
    for colour in (SKIN, HAIR, CLOTH):
        assert np.abs(hidden - colour).max(1).min() > 25
    far = cv2.dilate(truth, np.ones((31, 31))) == 0
    np.testing.assert_array_equal(plate[far][:, :3], picture[far][:, 2::-1])


@pytest.mark.usefixtures("known")
def test_the_background_stands_still_however_the_head_moves() -> None:
    picture, landmarks, truth = portrait()
    renderer = renderer_of(picture, landmarks)
    # Beyond the reach of the moved head: far from everything that is the person at rest.
    far = cv2.dilate(truth, np.ones((2 * FACE, 2 * FACE))) == 0
    assert far.mean() > 0.05
    still = premultiplied_bgra(picture)
    for motion in [DrivingMotion(), *MOTIONS]:
        frame = renderer.render(motion)
        assert (frame[..., 3] == 255).all()
        np.testing.assert_array_equal(frame[far], still[far])


@pytest.mark.usefixtures("known")
def test_what_a_moved_head_uncovers_has_the_backgrounds_colours() -> None:
    picture, landmarks, truth = portrait()
    renderer = renderer_of(picture, landmarks)
    frame = renderer.render(DrivingMotion(translation=np.array([0.3, 0], np.float32))).astype(int)
    was_hair = (np.abs(picture[..., :3].astype(int) - HAIR).max(2) < 10) & (truth > 0.99)
    beside = np.arange(SIDE)[None] < np.nonzero(was_hair)[1].min() + 0.1 * FACE
    uncovered = frame[was_hair & beside]
    assert len(uncovered) > 100
    # The background's channels, in BGR, are as 0.9 : 1 : 0.7 there.
    green = uncovered[:, 1]
    assert np.abs(uncovered[:, 2] - 0.7 * green).max() < 30
    assert np.abs(uncovered[:, 0] - 0.9 * green).max() < 30


@pytest.mark.usefixtures("known")
def test_repainting_over_the_plate_shows_what_painting_everything_does() -> None:
    picture, landmarks, _ = portrait()
    renderer = renderer_of(picture, landmarks)
    for motion in [*MOTIONS, DrivingMotion()]:
        np.testing.assert_array_equal(renderer.render(motion), renderer_of(picture, landmarks).render(motion))


@pytest.mark.usefixtures("known")
def test_layers_are_the_same_every_time() -> None:
    first, second = layers_of_portrait(), layers_of_portrait()
    np.testing.assert_array_equal(first.person, second.person)
    np.testing.assert_array_equal(first.plate, second.plate)


@pytest.mark.parametrize(
    "probability",
    [
        np.ones((SIDE, SIDE), np.float32),
        np.zeros((SIDE, SIDE), np.float32),
        np.full((SIDE, SIDE), 0.5, np.float32),
        # A person somewhere else.
        np.pad(np.ones((SIDE, 60), np.float32), ((0, 0), (0, SIDE - 60))),
        None,
    ],
)
def test_a_matte_that_cannot_be_trusted_leaves_the_picture_one_layer(
    probability: np.ndarray | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(matte, "person_probability", lambda _: probability)
    monkeypatch.setattr(matte, "_grabcut", lambda *_: np.zeros_like(portrait()[2]))
    picture, landmarks, _ = portrait()
    layers = separate(picture, landmarks, FACE)
    assert layers.plate is None
    np.testing.assert_array_equal(layers.person, premultiplied_bgra(picture))


def test_without_the_model_the_person_is_found_by_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matte, "person_probability", lambda _: None)
    picture, landmarks, truth = portrait()
    layers = separate(picture, landmarks, FACE)
    assert layers.plate is not None
    head = np.arange(SIDE)[:, None] < landmarks[152, 1]
    assert np.abs(layers.person[..., 3] / 255 - truth)[head.repeat(SIDE, 1)].mean() < 0.03


def test_a_cut_out_keeps_its_own_alpha_and_nothing_is_behind_it() -> None:
    picture, landmarks, truth = portrait()
    picture[..., 3] = np.rint(255 * truth)
    layers = separate(picture, landmarks, FACE)
    assert layers.plate is None
    np.testing.assert_array_equal(layers.person, premultiplied_bgra(picture))


def test_hair_leaves_the_picture_in_its_own_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer, _ = cut_by_the_upper_edge(monkeypatch)
    plate = plate_of(renderer)
    rest = renderer.render(DrivingMotion()).copy()
    motion = DrivingMotion(translation=np.array([0, -0.3], np.float32))
    frame = renderer.render(motion)
    rise = -fall_of(renderer, motion)
    assert rise > 0.1 * FACE
    for y in (2, 10, 20):
        assert person_width(frame[y], plate[y]) == pytest.approx(person_width(rest[y + rise], plate[y + rise]), abs=4)


def test_cut_hair_goes_on_beyond_the_edge_and_ends_in_an_arc(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer, landmarks = cut_by_the_upper_edge(monkeypatch)
    plate = plate_of(renderer)
    rest = person_width(renderer.render(DrivingMotion())[0], plate[0])
    motion = DrivingMotion(translation=np.array([0, 0.3], np.float32))
    frame = renderer.render(motion)
    fall = fall_of(renderer, motion)
    widths = [person_width(frame[y], plate[y]) for y in range(fall)]
    assert widths[-1] == pytest.approx(rest, abs=6)
    assert (np.diff(widths) >= -2).all()
    assert widths[0] < 0.93 * rest
    hair = frame[fall - 6 : fall, int(landmarks[0, 0]), 2::-1].astype(int)
    assert np.abs(hair - HAIR).max() < 20


def test_a_lifted_body_shows_no_gap_at_the_lower_edge() -> None:
    picture, landmarks, truth = portrait()
    picture[..., 3] = np.rint(255 * truth)
    frame = renderer_of(picture, landmarks).render(
        DrivingMotion(breath=1.0, translation=np.array([0, -0.3], np.float32))
    )
    body = (truth[-1] > 0.99).nonzero()[0]
    assert (frame[-1, body[8:-8], 3] == 255).all()


def test_laying_a_person_over_the_plate_matches_the_formula() -> None:
    rng = np.random.default_rng(0)
    alpha = rng.choice([0, 90, 255], (16, 24))
    alpha[:, :8], alpha[:8, 16:] = 255, 0
    person = np.dstack([rng.integers(0, 256, (16, 24, 3)) * alpha[..., None] // 255, alpha]).astype(np.uint8)
    plate = np.dstack([rng.integers(0, 256, (16, 24, 3)), np.full((16, 24), 255)]).astype(np.uint8)
    actions = np.full((2, 3), PAINT, np.uint8)
    actions[1, 1] = KEEP
    frame = person.copy()
    lay_over(frame.view(np.uint32)[..., 0], plate.view(np.uint32)[..., 0], actions, side=8, row_begin=0, row_end=2)
    expected = np.rint(person + (1 - alpha[..., None] / 255) * plate)
    expected[8:, 8:16] = person[8:, 8:16]
    assert np.array_equal(frame, expected)
