"""The smooth rise 3s² − 2s³ from 0 to 1, "smoothstep" in shading languages."""

from __future__ import annotations

import numpy as np

from animator_core.arrays import AnyArray, FloatArray


def smoothstep(value: AnyArray | float, start: float = 0.0, end: float = 1.0) -> FloatArray:
    """Return 0 at ``start``, 1 at ``end`` and beyond, and a smooth rise between, float32; start may be the larger."""
    share = np.clip((np.asarray(value, np.float32) - start) / (end - start), 0.0, 1.0)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def smooth_share(share: float) -> float:
    """Return the rise at one number, clipped to 0 to 1, in a fraction of an array's time."""
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)
