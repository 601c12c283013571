"""The frame of one character: what of it must be painted anew for a motion, and the painting."""

from __future__ import annotations

import functools
import os
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from typing import Callable

import numpy as np

from animator_core.render.warp.painting import (
    EMPTY,
    clear_cells,
    map_face,
    mark_moved,
    paint_grid,
    paint_map,
    spread_pixels,
)
from animator_core.render.warp.surroundings import Surroundings

_MARGIN = 8
"""Pixels around the face's points that belong to its window: soft edges of mouth and eyes reach that far."""

_MOST_BANDS = max(2, min(4, os.cpu_count() or 2))
_BAND_PIXELS = 150_000
"""Pixels to paint that are worth another thread: about a millisecond."""


@dataclass(frozen=True)
class Window:
    """The part of a frame around the face.

    left, top: its corner in the frame. frame: (h, w, 4) uint8 BGRA, a view. map_x, map_y: (h, w) float32, which place
    of the picture each of its pixels shows, `painting.EMPTY` for none.
    """

    left: int
    top: int
    frame: np.ndarray
    map_x: np.ndarray
    map_y: np.ndarray


class Canvas:
    """Keeps the last frame of a character and repaints only cells of the grid that moved, or were moved before."""

    def __init__(
        self, texture: np.ndarray, surroundings: Surroundings, landmarks: np.ndarray, weight: np.ndarray
    ) -> None:
        """texture: (H, W, 4) uint8 premultiplied BGRA. landmarks: (478, 2) float32 pixels, weight: (478,) float32, of
        the face's mesh, see `painting.map_face`."""
        height, width = texture.shape[:2]
        self._spread = spread_pixels(texture)
        self._nodes = surroundings.nodes
        self._triangles = surroundings.triangles
        rows, columns = surroundings.rows - 1, surroundings.columns - 1
        self._grid_shape = (rows + 1, columns + 1, 2)
        self._cell = ((width - 1) / columns, (height - 1) / rows)
        self._row_edges = _edges(self._nodes[:: columns + 1, 1], height)
        self._column_edges = _edges(self._nodes[: columns + 1, 0], width)
        self._shows = _shows_something(texture, self._row_edges, self._column_edges)
        self._shows_all = bool(self._shows.all())
        self._landmarks, self._weight = landmarks, weight
        self._touched = np.ones((rows, columns), np.bool_)
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
        window = self._window(np.concatenate([points.min(0) - _MARGIN, points.max(0) + _MARGIN, also.ravel()]))
        due = self._due_cells(moved, window)
        grid = moved.reshape(self._grid_shape)
        is_unfolded = _is_unfolded(grid)
        # Where no cell can hide another, those that show nothing need no painting.
        shown = due & self._shows if is_unfolded else due
        # Cells that all show something and fill the whole frame leave nothing to clear.
        cleared = np.zeros_like(due) if is_unfolded and self._shows_all and self._is_border_still(grid) else due
        local = points - np.array([window.left, window.top], np.float32)
        is_due = np.concatenate([shown.ravel(), shown.ravel()])

        def paint_rows(begin: int, end: int) -> None:
            first, last = (min(max(row - window.top, 0), len(window.map_x)) for row in (begin, end))
            window.map_x[first:last] = window.map_y[first:last] = EMPTY
            maps = (window.map_x, window.map_y)
            at = (window.left, window.top)
            clear_cells(self._frame, cleared, self._row_edges, self._column_edges, begin, end)
            paint_grid(self._frame, self._spread, *maps, *at, moved, self._nodes, self._triangles, is_due, begin, end)
            map_face(*maps, local, self._landmarks, self._weight, face_triangles, first, last)
            paint_map(self._frame, self._spread, *maps, *at, first, last)

        _in_bands(paint_rows, self._bands(due))
        return window

    def _bands(self, due: np.ndarray) -> list[tuple[int, int]]:
        """Return the rows of the frame in as many parts of equal work as are worth a thread."""
        pixels = np.repeat(due.sum(1) * self._cell[0], np.diff(self._row_edges)).cumsum()
        count = int(min(_MOST_BANDS, max(1, pixels[-1] // _BAND_PIXELS)))
        cuts = [int(np.searchsorted(pixels, pixels[-1] * share / count)) for share in range(1, count)]
        return list(zip([0, *cuts], [*cuts, len(self._frame)]))

    def _window(self, corners: np.ndarray) -> Window:
        """Return the window from the least to the greatest of the corners, x and y by turns."""
        height, width = self._frame.shape
        corners = corners.reshape(-1, 2)
        low, high = np.floor(corners.min(0)).astype(int), np.ceil(corners.max(0)).astype(int) + 1
        left, top = (int(v) for v in np.clip(low, 0, [width - 1, height - 1]))
        right, bottom = (int(v) for v in np.clip(high, [left + 1, top + 1], [width, height]))
        size = (bottom - top) * (right - left)
        if self._maps.shape[1] < size:
            self._maps = np.empty((2, int(1.3 * size)), np.float32)
        map_x, map_y = (each[:size].reshape(bottom - top, right - left) for each in self._maps)
        return Window(left, top, self._pixels[top:bottom, left:right], map_x, map_y)

    def _is_border_still(self, grid: np.ndarray) -> bool:
        rest = self._nodes.reshape(self._grid_shape)
        return all(np.array_equal(grid[edge], rest[edge]) for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]))

    def _due_cells(self, moved: np.ndarray, window: Window) -> np.ndarray:
        """Return (rows, columns) bool: cells that anything painted now or in the frame before lies over."""
        touched = np.zeros_like(self._touched)
        mark_moved(touched, moved.reshape(self._grid_shape), self._nodes.reshape(self._grid_shape), *self._cell)
        bottom, right = window.top + window.map_x.shape[0], window.left + window.map_x.shape[1]
        touched[_between(self._row_edges, window.top, bottom), _between(self._column_edges, window.left, right)] = True
        due, self._touched = touched | self._touched, touched
        return due


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


def _edges(places: np.ndarray, size: int) -> np.ndarray:
    edges = np.ceil(places).astype(np.int64)
    edges[-1] = size
    return edges


def _between(edges: np.ndarray, begin: int, end: int) -> slice:
    """Return the cells that have pixels from ``begin`` to before ``end``."""
    return slice(int(np.searchsorted(edges, begin, "right")) - 1, int(np.searchsorted(edges, end - 1, "right")))


def _shows_something(texture: np.ndarray, row_edges: np.ndarray, column_edges: np.ndarray) -> np.ndarray:
    """Return (rows, columns) bool: whether a cell's part of the picture, and a pixel around it, is not all clear."""
    pixels = texture.view(np.uint32)[..., 0]
    return np.array(
        [
            [
                bool(pixels[max(0, top - 2) : bottom + 2, max(0, left - 2) : right + 2].any())
                for left, right in zip(column_edges[:-1], column_edges[1:])
            ]
            for top, bottom in zip(row_edges[:-1], row_edges[1:])
        ]
    )


def _is_unfolded(nodes: np.ndarray) -> bool:
    """Return whether no triangle of the grid ((rows, columns, 2) pixels) is turned over, so that none hides another."""
    across, down = nodes[:, 1:] - nodes[:, :-1], nodes[1:] - nodes[:-1]
    upper = across[:-1, :, 0] * down[:, :-1, 1] - across[:-1, :, 1] * down[:, :-1, 0]
    lower = across[1:, :, 0] * down[:, 1:, 1] - across[1:, :, 1] * down[:, 1:, 0]
    return bool((upper > 0).all() and (lower > 0).all())
