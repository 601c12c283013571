"""The frame's backward map, in Numba: triangles rasterised into it, and its places at the corners of square cells.

Pixel centres are at whole coordinates.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from animator_core.arrays import AnyArray, BoolArray, FloatArray, IntArray
from animator_core.rendering.compiling import Scalar, compiled
from animator_core.warp.head import HeadGrid

Triangle = tuple[Scalar, Scalar, Scalar, Scalar, Scalar, Scalar]

_MAX_BEND = 1.0
"""Second difference at a corner, in pixels, above which the cells around it are drawn as triangles. The error of
interpolation inside a cell is at most about a quarter of it."""
EMPTY = -16384.0
"""The value of map pixels that show nothing: beyond any extension of a picture."""
_EDGE = 1e-3
"""How far outside a triangle a pixel's centre still counts as inside, so that no seam stays open."""
_FLAT = 2e-3


@numba.njit(inline="always", error_model="numpy")
def _inverse_heights(corners: Triangle) -> tuple[Scalar, Scalar, Scalar]:
    """Return 1 / height of the long, upper and lower edge of a triangle whose corners are sorted downwards."""
    _, ay, _, by, _, cy = corners
    return 1.0 / max(cy - ay, 1e-9), 1.0 / max(by - ay, 1e-9), 1.0 / max(cy - by, 1e-9)


@numba.njit(inline="always")
def _row_of(corners: Triangle, inverse_heights: tuple[Scalar, Scalar, Scalar], y: int, width: int) -> tuple[int, int]:
    """Return the first and last pixel of row ``y`` in a triangle whose corners are sorted downwards."""
    ax, ay, bx, by, cx, cy = corners
    far = ax + min(max((y - ay) * inverse_heights[0], 0.0), 1.0) * (cx - ax)
    if (y <= by and by - ay >= _FLAT) or cy - by < _FLAT:
        near = ax + min(max((y - ay) * inverse_heights[1], 0.0), 1.0) * (bx - ax)
    else:
        near = bx + min(max((y - by) * inverse_heights[2], 0.0), 1.0) * (cx - bx)
    return max(0, math.ceil(min(far, near) - _EDGE)), min(width - 1, math.floor(max(far, near) + _EDGE))


@numba.njit(inline="always")
def _sorted_down(ax: Scalar, ay: Scalar, bx: Scalar, by: Scalar, cx: Scalar, cy: Scalar) -> Triangle:
    if by < ay:
        ax, ay, bx, by = bx, by, ax, ay
    if cy < ay:
        ax, ay, cx, cy = cx, cy, ax, ay
    if cy < by:
        bx, by, cx, cy = cx, cy, bx, by
    return ax, ay, bx, by, cx, cy


@numba.njit(inline="always", error_model="numpy")
def _plane(
    triangle: Triangle, inverse: Scalar, at_a: np.float32, at_b: np.float32, at_c: np.float32
) -> tuple[Scalar, Scalar, Scalar]:
    """Return a value's slope in x and in y, and the value at the origin, from its values at a triangle's corners."""
    ax, ay, abx, aby, acx, acy = triangle
    ab, ac = np.float64(at_b - at_a), np.float64(at_c - at_a)
    dx, dy = (ab * acy - ac * aby) * inverse, (ac * abx - ab * acx) * inverse
    return dx, dy, at_a - ax * dx - ay * dy


@compiled(
    "void(float32[:,::1], float32[:,::1], float32[:,::1], float32[:,::1], float32[::1], int32[:,::1], int64, int64)",
    nogil=True,
    error_model="numpy",
)
def map_triangles(
    map_x: FloatArray,
    map_y: FloatArray,
    screen: FloatArray,
    places: FloatArray,
    weight: FloatArray,
    triangles: IntArray,
    row_begin: int,
    row_end: int,
) -> None:
    """Write the picture coordinates of triangles into a backward map, in their order; back faces are culled.

    map_x, map_y: (H, W) float32, written. screen, places: (N, 2) float32 pixels of the map and of the picture.
    weight: (N,) float32, blends with the map's old value: 1 replaces it, 0 keeps it.
    triangles: (T, 3) int32, clockwise on the screen. Only rows in [row_begin, row_end) are written.
    """
    width = map_x.shape[1]
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay = np.float64(screen[a, 0]), np.float64(screen[a, 1])
        abx, aby = screen[b, 0] - ax, screen[b, 1] - ay
        acx, acy = screen[c, 0] - ax, screen[c, 1] - ay
        area = abx * acy - acx * aby
        if area < 1e-6:
            continue
        corners = _sorted_down(ax, ay, ax + abx, ay + aby, ax + acx, ay + acy)
        first_row = max(row_begin, math.ceil(corners[1] - _EDGE))
        last_row = min(row_end - 1, math.floor(corners[5] + _EDGE))
        if first_row > last_row:
            continue
        heights, triangle, inverse = _inverse_heights(corners), (ax, ay, abx, aby, acx, acy), 1.0 / area
        udx, udy, origin_u = _plane(triangle, inverse, places[a, 0], places[b, 0], places[c, 0])
        vdx, vdy, origin_v = _plane(triangle, inverse, places[a, 1], places[b, 1], places[c, 1])
        wdx, wdy, origin_w = _plane(triangle, inverse, weight[a], weight[b], weight[c])
        u_step, v_step, w_step = np.float32(udx), np.float32(vdx), np.float32(wdx)
        is_full = weight[a] >= 1.0 and weight[b] >= 1.0 and weight[c] >= 1.0
        for y in range(first_row, last_row + 1):
            first, last = _row_of(corners, heights, y, width)
            if first > last:
                continue
            # Counted from the span's start, single precision is enough, and the compiler vectorises the loop.
            u, v = np.float32(origin_u + y * udy + first * udx), np.float32(origin_v + y * vdy + first * vdx)
            line_x, line_y = map_x[y, first : last + 1], map_y[y, first : last + 1]
            if is_full:
                for x in range(len(line_x)):
                    step = np.float32(np.int32(x))
                    line_x[x] = u + step * u_step
                    line_y[x] = v + step * v_step
            else:
                w = np.float32(origin_w + y * wdy + first * wdx)
                for x in range(len(line_x)):
                    step = np.float32(np.int32(x))
                    share = min(max(w + step * w_step, np.float32(0)), np.float32(1))
                    line_x[x] += share * (u + step * u_step - line_x[x])
                    line_y[x] += share * (v + step * v_step - line_y[x])


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


class CellMap:
    """The backward map of one character's frame at the corners of its cells.

    side: a cell's side in pixels. places: (2, rows + 1, columns + 1) float32, x and y of the picture at the corners.
    is_curved: (rows, columns) bool, cells in which interpolation between the corners is too inexact.
    """

    def __init__(self, head_grid: HeadGrid, frame_shape: tuple[int, int]) -> None:
        height, width = frame_shape
        grid = np.arange(len(head_grid.nodes)).reshape(head_grid.rows, head_grid.columns)
        # One more ring of nodes moves with the outermost one, so that the area beyond the grid is transparent.
        self._inner = np.pad(grid, 1, "edge").ravel()
        rows, columns = head_grid.rows + 2, head_grid.columns + 2
        outwards = np.zeros((rows, columns, 2), np.float32)
        outwards[0, :, 1] = outwards[:, 0, 0] = -max(width, height)
        outwards[-1, :, 1] = outwards[:, -1, 0] = max(width, height)
        self._outwards = outwards.reshape(-1, 2)
        self._nodes = head_grid.nodes[self._inner] + self._outwards
        self._triangles = grid_triangles(columns, rows)
        self._whole = np.ones(len(self._nodes), np.float32)
        # About half of the grid's spacing, so that every bend of the grid is sampled.
        self.side = max(8, 4 * round(width / (head_grid.columns - 1) / 8))
        self.shape = (-(-height // self.side), -(-width // self.side))
        self.places = np.empty((2, self.shape[0] + 1, self.shape[1] + 1), np.float32)
        self.is_curved = np.zeros(self.shape, np.bool_)
        self._is_over = np.zeros(len(self._triangles), np.bool_)
        self._screen = self._nodes

    def move(self, moved: FloatArray) -> None:
        """Compute ``places`` and ``is_curved`` for the grid's nodes at ``moved`` ((N, 2) float32 pixels)."""
        self._screen = moved[self._inner] + self._outwards
        in_cells = self._screen / np.float32(self.side)
        self.places[:] = EMPTY
        x, y = self.places[0], self.places[1]
        map_triangles(x, y, in_cells, self._nodes, self._whole, self._triangles, 0, len(x))
        self.is_curved[:] = False
        self._is_over[:] = False
        find_curved(self.places, _MAX_BEND, self.is_curved, in_cells, self._triangles, self._is_over)

    def curved_bounds(self) -> AnyArray:
        """Return the top left and bottom right pixels of all curved cells, (2, 2), or (0, 2) if there are none."""
        rows, columns = (np.flatnonzero(self.is_curved.any(axis)) for axis in (1, 0))
        if not len(rows):
            return np.empty((0, 2))
        bounds = np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]])
        return np.asarray(bounds * self.side - [[0, 0], [1, 1]])

    def curved_mesh(self, corner: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
        """Return the triangles over curved cells for `map_triangles`, relative to a window's top left corner."""
        return self._screen - corner, self._nodes, self._whole, self._triangles[self._is_over]


def grid_triangles(columns: int, rows: int) -> IntArray:
    """Return (T, 3) int32, two triangles for every cell of a grid whose nodes are numbered row by row."""
    first = (np.arange(rows - 1)[:, None] * columns + np.arange(columns - 1)[None]).ravel()
    upper = np.stack([first, first + 1, first + columns], 1)
    lower = np.stack([first + 1, first + columns + 1, first + columns], 1)
    triangles: IntArray = np.concatenate([upper, lower]).astype(np.int32)
    return triangles
