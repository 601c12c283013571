"""The frame of one character: repaints the cells that a motion changes, and draws layers behind the skin's openings."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numba
import numpy as np

from animator_core.arrays import AnyArray, BoolArray, FloatArray, IntArray, UInt8Array, UInt32Array
from animator_core.rendering.bands import equal_bands, in_bands
from animator_core.rendering.compiling import compiled
from animator_core.warp.backward_map import CellMap, map_triangles
from animator_core.warp.extension import bordered
from animator_core.warp.head import HeadGrid
from animator_core.warp.layers import Layers, lay_over
from animator_core.warp.painting import CLEAR, KEEP, MAP, PAINT, paint_cells, paint_map

_MARGIN = 8
"""Pixels around the face's points that belong to its window: the reach of the soft edges of mouth and eyes."""

_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class MappedWindow:
    """The window of a frame, in whole cells, that is painted through a map: the face and the grid's curved cells.

    left, top: its corner in the frame. frame: (h, w, 4) uint8 BGRA, a view. map_x, map_y: (h, w) float32, the
    backward map into the picture, `backward_map.EMPTY` for pixels that show nothing.
    """

    left: int
    top: int
    frame: UInt8Array
    map_x: FloatArray
    map_y: FloatArray


class WarpCanvas:
    """Keeps the last frame of a character and repaints only the cells whose content changes."""

    def __init__(self, layers: Layers, head_grid: HeadGrid, landmarks: FloatArray, weight: FloatArray) -> None:
        """landmarks: (478, 2) float32 pixels of the picture. weight: (478,) float32, see
        `backward_map.map_triangles`."""
        height, width = layers.person.shape[:2]
        self._texture = bordered(layers.person, layers.margin, head_grid.face_size)
        self._border = layers.margin + 1
        self._plate = None if layers.plate is None else layers.plate.view(np.uint32)[..., 0]
        self._cells = CellMap(head_grid, (height, width))
        self._landmarks, self._weight = landmarks, weight
        self._actions = np.empty(self._cells.shape, np.uint8)
        self._state = np.full(self._cells.shape, CLEAR, np.uint8)
        self._painted = np.zeros((*self._cells.shape, 2, 4), np.float32)
        self._shown_before = _shown_before(self._texture[1:-1, 1:-1], self._cells.side)
        self._frame = np.zeros((height, width), np.uint32) if self._plate is None else self._plate.copy()
        self._maps = np.empty((2, 0), np.float32)
        self._pixels = self._frame.view(np.uint8).reshape(height, width, 4)
        # Read-only to others: the next frame builds on this one.
        self.frame = self._pixels.view()
        self.frame.flags.writeable = False

    def paint(self, moved: FloatArray, points: FloatArray, face_triangles: IntArray, also: AnyArray) -> MappedWindow:
        """Paint the head grid and the face's skin, and return the window for drawing eyes and mouth.

        moved: (N, 2) float32, the grid's nodes, and points: (478, 2) float32, the face's landmarks, in pixels of the
        frame. face_triangles: (T, 3) int32, farthest first. also: (M, 2) more points that the window must contain.
        """
        cells = self._cells
        cells.move(moved)
        around_face = [points.min(0) - _MARGIN, points.max(0) + _MARGIN]
        window = self._window(np.concatenate([around_face, also, cells.curved_bounds()]))
        self._plan(window)
        corner = np.array([window.left, window.top], np.float32)
        curved = cells.curved_mesh(corner)
        face = points - corner, self._landmarks, self._weight, face_triangles
        texture = self._texture, self._border
        map_x, map_y, at = window.map_x, window.map_y, (window.left, window.top)

        def paint_rows(begin: int, end: int) -> None:
            first, last = (min(max(row * cells.side - window.top, 0), len(map_x)) for row in (begin, end))
            paint_cells(
                self._frame,
                self._texture,
                self._border,
                map_x,
                map_y,
                *at,
                cells.places,
                cells.side,
                self._actions,
                begin,
                end,
            )
            map_triangles(map_x, map_y, *curved, first, last)
            map_triangles(map_x, map_y, *face, first, last)
            paint_map(self._frame, *texture, map_x, map_y, *at, first, last)
            if self._plate is not None:
                lay_over(self._frame, self._plate, self._actions, cells.side, begin, end)

        in_bands(paint_rows, equal_bands((self._actions != KEEP).sum(1) * self._cells.side**2))
        return window

    def _window(self, corners: AnyArray) -> MappedWindow:
        """Return the window of whole cells around the corners, (N, 2) pixels, clipped to the frame."""
        height, width = self._frame.shape
        side, size = self._cells.side, np.array([width, height])
        low = np.clip(np.floor(corners.min(0)).astype(int), 0, size - 1) // side * side
        high = np.minimum((np.clip(np.ceil(corners.max(0)).astype(int), low, size - 1) // side + 1) * side, size)
        (left, top), (right, bottom) = low.tolist(), high.tolist()
        count = (bottom - top) * (right - left)
        if self._maps.shape[1] < count:
            self._maps = np.empty((2, int(1.3 * count)), np.float32)
        map_x, map_y = (each[:count].reshape(bottom - top, right - left) for each in self._maps)
        frame = self._pixels[top:bottom, left:right]
        return MappedWindow(left=left, top=top, frame=frame, map_x=map_x, map_y=map_y)

    def _plan(self, window: MappedWindow) -> None:
        """Choose the action of each cell."""
        side = self._cells.side
        rows, columns = (-(-size // side) for size in window.map_x.shape)
        in_window = np.zeros(self._actions.shape, np.bool_)
        first_row, first_column = window.top // side, window.left // side
        in_window[first_row : first_row + rows, first_column : first_column + columns] = True
        plan_cells(
            self._actions, self._state, self._painted, self._cells.places, self._shown_before, side, self._border - 1,
            in_window,
        )  # fmt: skip


def _shown_before(texture: UInt32Array, side: int) -> IntArray:
    """Return (rows + 1, columns + 1) int32, the integral image of the picture's squares that are not transparent."""
    shows = texture != 0
    rows, columns = (np.arange(0, size, side) for size in shows.shape)
    squares = np.logical_or.reduceat(np.logical_or.reduceat(shows, rows, 0), columns, 1)
    return np.pad(squares.cumsum(0).cumsum(1), ((1, 0), (1, 0))).astype(np.int32)


@numba.njit(error_model="numpy")
def _range(
    places: FloatArray, row: int, column: int, inverse_side: np.float32, most: int, margin: int
) -> tuple[int, int]:
    """Return the half-open range of the extended picture's squares that a cell shows along one axis."""
    one, other, third, fourth = (
        places[row, column], places[row, column + 1], places[row + 1, column], places[row + 1, column + 1],
    )  # fmt: skip
    # Interpolation reads one pixel more on each side.
    low = min(min(one, other), min(third, fourth)) - 2 + margin
    high = max(max(one, other), max(third, fourth)) + 2 + margin
    return min(max(int(low * inverse_side), 0), most), min(max(int(high * inverse_side) + 1, 0), most)


@numba.njit(error_model="numpy")
def _shows(places: FloatArray, row: int, column: int, shown_before: IntArray, side: int, margin: int) -> bool:
    """Return whether a cell shows any square of the picture that is not transparent."""
    inverse = np.float32(1) / np.float32(side)
    left, right = _range(places[0], row, column, inverse, shown_before.shape[1] - 1, margin)
    top, bottom = _range(places[1], row, column, inverse, shown_before.shape[0] - 1, margin)
    above, below = shown_before[top], shown_before[bottom]
    count: int = below[right] - above[right] - below[left] + above[left]
    return count > 0


@compiled(
    "void(uint8[:,::1], uint8[:,::1], float32[:,:,:,::1], float32[:,:,::1], int32[:,::1], int64, int64, "
    "boolean[:,::1])",
    nogil=True,
    error_model="numpy",
)
def plan_cells(
    actions: UInt8Array,
    state: UInt8Array,
    painted: FloatArray,
    places: FloatArray,
    shown_before: IntArray,
    side: int,
    margin: int,
    in_window: BoolArray,
) -> None:
    """Choose the action of each cell for `painting.paint_cells`, and record the frame's new content.

    actions: (rows, columns) uint8, written. state: (rows, columns) uint8, the last action other than KEEP, and
    painted: (rows, columns, 2, 4) float32, the places it used; both are updated. places: as in `find_curved`.
    shown_before: (R + 1, C + 1) int32, an integral image: the number of squares of the picture, ``side`` pixels
    each, above and left that are not transparent. margin: pixels by which that picture is extended. in_window: (rows,
    columns) bool, painted through the map.
    """
    for row in range(actions.shape[0]):
        for column in range(actions.shape[1]):
            was, action = state[row, column], MAP
            is_same = was == PAINT
            for axis in range(2):
                for corner in range(4):
                    place = places[axis, row + corner // 2, column + corner % 2]
                    is_same = is_same and place == painted[row, column, axis, corner]
            if not in_window[row, column]:
                action = PAINT if is_same or _shows(places, row, column, shown_before, side, margin) else CLEAR
                if is_same or action == CLEAR == was:
                    actions[row, column] = KEEP
                    continue
            actions[row, column] = state[row, column] = action
            for axis in range(2):
                for corner in range(4):
                    painted[row, column, axis, corner] = places[axis, row + corner // 2, column + corner % 2]


@dataclass(frozen=True)
class Opening:
    """The region of a frame that an opening covers: its top left corner and soft mask, (h, w) float32 in [0, 1]."""

    left: int
    top: int
    mask: FloatArray

    def region(self, frame: AnyArray) -> AnyArray:
        """Return the mask's region of ``frame``, (H, W) or (H, W, C), as a view."""
        height, width = self.mask.shape
        return frame[self.top : self.top + height, self.left : self.left + width]


def opening(
    polygon: FloatArray, frame_shape: tuple[int, ...], softness: float, *, margin: float = 0.0
) -> Opening | None:
    """Return the opening that ``polygon``, (N, 2) float32 pixels, cuts into a frame, or None if it is shut.

    softness: standard deviation of the edge's blur in pixels, on top of anti-aliasing. margin: more pixels around it.
    """
    pad = 2 + int(2 * softness + margin)
    low = np.maximum(np.floor(polygon.min(0)).astype(int) - pad, 0)
    high = np.minimum(np.ceil(polygon.max(0)).astype(int) + pad + 1, [frame_shape[1], frame_shape[0]])
    width, height = int(high[0] - low[0]), int(high[1] - low[1])
    if width < 2 or height < 2 or cv2.contourArea(polygon.astype(np.float32)) < 0.75:
        return None
    mask: AnyArray = polygon_mask(polygon - low, (height, width))
    if softness > 0:
        mask = cv2.GaussianBlur(mask, (0, 0), softness)
    return Opening(int(low[0]), int(low[1]), mask.astype(np.float32) / np.float32(255))


def polygon_mask(polygon: AnyArray, shape: tuple[int, ...]) -> UInt8Array:
    """Return (h, w) uint8, 255 inside an anti-aliased polygon of (N, 2) pixels; shape: (h, w, ...)."""
    mask = np.zeros(shape[:2], np.uint8)
    points = np.rint(polygon * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(mask, [points], (255,), cv2.LINE_AA, _SUBPIXEL_BITS)
    return mask


@compiled("void(uint8[:,:,:], uint8[:,:,:], float32[:,::1])", nogil=True, error_model="numpy")
def alpha_blend(below: UInt8Array, layer: UInt8Array, alpha: FloatArray) -> None:
    """Blend the colour of ``layer`` over ``below`` in place; the alpha of ``below`` is unchanged.

    below, layer: (h, w, 3 or 4) uint8 BGR(A). alpha: (h, w) float32 in [0, 1], opacity of the layer.
    """
    for y in range(alpha.shape[0]):
        for x in range(alpha.shape[1]):
            share = alpha[y, x]
            if share <= 0:
                continue
            for channel in range(3):
                under = np.float32(below[y, x, channel])
                mixed = under + share * (np.float32(layer[y, x, channel]) - under)
                below[y, x, channel] = np.uint8(mixed + np.float32(0.5))
