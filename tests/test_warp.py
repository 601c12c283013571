"""The warp renderer, on a picture of the repository."""

from __future__ import annotations

from collections.abc import Iterator

import cv2
import numpy as np
import pytest

from animator_core.characters.character import Character
from animator_core.errors import CharacterError
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.rotation import euler_angles, rotation_from_euler
from animator_core.rendering import bands
from animator_core.rendering.srgb import premultiplied_bgra
from animator_core.tracking.face_model import INNER_LIPS, LEFT_EYE, RIGHT_EYE, face_model
from animator_core.tracking.pose import HeadPose, with_true_depth
from animator_core.warp import layers
from animator_core.warp.backward_map import EMPTY, CellMap, grid_triangles, map_triangles
from animator_core.warp.extension import bordered
from animator_core.warp.head import HeadLimits, moved_pose
from animator_core.warp.painting import PAINT, paint_cells
from animator_core.warp.renderer import WarpRenderer, _Puppet
from animator_core.warp.turn_limits import soft_limit

SIDE = 320
EYE_BLUE = (40, 90, 200)


def face_picture(has_alpha: bool) -> Character:
    """Return a plainly drawn face at the mean face's landmarks: skin, white eyes, blue irises, red lips."""
    landmarks = (face_model().mean * 180 + np.array([SIDE / 2, 130, 0])).astype(np.float32)
    picture = np.zeros((SIDE, SIDE, 4), np.uint8)
    picture[..., :3] = np.linspace(60, 180, SIDE).astype(np.uint8)[None, :, None]
    picture[..., 3] = 0 if has_alpha else 255

    def fill(points: np.ndarray, colour: tuple[int, int, int]) -> None:
        cv2.fillPoly(picture, [np.rint(points * 16).astype(np.int32)], (*colour, 255), cv2.LINE_AA, 4)

    middle = landmarks[:468, :2].mean(0)
    fill(middle + 1.25 * (cv2.convexHull(np.ascontiguousarray(landmarks[:468, :2]))[:, 0] - middle), (90, 60, 40))
    fill(cv2.convexHull(np.ascontiguousarray(landmarks[:468, :2]))[:, 0], (220, 180, 150))
    for eye, iris in (
        (RIGHT_EYE, 468),
        ((263, 466, 388, 387, 386, 385, 384, 398, 362, 382, 381, 380, 374, 373, 390, 249), 473),
    ):
        fill(landmarks[list(eye), :2], (245, 245, 245))
        fill(landmarks[iris + 1 : iris + 5, :2], EYE_BLUE)
    fill(landmarks[[61, 40, 0, 270, 291, 321, 17, 91], :2], (190, 70, 80))
    return Character("face.png", "Face", picture, landmarks.astype(np.float32), f"face-{has_alpha}")


@pytest.fixture(scope="module", autouse=True)
def _all_one() -> Iterator[None]:
    """Opaque pictures are all person here, background included; `test_layers` is about those that are not."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(layers, "person_matte", lambda *_: None)
        yield


@pytest.fixture(scope="module")
def opaque() -> WarpRenderer:
    renderer = WarpRenderer()
    renderer.set_character(face_picture(has_alpha=False))
    return renderer


def blue_pixels(frame: np.ndarray) -> int:
    blue, green, red = (frame[..., c].astype(int) for c in range(3))
    return int(((blue > 150) & (blue - red > 90) & (blue - green > 60)).sum())


def turned(yaw: float = 0.0, pitch: float = 0.0) -> DrivingMotion:
    return DrivingMotion(rotation=rotation_from_euler(yaw, pitch, 0))


def test_the_neutral_pose_shows_the_picture(opaque: WarpRenderer) -> None:
    frame = opaque.render(DrivingMotion()).astype(int)
    picture = premultiplied_bgra(face_picture(has_alpha=False).picture).astype(int)
    assert np.abs(frame - picture).mean() < 0.4
    assert np.percentile(np.abs(frame - picture), 99.5) <= 24


def test_closed_eyes_hide_the_irises_and_open_ones_show_them(opaque: WarpRenderer) -> None:
    open_eyes = blue_pixels(opaque.render(DrivingMotion()))
    closed = blue_pixels(opaque.render(DrivingMotion(eye_openness=np.zeros(2, np.float32))))
    one = blue_pixels(opaque.render(DrivingMotion(eye_openness=np.array([0, 1], np.float32))))
    assert open_eyes > 60
    # A pixel or two of the lower lid's anti-aliased edge are blue in the picture itself.
    assert closed <= 0.04 * open_eyes
    assert 0.35 * open_eyes < one < 0.65 * open_eyes


def test_gaze_moves_the_irises_only(opaque: WarpRenderer) -> None:
    def centre(frame: np.ndarray) -> float:
        blue, red = frame[..., 0].astype(int), frame[..., 2].astype(int)
        return float(np.nonzero((blue > 150) & (blue - red > 90))[1].mean())

    straight = opaque.render(DrivingMotion()).copy()
    aside = opaque.render(DrivingMotion(gaze=np.array([[0.15, 0], [0.15, 0]], np.float32)))
    width = np.linalg.norm(face_picture(False).landmarks[33, :2] - face_picture(False).landmarks[133, :2])
    assert centre(aside) - centre(straight) == pytest.approx(0.15 * width, abs=1.2)
    changed = np.abs(aside.astype(int) - straight).max(2) > 12
    rows = np.nonzero(changed)[0]
    assert rows.min() > 90
    assert rows.max() < 160


def test_the_line_of_the_lower_lid_stays_with_the_lid_when_the_eyes_look_up() -> None:
    small = face_picture(has_alpha=False)
    large = cv2.resize(small.picture, None, fx=3, fy=3)
    drawn = Character("drawn.png", "Drawn", large, small.landmarks * 3, "drawn")
    for ring in (RIGHT_EYE, LEFT_EYE):
        outline = [np.rint(drawn.landmarks[list(ring), :2] * 16).astype(np.int32)]
        cv2.polylines(drawn.picture, outline, True, (20, 10, 10, 255), 2, cv2.LINE_AA, 4)
    renderer = WarpRenderer()
    renderer.set_character(drawn)
    frame = renderer.render(DrivingMotion(gaze=np.array([[0, -0.08], [0, -0.08]], np.float32)))
    for ring in (RIGHT_EYE, LEFT_EYE):
        # Between the iris, which is blue, and the lower lid nothing is dark, away from the corners.
        x, y = (int(v) for v in drawn.landmarks[[*ring[2:7], *ring[10:15]], :2].mean(0))
        bottom = int(drawn.landmarks[ring[12], 1]) - 3
        assert bottom - y >= 3
        assert frame[y:bottom, x - 15 : x + 16, 0].min() > 120


def test_an_opening_mouth_shows_a_dark_inside_with_teeth(opaque: WarpRenderer) -> None:
    expression = np.zeros((478, 3), np.float32)
    lower = [14, 17, 87, 317, 178, 402, 88, 318, 95, 324, 84, 314, 181, 405, 91, 321, 152, 175, 199, 200, 18]
    expression[lower, 1] = 0.16
    frame = opaque.render(DrivingMotion(expression=expression))
    landmarks = face_picture(False).landmarks
    upper, x = landmarks[13, 1], int(landmarks[13, 0])
    column = frame[int(upper) : int(upper + 0.16 * 180), x - 3 : x + 4, :3].mean((1, 2))
    assert column.min() < 60
    assert column[:10].max() > 120


def test_a_turning_head_shows_parallax(opaque: WarpRenderer) -> None:
    """The nose moves against the face's outline: a flat shift would move both alike."""
    renderer = opaque
    landmarks = face_picture(False).landmarks
    assert renderer._puppet is not None
    pose = moved_pose(renderer._puppet._pose, turned(yaw=20), HeadLimits(1, 1, 1, 1))
    placed = renderer._puppet.placed(pose, renderer._puppet._shape.shape)
    nose, left, right = (placed[i, 0] - landmarks[i, 0] for i in (1, 454, 234))
    assert nose < -8
    assert (left + right) / 2 > 0


@pytest.mark.parametrize("yaw", [-60, 60])
@pytest.mark.parametrize("pitch", [-50, 50])
def test_extreme_motion_leaves_no_hole_in_an_opaque_picture_and_holds_its_edges(
    opaque: WarpRenderer, yaw: float, pitch: float
) -> None:
    motion = DrivingMotion(
        rotation=rotation_from_euler(yaw, pitch, 20), translation=np.array([2, -2], np.float32), scale=3.0
    )
    frame = opaque.render(motion)
    picture = face_picture(has_alpha=False).picture
    assert (frame[..., 3] == 255).all()
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        assert np.abs(frame[edge][..., 2].astype(int) - picture[edge][..., 0]).max() <= 2


def test_a_picture_that_is_not_in_whole_cells_has_no_hole_either() -> None:
    whole = face_picture(has_alpha=False)
    renderer = WarpRenderer()
    renderer.set_character(Character("odd.png", "Odd", whole.picture[:301, :317].copy(), whole.landmarks, "odd"))
    for motion in SEQUENCE:
        assert (renderer.render(motion)[..., 3] == 255).all()


def test_alpha_moves_with_the_picture_and_stays_premultiplied() -> None:
    renderer = WarpRenderer()
    renderer.set_character(face_picture(has_alpha=True))
    still = renderer.render(DrivingMotion()).copy()
    moved = renderer.render(DrivingMotion(translation=np.array([0.15, 0], np.float32)))
    for frame in (still, moved):
        assert frame[0, 0, 3] == 0
        # Encoded light of an alpha that rounds to nothing may just be more than nothing.
        assert frame[frame[..., 3] == 0][:, :3].max() <= 12
    x = np.arange(SIDE)
    before, after = ((x * f[140, :, 3]).sum() / f[140, :, 3].sum() for f in (still, moved))
    assert after - before > 10


def test_soft_limit_keeps_small_values_and_never_passes_the_most() -> None:
    assert soft_limit(0.4, 1.0) == 0.4
    values = [soft_limit(v, 1.0) for v in np.linspace(-50, 50, 501)]
    assert max(values) <= 1.0
    assert (np.diff(values) >= 0).all()


def test_a_head_turned_away_in_the_picture_has_less_room_that_way() -> None:
    source = HeadPose(rotation_from_euler(20, 0, 0), np.zeros(3, np.float32), 100.0)
    room = HeadLimits(1, 1, 1, 1)
    further = euler_angles(moved_pose(source, turned(yaw=60), room).rotation)[0] - 20
    back = 20 - euler_angles(moved_pose(source, turned(yaw=-60), room).rotation)[0]
    assert further < 0.7 * back


def test_too_small_a_face_is_refused_with_a_remedy() -> None:
    face = face_picture(False)
    small = Character("tiny.png", "Tiny", face.picture, face.landmarks * np.float32(0.05), "tiny")
    with pytest.raises(CharacterError, match=r"tiny\.png.*larger picture"):
        WarpRenderer().set_character(small)


def test_triangles_map_pixels_as_the_plain_formula_does() -> None:
    rng = np.random.default_rng(1)
    screen = rng.uniform(2, 38, (3, 2)).astype(np.float32)
    texture = rng.uniform(0, 100, (3, 2)).astype(np.float32)
    map_x, map_y = np.full((2, 40, 40), -8, np.float32)
    across, down = screen[1] - screen[0], screen[2] - screen[0]
    triangle = [0, 1, 2] if across[0] * down[1] > across[1] * down[0] else [0, 2, 1]
    map_triangles(map_x, map_y, screen, texture, np.ones(3, np.float32), np.array([triangle], np.int32), 0, 40)
    corners = np.column_stack([screen, np.ones(3)]).astype(float)
    drawn = 0
    for y in range(40):
        for x in range(40):
            share = np.linalg.solve(corners.T, [x, y, 1])
            if share.min() > 0.01:
                np.testing.assert_allclose([map_x[y, x], map_y[y, x]], share @ texture, atol=0.05)
                drawn += 1
            elif share.min() < -0.05:
                assert map_x[y, x] == -8
    assert drawn > 20


SEQUENCE = [
    DrivingMotion(),
    DrivingMotion(rotation=rotation_from_euler(25, 10, 8), translation=np.array([0.1, 0.05], np.float32)),
    DrivingMotion(eye_openness=np.array([0.2, 0.6], np.float32), breath=1.0),
    DrivingMotion(rotation=rotation_from_euler(-30, -15, -20), translation=np.array([-0.3, -0.2], np.float32)),
    DrivingMotion(rotation=rotation_from_euler(70, 60, 40), translation=np.array([1, 1], np.float32), scale=2.0),
    DrivingMotion(gaze=np.full((2, 2), 0.1, np.float32)),
    DrivingMotion(),
]


@pytest.mark.parametrize("has_alpha", [False, True])
def test_repainting_what_moved_shows_what_painting_everything_does(has_alpha: bool) -> None:
    renderer = WarpRenderer()
    renderer.set_character(face_picture(has_alpha))
    for motion in SEQUENCE:
        fresh = WarpRenderer()
        fresh.set_character(face_picture(has_alpha))
        np.testing.assert_array_equal(renderer.render(motion), fresh.render(motion))


def test_bands_painted_by_several_threads_show_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    def frames() -> list[np.ndarray]:
        renderer = WarpRenderer()
        renderer.set_character(face_picture(has_alpha=True))
        return [renderer.render(motion).copy() for motion in SEQUENCE]

    alone = frames()
    monkeypatch.setattr(bands, "BAND_PIXELS", 1000)
    monkeypatch.setattr(bands, "MOST_BANDS", 3)
    bands._helpers.cache_clear()
    for together, expected in zip(frames(), alone):
        np.testing.assert_array_equal(together, expected)
    bands._helpers.cache_clear()


def remapped(puppet: _Puppet, character: Character, motion: DrivingMotion) -> tuple[np.ndarray, np.ndarray]:
    """Return skin and head_grid of a frame the plain way, every triangle into one map, and the face's points."""
    pose = moved_pose(puppet._pose, motion, puppet._head_grid.limits)
    bent = puppet._shape.bent(motion)
    placed = puppet.placed(pose, bent)
    head_grid, painted = puppet._head_grid, puppet._canvas
    map_x, map_y = np.full((2, SIDE, SIDE), EMPTY, np.float32)
    whole = np.ones(len(head_grid.nodes), np.float32)
    moved = head_grid.moved(pose, bent, motion)
    triangles = grid_triangles(head_grid.columns, head_grid.rows)
    map_triangles(map_x, map_y, moved, head_grid.nodes, whole, triangles, 0, SIDE)
    order = np.argsort(-placed[puppet._triangles, 2].sum(1), kind="stable")
    points = np.ascontiguousarray(placed[:, :2])
    map_triangles(map_x, map_y, points, painted._landmarks, painted._weight, puppet._triangles[order], 0, SIDE)
    texture = premultiplied_bgra(character.picture)
    return cv2.remap(texture, map_x, map_y, cv2.INTER_LINEAR, None, cv2.BORDER_CONSTANT, (0, 0, 0, 0)), points


@pytest.mark.parametrize("has_alpha", [False, True])
def test_painting_matches_one_map_of_everything(has_alpha: bool) -> None:
    character = face_picture(has_alpha)
    renderer = WarpRenderer()
    renderer.set_character(character)
    assert renderer._puppet is not None
    gentle = DrivingMotion(rotation=rotation_from_euler(-8, -5, -6), translation=np.array([-0.04, 0.03], np.float32))
    for motion in (SEQUENCE[1], gentle):
        expected, points = remapped(renderer._puppet, character, motion)
        differs = np.abs(renderer.render(motion).astype(int) - expected).max(2)
        # Eyes and mouth are drawn over the skin; elsewhere only cells between whose corners places are interpolated.
        for ring in (RIGHT_EYE, LEFT_EYE, INNER_LIPS):
            low, high = (points[list(ring)].min(0) - 7).astype(int), (points[list(ring)].max(0) + 8).astype(int)
            differs[low[1] : high[1], low[0] : high[0]] = 0
        assert (differs > 0).mean() < 0.02
        assert 10 * np.log10(255**2 / (differs**2).mean()) > 50


@pytest.mark.parametrize("turn", [(8, 5), (-25, 12), (34, -26)])
def test_between_the_corners_of_calm_cells_places_are_as_the_triangles_have_them(turn: tuple[float, float]) -> None:
    puppet = _Puppet(face_picture(has_alpha=False))
    motion = turned(*turn)
    pose = moved_pose(puppet._pose, motion, puppet._head_grid.limits)
    head_grid, cells = puppet._head_grid, CellMap(puppet._head_grid, (SIDE, SIDE))
    moved = head_grid.moved(pose, puppet._shape.bent(motion), motion)
    cells.move(moved)
    exact = np.full((2, SIDE, SIDE), EMPTY, np.float32)
    whole = np.ones(len(head_grid.nodes), np.float32)
    triangles = grid_triangles(head_grid.columns, head_grid.rows)
    map_triangles(*exact, moved, head_grid.nodes, whole, triangles, 0, SIDE)
    column, row = np.meshgrid(*2 * [np.arange(SIDE, dtype=np.float32) / cells.side])
    between = [cv2.remap(places, column, row, cv2.INTER_LINEAR) for places in cells.places]
    off = np.hypot(between[0] - exact[0], between[1] - exact[1])
    calm = ~cells.is_curved.repeat(cells.side, 0).repeat(cells.side, 1)[:SIDE, :SIDE]
    assert calm.mean() > 0.25
    assert np.percentile(off[calm], 99) < 0.4
    assert off[calm].max() < 1.5


def test_cells_mix_pixels_as_cv2_remap_does_bit_for_bit() -> None:
    rng = np.random.default_rng(2)
    picture = rng.integers(0, 256, (70, 90, 4), np.uint8)
    # Not a whole number of cells: of those at the right and below only a part is in the frame.
    height, width, side = 45, 61, 8
    y, x = np.mgrid[0:56:side, 0:72:side].astype(np.float32)
    places = np.stack([3.1 + 0.9 * x - 0.25 * y, 12.7 + 0.125 * x + 1.05 * y]).astype(np.float32)
    orders = np.full((places.shape[1] - 1, places.shape[2] - 1), PAINT, np.uint8)
    frame = np.zeros((height, width), np.uint32)
    nothing = np.empty((0, 0), np.float32)
    paint_cells(frame, bordered(picture), 1, nothing, nothing, 0, 0, places, side, orders, 0, len(orders))
    y, x = np.mgrid[0:height, 0:width].astype(np.float64)
    maps = [(3.1 + 0.9 * x - 0.25 * y).astype(np.float32), (12.7 + 0.125 * x + 1.05 * y).astype(np.float32)]
    expected = cv2.remap(picture, *maps, cv2.INTER_LINEAR, None, cv2.BORDER_REPLICATE)
    is_inside = (maps[0] >= 0) & (maps[0] <= 89) & (maps[1] >= 0) & (maps[1] <= 69)
    painted = frame.view(np.uint8).reshape(height, width, 4)
    assert is_inside.mean() > 0.8
    assert (painted != expected).any(2)[is_inside].mean() < 0.01
    assert not painted[(maps[0] < -1) | (maps[1] > 70)].any()


def test_what_a_moved_grid_uncovers_is_clear() -> None:
    renderer = WarpRenderer()
    renderer.set_character(face_picture(has_alpha=True))
    renderer.render(DrivingMotion())
    frame = renderer.render(DrivingMotion(translation=np.array([0.2, 0.2], np.float32), scale=0.8))
    assert not frame[:8].any()
    assert not frame[:, :8].any()


def test_a_frame_cannot_be_changed_by_its_user_since_the_next_one_builds_on_it(opaque: WarpRenderer) -> None:
    with pytest.raises(ValueError, match="read-only"):
        opaque.render(DrivingMotion())[0, 0] = 0


def test_lips_do_not_pass_through_each_other(opaque: WarpRenderer) -> None:
    expression = np.zeros((478, 3), np.float32)
    expression[list(INNER_LIPS[11:]), 1] = -0.2
    assert opaque._puppet is not None
    bent = opaque._puppet._shape.bent(DrivingMotion(expression=expression))
    upper, lower = np.array(INNER_LIPS[1:10]), np.array(INNER_LIPS[:10:-1])
    assert (bent[lower, 1] - bent[upper, 1] > -1e-5).all()


def test_depths_are_brought_to_the_scale_of_width_and_height() -> None:
    points = np.ones((478, 3), np.float32)
    assert with_true_depth(points)[0].tolist() == pytest.approx([1, 1, 0.8])


def test_the_landmarks_that_are_told_are_those_that_are_drawn(opaque: WarpRenderer) -> None:
    irises = []
    for motion in (DrivingMotion(), DrivingMotion(translation=np.float32([0.1, 0.05]))):
        placement = opaque.place(motion)
        frame = opaque.draw(placement).astype(int)
        is_iris = (frame[..., 0] > 150) & (frame[..., 0] - frame[..., 2] > 90)
        y, x = np.nonzero(is_iris)
        told = opaque.landmarks(placement)[[468, 473], :2].mean(0)
        assert told == pytest.approx((x.mean(), y.mean()), abs=2)
        irises.append(told)
    assert irises[1][0] - irises[0][0] > 10
