"""Computes a motion basis from the networks, node by node."""

from __future__ import annotations

import itertools
from collections.abc import Generator, Iterable, Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import torch

from animator_core.anime import expression, parameters
from animator_core.anime.basis import BODY_NODES, CELLS, FLOW_UNIT, GRIDS, HEAD_AXES, TILE, TILES, HeadBasis, Region
from animator_core.anime.network_picture import shown
from animator_core.anime.networks.chain import BROWS, FACE, SIDE, AnimeNetworks, Layers
from animator_core.anime.networks.layers import sample
from animator_core.arrays import BoolArray, FloatArray, Int16Array, IntArray, UInt8Array

_VISIBLE = 0.03, 0.08
"""Differences in colour, 0 to 1, from which the patch of a pose begins to be laid on, and is laid on fully."""
_LEAST_WIDTH = 3
"""Pixels of a pose's patch: thinner ones correct an outline by a pixel, and stand beside it between two nodes."""
_VISIBLE_IN_FACE = 0.01, 0.03
"""The same for an expression: skin is plain, so that less shows."""
_MARGIN = 12
"""Pixels around all that is seen in any pose of which the flow is kept."""
_SEEN = 0.02
_FACE_MARGIN = 4
"""Pixels round a region of the face within which its flow fades."""
_OPAQUE = 0.2
_POSE_GAP = 7
"""Pixels round the regions of the face that a pose does not paint over: between two nodes, they lie elsewhere."""
_LEAST_PART = 0.15
"""Area of a changed part of the face, as a share of the largest; smaller ones are noise."""
_LEAST_BROW = 0.1
"""Opacity from which a pixel belongs to a brow."""
_BROW_TRAVEL = 14
"""Pixels by which a brow moves at most."""
_FACE_CORNER = FACE[0].start, FACE[1].start
_FACE_SIDE = FACE[0].stop - FACE[0].start
_BROW_CORNER = BROWS[0].start, BROWS[1].start


Place = tuple[float, float, float]
"""neck_z, head_y and head_x of a node."""


@dataclass(frozen=True)
class Node:
    """A node of head or body: flow (C, 2) int16, see `MotionBasis`; tile numbers (K,) of 64·row + column; tiles."""

    flow: Int16Array
    tile_numbers: IntArray
    tiles: UInt8Array


@dataclass(frozen=True)
class _DrawnPose:
    """A pose of head or body: flow (256, 256, 2) int16, tiles as in `Node`, is_seen (512, 512) bool."""

    flow: Int16Array
    tile_numbers: IntArray
    tiles: UInt8Array
    is_seen: BoolArray


class BasisBuilder:
    """Computes the parts of one character's basis.

    picture: of `network_picture`. networks: of `load_networks`, on any device.
    """

    def __init__(self, networks: AnimeNetworks, picture: torch.Tensor) -> None:
        self._networks = networks
        self._device = next(networks.parameters()).device
        self._picture = picture.to(self._device)
        self._texture = shown(self._picture)
        self._drawn: dict[Place, _DrawnPose] = {}
        """The extremes, until their nodes are asked for."""
        self._face: FloatArray = np.zeros((SIDE, SIDE), np.float32)
        self.cells: IntArray = np.zeros(0, np.int32)

    def begin_poses(self, regions: Mapping[str, Region], cells: IntArray | None) -> None:
        """Prepare for `head_node` and `body_nodes`; takes as long as eight nodes unless the cells are known.

        regions: of `regions`; their pixels are not painted over by a pose, whose patch has the neutral expression.
        cells: of an earlier builder of the same character, see `MotionBasis.cells`.
        """
        self._face = _expressive(regions)
        self.cells = self._cells_seen() if cells is None else cells

    def head_node(self, place: Place) -> Node:
        """Return the node of a place."""
        drawn = self._drawn.pop(place, None) or self._draw(dict(zip(HEAD_AXES, place)))
        return Node(drawn.flow.reshape(-1, 2)[self.cells], drawn.tile_numbers, drawn.tiles)

    def body_nodes(self) -> Int16Array:
        """Return the flows of `BODY_NODES` less the neutral one, (10, C, 2)."""
        neutral, *flows = (
            self._draw(values).flow.reshape(-1, 2)[self.cells]
            for values in ({}, *({name: value} for name, value in BODY_NODES))
        )
        return np.stack([flow - neutral for flow in flows])

    def _cells_seen(self) -> IntArray:
        """Return the cells that the character covers in any pose of the head."""
        seen = np.max(self._texture[..., 3:], axis=2) > 0
        for place in head_places(2):
            self._drawn[place] = drawn = self._draw(dict(zip(HEAD_AXES, place)))
            seen |= drawn.is_seen
        near = cv2.dilate(seen.astype(np.uint8), np.ones((2 * _MARGIN + 1,) * 2, np.uint8))
        return np.flatnonzero(near.reshape(CELLS, 2, CELLS, 2).any((1, 3))).astype(np.int32)

    @torch.inference_mode()
    def _draw(self, values: Mapping[str, float]) -> _DrawnPose:
        change = self._networks.change_body(self._picture, self._pose(values))
        drawn = shown(change.apply(self._picture))
        flow = usable_flow(change.flow[0].permute(1, 2, 0).float().cpu().numpy() * (SIDE / 2), drawn[..., 3])
        kept = _whole(flow)
        sampled = _sampled(self._texture, _enlarged(kept * np.float32(FLOW_UNIT)))
        face = _sampled(self._face[..., None], _enlarged(kept * np.float32(FLOW_UNIT)))
        share = change.share[0].amax(0).float().cpu().numpy() * (1 - face)
        return _DrawnPose(
            kept,
            *_tiles(*_patch(drawn, sampled, share, visible=_VISIBLE, least_width=_LEAST_WIDTH)),
            is_seen=drawn[..., 3] > _SEEN,
        )

    def _pose(self, values: Mapping[str, float]) -> torch.Tensor:
        return torch.from_numpy(parameters.pose(values))[None].to(self._device)

    @torch.inference_mode()
    def regions(self) -> Generator[None, None, dict[str, Region]]:
        """Compute the regions of the face, by name as in `MotionBasis`; yields after each evaluation."""
        layers = self._networks.decompose(self._picture)
        face = self._networks.move_brows(self._picture, layers, self._pose({}))
        base = self._texture[FACE]
        computed: list[list[_FaceNode]] = []
        for group in _expressions():
            nodes = []
            for values in group:
                nodes.append(self._face_node(face, base, values))
                yield
            computed.append(nodes)
        lids, irises, mouth, corners = computed
        found = {}
        moves_lids, moves_mouth = _changes(lids), _changes(mouth + corners)
        for side, columns in _halves(_FACE_SIDE):
            mask = np.zeros(moves_lids.shape, np.uint8)
            mask[:, columns] = moves_lids[:, columns]
            found[f"lids_{side}"] = _cut(_none(lids), [node.lids for node in lids], mask, corner=_FACE_CORNER)
            found[f"iris_{side}"] = _cut(
                [node.flow for node in irises], [node.mouth for node in irises], mask, corner=_FACE_CORNER
            )
        # The networks close a mouth that is drawn open.
        opened = np.abs(mouth[0].drawn - base).max(-1) > _VISIBLE[0]
        mask = _whole_parts((moves_mouth | opened) & ~moves_lids).astype(np.uint8)
        for name, nodes in (("mouth", mouth), ("corners", corners)):
            found[name] = _cut([node.flow for node in nodes], [node.mouth for node in nodes], mask, corner=_FACE_CORNER)
        found.update(self._brows(layers))
        return found

    def _face_node(self, face: torch.Tensor, base: FloatArray, values: Mapping[str, float]) -> _FaceNode:
        change = self._networks.change_face(face, self._pose(values))
        flowed = sample(face, change.flow)
        below = change.mouth_share * change.mouth_colour + (1 - change.mouth_share) * flowed
        drawn = change.apply(face)
        flow = change.flow[0].permute(1, 2, 0).float().cpu().numpy() * (_FACE_SIDE / 2)
        shares = (share[0, 0].float().cpu().numpy() for share in (change.mouth_share, change.eye_share))
        mouth_share, eye_share = shares
        shown_below = shown(below)
        return _FaceNode(
            drawn=shown(drawn),
            flow=flow,
            mouth=_patch(shown_below, _sampled(base, flow), _firm(mouth_share)),
            lids=_patch(shown(drawn), shown_below, _firm(eye_share)),
        )

    def _brows(self, layers: Layers) -> dict[str, Region]:
        """Return the regions of the brows: how they move, the skin below them, and their opacity."""
        combiner = self._networks.eyebrow_morphing_combiner
        both = torch.cat((layers.background, layers.brows), dim=1)
        flows = []
        for values in _both_sides(expression.BROWS):
            features = combiner.body(both, self._pose(values)[:, parameters.EYEBROW_PART])
            flow = combiner.morphed_eyebrow_layer_grid_change(features)[0].permute(1, 2, 0)
            flows.append(flow.float().cpu().numpy() * (flow.shape[0] / 2))
        opacity = ((layers.brows[0, 3] + 1) / 2).float().cpu().numpy()
        skin = _patch(shown(layers.background), self._texture[BROWS], np.ones_like(opacity))
        found = {}
        for side, columns in _halves(opacity.shape[1]):
            mask = np.zeros(opacity.shape, np.uint8)
            mask[:, columns] = opacity[:, columns] > _LEAST_BROW
            mask = np.asarray(cv2.dilate(mask, np.ones((2 * _BROW_TRAVEL + 1,) * 2, np.uint8)), np.uint8)
            nothing = np.zeros_like(opacity), np.zeros((*opacity.shape, 4), np.float32)
            patches = [skin, (opacity, nothing[1]), *(nothing for _ in flows[2:])]
            found[f"brows_{side}"] = _cut([flow - flows[0] for flow in flows], patches, mask, corner=_BROW_CORNER)
        return found


@dataclass(frozen=True)
class _FaceNode:
    """An expression of the face, all (192, 192, …): the drawn face, the flow, and the patches of mouth and lids."""

    drawn: FloatArray
    flow: FloatArray
    mouth: tuple[FloatArray, FloatArray]
    lids: tuple[FloatArray, FloatArray]


def assemble_head(nodes: Mapping[Place, Node], side: int) -> HeadBasis:
    """Return the basis of a grid with ``side`` nodes an axis; nodes: all of it by neck_z, head_y and head_x."""
    ordered = [nodes[place] for place in head_places(side)]
    index = np.full((len(ordered), TILES * TILES), -1, np.int32)
    first = 0
    for row, node in zip(index, ordered):
        row[node.tile_numbers] = np.arange(first, first + len(node.tiles))
        first += len(node.tiles)
    return HeadBasis(
        side,
        flow=np.stack([node.flow for node in ordered]),
        index=index.reshape(-1, TILES, TILES),
        tiles=np.concatenate([node.tiles for node in ordered]),
    )


def head_places(side: int) -> list[Place]:
    """Return neck_z, head_y and head_x of every node of a grid, in the order of `HeadBasis`."""
    grid = GRIDS[side]
    return [(z, y, x) for z in grid for y in grid for x in grid]


def _expressions() -> tuple[list[dict[str, float]], ...]:
    """Return the parameters of every node of lids, irises, mouth and its corners."""
    irises = [
        {"iris_rotation_x": x, "iris_rotation_y": y} for y, x in itertools.product(expression.IRIS_GRID, repeat=2)
    ]
    return (
        _both_sides(expression.LIDS),
        [*irises, *_both_sides((expression.IRIS_SMALL,))[1:]],
        _ramp_nodes(expression.VOWELS),
        _ramp_nodes(expression.CORNERS),
    )


def _halves(width: int) -> tuple[tuple[str, slice], ...]:
    """Return the columns of a face's sides; its left side is on the right of the picture."""
    return ("right", slice(0, width // 2)), ("left", slice(width // 2, width))


def _none(nodes: list[_FaceNode]) -> list[FloatArray]:
    return [np.zeros_like(node.flow) for node in nodes]


def _ramp_nodes(ramps: Iterable[expression.Ramp]) -> list[dict[str, float]]:
    """Return the parameters of the neutral face and of each step of the ramps."""
    return [{}, *({ramp.name: (step + 1) / ramp.steps} for ramp in ramps for step in range(ramp.steps))]


def _both_sides(ramps: Iterable[expression.Ramp]) -> list[dict[str, float]]:
    """Return the same for ramps without a side, left and right at once: either changes its half of the face alone."""
    return [
        {f"{name}_{side}": value for name, value in node.items() for side in expression.SIDES}
        for node in _ramp_nodes(ramps)
    ]


EXPRESSION_COUNT = sum(len(group) for group in _expressions())
"""Evaluations of the face."""


def _sampled(texture: FloatArray, flow: FloatArray) -> FloatArray:
    """Return the texture, (H, W, 4), sampled at each pixel's place plus ``flow``, (H, W, 2) pixels."""
    rows, columns = np.indices(flow.shape[:2], np.float32)
    x, y = columns + flow[..., 0], rows + flow[..., 1]
    return np.asarray(cv2.remap(texture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32)


def _patch(
    drawn: FloatArray,
    sampled: FloatArray,
    share: FloatArray,
    *,
    visible: tuple[float, float] = _VISIBLE_IN_FACE,
    least_width: int = 1,
) -> tuple[FloatArray, FloatArray]:
    """Return share, (H, W), and paint, (H, W, 4), that turn ``sampled`` into ``drawn`` where that can be seen.

    least_width: pixels; thinner differences are left as they are.
    """
    difference = np.abs(drawn - sampled).max(-1)
    low, high = visible
    if least_width > 1:
        around = np.ones((least_width, least_width), np.uint8)
        difference = cv2.dilate(cv2.morphologyEx(difference, cv2.MORPH_OPEN, around), around)
    strength = np.clip((cv2.dilate(difference, np.ones((3, 3), np.uint8)) - low) / (high - low), 0, 1)
    share = np.rint(share * strength * 255).astype(np.float32) / np.float32(255)
    paint = np.clip(drawn - (1 - share[..., None]) * sampled, 0, 1)
    paint[share == 0] = 0
    return share, paint


def _firm(share: FloatArray) -> FloatArray:
    """Return a larger share: a line below that the networks leave a little of is sharper in the character's pixels."""
    return np.asarray(1 - (1 - share) ** 3, np.float32)


def usable_flow(flow: FloatArray, alpha: FloatArray) -> FloatArray:
    """Return a flow at half size, (H/2, W/2, 2), with that of transparent pixels, which is arbitrary, filled up.

    flow: (H, W, 2) pixels. alpha: (H, W), of the picture that it draws.
    """
    opaque = (alpha > _OPAQUE).astype(np.float32)
    size = flow.shape[1] // 2, flow.shape[0] // 2
    weight = np.asarray(cv2.resize(opaque, size, interpolation=cv2.INTER_AREA), np.float32)
    mean: FloatArray = cv2.resize(flow * opaque[..., None], size, interpolation=cv2.INTER_AREA)
    mean = np.asarray(mean / np.maximum(weight, 1e-6)[..., None], np.float32)
    return _filled(mean, (weight > 0.1).astype(np.float32))


def _filled(values: FloatArray, weight: FloatArray) -> FloatArray:
    """Return values, (H, W, 2), with those of weight 0 taken from ever wider surroundings (push-pull)."""
    values = values * weight[..., None]
    if min(weight.shape) <= 2 or weight.all():
        total = float(weight.sum())
        return values if weight.all() else values + (1 - weight[..., None]) * values.sum((0, 1)) / max(total, 1e-6)
    size = weight.shape[1] // 2, weight.shape[0] // 2
    mean = cv2.resize(weight, size, interpolation=cv2.INTER_AREA)
    coarse = np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
    coarse /= np.maximum(mean, 1e-6)[..., None]
    coarse = _filled(coarse, np.minimum(1, mean * 4))
    around = cv2.resize(coarse, weight.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return np.asarray(values + around * (1 - weight[..., None]), np.float32)


def _enlarged(flow: FloatArray) -> FloatArray:
    return np.asarray(cv2.resize(flow, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR), np.float32)


def _whole(flow: FloatArray) -> Int16Array:
    return np.rint(np.clip(flow / FLOW_UNIT, -32767, 32767)).astype(np.int16)


def _bytes(values: FloatArray) -> UInt8Array:
    return np.asarray(np.rint(values * 255), np.uint8)


def _tiles(share: FloatArray, paint: FloatArray) -> tuple[IntArray, UInt8Array]:
    """Return the numbers of the tiles with a patch in them, (K,) int32, and the tiles, (K, 8, 8, 5) uint8."""
    both = _bytes(np.concatenate([paint, share[..., None]], axis=2))
    tiles = both.reshape(TILES, TILE, TILES, TILE, 5).swapaxes(1, 2).reshape(TILES * TILES, TILE, TILE, 5)
    numbers = np.flatnonzero(tiles[..., 4].any((1, 2)))
    return numbers.astype(np.int32), tiles[numbers]


def _expressive(regions: Mapping[str, Region]) -> FloatArray:
    """Return the share, (512, 512), in which each pixel belongs to what expressions change."""
    mask = np.zeros((SIDE, SIDE), np.float32)
    for region in regions.values():
        changed = (region.share.max(0) > 0) | (np.abs(region.flow).max((0, 3)) * FLOW_UNIT > 1)
        height, width = changed.shape
        part = mask[region.top : region.top + height, region.left : region.left + width]
        np.maximum(part, changed, out=part)
    wide = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _POSE_GAP + 1,) * 2))
    return np.asarray(cv2.GaussianBlur(wide, (0, 0), 1.5), np.float32)


def _changes(nodes: list[_FaceNode]) -> BoolArray:
    """Return the pixels that any node changes visibly, (192, 192)."""
    neutral = nodes[0].drawn
    return _whole_parts(np.any([np.abs(node.drawn - neutral).max(-1) > _VISIBLE[0] for node in nodes[1:]], axis=0))


def _whole_parts(mask: BoolArray) -> BoolArray:
    """Return a mask, (H, W), without its small specks."""
    _, labels, parts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    areas = np.array(parts)[:, cv2.CC_STAT_AREA]
    areas[0] = 0
    kept = areas >= max(_LEAST_PART * areas.max(initial=0), 1)
    return np.asarray(kept[labels])


def _cut(
    flows: list[FloatArray], patches: list[tuple[FloatArray, FloatArray]], mask: UInt8Array, corner: tuple[int, int]
) -> Region:
    """Return the nodes within a mask, beyond which they fade; corner: row and column of the mask in the picture."""
    wide = cv2.dilate(mask, np.ones((_FACE_MARGIN * 2 + 1,) * 2, np.uint8))
    rows, columns = (np.flatnonzero(wide.any(axis)) for axis in (1, 0))
    if not len(rows):
        rows = columns = np.arange(2)
    box = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    inner = cv2.dilate(mask, np.ones((3, 3), np.uint8)).astype(np.float32)
    window = cv2.GaussianBlur(inner, (0, 0), _FACE_MARGIN / 3)[box][..., None]
    return Region(
        corner[0] + int(rows[0]),
        corner[1] + int(columns[0]),
        # PyTorch's order of the numbers would stay.
        flow=np.ascontiguousarray([_whole(flow[box] * window) for flow in flows]),
        share=np.ascontiguousarray([_bytes(share[box] * window[..., 0]) for share, _ in patches]),
        paint=np.ascontiguousarray([_bytes(paint[box] * window) for _, paint in patches]),
    )
