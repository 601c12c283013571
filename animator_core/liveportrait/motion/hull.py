"""The volume of the convex hull of a face's keypoints."""

from __future__ import annotations

import itertools

import numpy as np

from animator_core.arrays import AnyArray

_JITTER = 1e-9


def hull_volume(points: AnyArray) -> float:
    """Return the volume of the convex hull of (N, 3) points; meant for N up to about 30; flat ones have about 0.

    A triangle of points is a face of the hull if all the others lie on one side of it; that is looked up for every
    triangle, which for 21 points takes about a millisecond.
    """
    points = np.asarray(points, np.float64)
    extent = float(np.ptp(points, axis=0).max()) if len(points) >= 4 else 0.0
    if extent == 0:
        return 0.0
    # Four points in one plane would be several faces in one place; too small a shift to matter keeps them apart.
    points = (points - points.mean(0)) / extent
    points = points + _JITTER * np.random.default_rng(0).uniform(-1, 1, points.shape)
    first, second, third = (points[list(index)] for index in zip(*itertools.combinations(range(len(points)), 3)))
    normals = np.cross(second - first, third - first)
    offsets = np.einsum("ij,ij->i", normals, first)
    sides = normals @ points.T - offsets[:, None]
    tolerance = 1e-14
    is_face = (sides <= tolerance).all(1) | (sides >= -tolerance).all(1)
    # The faces and the middle of all points make pyramids that fill the hull.
    return float(np.abs(offsets[is_face]).sum() / 6) * extent**3
