"""The inside of the mouth that the warp renderer draws: where it is, which colours it has, and when it shows."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from mouth_pictures import LINE, dark, grey, lined, opened, photo, sepia
from test_warp import face_picture

from animator_core.characters.character import Character
from animator_core.motion.driving import DrivingMotion
from animator_core.rendering.srgb import premultiplied_bgra
from animator_core.tracking.face_model import INNER_LIPS
from animator_core.tracking.pose import HeadPose
from animator_core.warp.head import moved_pose
from animator_core.warp.mouth import Mouth
from animator_core.warp.mouth_colours import colour_share, drawn_share
from animator_core.warp.renderer import WarpRenderer


def renderer_of(character: Character) -> WarpRenderer:
    renderer = WarpRenderer()
    renderer.set_character(character)
    return renderer


def placed(renderer: WarpRenderer, motion: DrivingMotion) -> tuple[HeadPose, np.ndarray]:
    """Return the head's pose in the frame, and the lips' inner rim there, (20, 2)."""
    puppet = renderer._puppet
    assert puppet is not None
    pose = moved_pose(puppet._pose, motion, puppet._head_grid.limits)
    return pose, puppet.placed(pose, puppet._shape.bent(motion))[list(INNER_LIPS), :2]


def without_inside(
    renderer: WarpRenderer, motion: DrivingMotion, monkeypatch: pytest.MonkeyPatch
) -> tuple[np.ndarray, np.ndarray]:
    """Return the frame, and the same with nothing drawn behind the lips, (H, W, 3) int each."""
    frame = renderer.render(motion)[..., :3].astype(int)
    with monkeypatch.context() as patch:
        patch.setattr(Mouth, "draw", lambda *args, **kwargs: None)
        renderer.render(DrivingMotion(translation=np.array([0.1, 0], np.float32)))
        bare = renderer.render(motion)[..., :3].astype(int)
    return frame, bare


def opening_mask(rim: np.ndarray, shape: tuple[int, ...], grow: int) -> np.ndarray:
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(rim).astype(np.int32)], (1,))
    size = 2 * abs(grow) + 1
    return (cv2.dilate if grow > 0 else cv2.erode)(mask, np.ones((size, size), np.uint8)) > 0


@pytest.mark.parametrize(
    "character",
    [
        photo("closed"),
        photo("ajar", gap=0.02),
        photo("smiling", gap=0.06, has_teeth=True),
        photo("agape", gap=0.15),
        face_picture(has_alpha=False),
    ],
    ids=lambda character: character.name,
)
def test_at_rest_the_mouth_is_the_pictures_own(character: Character) -> None:
    frame = renderer_of(character).render(DrivingMotion()).astype(int)
    picture = premultiplied_bgra(character.picture).astype(int)
    around = opening_mask(character.landmarks[list(INNER_LIPS), :2], frame.shape, 6)
    assert np.abs(frame - picture)[around].max() <= 4


def test_the_inside_shows_softly_as_the_lips_part(monkeypatch: pytest.MonkeyPatch) -> None:
    renderer = renderer_of(photo("closed"))
    gaps = np.linspace(0, 0.06, 31)
    changes = []
    for gap in gaps:
        frame, bare = without_inside(renderer, opened(float(gap)), monkeypatch)
        changes.append(float(np.abs(frame - bare).sum()))
    steps = np.diff(changes)
    assert changes[0] == 0
    assert (steps >= -0.002 * changes[-1]).all()
    assert steps.max() < 0.12 * changes[-1], "nothing pops"


@pytest.mark.parametrize(
    "character", [photo("closed"), photo("smiling", gap=0.06, has_teeth=True)], ids=["closed", "own"]
)
@pytest.mark.parametrize("yaw", [-25, 0, 25])
def test_nothing_is_drawn_outside_of_the_opening(
    character: Character, yaw: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    renderer, motion = renderer_of(character), opened(0.12, yaw=yaw)
    frame, bare = without_inside(renderer, motion, monkeypatch)
    changed = np.abs(frame - bare).max(2) > 3
    assert changed.sum() > 300
    assert not changed[~opening_mask(placed(renderer, motion)[1], frame.shape, 3)].any()


def marked(renderer: WarpRenderer) -> Mouth:
    """Return the renderer's mouth with upper teeth painted blue on the person's right and green on their left."""
    puppet = renderer._puppet
    assert puppet is not None
    mouth = puppet._mouth
    half = mouth._textures.shape[2] // 2
    mouth._textures[0, :, :half, :3] = (255, 0, 0)
    mouth._textures[0, :, half:, :3] = (0, 255, 0)
    return mouth


@pytest.mark.parametrize("yaw", [-25, 25])
@pytest.mark.parametrize("pitch", [-12, 0, 12])
def test_the_teeths_middle_stays_in_the_heads_middle(yaw: float, pitch: float) -> None:
    renderer, motion = renderer_of(photo("closed")), opened(0.15, yaw=yaw, pitch=pitch)
    mouth = marked(renderer)
    frame = renderer.render(motion).astype(int)
    blue, green = (frame[..., c] - frame[..., [2, 1 - c]].max(2) > 40 for c in (0, 1))
    pose, _ = placed(renderer, motion)
    middle = pose.to_frame(np.array([[mouth._middle, mouth._edge - 0.01, mouth._sheets[0, 2]]], np.float32))[0, :2]
    # The border of blue and green, at the row of the incisors' lower half.
    row = round(float(middle[1]))
    assert blue[row].any()
    border = (np.flatnonzero(blue[row]).max() + np.flatnonzero(green[row]).min()) / 2
    assert border == pytest.approx(middle[0], abs=1.5)


def test_both_halves_of_the_teeth_show_by_the_width_that_is_seen() -> None:
    renderer = renderer_of(photo("closed"))
    marked(renderer)
    shares = {}
    for yaw in (-25, 0, 25):
        motion = opened(0.06, yaw=yaw, lift=0.03)
        frame = renderer.render(motion).astype(int)
        # The irises are blue too.
        inside = frame[opening_mask(placed(renderer, motion)[1], frame.shape, 1)]
        blue, green = (int((inside[:, c] - inside[:, [2, 1 - c]].max(1) > 40).sum()) for c in (0, 1))
        shares[yaw] = blue / (blue + green)
    assert shares[0] == pytest.approx(0.5, abs=0.04)
    assert shares[25] == pytest.approx(1 - shares[-25], abs=0.06), "the face is symmetric"
    assert min(shares.values()) > 0.12, "never half a row"
    assert shares[-25] - shares[25] > 0.08, "the far half is foreshortened"


@pytest.mark.parametrize("gap", [0.01, 0.03, 0.12])
def test_a_grey_picture_stays_grey(gap: float) -> None:
    frame = renderer_of(photo("grey", grey)).render(opened(gap)).astype(int)
    assert (frame[..., :3].max(2) - frame[..., :3].min(2)).max() <= 1


def test_a_toned_picture_keeps_its_tone() -> None:
    renderer, motion = renderer_of(photo("sepia", sepia)), opened(0.12)
    frame = renderer.render(motion)[..., :3].astype(float)
    inside = frame[opening_mask(placed(renderer, motion)[1], frame.shape, -2)]
    light = inside[inside.max(1) > 25]
    assert len(light) > 200
    np.testing.assert_allclose(light[:, 1] / light[:, 2], 0.84 / 0.98, atol=0.06)
    np.testing.assert_allclose(light[:, 0] / light[:, 2], 0.66 / 0.98, atol=0.06)


@pytest.mark.parametrize("toning", [lambda levels: levels, dark], ids=["light", "dark"])
def test_no_tooth_is_lighter_than_the_lightest_skin(toning) -> None:
    character = photo("toned", toning)
    renderer, motion = renderer_of(character), opened(0.12)
    frame = renderer.render(motion)[..., :3]
    inside = frame[opening_mask(placed(renderer, motion)[1], frame.shape, -2)].astype(float)
    skin = character.picture[120:150, 120:200, 2::-1].astype(float)
    weights = np.array([0.114, 0.587, 0.299])
    brightest = np.percentile(skin @ weights, 95)
    assert (inside @ weights).max() <= brightest + 3
    assert (inside @ weights).max() >= 0.6 * brightest, "teeth are seen"


def test_teeth_fill_a_bounded_part_of_the_mouth() -> None:
    renderer = renderer_of(photo("closed"))
    mouth = marked(renderer)
    mouth._textures[1, ..., :3] = (255, 0, 0)
    for gap in (0.03, 0.06, 0.12, 0.2):
        motion = opened(gap)
        frame = renderer.render(motion).astype(int)
        inside = opening_mask(placed(renderer, motion)[1], frame.shape, 0)
        teeth = ((frame[..., 0] - frame[..., 2] > 30) | (frame[..., 1] - frame[..., 2] > 30)) & inside
        assert teeth.sum() <= 0.6 * inside.sum()


def test_pursed_lips_cover_the_upper_teeth() -> None:
    renderer = renderer_of(photo("closed"))
    marked(renderer)
    shown = []
    for narrower in (0.0, 0.03, 0.06):
        motion = opened(0.06, narrower=narrower)
        frame = renderer.render(motion).astype(int)
        inside = frame[opening_mask(placed(renderer, motion)[1], frame.shape, 1)]
        shown.append(int((inside[:, :2].max(1) - inside[:, 2] > 30).sum()))
    assert shown[0] > 80
    assert shown[1] < 0.8 * shown[0]
    assert shown[2] < 0.2 * shown[0]


def test_a_picture_with_teeth_keeps_them_in_place_as_the_jaw_drops() -> None:
    character = photo("smiling", gap=0.06, has_teeth=True)
    renderer = renderer_of(character)
    rest = renderer.render(DrivingMotion())[..., :3].astype(int).copy()
    frame = renderer.render(opened(0.12))[..., :3].astype(int)
    rim = character.landmarks[list(INNER_LIPS), :2]
    x, top, bottom = int(rim[5, 0]), int(rim[5, 1]), int(rim[15, 1])
    own = np.s_[top + 3 : bottom - 3, x - 12 : x + 13]
    assert np.abs(frame[own] - rest[own]).mean() < 26, "its own teeth stay"
    below = frame[bottom + 4 : bottom + 10, x - 12 : x + 13]
    assert below.max() < 140, "the cavity opens below them, and no second row of upper teeth"


def test_an_open_mouth_without_teeth_shows_its_own_inside_once() -> None:
    """What the picture has between the lips goes with the jaw, and does not hang below the upper lip too."""
    character = photo("agape", gap=0.15)
    renderer = renderer_of(character)
    rim = character.landmarks[list(INNER_LIPS), :2]
    x, bottom = int(rim[5, 0]), int(rim[15, 1])
    frame = renderer.render(opened(0.08))[..., :3].astype(int)
    drop = round(0.08 * 180 * 0.9)
    assert frame[bottom + drop - 8 : bottom + drop - 3, x - 8 : x + 9].max() < 90, "dark as in the picture"
    assert frame[int(rim[5, 1]) + 8 : bottom + drop - 8, x - 8 : x + 9].max() < 140


def light_inside(character: Character, gap: float) -> float:
    """Return the share of the opening that is as light as teeth."""
    renderer, motion = renderer_of(character), opened(gap)
    frame = renderer.render(motion)[..., :3].astype(float)
    inside = frame[opening_mask(placed(renderer, motion)[1], frame.shape, -1)] @ np.array([0.114, 0.587, 0.299])
    return float((inside > 95).mean())


def test_a_muzzle_without_lips_gets_hardly_any_teeth() -> None:
    lipped, bare = (light_inside(photo(f"lips {has}", has_lips=has), 0.1) for has in (True, False))
    assert lipped > 0.08
    assert bare < 0.4 * lipped


def test_a_mouth_that_is_a_line_opens_within_its_line() -> None:
    renderer, motion = renderer_of(lined()), opened(0.14)
    frame = renderer.render(motion)[..., 2::-1].astype(int)
    _, rim = placed(renderer, motion)
    for index in (4, 5, 6, 14, 15, 16):
        x, y = (round(float(v)) for v in rim[index])
        around = frame[y - 1 : y + 2, x]
        assert np.abs(around - np.array(LINE)).sum(1).min() < 45
    edge = opening_mask(rim, frame.shape, 1) & ~opening_mask(rim, frame.shape, -1)
    assert (np.abs(frame[edge] - np.array(LINE)).sum(1) < 120).mean() > 0.4


def test_drawings_get_flat_colours_and_photographs_shaded_ones() -> None:
    counts = []
    for character in (face_picture(has_alpha=False), photo("closed")):
        renderer, motion = renderer_of(character), opened(0.14)
        frame = renderer.render(motion)
        inside = frame[opening_mask(placed(renderer, motion)[1], frame.shape, -3)][:, :3]
        _, count = np.unique(inside // 6, axis=0, return_counts=True)
        counts.append(np.sort(count)[::-1][:3].sum() / count.sum())
    drawn, shaded = counts
    assert drawn > 0.8
    assert shaded < 0.6


def test_drawn_and_coloured_pictures_are_told_apart() -> None:
    drawing, coloured = face_picture(has_alpha=False), photo("closed")
    bgr = [
        np.ascontiguousarray(c.picture[..., 2::-1]) for c in (drawing, coloured, photo("s", sepia), photo("g", grey))
    ]
    assert drawn_share(bgr[0], drawing.landmarks) == 1
    assert drawn_share(bgr[1], coloured.landmarks) == 0
    assert [round(colour_share(each, coloured.landmarks)) for each in bgr[1:]] == [1, 0, 0]


@pytest.mark.parametrize("crop", [np.s_[:202], np.s_[:, 158:], np.s_[:, :175], np.s_[:199, 165:]])
def test_a_mouth_partly_outside_of_the_picture_is_drawn_within_it(crop) -> None:
    whole = photo("closed")
    rows, columns = crop if isinstance(crop, tuple) else (crop, slice(None))
    landmarks = whole.landmarks - np.array([columns.start or 0, 0, 0], np.float32)
    picture = np.ascontiguousarray(whole.picture[rows, columns])
    renderer = renderer_of(Character("cut", "cut", picture, landmarks, f"cut-{crop}"))
    for motion in (DrivingMotion(), opened(0.03), opened(0.14), opened(0.14, yaw=25)):
        frame = renderer.render(motion)
        assert (frame[..., :3].max(2) <= frame[..., 3]).all(), "premultiplied"
        assert frame.shape[:2] == picture.shape[:2]
