"""The frame of one character: finds the cells that a motion changes, and repaints them."""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Callable

import numpy as np

from animator_core.arrays import AnyArray, FloatArray, IntArray, UInt8Array
from animator_core.warp.cell_map import CellMap
from animator_core.warp.cells import plan_cells
from animator_core.warp.head_grid import HeadGrid
from animator_core.warp.mesh import map_triangles
from animator_core.warp.painting import CLEAR, KEEP, bordered, paint_cells, paint_map

_MARGIN = 8
"""Pixels around the face's points that belong to its window: the reach of the soft edges of mouth and eyes."""

_MOST_BANDS = max(2, min(4, os.cpu_count() or 2))
_BAND_PIXELS = 150_000
"""Pixels to paint per thread: about a millisecond."""


@dataclass(frozen=True)
class MappedWindow:
    """The window of a frame, in whole cells, that is painted through a map: the face and the grid's curved cells.

    left, top: its corner in the frame. frame: (h, w, 4) uint8 BGRA, a view. map_x, map_y: (h, w) float32, the
    backward map into the picture, `mesh.EMPTY` for pixels that show nothing.
    """

    left: int
    top: int
    frame: UInt8Array
    map_x: FloatArray
    map_y: FloatArray


class WarpCanvas:
    """Keeps the last frame of a character and repaints only the cells whose content changes."""

    def __init__(self, texture: UInt8Array, head_grid: HeadGrid, landmarks: FloatArray, weight: FloatArray) -> None:
        """texture: (H, W, 4) uint8 premultiplied BGRA. landmarks: (478, 2) float32 pixels of the picture. weight:
        (478,) float32, see `mesh.map_triangles`."""
        height, width = texture.shape[:2]
        self._texture = bordered(texture)
        self._cells = CellMap(head_grid, (height, width))
        self._landmarks, self._weight = landmarks, weight
        self._actions = np.empty(self._cells.shape, np.uint8)
        self._state = np.full(self._cells.shape, CLEAR, np.uint8)
        self._painted = np.zeros((*self._cells.shape, 2, 4), np.float32)
        self._shown_before = _shown_before(texture, self._cells.side)
        self._frame = np.zeros((height, width), np.uint32)
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
        map_x, map_y, at = window.map_x, window.map_y, (window.left, window.top)

        def paint_rows(begin: int, end: int) -> None:
            first, last = (min(max(row * cells.side - window.top, 0), len(map_x)) for row in (begin, end))
            paint_cells(
                self._frame, self._texture, map_x, map_y, *at, cells.places, cells.side, self._actions, begin, end
            )
            map_triangles(map_x, map_y, *curved, first, last)
            map_triangles(map_x, map_y, *face, first, last)
            paint_map(self._frame, self._texture, map_x, map_y, *at, first, last)

        _in_bands(paint_rows, self._bands())
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
        plan_cells(self._actions, self._state, self._painted, self._cells.places, self._shown_before, side, in_window)

    def _bands(self) -> list[tuple[int, int]]:
        """Return the rows of cells as ranges of equal work, one for each thread that is worth starting."""
        pixels = ((self._actions != KEEP).sum(1) * self._cells.side**2).cumsum()
        count = int(min(_MOST_BANDS, max(1, pixels[-1] // _BAND_PIXELS)))
        cuts = [int(np.searchsorted(pixels, pixels[-1] * share / count)) for share in range(1, count)]
        return list(zip([0, *cuts], [*cuts, len(pixels)]))


def _in_bands(paint_rows: Callable[[int, int], None], bands: list[tuple[int, int]]) -> None:
    """Call ``paint_rows`` for every band, for the first one on this thread."""
    others = [_helpers().submit(paint_rows, begin, end) for begin, end in bands[1:]]
    begin, end = bands[0]
    try:
        paint_rows(begin, end)
    finally:
        wait(others)
    for other in others:
        other.result()


@functools.lru_cache(maxsize=1)
def _helpers() -> ThreadPoolExecutor:
    """Return the thread pool that all canvases share."""
    return ThreadPoolExecutor(_MOST_BANDS - 1, thread_name_prefix="warp")


def _shown_before(texture: UInt8Array, side: int) -> IntArray:
    """Return (rows + 1, columns + 1) int32, the integral image of the picture's squares that are not transparent."""
    shows = texture.view(np.uint32)[..., 0] != 0
    rows, columns = (np.arange(0, size, side) for size in shows.shape)
    squares = np.logical_or.reduceat(np.logical_or.reduceat(shows, rows, 0), columns, 1)
    return np.pad(squares.cumsum(0).cumsum(1), ((1, 0), (1, 0))).astype(np.int32)
