"""Curves of lids as straight segments, and how far each pixel of a patch is from one."""

from __future__ import annotations

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.rendering.compiling import compiled


def segments(curves: FloatArray) -> FloatArray:
    """Return the segments of curves, (K, N, 2) → (K, 5, N - 1) float32: x and y of the start, direction and length."""
    along = np.diff(curves, axis=1)
    length = np.sqrt((along * along).sum(2, keepdims=True)) + np.float32(1e-6)
    return np.ascontiguousarray(np.concatenate([curves[:, :-1], along / length, length], 2).transpose(0, 2, 1))


def distance_from(curve: FloatArray, shape: tuple[int, ...]) -> tuple[FloatArray, FloatArray]:
    """Return (H, W) float32 signed distances from a curve, positive above it, and the nearest points' places along it.

    curve: (N, 2) pixels from left to right. Places are in segments.
    """
    signed, place = np.empty((2, *shape[:2]), np.float32)
    measure_distances(segments(curve[None])[0], signed, place)
    return signed, place


@compiled("void(float32[:,::1], float32[:,::1], float32[:,::1])", nogil=True, error_model="numpy")
def measure_distances(curve: FloatArray, signed: FloatArray, place: FloatArray) -> None:
    """Write signed distances from a curve, (5, S) `segments`, and the nearest points' places along it, (H, W) each."""
    for row in range(signed.shape[0]):
        for column in range(signed.shape[1]):
            least = np.float32(np.inf)
            for number in range(curve.shape[1]):
                ux, uy, length = curve[2, number], curve[3, number], curve[4, number]
                px, py = np.float32(column) - curve[0, number], np.float32(row) - curve[1, number]
                ahead, aside = px * ux + py * uy, px * uy - py * ux
                clipped = min(max(ahead, np.float32(0)), length)
                distance = aside * aside + (ahead - clipped) ** 2
                if distance < least:
                    least = distance
                    place[row, column] = np.float32(number) + clipped / length
                    signed[row, column] = np.sqrt(distance) if aside >= 0 else -np.sqrt(distance)
