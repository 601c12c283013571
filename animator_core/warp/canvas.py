"""The frame of one character: what of it must be painted anew for a motion, and the painting."""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Callable

import numpy as np

from animator_core.warp.cells import judge_cells
from animator_core.warp.lattice import Lattice
from animator_core.warp.mesh import map_triangles
from animator_core.warp.painting import CLEAR, LEAVE, bordered, paint_cells, paint_map
from animator_core.warp.surroundings import Surroundings

_MARGIN = 8
"""Pixels around the face's points that belong to its window: soft edges of mouth and eyes reach that far."""

_MOST_BANDS = max(2, min(4, os.cpu_count() or 2))
_BAND_PIXELS = 150_000
"""Pixels to paint that are worth another thread: about a millisecond."""


@dataclass(frozen=True)
class Window:
    """The part of a frame, in whole cells, that is painted through a map: around the face, and where the grid is rough.

    left, top: its corner in the frame. frame: (h, w, 4) uint8 BGRA, a view. map_x, map_y: (h, w) float32, which place
    of the picture each of its pixels shows, `mesh.EMPTY` for none.
    """

    left: int
    top: int
    frame: np.ndarray
    map_x: np.ndarray
    map_y: np.ndarray


class Canvas:
    """Keeps the last frame of a character and repaints only those of its cells that show something else now."""

    def __init__(
        self, texture: np.ndarray, surroundings: Surroundings, landmarks: np.ndarray, weight: np.ndarray
    ) -> None:
        """texture: (H, W, 4) uint8 premultiplied BGRA. landmarks: (478, 2) float32 pixels, weight: (478,) float32, of
        the face's mesh, see `mesh.map_triangles`."""
        height, width = texture.shape[:2]
        self._texture = bordered(texture)
        self._lattice = Lattice(surroundings, (height, width))
        self._landmarks, self._weight = landmarks, weight
        self._orders = np.empty(self._lattice.shape, np.uint8)
        self._state = np.full(self._lattice.shape, CLEAR, np.uint8)
        self._painted = np.zeros((*self._lattice.shape, 2, 4), np.float32)
        self._shown_before = _shown_before(texture, self._lattice.side)
        self._frame = np.zeros((height, width), np.uint32)
        self._maps = np.empty((2, 0), np.float32)
        self._pixels = self._frame.view(np.uint8).reshape(height, width, 4)
        # The next frame builds on this one: nobody else may change it.
        self.frame = self._pixels.view()
        self.frame.flags.writeable = False

    def paint(self, moved: np.ndarray, points: np.ndarray, face_triangles: np.ndarray, also: np.ndarray) -> Window:
        """Paint the surroundings and the skin of the face, and return the window in which everything else is drawn.

        moved: (N, 2) float32, the grid's nodes, points: (478, 2) float32, the face's, in pixels of the frame.
        face_triangles: (T, 3) int32, farthest first. also: (M, 2) more points that must be in the window.
        """
        lattice = self._lattice
        lattice.move(moved)
        around_face = [points.min(0) - _MARGIN, points.max(0) + _MARGIN]
        window = self._window(np.concatenate([around_face, also, lattice.rough_corners()]))
        self._judge(window)
        corner = np.array([window.left, window.top], np.float32)
        rough = lattice.rough_mesh(corner)
        face = points - corner, self._landmarks, self._weight, face_triangles
        maps, at = (window.map_x, window.map_y), (window.left, window.top)

        def paint_rows(begin: int, end: int) -> None:
            first, last = (min(max(row * lattice.side - window.top, 0), len(window.map_x)) for row in (begin, end))
            paint_cells(self._frame, self._texture, *maps, *at, lattice.places, lattice.side, self._orders, begin, end)
            for mesh in (rough, face):
                map_triangles(*maps, *mesh, first, last)
            paint_map(self._frame, self._texture, *maps, *at, first, last)

        _in_bands(paint_rows, self._bands())
        return window

    def _window(self, corners: np.ndarray) -> Window:
        """Return the window of whole cells in which the corners ((N, 2) pixels) lie, or the nearest of the frame."""
        height, width = self._frame.shape
        side, size = self._lattice.side, np.array([width, height])
        low = np.clip(np.floor(corners.min(0)).astype(int), 0, size - 1) // side * side
        high = np.minimum((np.clip(np.ceil(corners.max(0)).astype(int), low, size - 1) // side + 1) * side, size)
        (left, top), (right, bottom) = low.tolist(), high.tolist()
        count = (bottom - top) * (right - left)
        if self._maps.shape[1] < count:
            self._maps = np.empty((2, int(1.3 * count)), np.float32)
        map_x, map_y = (each[:count].reshape(bottom - top, right - left) for each in self._maps)
        return Window(left, top, self._pixels[top:bottom, left:right], map_x, map_y)

    def _judge(self, window: Window) -> None:
        """Decide what is to be done with each cell."""
        side = self._lattice.side
        rows, columns = (-(-size // side) for size in window.map_x.shape)
        in_window = np.zeros(self._orders.shape, np.bool_)
        first_row, first_column = window.top // side, window.left // side
        in_window[first_row : first_row + rows, first_column : first_column + columns] = True
        judge_cells(self._orders, self._state, self._painted, self._lattice.places, self._shown_before, side, in_window)

    def _bands(self) -> list[tuple[int, int]]:
        """Return the rows of cells in as many parts of equal work as are worth a thread."""
        pixels = ((self._orders != LEAVE).sum(1) * self._lattice.side**2).cumsum()
        count = int(min(_MOST_BANDS, max(1, pixels[-1] // _BAND_PIXELS)))
        cuts = [int(np.searchsorted(pixels, pixels[-1] * share / count)) for share in range(1, count)]
        return list(zip([0, *cuts], [*cuts, len(pixels)]))


def _in_bands(paint_rows: Callable[[int, int], None], bands: list[tuple[int, int]]) -> None:
    """Call ``paint_rows`` for every band, the first one on this thread."""
    others = [_helpers().submit(paint_rows, *band) for band in bands[1:]]
    try:
        paint_rows(*bands[0])
    finally:
        wait(others)
    for other in others:
        other.result()


@functools.lru_cache(maxsize=1)
def _helpers() -> ThreadPoolExecutor:
    """Return the threads that all canvases share."""
    return ThreadPoolExecutor(_MOST_BANDS - 1, thread_name_prefix="warp")


def _shown_before(texture: np.ndarray, side: int) -> np.ndarray:
    """Return (rows + 1, columns + 1) int32: how many squares of the picture above and left are not all clear."""
    shows = texture.view(np.uint32)[..., 0] != 0
    rows, columns = (np.arange(0, size, side) for size in shows.shape)
    squares = np.logical_or.reduceat(np.logical_or.reduceat(shows, rows, 0), columns, 1)
    return np.pad(squares.cumsum(0).cumsum(1), ((1, 0), (1, 0))).astype(np.int32)
