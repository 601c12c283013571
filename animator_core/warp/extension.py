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
    """Return (H + 2 margin, W + 2 margin, 4) uint8: what the edges cut goes on, and if it is hair, ends in an arc."""
    if not margin:
        return person
    strip, depth = int(np.clip(_STRIP * face_size, 1, margin)), _SLOPE_OVER * face_size
    left, right = (_beyond(person[:, ::step], margin, strip=strip, depth=depth)[:, ::step] for step in (-1, 1))
    on_side = np.concatenate([left, person, right], 1).transpose(1, 0, 2)
    # Hair stands about upright: its last row is drawn upwards.
    above, below = (
        _beyond(on_side[:, ::-1], margin, strip=1, depth=depth)[:, ::-1],
        _beyond(on_side, margin, strip=strip, depth=None),
    )
    whole = np.concatenate([above, on_side, below], 1).transpose(1, 0, 2)
    # So that a viewer does not know what is mirrored again.
    outside = np.ones(whole.shape[:2], np.uint8)
    outside[margin:-margin, margin:-margin] = 0
    share = np.clip(cv2.distanceTransform(outside, cv2.DIST_L2, 5) / (_SOFT_BEYOND * face_size), 0, 1)
    soft = cv2.GaussianBlur(whole, (0, 0), max(0.5, _SOFTNESS * face_size))
    for band in np.s_[:margin], np.s_[-margin:], np.s_[margin:-margin, :margin], np.s_[margin:-margin, -margin:]:
        part = whole[band].astype(np.float32)
        whole[band] = np.rint(part + share[band][..., None] * (soft[band] - part))
    return np.ascontiguousarray(whole)


def _beyond(person: UInt8Array, count: int, strip: int, depth: float | None) -> UInt8Array:
    """Return what comes after the last column, (H, count, 4) uint8: only what that column shows goes on.

    strip: the width that is mirrored. depth: see `_arcs`, which end it; None if it goes on.
    """
    # 1 to strip and back to 0, and so on.
    back = strip - np.abs(np.arange(1, count + 1) % (2 * strip) - strip)
    mirrored = person[:, -1 - back]
    alpha = np.minimum.accumulate(mirrored[..., 3], 1)
    share = alpha / np.maximum(mirrored[..., 3], 1).astype(np.float32)
    if depth is not None:
        share *= _arcs(person[:, ::-1, 3], count, depth)
    beyond: UInt8Array = np.rint(mirrored * share[..., None]).astype(np.uint8)
    return beyond


def _arcs(alpha: UInt8Array, count: int, depth: float) -> FloatArray:
    """Return (H, count) float32 in [0, 1]: the arcs that close each run of the first column's opaque pixels.

    alpha: (H, W) uint8. depth: pixels from the edge, where the run's width tells how the outline is curved. A run
    that ends at the column's end goes on: that is the body.
    """
    column = min(max(1, round(depth)), alpha.shape[1] - 1)
    beyond = np.arange(1, count + 1, dtype=np.float32)
    y = np.arange(len(alpha), dtype=np.float32)[:, None]
    share = np.zeros((len(alpha), count), np.float32)
    inner = _runs(alpha[:, column] > 8)
    for start, end in _runs(alpha[:, 0] > 8):
        if start == 0 or end == len(alpha):
            share[start:end] = 1
            continue
        half, middle = (end - start) / 2, (start + end - 1) / 2
        wider = [(b - a) / 2 for a, b in inner if a <= middle < b]
        # A circle of half the run's width at the edge, and of the other width at that depth: its centre's depth.
        centre = max(0.0, ((wider[0] if wider else half) ** 2 - half**2 + column**2) / (2 * column))
        radius = float(np.hypot(half, centre))
        rise = min(max(radius - centre, _LEAST_RISE * half), 0.9 * count)
        distance: AnyArray = np.hypot(y - middle, beyond * (radius - centre) / rise + centre)
        share = np.maximum(share, np.clip(radius - distance + 0.5, 0, 1))
    return share


def _runs(is_set: BoolArray) -> list[tuple[int, int]]:
    """Return the half-open ranges of set values."""
    edges = np.diff(np.concatenate([[0], is_set.astype(np.int8), [0]]))
    return list(zip(np.flatnonzero(edges > 0).tolist(), np.flatnonzero(edges < 0).tolist()))
