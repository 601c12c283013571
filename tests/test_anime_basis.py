"""The motion basis and its computation, with stand-in networks whose answers are known."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from anime_basis import SmoothNetworks, empty_basis, smooth_picture

from animator_core.anime import basis_parts, expression, parameters
from animator_core.anime.basis import BODY_NODES, FLOW_UNIT, GRIDS, TILES, MotionBasis, from_arrays, to_arrays
from animator_core.anime.basis_parts import BasisParts
from animator_core.anime.building import EXPRESSION_COUNT, BasisBuilder, Node, assemble_head, head_places, usable_flow
from animator_core.anime.network_picture import CENTER
from animator_core.anime.player import BasisPlayer
from animator_core.anime.store import BasisStore
from animator_core.characters.head_place import HeadPlace

COARSE, FINE = 2, 3
"""Smaller grids than the real ones take less time."""


@pytest.fixture(scope="module", autouse=True)
def _small_grids() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(basis_parts, "COARSE", COARSE)
        patch.setattr(basis_parts, "FINE", FINE)
        yield


@pytest.mark.parametrize("value", [-0.5, 0.0, 0.1, 0.25, 0.5, 0.99, 1.0, 3.0])
def test_a_ramp_is_linear_between_its_steps(value: float) -> None:
    weights = dict(expression.Ramp("any", 4).weights(value))
    assert 0 not in weights
    assert len(weights) <= 2
    assert sum(step * weight for step, weight in weights.items()) / 4 == pytest.approx(min(max(value, 0), 1))
    if value in (0.25, 0.5, 1.0):
        assert weights == {round(4 * value): 1.0}


def test_expressions_that_meet_are_a_mean_and_flows_add_up() -> None:
    pose = parameters.pose({"mouth_aaa": 0.8, "mouth_ooo": 0.8, "mouth_iii": 0.4})
    weights = expression.mixed(expression.VOWELS, pose)
    assert (weights.sum(), weights[0]) == pytest.approx((1.0, 0.0))
    # Each by its share of 0.8 + 0.8 + 0.4, fully open.
    assert sorted(weights[weights > 0]) == pytest.approx([0.2, 0.4, 0.4])
    assert weights[5] == pytest.approx(0.4)
    lids = expression.named(expression.LIDS, "left")
    closed = expression.mixed(lids, parameters.pose({"eye_wink_left": 0.25, "eye_happy_wink_left": 0.75}))
    assert closed[[8, 16]] == pytest.approx([0.25, 0.75]), "two that close an eye by a part close it together"
    assert expression.added(expression.VOWELS, pose).sum() == pytest.approx(3.0)
    few = expression.mixed(expression.VOWELS, parameters.pose({"mouth_aaa": 0.3}))
    assert few.sum() == pytest.approx(1.0)
    assert few[0] == pytest.approx(0.0), "between two steps the neutral face has no part"
    small = expression.mixed(expression.VOWELS, parameters.pose({"mouth_aaa": 0.1}))
    assert small[:2] == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("side", GRIDS)
def test_grids_have_weights_with_the_sum_1_that_are_exact_at_nodes(side: int) -> None:
    nodes = GRIDS[side]
    assert len(nodes) == side
    for index, value in enumerate(nodes):
        weights = expression.line_weights(nodes, value)
        assert weights == pytest.approx(np.eye(side)[index], abs=1e-6)
    for value in np.linspace(-1.3, 1.3, 27):
        weights = expression.line_weights(nodes, float(value))
        assert weights.sum() == pytest.approx(1)
        assert weights @ nodes == pytest.approx(np.clip(value, -1, 1), abs=1e-6)


def test_the_iris_grid_is_bilinear() -> None:
    grid, small = expression.iris_weights(
        parameters.pose({"iris_rotation_x": 0.25, "iris_rotation_y": -1.0, "iris_small_left": 0.5}), "left"
    )
    assert grid.reshape(5, 5)[0] == pytest.approx([0, 0, 0.5, 0.5, 0])
    assert grid.sum() == pytest.approx(1)
    assert small == pytest.approx([1, 0])


def assert_same(one: MotionBasis, other: MotionBasis) -> None:
    arrays, others = to_arrays(one), to_arrays(other)
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        assert array.dtype == others[name].dtype, name
        assert np.array_equal(array, others[name]), name


@pytest.fixture(scope="module")
def computed(_small_grids: None) -> BasisParts:
    parts = BasisParts()
    for _ in parts.advance(lambda: BasisBuilder(SmoothNetworks(), smooth_picture())):
        pass
    return parts


def test_a_basis_survives_as_arrays_and_on_disk(computed: BasisParts, tmp_path: Path) -> None:
    basis = computed.basis()
    assert basis is not None
    assert_same(from_arrays(to_arrays(basis)), basis)
    assert basis.nbytes == sum(array.nbytes for array in to_arrays(basis).values())
    store = BasisStore(tmp_path)
    store.put("ab", basis)
    kept = store.get("ab")
    assert kept is not None
    assert_same(kept, basis)
    BasisPlayer(kept, np.zeros((40, 40, 4), np.uint8), HeadPlace((20.0, 20.0), 3.0)).draw(parameters.pose())


@pytest.mark.parametrize("missing", ["head.flow", "cells", "body", "mouth.share", "lids_left.corner"])
def test_arrays_that_are_no_basis_are_refused(missing: str) -> None:
    arrays = to_arrays(empty_basis())
    del arrays[missing]
    with pytest.raises((KeyError, ValueError)):
        from_arrays(arrays)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("head.side", np.array([5], np.int32)),
        ("cells", np.arange(7, dtype=np.int32)),
        ("cells", np.full(256 * 256, 256 * 256, np.int32)),
        ("head.index", np.zeros((27, TILES, TILES), np.int32)),
        ("body", np.zeros((3, 256 * 256, 2), np.int16)),
        ("body", np.zeros((10, 5, 2), np.int16)),
        ("mouth.share", np.zeros((2, 24, 50), np.uint8)),
        ("mouth.flow", np.zeros((31, 24, 50, 2), np.float32)),
        ("head.flow", np.zeros((27, 256 * 256, 2), np.int32)),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(name: str, value: np.ndarray) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        from_arrays({**to_arrays(empty_basis()), name: value})


def test_the_coarse_grid_comes_first_and_progress_rises_to_1() -> None:
    networks, parts = SmoothNetworks(), BasisParts()
    progress, usable_at, bases = [parts.progress], None, []
    for number, _ in enumerate(parts.advance(lambda: BasisBuilder(networks, smooth_picture()))):
        progress.append(parts.progress)
        if usable_at is None and parts.is_usable:
            usable_at = number
            bases.append(parts.basis())
        assert (parts.basis() is not None) == parts.is_usable
    assert progress == sorted(progress)
    assert (progress[0], progress[-1]) == (0, pytest.approx(1))
    assert len(set(progress)) > EXPRESSION_COUNT + FINE**3
    # The expressions, the extremes for the cells, the coarse nodes, and the body.
    assert usable_at == EXPRESSION_COUNT + 1 + COARSE**3
    assert (networks.faces, len(networks.poses)) == (EXPRESSION_COUNT, FINE**3 + 1 + len(BODY_NODES))
    coarse, fine = bases[0], parts.basis()
    assert (coarse.head.side, fine.head.side) == (COARSE, FINE)
    assert parts.is_complete
    assert coarse.regions is fine.regions, "the player only takes another grid"


@pytest.mark.parametrize("stops", [[EXPRESSION_COUNT + 1], [EXPRESSION_COUNT + 5, 4, 9]])
def test_an_interrupted_basis_goes_on_where_it_stopped(stops: list[int], computed: BasisParts, tmp_path: Path) -> None:
    store, parts, evaluations = BasisStore(tmp_path), BasisParts(), 0
    for stop in (*stops, 10_000):
        networks = SmoothNetworks()
        steps = parts.advance(lambda networks=networks: BasisBuilder(networks, smooth_picture()))
        for number, _ in enumerate(steps, 1):
            if number == stop:
                break
        steps.close()
        evaluations += networks.faces
        if not parts.is_complete:
            before = parts.progress
            store.put_parts("ab", parts)
            kept = store.get_parts("ab")
            assert kept is not None
            assert kept.progress == pytest.approx(before)
            parts = kept
    assert evaluations == EXPRESSION_COUNT
    one, other = parts.basis(), computed.basis()
    assert one is not None
    assert other is not None
    assert_same(one, other)


def test_the_flows_of_head_and_body_are_those_of_the_networks(computed: BasisParts) -> None:
    basis = computed.basis()
    assert basis is not None
    places = head_places(FINE)
    for place in ((0.0, 0.0, 0.0), (1.0, 0.0, -1.0), (-1.0, -1.0, 0.0)):
        flow = basis.head.flow[places.index(place)] * FLOW_UNIT
        assert flow.mean(0) == pytest.approx([place[1] * 0.02 * 256, place[2] * 0.02 * 256], abs=FLOW_UNIT)
    body = dict(zip(BODY_NODES, basis.body * FLOW_UNIT))
    assert body["body_y", -1.0].mean(0) == pytest.approx([-0.01 * 256, 0], abs=FLOW_UNIT)
    assert body["body_z", 1.0].any() == np.False_
    assert body["breathing", 0.5].mean(0) == pytest.approx([0, 0.0025 * 256], abs=FLOW_UNIT)
    patched = (basis.head.index >= 0).any((1, 2))
    assert {bool(each) for each, place in zip(patched, places) if place[0] == 0} == {False}
    assert {bool(each) for each, place in zip(patched, places) if abs(place[0]) == 1} == {True}


def test_expressions_reach_the_picture(computed: BasisParts) -> None:
    picture = np.full((512, 512, 4), 255, np.uint8)
    picture[..., :3] = 90
    basis = computed.basis()
    assert basis is not None
    player = BasisPlayer(basis, picture, HeadPlace(CENTER, 1.0))
    still = player.draw(parameters.pose()).copy()
    for name, rows, columns in (
        ("eye_wink_right", slice(144, 170), slice(210, 246)),
        ("eye_unimpressed_left", slice(144, 170), slice(270, 306)),
        ("mouth_ooo", slice(184, 200), slice(238, 274)),
    ):
        changed = (player.draw(parameters.pose({name: 1.0})) != still).any(-1)
        assert changed[rows, columns].all(), name
        changed[rows.start - 12 : rows.stop + 12, columns.start - 12 : columns.stop + 12] = False
        assert not changed.any(), name


def test_the_flow_of_transparent_pixels_is_filled_up() -> None:
    alpha = np.zeros((512, 512), np.float32)
    alpha[100:300, 150:350] = 1
    flow = np.full((512, 512, 2), 300, np.float32)
    flow[100:300, 150:350] = (4, -7)
    filled = usable_flow(flow, alpha)
    assert filled.shape == (256, 256, 2)
    assert np.abs(filled - (4, -7)).max() < 1e-3
    assert not usable_flow(flow, np.zeros_like(alpha)).any()
    assert np.array_equal(usable_flow(flow, np.ones_like(alpha))[:40], flow[::2, ::2][:40])


def test_a_filled_flow_is_smooth() -> None:
    alpha = np.zeros((512, 512), np.float32)
    alpha[:, :200] = alpha[:, 312:] = 1
    flow = np.zeros((512, 512, 2), np.float32)
    flow[:, :256, 0], flow[:, 256:, 0] = -8, 8
    filled = usable_flow(flow, alpha)[..., 0]
    assert np.abs(np.diff(filled, axis=1)).max() < 2
    assert filled.min() >= -8.01
    assert filled.max() <= 8.01


def test_a_head_is_assembled_from_the_nodes_of_its_grid_only() -> None:
    nodes = {}
    for number, place in enumerate(head_places(3)):
        count = number % 3
        tiles = np.full((count, 8, 8, 5), number, np.uint8)
        nodes[place] = Node(np.full((4, 2), number, np.int16), np.arange(count, dtype=np.int32) * 65, tiles)
    nodes[0.5, 0.5, 0.5] = Node(np.zeros((4, 2), np.int16), np.zeros(0, np.int32), np.zeros((0, 8, 8, 5), np.uint8))
    head = assemble_head(dict(reversed(nodes.items())), 3)
    assert (head.flow[:, 0, 0] == np.arange(27)).all()
    for number in range(27):
        rows, columns = np.nonzero(head.index[number] >= 0)
        assert (rows.tolist(), columns.tolist()) == (list(range(number % 3)), list(range(number % 3)))
        assert (head.tiles[head.index[number, rows, columns]] == number).all()


def test_known_cells_are_not_searched_again(computed: BasisParts) -> None:
    networks = SmoothNetworks()
    builder = BasisBuilder(networks, smooth_picture())
    assert computed.regions is not None
    builder.begin_poses(computed.regions, computed.cells)
    assert not networks.poses
    assert builder.cells is computed.cells
