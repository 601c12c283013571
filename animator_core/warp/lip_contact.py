"""Keeps lips from passing through each other: where they would, they meet halfway and press the skin around them."""

from __future__ import annotations

import functools

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.motion.expression_coordinates import below_mouth
from animator_core.tracking.face_model import INNER_LIPS, face_model

_UPPER, _LOWER = np.array(INNER_LIPS[1:10]), np.array(INNER_LIPS[:10:-1])
_NEIGHBOURHOOD = 0.018
_REACH_UP, _REACH_DOWN = 0.12, 0.9
"""How far above and below the mouth skin gives way to pressed lips, in face units."""


def keep_lips_apart(face: FloatArray) -> None:
    """Have lips that would pass through each other meet halfway, in place; face: (478, 3) face units."""
    overlap = face[_UPPER, 1] - face[_LOWER, 1]
    if overlap.max() <= 0:
        return
    # First all of both lips and the skin around them, or the inner rings would pass through the outer ones.
    face[:, 1] += _give_way() @ np.maximum(overlap, 0)
    left = np.maximum(face[_UPPER, 1] - face[_LOWER, 1], 0) / 2
    face[_UPPER, 1] -= left
    face[_LOWER, 1] += left


@functools.lru_cache(maxsize=1)
def _give_way() -> FloatArray:
    """Return (478, 9) float32, each landmark's shift by the overlap of each pair of inner lip points."""
    mean = face_model().mean
    x, y = mean[:, 0], mean[:, 1]
    line = float(mean[np.concatenate([_UPPER, _LOWER]), 1].mean())
    near = np.exp(-0.5 * ((x[:, None] - mean[_UPPER, 0]) / _NEIGHBOURHOOD) ** 2)
    beside = np.minimum(near.sum(1, keepdims=True), 1)
    near = beside * near / (near.sum(1, keepdims=True) + 1e-9)
    below = below_mouth()
    up = (1 - below) * np.clip(1 - (line - y) / _REACH_UP, 0, 1)
    down = below * np.clip(1 - (y - line) / _REACH_DOWN, 0, 1)
    return np.asarray(near * ((np.minimum(down * 1.1, 1) - np.minimum(up * 1.1, 1)) / 2)[:, None], np.float32)
