"""The person beyond the picture's edges, where it was cut: seen if the head or the body moves away from an edge."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import AnyArray, BoolArray, FloatArray, UInt8Array, UInt32Array

_REACH = 0.6
"""How far the person is continued, in face units."""
_MOST_REACH = 0.3
"""The same, as a share of the picture."""
_STRIP = 0.08
"""Width in face units of what is mirrored at an edge, again and again: hair, and not the face beside it."""
_SOFT_BEYOND, _SOFTNESS = 0.1, 0.012
"""The distance from the edge over which what is continued becomes blurred, and how much, in face units."""
_LEAST_RISE = 0.5
"""Height of the arc over cut hair as a share of half its width, at least."""
_SLOPE_OVER = 0.15
"""How far below the upper edge the outline of cut hair tells its curvature, in face units."""


def reach(person: UInt8Array, face_size: float) -> int:
    """Return how many pixels a person, (H, W, 4) uint8, is to be continued: 0 if no edge cuts it.

    face_size: pixels of a face unit.
    """
    edges = (person[0], person[-1], person[:, 0], person[:, -1])
    if not any(edge[:, 3].any() for edge in edges):
        return 0
    return int(min(_REACH * face_size, _MOST_REACH * min(person.shape[:2])))


def bordered(person: UInt8Array, margin: int = 0, face_size: float = 0.0) -> UInt32Array:
    """Return a picture as the kernels of `painting` take it: continued by ``margin`` pixels, and a border of one.

    person: (H, W, 4) uint8 premultiplied BGRA; (H + 2 margin + 2, W + 2 margin + 2) uint32 comes back. face_size:
    pixels of a face unit. The border replicates, so that interpolation just beyond an edge gives the edge; its very
    first pixel is transparent.
    """
    pixels: UInt32Array = np.pad(_extended(person, margin, face_size).view(np.uint32)[..., 0], 1, "edge")
    pixels[0, 0] = 0
    return pixels


def _extended(person: UInt8Array, margin: int, face_size: float) -> UInt8Array:
    """Return (H + 2 margin, W + 2 margin, 4) uint8: what the edges cut is mirrored, and above ends in an arc."""
    if not margin:
        return person
    strip = int(np.clip(_STRIP * face_size, 1, margin))
    left, right = _beyond(person[:, ::-1], margin, strip)[:, ::-1], _beyond(person, margin, strip)
    wide = np.concatenate([left, person, right], 1)
    on_side = wide.transpose(1, 0, 2)
    above = _beyond(on_side[:, ::-1], margin, strip)[:, ::-1].transpose(1, 0, 2)
    below = _beyond(on_side, margin, strip).transpose(1, 0, 2)
    crown = _crown(wide[..., 3], margin, _SLOPE_OVER * face_size)
    above = np.rint(above * crown[..., None]).astype(np.uint8)
    whole = np.concatenate([above, wide, below], 0)
    # So that a viewer does not know what is mirrored again.
    outside = np.ones(whole.shape[:2], np.uint8)
    outside[margin:-margin, margin:-margin] = 0
    share = np.clip(cv2.distanceTransform(outside, cv2.DIST_L2, 5) / (_SOFT_BEYOND * face_size), 0, 1)[..., None]
    soft = cv2.GaussianBlur(whole, (0, 0), max(0.5, _SOFTNESS * face_size)).astype(np.float32)
    extended: UInt8Array = np.ascontiguousarray(np.rint(whole + share * (soft - whole)).astype(np.uint8))
    return extended


def _beyond(person: UInt8Array, count: int, strip: int) -> UInt8Array:
    """Return what comes after the last column, (H, count, 4) uint8: only what that column shows goes on."""
    # 1 to strip and back to 0, and so on.
    back = strip - np.abs(np.arange(1, count + 1) % (2 * strip) - strip)
    mirrored = person[:, -1 - back]
    alpha = np.minimum.accumulate(mirrored[..., 3], 1)
    share = alpha / np.maximum(mirrored[..., 3], 1).astype(np.float32)
    beyond: UInt8Array = np.rint(mirrored * share[..., None]).astype(np.uint8)
    return beyond


def _crown(alpha: UInt8Array, height: int, depth: float) -> FloatArray:
    """Return (height, W) float32 in [0, 1]: the arcs that close each run of opaque pixels of the first row.

    alpha: (H, W) uint8. depth: pixels below the edge, where the run's width tells how the outline is curved.
    """
    row = min(max(1, round(depth)), len(alpha) - 1)
    above = np.arange(height, 0, -1, dtype=np.float32)[:, None]
    x = np.arange(alpha.shape[1], dtype=np.float32)
    share = np.zeros((height, alpha.shape[1]), np.float32)
    for start, end in _runs(alpha[0] > 8):
        half, middle = (end - start) / 2, (start + end - 1) / 2
        wider = [(b - a) / 2 for a, b in _runs(alpha[row] > 8) if a <= middle < b]
        # A circle of half the run's width at the edge, and of the other width at that depth: its centre's depth.
        centre = max(0.0, ((wider[0] if wider else half) ** 2 - half**2 + row**2) / (2 * row))
        radius = float(np.hypot(half, centre))
        rise = min(max(radius - centre, _LEAST_RISE * half), 0.9 * height)
        distance: AnyArray = np.hypot(x - middle, above * (radius - centre) / rise + centre)
        share = np.maximum(share, np.clip(radius - distance + 0.5, 0, 1))
    return share


def _runs(is_set: BoolArray) -> list[tuple[int, int]]:
    """Return the half-open ranges of set values."""
    edges = np.diff(np.concatenate([[0], is_set.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(edges > 0).tolist(), np.flatnonzero(edges < 0).tolist()))
