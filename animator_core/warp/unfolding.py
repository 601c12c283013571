"""Keeps the face's mesh from folding over itself."""

from __future__ import annotations

import functools

import numpy as np

from animator_core.arrays import AnyArray, FloatArray, IntArray
from animator_core.rendering.compiling import compiled
from animator_core.tracking.face_model import face_model
from animator_core.tracking.observation import LANDMARK_COUNT

_LEAST_AREA, _FOLDED_AREA = np.float32(0.1), np.float32(-0.6)
"""Shares of its area in the picture at which a triangle begins to be evened out, and is so completely."""
_SPECK = 4e-5
"""Triangles with less than half of this area in the picture, in face units, may lie either way: nobody sees them."""
_ROUNDS = 4
_RINGS, _NEXT_RING = 2, np.float32(0.6)


class Unfolding:
    """Evens out the shifts of landmarks whose triangles would fold.

    shape: (478, 3) float32 face units, the face as in its picture.
    """

    def __init__(self, shape: FloatArray) -> None:
        self._points = np.ascontiguousarray(shape[:, :2], np.float32)
        triangles = face_model().triangles
        area = double_areas(self._points, triangles)
        self._triangles = np.ascontiguousarray(triangles[area > _SPECK])
        self._inverse_area = (1 / area[area > _SPECK]).astype(np.float32)

    def evened(self, shift: FloatArray) -> FloatArray:
        """Return the landmarks' shifts, (478, 3) float32, without folds; those that fold nothing are as they were."""
        evened = np.array(shift, np.float32, order="C")
        even_out(evened, self._points, self._triangles, self._inverse_area, _neighbours(), _ROUNDS)
        return evened


def double_areas(points: FloatArray, triangles: AnyArray) -> FloatArray:
    """Return twice the signed area of each triangle, (T,), positive for one that lies as in `FaceModel.triangles`."""
    x, y = points.T
    a, b, c = triangles.T
    area: FloatArray = (x[b] - x[a]) * (y[c] - y[a]) - (x[c] - x[a]) * (y[b] - y[a])
    return area


@compiled(
    "void(float32[:,::1], float32[:,::1], int32[:,::1], float32[::1], int32[:,::1], int64)",
    nogil=True,
    error_model="numpy",
)
def even_out(
    shift: FloatArray,
    points: FloatArray,
    triangles: IntArray,
    inverse_area: FloatArray,
    neighbours: IntArray,
    rounds: int,
) -> None:
    """Mix the shift of each landmark of a folding triangle with its neighbours' mean, in place, round by round.

    shift: (N, 3). points: (N, 2), the landmarks without shift. triangles: (T, 3). inverse_area: (T,), one by twice
    their area. neighbours: (N, most), filled up with -1.
    """
    weight = np.zeros(len(shift), np.float32)
    is_folding = False
    for number in range(len(triangles)):
        a, b, c = triangles[number]
        ax, ay = points[a, 0] + shift[a, 0], points[a, 1] + shift[a, 1]
        bx, by = points[b, 0] + shift[b, 0] - ax, points[b, 1] + shift[b, 1] - ay
        cx, cy = points[c, 0] + shift[c, 0] - ax, points[c, 1] + shift[c, 1] - ay
        share = (bx * cy - cx * by) * inverse_area[number]
        if share < _LEAST_AREA:
            folding = min((_LEAST_AREA - share) / (_LEAST_AREA - _FOLDED_AREA), np.float32(1))
            is_folding = True
            for corner in (a, b, c):
                weight[corner] = max(weight[corner], folding)
    if not is_folding:
        return
    before = np.empty_like(shift)
    for _ in range(_RINGS):
        # Their neighbours give way by half as much, or a fold would only move on.
        around = weight.copy()
        for landmark in range(len(shift)):
            for other in neighbours[landmark]:
                if other >= 0:
                    weight[landmark] = max(weight[landmark], around[other] * _NEXT_RING)
    for _ in range(rounds):
        before[:] = shift
        for landmark in range(len(shift)):
            if weight[landmark] > 0 and neighbours[landmark, 0] >= 0:
                for axis in range(3):
                    total, count = np.float32(0), 0
                    for other in neighbours[landmark]:
                        if other >= 0:
                            total += before[other, axis]
                            count += 1
                    shift[landmark, axis] += weight[landmark] * (total / count - before[landmark, axis])


@functools.lru_cache(maxsize=1)
def _neighbours() -> IntArray:
    """Return (478, most) int32, the landmarks that each shares a triangle with, filled up with -1."""
    near: list[set[int]] = [set() for _ in range(LANDMARK_COUNT)]
    for triangle in face_model().triangles.tolist():
        for corner in triangle:
            near[corner].update(other for other in triangle if other != corner)
    most = max(len(each) for each in near)
    return np.array([sorted(each) + [-1] * (most - len(each)) for each in near], np.int32)
