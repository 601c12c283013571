"""Chooses how each cell of a frame is painted, in Numba."""

from __future__ import annotations

import numba
import numpy as np

from animator_core.arrays import BoolArray, FloatArray, IntArray, UInt8Array
from animator_core.warp.compiling import compiled
from animator_core.warp.painting import CLEAR, KEEP, MAP, PAINT


@compiled(
    "void(float32[:,:,::1], float32, boolean[:,::1], float32[:,::1], int32[:,::1], boolean[::1])",
    nogil=True,
    error_model="numpy",
)
def find_curved(
    places: FloatArray,
    limit: float,
    is_curved: BoolArray,
    screen: FloatArray,
    triangles: IntArray,
    is_over: BoolArray,
) -> None:
    """Find the cells in which bilinear interpolation is too inexact, and the triangles that may overlap them.

    places: (2, rows + 1, columns + 1) float32, x and y of the picture at the cells' corners. limit: the largest second
    difference of neighbouring corners, in pixels. is_curved: (rows, columns) bool, all False, set for those cells.
    screen: (N, 2) float32 in cells. triangles: (T, 3) int32. is_over: (T,) bool, all False, set for those triangles.
    """
    rows, columns = is_curved.shape
    for row in range(rows + 1):
        for column in range(columns + 1):
            bend = np.float32(0)
            for axis in range(2):
                twice = 2 * places[axis, row, column]
                if 0 < column < columns:
                    bend = max(bend, abs(places[axis, row, column - 1] + places[axis, row, column + 1] - twice))
                if 0 < row < rows:
                    bend = max(bend, abs(places[axis, row - 1, column] + places[axis, row + 1, column] - twice))
            if bend > limit:
                for i in range(max(row - 1, 0), min(row + 1, rows)):
                    for j in range(max(column - 1, 0), min(column + 1, columns)):
                        is_curved[i, j] = True
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        left = min(min(screen[a, 0], screen[b, 0]), screen[c, 0])
        right = max(max(screen[a, 0], screen[b, 0]), screen[c, 0])
        top = min(min(screen[a, 1], screen[b, 1]), screen[c, 1])
        bottom = max(max(screen[a, 1], screen[b, 1]), screen[c, 1])
        for row in range(max(0, int(top)), min(rows, int(bottom) + 1)):
            for column in range(max(0, int(left)), min(columns, int(right) + 1)):
                is_over[t] |= is_curved[row, column]


@numba.njit(error_model="numpy")
def _range(places: FloatArray, row: int, column: int, inverse_side: np.float32, most: int) -> tuple[int, int]:
    """Return the half-open range of the picture's squares that a cell shows along one axis."""
    one, other, third, fourth = (
        places[row, column], places[row, column + 1], places[row + 1, column], places[row + 1, column + 1],
    )  # fmt: skip
    # Interpolation reads one pixel more on each side.
    low, high = min(min(one, other), min(third, fourth)) - 2, max(max(one, other), max(third, fourth)) + 2
    return min(max(int(low * inverse_side), 0), most), min(max(int(high * inverse_side) + 1, 0), most)


@numba.njit(error_model="numpy")
def _shows(places: FloatArray, row: int, column: int, shown_before: IntArray, side: int) -> bool:
    """Return whether a cell shows any square of the picture that is not transparent."""
    inverse = np.float32(1) / np.float32(side)
    left, right = _range(places[0], row, column, inverse, shown_before.shape[1] - 1)
    top, bottom = _range(places[1], row, column, inverse, shown_before.shape[0] - 1)
    above, below = shown_before[top], shown_before[bottom]
    count: int = below[right] - above[right] - below[left] + above[left]
    return count > 0


@compiled(
    "void(uint8[:,::1], uint8[:,::1], float32[:,:,:,::1], float32[:,:,::1], int32[:,::1], int64, boolean[:,::1])",
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
    in_window: BoolArray,
) -> None:
    """Choose the action of each cell for `painting.paint_cells`, and record the frame's new content.

    actions: (rows, columns) uint8, written. state: (rows, columns) uint8, the last action other than KEEP, and
    painted: (rows, columns, 2, 4) float32, the places it used; both are updated. places: as in `find_curved`.
    shown_before: (R + 1, C + 1) int32, an integral image: the number of squares of the picture, ``side`` pixels
    each, above and left that are not transparent. in_window: (rows, columns) bool, painted through the map.
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
                action = PAINT if is_same or _shows(places, row, column, shown_before, side) else CLEAR
                if is_same or action == CLEAR == was:
                    actions[row, column] = KEEP
                    continue
            actions[row, column] = state[row, column] = action
            for axis in range(2):
                for corner in range(4):
                    painted[row, column, axis, corner] = places[axis, row + corner // 2, column + corner % 2]
