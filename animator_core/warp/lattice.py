"""A frame in square cells: which place of the picture the bent grid shows at each of their corners."""

from __future__ import annotations

import numpy as np

from animator_core.warp.cells import find_rough
from animator_core.warp.mesh import EMPTY, map_triangles
from animator_core.warp.surroundings import Surroundings, grid_triangles

_ROUGH = 1.0
"""From which bend at a corner, in pixels, the cells around it are drawn as triangles: interpolated between its corners
a cell is wrong by about a quarter of that at most."""


class Lattice:
    """The corners of the cells of one character's frame.

    side: of a cell in pixels. places: (2, rows + 1, columns + 1) float32, x and y of the picture at the corners.
    is_rough: (rows, columns) bool, where the places in between do not follow from them.
    """

    def __init__(self, surroundings: Surroundings, frame_shape: tuple[int, int]) -> None:
        height, width = frame_shape
        grid = np.arange(len(surroundings.nodes)).reshape(surroundings.rows, surroundings.columns)
        # One more ring of nodes moves with the outermost: what the grid uncovers shows what is beyond the picture.
        self._inner = np.pad(grid, 1, "edge").ravel()
        rows, columns = surroundings.rows + 2, surroundings.columns + 2
        outwards = np.zeros((rows, columns, 2), np.float32)
        outwards[0, :, 1] = outwards[:, 0, 0] = -max(width, height)
        outwards[-1, :, 1] = outwards[:, -1, 0] = max(width, height)
        self._outwards = outwards.reshape(-1, 2)
        self._nodes = surroundings.nodes[self._inner] + self._outwards
        self._triangles = grid_triangles(columns, rows)
        self._whole = np.ones(len(self._nodes), np.float32)
        # About half of the grid's cells, so that their bends are found.
        self.side = max(8, 4 * round(width / (surroundings.columns - 1) / 8))
        self.shape = (-(-height // self.side), -(-width // self.side))
        self.places = np.empty((2, self.shape[0] + 1, self.shape[1] + 1), np.float32)
        self.is_rough = np.zeros(self.shape, np.bool_)
        self._is_over = np.zeros(len(self._triangles), np.bool_)
        self._screen = self._nodes

    def move(self, moved: np.ndarray) -> None:
        """Compute ``places`` and ``is_rough`` for the grid's nodes at ``moved`` ((N, 2) float32 pixels)."""
        self._screen = moved[self._inner] + self._outwards
        in_cells = self._screen / np.float32(self.side)
        self.places[:] = EMPTY
        map_triangles(*self.places, in_cells, self._nodes, self._whole, self._triangles, 0, self.places.shape[1])
        self.is_rough[:] = False
        self._is_over[:] = False
        find_rough(self.places, _ROUGH, self.is_rough, in_cells, self._triangles, self._is_over)

    def rough_corners(self) -> np.ndarray:
        """Return the top left and bottom right pixels of what all rough cells lie in, (2, 2), or (0, 2) for none."""
        rows, columns = (np.flatnonzero(self.is_rough.any(axis)) for axis in (1, 0))
        if not len(rows):
            return np.empty((0, 2))
        return np.array([[columns[0], rows[0]], [columns[-1] + 1, rows[-1] + 1]]) * self.side - [[0, 0], [1, 1]]

    def rough_mesh(self, corner: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Return the triangles over rough cells for `mesh.map_triangles`, in a window whose top left is corner."""
        return self._screen - corner, self._nodes, self._whole, self._triangles[self._is_over]
