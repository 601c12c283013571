"""Decides what is to be done with each cell of a frame (by Numba)."""

from __future__ import annotations

import numba
import numpy as np

from animator_core.warp.compiling import compiled
from animator_core.warp.painting import CLEAR, LEAVE, MAP, PAINT


@compiled(
    "void(float32[:,:,::1], float32, boolean[:,::1], float32[:,::1], int32[:,::1], boolean[::1])",
    nogil=True,
    error_model="numpy",
)
def find_rough(
    places: np.ndarray,
    limit: float,
    is_rough: np.ndarray,
    screen: np.ndarray,
    triangles: np.ndarray,
    is_over: np.ndarray,
) -> None:
    """Find the cells between whose corners interpolation would be wrong, and the triangles that may lie over them.

    places: (2, rows + 1, columns + 1) float32, x and y of the picture at the cells' corners; limit: by how many pixels
    a corner may be off the middle of its neighbours, twice. is_rough: (rows, columns) bool, false, gets true added.
    screen: (N, 2) float32 in cells. triangles: (T, 3) int32. is_over: (T,) bool, false, gets true added.
    """
    rows, columns = is_rough.shape
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
                        is_rough[i, j] = True
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        left = min(min(screen[a, 0], screen[b, 0]), screen[c, 0])
        right = max(max(screen[a, 0], screen[b, 0]), screen[c, 0])
        top = min(min(screen[a, 1], screen[b, 1]), screen[c, 1])
        bottom = max(max(screen[a, 1], screen[b, 1]), screen[c, 1])
        for row in range(max(0, int(top)), min(rows, int(bottom) + 1)):
            for column in range(max(0, int(left)), min(columns, int(right) + 1)):
                is_over[t] |= is_rough[row, column]


@numba.njit(error_model="numpy")
def _range(places, row, column, inverse_side, most):  # type: ignore[no-untyped-def]
    """Return the squares of the picture, from and before which, that a cell shows one axis of."""
    one, other, third, fourth = (
        places[row, column], places[row, column + 1], places[row + 1, column], places[row + 1, column + 1],
    )  # fmt: skip
    # A pixel around is mixed in.
    low, high = min(min(one, other), min(third, fourth)) - 2, max(max(one, other), max(third, fourth)) + 2
    return min(max(int(low * inverse_side), 0), most), min(max(int(high * inverse_side) + 1, 0), most)


@numba.njit(error_model="numpy")
def _shows(places, row, column, shown_before, side):  # type: ignore[no-untyped-def]
    """Return whether the squares of the picture that a cell shows are not all clear."""
    inverse = np.float32(1) / np.float32(side)
    left, right = _range(places[0], row, column, inverse, shown_before.shape[1] - 1)
    top, bottom = _range(places[1], row, column, inverse, shown_before.shape[0] - 1)
    above, below = shown_before[top], shown_before[bottom]
    return below[right] - above[right] - below[left] + above[left] > 0


@compiled(
    "void(uint8[:,::1], uint8[:,::1], float32[:,:,:,::1], float32[:,:,::1], int32[:,::1], int64, boolean[:,::1])",
    nogil=True,
    error_model="numpy",
)
def judge_cells(
    orders: np.ndarray,
    state: np.ndarray,
    painted: np.ndarray,
    places: np.ndarray,
    shown_before: np.ndarray,
    side: int,
    in_window: np.ndarray,
) -> None:
    """Decide what is to be done with each cell, see `painting.paint_cells`, and remember what the frame then shows.

    orders: (rows, columns) uint8, written. state: (rows, columns) uint8, what was done last that was not LEAVE, and
    painted: (rows, columns, 2, 4) float32, with which places, both updated. places: as in `find_rough`.
    shown_before: (R + 1, C + 1) int32, how many squares of the picture, of ``side`` pixels, are not all clear above
    and left of each. in_window: (rows, columns) bool.
    """
    for row in range(orders.shape[0]):
        for column in range(orders.shape[1]):
            was, order = state[row, column], MAP
            is_same = was == PAINT
            for axis in range(2):
                for corner in range(4):
                    place = places[axis, row + corner // 2, column + corner % 2]
                    is_same = is_same and place == painted[row, column, axis, corner]
            if not in_window[row, column]:
                order = PAINT if is_same or _shows(places, row, column, shown_before, side) else CLEAR
                if is_same or order == CLEAR == was:
                    orders[row, column] = LEAVE
                    continue
            orders[row, column] = state[row, column] = order
            for axis in range(2):
                for corner in range(4):
                    painted[row, column, axis, corner] = places[axis, row + corner // 2, column + corner % 2]
