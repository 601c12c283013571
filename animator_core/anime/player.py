"""Plays a motion basis: the character's own pixels, moved and painted over as the networks would at 45 parameters."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

import cv2
import numpy as np

from animator_core.anime import expression, parameters
from animator_core.anime.basis import BODY_NODES, CELLS, FLOW_UNIT, GRIDS, HEAD_AXES, TILE, TILES, MotionBasis, Region
from animator_core.anime.footprint import Footprint
from animator_core.anime.kernels import (
    mix_flows,
    mix_patches,
    mix_tiles,
    paint_brow,
    paint_frame,
    paint_region,
    place_grid,
)
from animator_core.anime.network_picture import CENTER
from animator_core.anime.networks.chain import SIDE
from animator_core.arrays import AnyArray, BoolArray, FloatArray, Int16Array, UInt8Array, UInt32Array
from animator_core.characters.head_place import HeadPlace
from animator_core.rendering.bands import equal_bands, in_bands
from animator_core.rendering.srgb import premultiplied_bgra

_MARGIN = 40
"""Networks' pixels by which anything moves at most."""
_MOST_SHARPENING = 1.5
_UNSEEN = 0.5
"""Pixels of the picture."""
_LEAST_SCALE = 0.25
"""In larger pictures than this makes, half a pixel is finer than what the networks tell."""
_TRAVELS = (
    (("head", "neck", "body", "breathing"), 40.0),
    (("eye_",), 20.0),
    (("mouth",), 14.0),
    (("eyebrow",), 12.0),
    (("iris",), 10.0),
)
"""Networks' pixels by which each parameter moves anything at most, from 0 to 1, by the beginning of its name."""
_EYES = expression.SIDES


class BasisPlayer:
    """Draws one character from its basis; the frame and all buffers are reused.

    picture: (H, W, 4) uint8 RGBA, straight alpha. place: of its head. Used by one thread.
    """

    def __init__(self, basis: MotionBasis, picture: UInt8Array, place: HeadPlace) -> None:
        self._basis, self._place = basis, place
        self.steps = parameter_steps(place)
        """(45,) float32, the change of each parameter that nobody sees."""
        height, width = picture.shape[:2]
        self._side = cell_side(place.scale)
        self._frame = np.zeros((height, width), np.uint32)
        pixels = premultiplied_bgra(picture).view(np.uint32)[..., 0]
        self._picture: UInt32Array = np.pad(pixels, (1, 1 + self._side), "edge")
        self._with_brows, self._texture = self._picture.copy(), self._picture.copy()
        rows, columns = -(-height // self._side), -(-width // self._side)
        self._active = _near_opaque(picture[..., 3], place.scale, self._side)
        self._bands = equal_bands(self._active.sum(1) * self._side**2)
        self._grid = np.zeros((rows + 1, columns + 1, 4), np.float32)
        self._head, self._body = (np.zeros((CELLS, CELLS, 2), np.float32) for _ in range(2))
        self._paint, self._share = np.zeros((SIDE + 2, SIDE + 2), np.uint32), np.zeros((SIDE + 2, SIDE + 2), np.uint8)
        self._is_used = np.zeros((TILES, TILES), np.bool_)
        self._brows = [self._brow(side) for side in _EYES]
        self._footprints = {name: self._footprint(name) for name in ("lids_left", "lids_right", "mouth")}
        numbers = (*place.center, place.scale, self._side, width, height)
        self._numbers = np.array(numbers, np.float32)

    def draw(self, pose: FloatArray) -> UInt8Array:
        """Return the character in a pose, (H, W, 4) uint8 BGRA, premultiplied; the next call changes it.

        pose: (45,) float32, see `parameters.NAMES`.
        """
        self._draw_face(pose)
        self._move(pose)
        patch = self._paint, self._share, self._is_used

        def paint_rows(begin: int, end: int) -> None:
            paint_frame(self._texture, self._grid, self._active, *patch, self._side, self._frame, begin, end)

        in_bands(paint_rows, self._bands)
        return self._frame.view(np.uint8).reshape(*self._frame.shape, 4)

    def refine(self, basis: MotionBasis) -> None:
        """Take a basis with the same cells and regions, and another grid of the head."""
        self._basis = basis

    def _move(self, pose: FloatArray) -> None:
        """Mix flow and patch of head and body, and find the place of each cell's corner."""
        basis = self._basis
        chosen, weights = head_weights(pose, basis.head.side)
        unit = np.float32(FLOW_UNIT)
        mix_flows(basis.head.flow, chosen, weights * unit, basis.cells, self._head)
        shares = np.rint(weights * 256).astype(np.int32)
        shares[np.argmax(shares)] += 256 - shares.sum()
        mix_tiles(basis.head.index, basis.head.tiles, chosen, shares, self._paint, self._share, self._is_used)
        body, weights = body_weights(pose)
        if len(body):
            mix_flows(basis.body, body, weights * unit, basis.cells, self._body)
        place_grid(self._head, self._body, len(body) > 0, self._active, self._numbers, self._grid)

    def _draw_face(self, pose: FloatArray) -> None:
        for brow in self._brows:
            brow.remove(self._with_brows)
        for brow in self._brows:
            brow.draw(pose, self._with_brows)
        for brow in self._brows:
            self._texture[brow.inside] = self._with_brows[brow.inside]
        regions = self._basis.regions
        for footprint in self._footprints.values():
            self._texture[footprint.inside] = self._with_brows[footprint.inside]
        for side in _EYES:
            self._draw_region(f"lids_{side}", _eye(regions, pose, side))
        self._draw_region("mouth", _mouth(regions, pose))

    def _draw_region(self, name: str, mixed: _Mixed) -> None:
        flow, share, paint = mixed
        footprint = self._footprints[name]
        if not footprint.columns.size:
            return
        pixels = np.ascontiguousarray(footprint.enlarged(paint)).view(np.uint32)[..., 0]
        opacity = footprint.enlarged(share)
        flow = np.ascontiguousarray(flow / np.float32(self._place.scale), np.float32)
        paint_region(self._with_brows, self._texture, flow, pixels, opacity, footprint.place, footprint.box)
        drawn = np.ascontiguousarray(self._texture[footprint.inside])
        _sharpen(drawn.view(np.uint8).reshape(*drawn.shape, 4), opacity, 1 / self._place.scale)
        self._texture[footprint.inside] = drawn

    def _footprint(self, name: str) -> Footprint:
        """Return the pixels of the picture that a region covers."""
        region = self._basis.regions[name]
        (x, y), scale = self._place.center, self._place.scale
        height, width = region.share.shape[1:]
        place = np.array(
            [
                (0.5 - x) * scale + CENTER[0] - 0.5 - region.left,
                (0.5 - y) * scale + CENTER[1] - 0.5 - region.top,
                scale,
            ]
        )
        left, top = (max(math.ceil(-start / scale), 0) for start in place[:2])
        right = min(math.floor((width - 1 - place[0]) / scale) + 1, self._frame.shape[1])
        bottom = min(math.floor((height - 1 - place[1]) / scale) + 1, self._frame.shape[0])
        return Footprint(place, np.array([left, top, max(right, left), max(bottom, top)], np.int64))

    def _brow(self, side: str) -> _Brow:
        name = f"brows_{side}"
        return _Brow(self._basis.regions[name], footprint=self._footprint(name), picture=self._picture, side=side)


_Patch = tuple[FloatArray, FloatArray]
"""Share and paint, 0 to 1."""
_Mixed = tuple[FloatArray, FloatArray, FloatArray]
"""Flow in the networks' pixels, share and paint, 0 to 1."""


class _Brow:
    """A brow as a layer of its own over the skin, at the size of the picture."""

    def __init__(self, region: Region, *, footprint: Footprint, picture: UInt32Array, side: str) -> None:
        self._flow = region.flow
        self._ramps = expression.named(expression.BROWS, side)
        self._place, self._box = footprint.place, footprint.box
        self._unit = np.float32(FLOW_UNIT / footprint.place[2])
        self._is_moved = False
        self.inside = footprint.inside
        pixels = np.ascontiguousarray(picture[self.inside])
        self._at_rest = pixels
        below = pixels.view(np.uint8).reshape(*pixels.shape, 4) / np.float32(255)

        def enlarged(values: UInt8Array) -> FloatArray:
            return np.asarray(footprint.sampled(values), np.float32) / np.float32(255)

        if not pixels.size:
            self._skin = self._brow = np.zeros((2, 2), np.uint32)
            return
        share, opacity = enlarged(region.share[0])[..., None], enlarged(region.share[1])[..., None]
        skin = enlarged(region.paint[0]) + (1 - share) * below
        # Over the skin at rest it gives the picture again.
        brow = np.clip(below - (1 - opacity) * skin, 0, 1)
        brow[..., 3:] = opacity
        self._skin, self._brow = (_bordered(layer) for layer in (skin, brow))

    def remove(self, texture: UInt32Array) -> None:
        """Restore the picture."""
        if self._is_moved:
            texture[self.inside] = self._at_rest

    def draw(self, pose: FloatArray, texture: UInt32Array) -> None:
        """Draw the brow over the picture if it moves."""
        weights = expression.added(self._ramps, pose)
        self._is_moved = bool(weights.any())
        if self._is_moved:
            chosen = np.flatnonzero(weights)
            flow = _mean_flow(self._flow, chosen, (weights[chosen] * self._unit).astype(np.float32))
            paint_brow(self._skin, self._brow, texture, flow, self._place, self._box)


def parameter_steps(place: HeadPlace) -> FloatArray:
    """Return the change of each parameter, (45,) float32, that moves nothing by more than half a pixel."""
    steps = np.empty(len(parameters.NAMES), np.float32)
    for prefixes, travel in _TRAVELS:
        for index, name in enumerate(parameters.NAMES):
            if name.startswith(prefixes):
                steps[index] = _UNSEEN * max(place.scale, _LEAST_SCALE) / travel
    return steps


def cell_side(scale: float) -> int:
    """Return the side of the frame's cells in pixels: about the one of the flow's, two of the networks' pixels.

    A cell is never larger than a tile of the patch, or patches in its middle would be missed.
    """
    return 1 << min(max(round(math.log2(2 / scale)), 1 if scale <= TILE / 2 else 0), 4)


def head_weights(pose: FloatArray, side: int) -> tuple[AnyArray, FloatArray]:
    """Return the nodes round a pose of the head, (K,) int64, and their weights, (K,) float32: trilinear."""
    lines = [expression.line_weights(GRIDS[side], float(pose[parameters.INDEX[name]])) for name in HEAD_AXES]
    weights = np.einsum("z,y,x->zyx", *lines).ravel()
    chosen = np.flatnonzero(weights)
    return chosen, np.asarray(weights[chosen], np.float32)


def body_weights(pose: FloatArray) -> tuple[AnyArray, FloatArray]:
    """Return the nodes of `BODY_NODES` round a pose of the body, (K,) int64, and their weights, (K,) float32."""
    found: list[tuple[int, float]] = []
    for name, group in itertools.groupby(enumerate(BODY_NODES), lambda entry: entry[1][0]):
        numbers = {value: number for number, (_, value) in group}
        places = tuple(sorted({*numbers, 0.0}))
        weights = expression.line_weights(places, float(pose[parameters.INDEX[name]]))
        found += [(numbers[value], float(weight)) for value, weight in zip(places, weights) if value and weight]
    return np.array([number for number, _ in found], np.int64), np.array([weight for _, weight in found], np.float32)


def _mean(region: Region, weights: FloatArray) -> _Mixed:
    """Return the weighted sum of a region's nodes."""
    chosen = np.flatnonzero(weights)
    if not len(chosen):
        chosen = np.array([0])
    some = weights[chosen].astype(np.float32)
    size = region.share.shape[1:]
    share, paint = np.empty(size, np.float32), np.empty((*size, 4), np.float32)
    mix_patches(region.share, region.paint, chosen, some / np.float32(255), share, paint)
    return _mean_flow(region.flow, chosen, some * np.float32(FLOW_UNIT)), share, paint


def _mean_flow(nodes: Int16Array, chosen: AnyArray, weights: FloatArray) -> FloatArray:
    """Return the weighted sum of flows, (N, h, w, 2); weights: float32, which convert units as well."""
    count, height, width = nodes.shape[:3]
    flow = np.empty((height, width, 2), np.float32)
    cells = np.arange(height * width, dtype=np.int32)
    mix_flows(nodes.reshape(count, -1, 2), chosen, weights, cells, flow)
    return flow


def _eye(regions: Mapping[str, Region], pose: FloatArray, side: str) -> _Mixed:
    iris = regions[f"iris_{side}"]
    grid, small = expression.iris_weights(pose, side)
    flow, share, paint = _mean(iris, np.concatenate([grid, np.zeros_like(small)]))
    if small.any():
        change = _mean(iris, np.concatenate([np.zeros_like(grid), small]))
        neutral = iris.flow[len(grid) // 2] * np.float32(FLOW_UNIT)
        flow = flow + change[0] - small.sum() * neutral
        share, paint = _laid_over(change[1:], (share, paint))
    lids = _mean(regions[f"lids_{side}"], expression.mixed(expression.named(expression.LIDS, side), pose))
    return (flow, *_laid_over(lids[1:], (share, paint)))


def _mouth(regions: Mapping[str, Region], pose: FloatArray) -> _Mixed:
    flow, share, paint = _mean(regions["mouth"], expression.mixed(expression.VOWELS, pose))
    weights = expression.added(expression.CORNERS, pose)
    if not weights.any():
        return flow, share, paint
    corners = regions["corners"]
    bend = _mean(corners, weights)[0] - weights.sum() * corners.flow[0] * np.float32(FLOW_UNIT)
    below = _mean(corners, expression.mixed(expression.CORNERS, pose))
    # The open mouth is bent by its corners.
    rows, columns = np.indices(share.shape, np.float32)
    x, y = columns + bend[..., 0], rows + bend[..., 1]
    bent = [
        cv2.remap(each, x.astype(np.float32), y.astype(np.float32), cv2.INTER_LINEAR) for each in (flow, share, paint)
    ]
    return (bent[0] + bend, *_laid_over((bent[1], bent[2]), below[1:]))


def _sharpen(drawn: UInt8Array, where: UInt8Array, magnification: float) -> None:
    """Sharpen a part of the texture, (h, w, 4), that is painted in the networks' resolution, without overshooting.

    It is lines and plain areas, which would look out of focus in a larger picture. where: (h, w), above 127 inside.
    """
    amount = min(magnification - 1, _MOST_SHARPENING)
    if amount <= 0 or not where.any():
        return
    blurred = cv2.GaussianBlur(drawn, (0, 0), magnification * 0.6)
    sharp = cv2.addWeighted(drawn, 1 + amount, blurred, -amount, 0)
    around = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * round(magnification) + 1,) * 2)
    sharp = cv2.min(cv2.max(sharp, cv2.erode(drawn, around)), cv2.dilate(drawn, around))
    cv2.copyTo(sharp, cv2.compare(where, 127, cv2.CMP_GT), drawn)


def _laid_over(upper: _Patch, lower: _Patch) -> _Patch:
    """Return the patch of one over another."""
    one = np.float32(1)
    rest = one - np.minimum(upper[0], one)
    share, paint = one - rest * (one - lower[0]), upper[1] + rest[..., None] * lower[1]
    return np.asarray(share, np.float32), np.asarray(paint, np.float32)


def _bordered(layer: FloatArray) -> UInt32Array:
    """Return a layer, (h, w, 4) in 0 to 1, as (h + 2, w + 2) uint32 with a transparent border."""
    values = np.pad(np.rint(layer * 255).astype(np.uint8), ((1, 1), (1, 1), (0, 0)))
    return np.ascontiguousarray(values).view(np.uint32)[..., 0]


def _near_opaque(alpha: UInt8Array, scale: float, side: int) -> BoolArray:
    """Return the cells, (rows, columns), within `_MARGIN` of anything that is not transparent."""
    rows, columns = (-(-size // side) for size in alpha.shape)
    padded = np.pad(alpha > 0, ((0, rows * side - alpha.shape[0]), (0, columns * side - alpha.shape[1])))
    seen = padded.reshape(rows, side, columns, side).any((1, 3)).astype(np.uint8)
    reach = math.ceil(_MARGIN / scale / side)
    return np.asarray(cv2.dilate(seen, np.ones((2 * reach + 1,) * 2, np.uint8)) > 0)
