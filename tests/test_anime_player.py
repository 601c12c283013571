"""The player of a motion basis, with bases whose flows and patches are known."""

from __future__ import annotations

import gc
import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from anime_basis import PLACES, empty_basis, head_node, whole, with_tile

from animator_core.anime import parameters
from animator_core.anime.basis import BODY_NODES, MotionBasis
from animator_core.anime.player import BasisPlayer, body_weights, cell_side, head_weights
from animator_core.characters.head_place import HeadPlace
from animator_core.rendering import bands
from animator_core.rendering.srgb import premultiplied_bgra

REST = parameters.pose()
MIDDLE = HeadPlace((256.0, 128.0), 1.0)


def noise(height: int = 512, width: int = 512, *, is_opaque: bool = False, seed: int = 3) -> np.ndarray:
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 4), np.uint8)
    picture[..., 3] = 255 if is_opaque else np.where(picture[..., 3] < 90, 0, picture[..., 3])
    return picture


def drawn(basis: MotionBasis, picture: np.ndarray, *, place: HeadPlace = MIDDLE, **values: float) -> np.ndarray:
    return BasisPlayer(basis, picture, place).draw(parameters.pose(values)).copy()


@pytest.mark.parametrize(
    ("height", "width", "place"),
    [
        (512, 512, MIDDLE),
        (333, 517, HeadPlace((250.25, 90.5), 0.731)),
        (333, 517, HeadPlace((3.0, 5.0), 1.37)),
        (64, 64, HeadPlace((31.7, 20.1), 12.0)),
        (64, 33, HeadPlace((16.0, 20.0), 3.3)),
        (2048, 1536, HeadPlace((700.3, 420.9), 0.1873)),
        (2048, 2048, HeadPlace((2040.0, 2047.0), 0.25)),
        (40, 40, HeadPlace((500.0, -300.0), 1.0)),
    ],
)
def test_a_basis_without_motion_draws_the_picture_itself(height: int, width: int, place: HeadPlace) -> None:
    picture = noise(height, width)
    assert np.array_equal(drawn(empty_basis(), picture, place=place), premultiplied_bgra(picture))
    moved = drawn(empty_basis(5), picture, place=place, head_x=0.3, head_y=-0.71, neck_z=0.9, body_y=0.4, breathing=0.7)
    assert np.array_equal(moved, premultiplied_bgra(picture))


@pytest.mark.parametrize(("x", "y"), [(5, 0), (-3, 7), (0, -12)])
def test_a_flow_moves_the_picture_by_its_pixels(x: int, y: int) -> None:
    picture, basis = noise(is_opaque=True), empty_basis()
    basis.head.flow[head_node(0, 1, 0)] = (whole(x), whole(y))
    frame = drawn(basis, picture, head_y=1)
    expected = np.roll(premultiplied_bgra(picture), (-y, -x), (0, 1))
    assert np.array_equal(frame[20:490, 20:490], expected[20:490, 20:490])


def test_between_two_nodes_a_flow_is_their_mean() -> None:
    picture, basis = noise(is_opaque=True), empty_basis()
    basis.head.flow[head_node(0, 1, 0)] = (whole(8), 0)
    basis.head.flow[head_node(1, 1, 0)] = (whole(16), 0)
    expected = np.roll(premultiplied_bgra(picture), -6, 1)
    frame = drawn(basis, picture, head_y=0.5, neck_z=0.5)
    assert np.array_equal(frame[:, 20:480], expected[:, 20:480])


def test_in_a_large_picture_a_flow_is_scaled() -> None:
    picture, basis = noise(1024, 1024, is_opaque=True), empty_basis()
    basis.head.flow[:] = (whole(4), 0)
    frame = drawn(basis, picture, place=HeadPlace((512.0, 256.0), 0.5))
    expected = np.roll(premultiplied_bgra(picture), -8, 1)
    assert np.array_equal(frame[:, 40:960], expected[:, 40:960])


def test_the_flow_of_the_body_is_added_to_that_of_the_head() -> None:
    picture, basis = noise(is_opaque=True), empty_basis()
    basis.head.flow[:] = (whole(4), 0)
    basis.body[BODY_NODES.index(("body_y", 1.0))] = (0, whole(6))
    frame = drawn(basis, picture, body_y=1.0)
    expected = np.roll(premultiplied_bgra(picture), (-6, -4), (0, 1))
    assert np.array_equal(frame[20:480, 20:480], expected[20:480, 20:480])
    half = drawn(basis, picture, body_y=0.75)  # the node at 0.5 is 0
    assert np.array_equal(half[20:480, 20:480], np.roll(premultiplied_bgra(picture), (-3, -4), (0, 1))[20:480, 20:480])


def test_a_patch_is_laid_over_by_its_share() -> None:
    picture, basis = noise(is_opaque=True), empty_basis()
    node = head_node(0, 1, 0)
    with_tile(basis, node, row=10, column=20, pixel=(10, 60, 200, 255, 255))
    with_tile(basis, node, row=30, column=20, pixel=(10, 20, 40, 100, 100))
    still = premultiplied_bgra(picture)
    frame = drawn(basis, picture, head_y=1)
    assert (frame[81:87, 161:167] == (10, 60, 200, 255)).all()
    below = still[241:247, 161:167].astype(int)
    assert np.abs(frame[241:247, 161:167] - (np.array([10, 20, 40, 100]) + below * 155 / 255)).max() <= 1
    half = drawn(basis, picture, head_y=0.5)
    expected = np.array([5, 30, 100, 127.5]) + still[81:87, 161:167] * 0.5
    assert np.abs(half[81:87, 161:167] - expected).max() <= 1.5
    untouched = np.ones(frame.shape[:2], bool)
    untouched[79:89, 159:169] = untouched[239:249, 159:169] = False
    assert np.array_equal(frame[untouched], still[untouched])


def test_bright_paint_over_bright_pixels_stays_white() -> None:
    picture, basis = np.full((512, 512, 4), 255, np.uint8), empty_basis()
    with_tile(basis, head_node(0, 0, 0), row=10, column=20, pixel=(200, 255, 130, 255, 120))
    frame = drawn(basis, picture)
    assert (frame[82:86, 162:166, 1] == 255).all()
    assert (frame[82:86, 162:166] >= 250).all(), "a channel wrapped"


def test_tiles_of_an_earlier_pose_go() -> None:
    picture, basis = noise(), empty_basis()
    with_tile(basis, head_node(0, 1, 0), row=10, column=20, pixel=(10, 60, 200, 255, 255))
    player = BasisPlayer(basis, picture, MIDDLE)
    still = player.draw(REST).copy()
    player.draw(parameters.pose({"head_y": 1.0}))
    assert np.array_equal(player.draw(REST), still)


def expressive_basis() -> MotionBasis:
    """Return a basis whose every node moves and paints something of its own."""
    basis, rng = empty_basis(), np.random.default_rng(8)
    for name, region in basis.regions.items():
        inner = (slice(1, None), slice(3, -3), slice(3, -3))
        region.flow[inner] = rng.integers(-200, 200, (len(region.flow) - 1, 1, 1, 2))
        if not name.startswith("brows"):
            region.share[inner] = rng.integers(0, 256, (len(region.flow) - 1, 1, 1))
            region.paint[inner] = np.minimum(region.share[inner][..., None], 120)
    for side, columns in (("right", slice(12, 40)), ("left", slice(20, 50))):
        brows = basis.regions[f"brows_{side}"]
        brows.share[1, 14:20, columns] = 255
        brows.share[0, 12:22, columns] = 255
        brows.paint[0, 12:22, columns] = (90, 120, 200, 255)
    basis.head.flow[:] = np.random.default_rng(9).integers(-150, 150, (27, 1, 2))
    with_tile(basis, head_node(0, 1, 0), row=16, column=32, pixel=(10, 60, 200, 255, 255))
    return basis


def changed(frame: np.ndarray, still: np.ndarray) -> np.ndarray:
    return (frame != still).any(-1)


@pytest.mark.parametrize(
    ("parameter", "region"),
    [
        ("eye_wink_left", "lids_left"),
        ("eye_happy_wink_right", "lids_right"),
        ("mouth_aaa", "mouth"),
        ("mouth_raised_corner_left", "mouth"),
        ("mouth_smirk", "mouth"),
        ("eyebrow_raised_left", "brows_left"),
        ("eyebrow_angry_right", "brows_right"),
        ("iris_small_left", "iris_left"),
    ],
)
def test_an_expression_changes_its_region_only(parameter: str, region: str) -> None:
    picture, basis = noise(is_opaque=True), expressive_basis()
    basis.head.flow[:] = 0
    mask = changed(drawn(basis, picture, **{parameter: 1.0}), drawn(basis, picture))
    top, left, height, width = PLACES[region]
    assert mask[top : top + height, left : left + width].any()
    mask[top : top + height, left : left + width] = False
    assert not mask.any()


def test_no_pose_leaves_anything_behind() -> None:
    picture, basis = noise(is_opaque=True), expressive_basis()
    rng = np.random.default_rng(5)
    poses = [REST, *(np.where(rng.random(45) < 0.3, rng.uniform(0, 1, 45), 0).astype(np.float32) for _ in range(12))]
    poses += [parameters.pose({f"eyebrow_raised_{side}": 1.0}) for side in ("left", "right")]
    fresh = [BasisPlayer(basis, picture, MIDDLE).draw(pose).copy() for pose in poses]
    player = BasisPlayer(basis, picture, MIDDLE)
    for number in (*range(len(poses)), *rng.permutation(len(poses))):
        difference = changed(player.draw(poses[number]), fresh[number])
        assert not difference.any(), (number, np.argwhere(difference)[:3])


def test_both_brows_move_although_their_boxes_overlap() -> None:
    picture, basis = noise(is_opaque=True), expressive_basis()
    basis.head.flow[:] = 0
    still = drawn(basis, picture)
    one, other = (changed(drawn(basis, picture, **{f"eyebrow_raised_{side}": 1}), still) for side in ("left", "right"))
    both = drawn(basis, picture, eyebrow_raised_left=1, eyebrow_raised_right=1)
    assert np.array_equal(changed(both, still), one | other)


def test_what_is_transparent_stays_so_and_the_frame_is_reused() -> None:
    picture = np.zeros((400, 400, 4), np.uint8)
    picture[100:160, 120:200] = (200, 100, 50, 255)
    basis = empty_basis()
    basis.head.flow[head_node(0, 1, 0)] = (whole(9), whole(3))
    player = BasisPlayer(basis, picture, HeadPlace((160.0, 130.0), 1.0))
    frame = player.draw(parameters.pose({"head_y": 1.0}))
    assert player.draw(REST) is not None
    assert np.shares_memory(frame, player.draw(REST))
    frame = player.draw(parameters.pose({"head_y": 1.0}))
    expected = np.roll(premultiplied_bgra(picture), (-3, -9), (0, 1))
    assert np.array_equal(frame, expected)


def test_a_picture_cut_by_its_edge_is_continued() -> None:
    picture = np.zeros((300, 400, 4), np.uint8)
    picture[100:] = (200, 100, 50, 255)
    basis = empty_basis()
    basis.head.flow[:] = (0, whole(10))
    frame = drawn(basis, picture, place=HeadPlace((200.0, 160.0), 1.0))
    assert (frame[90:] == premultiplied_bgra(picture)[-1, 0]).all()


def test_bands_painted_by_several_threads_show_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = drawn(expressive_basis(), noise(300, 300), mouth_aaa=0.7, breathing=0.5)
    monkeypatch.setattr(bands, "BAND_PIXELS", 1000)
    monkeypatch.setattr(bands, "MOST_BANDS", 3)
    bands._helpers.cache_clear()
    together = drawn(expressive_basis(), noise(300, 300), mouth_aaa=0.7, breathing=0.5)
    np.testing.assert_array_equal(together, alone)
    bands._helpers.cache_clear()


def test_drawing_leaves_no_memory_behind() -> None:
    player, rng = BasisPlayer(expressive_basis(), noise(), MIDDLE), np.random.default_rng(1)
    poses = rng.uniform(0, 1, (12, 45)).astype(np.float32)
    tracemalloc.start()
    try:
        for pose in poses:
            player.draw(pose)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        for pose in (*poses, *poses):
            player.draw(pose)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after - before < 20_000


def test_a_finer_grid_takes_the_place_of_the_coarse_one() -> None:
    picture, coarse, fine = noise(is_opaque=True), expressive_basis(), empty_basis(5)
    fine.head.flow[head_node(0, 0.5, 0, side=5)] = (whole(7), 0)
    fine = replace(fine, regions=coarse.regions)
    player = BasisPlayer(coarse, picture, MIDDLE)
    pose = parameters.pose({"head_y": 0.5, "mouth_aaa": 0.7})
    player.draw(parameters.pose({"head_y": 1.0}))
    player.refine(fine)
    assert np.array_equal(player.draw(pose), BasisPlayer(fine, picture, MIDDLE).draw(pose))


def test_weights_of_head_and_body() -> None:
    chosen, weights = head_weights(parameters.pose({"head_x": 0.25, "neck_z": -1.0}), 5)
    assert chosen.tolist() == [head_node(-1, 0, 0, side=5), head_node(-1, 0, 0.5, side=5)]
    assert weights == pytest.approx([0.5, 0.5])
    chosen, weights = head_weights(parameters.pose({"head_x": 9.0, "head_y": -9.0}), 3)
    assert (chosen.tolist(), weights.tolist()) == ([head_node(0, -1, 1)], [1.0])
    chosen, weights = body_weights(parameters.pose({"body_y": -0.25, "breathing": 1.0}))
    assert [BODY_NODES[number] for number in chosen] == [("body_y", -0.5), ("breathing", 1.0)]
    assert weights == pytest.approx([0.5, 1.0])
    assert len(body_weights(REST)[0]) == 0


@pytest.mark.parametrize(("scale", "side"), [(0.1, 16), (0.25, 8), (0.5, 4), (1.0, 2), (2.0, 2), (12.0, 1)])
def test_cells_are_about_two_of_the_networks_pixels(scale: float, side: int) -> None:
    assert cell_side(scale) == side


def test_a_patch_of_a_tiny_picture_is_drawn_whole() -> None:
    picture, basis = np.full((64, 64, 4), 255, np.uint8), empty_basis()
    for row in range(12, 20):
        for column in range(28, 36):
            with_tile(basis, head_node(0, 0, 0), row=row, column=column, pixel=(0, 0, 90, 255, 255))
    frame = drawn(basis, picture, place=HeadPlace((32.0, 32.0), 10.0))
    assert (frame[30:34, 30:34] == (0, 0, 90, 255)).all()
    lone = empty_basis()
    with_tile(lone, head_node(0, 0, 0), row=16, column=32, pixel=(0, 0, 90, 255, 255))
    inside = (drawn(lone, picture, place=HeadPlace((32.0, 32.0), 6.0)) != 255).any(-1)
    assert inside.sum() >= 1
