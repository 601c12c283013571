"""The frame's backward map, sampled at the corners of square cells."""

from __future__ import annotations

import numpy as np

from animator_core.arrays import AnyArray, FloatArray, IntArray
from animator_core.warp.cells import find_curved
from animator_core.warp.head_grid import HeadGrid, grid_triangles
from animator_core.warp.mesh import EMPTY, map_triangles

_MAX_BEND = 1.0
"""Second difference at a corner, in pixels, above which the cells around it are drawn as triangles. The error of
interpolation inside a cell is at most about a quarter of it."""


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
        """Return the triangles over curved cells for `mesh.map_triangles`, relative to a window's top left corner."""
        return self._screen - corner, self._nodes, self._whole, self._triangles[self._is_over]
