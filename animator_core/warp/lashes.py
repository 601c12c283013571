"""The lashes of a lid: a matte over eyeball and skin, which moves with the lid."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from animator_core.arrays import AnyArray, FloatArray
from animator_core.warp.eye_kernels import BEYOND
from animator_core.warp.eye_map import LidSide

_SHARES = 5
"""Places along each segment of a lid at which lashes are looked for."""
_LEAST_DARKNESS = 12.0
"""Grey levels by which a lid's line must be darker than what is behind it."""


@dataclass(frozen=True)
class LashReach:
    """How far lashes reach from a lid's margin outwards and into the eye, in pixels of the patch."""

    outwards: float
    inwards: float


def lashes_of(
    patch: FloatArray,
    behind: FloatArray,
    lid: LidSide,
    *,
    reach: LashReach,
    drawn: float,
) -> FloatArray:
    """Return a lid's lashes, (H, W, 4) float32 premultiplied BGRA, as a matte over what lies behind them.

    patch, behind: (H, W, 3). drawn: 1 for a drawing, whose creases have another colour than its lashes.
    """
    outside, belongs, near_iris = lid.outside, lid.belongs, lid.near_iris
    at_margin = (np.abs(outside) < 0.3 * reach.outwards) & (belongs > 0.5)
    darkness = behind.mean(2) - patch.mean(2)
    beside_iris = at_margin & ~near_iris
    if not beside_iris.any() or np.percentile(darkness[beside_iris], 90) < _LEAST_DARKNESS:
        return np.zeros((*outside.shape, 4), np.float32)
    strong = beside_iris & (darkness >= np.percentile(darkness[beside_iris], 80))
    dark = np.median(patch[strong], axis=0)
    axis = behind - dark
    length = np.maximum((axis * axis).sum(2), 400.0)
    alpha = np.clip(((behind - patch) * axis).sum(2) / length, 0, 1)
    fade = np.clip((reach.outwards - outside) / (0.35 * reach.outwards), 0, 1)
    fade *= np.clip((reach.inwards + outside) / (0.5 * reach.inwards), 0, 1)
    alpha = alpha * fade * belongs
    hidden = near_iris & (outside <= 0)
    alpha[hidden] = (_usual_alpha(alpha, lid, inwards=reach.inwards) * belongs)[hidden]
    connected = _connected(alpha > 0.25 + 0.3 * drawn, at_margin)
    around: AnyArray = cv2.dilate(connected.astype(np.uint8), np.ones((3, 3), np.uint8), iterations=2)
    alpha = (alpha * cv2.GaussianBlur(around.astype(np.float32), (0, 0), 0.8)).astype(np.float32)
    colour = np.clip(patch - (1 - alpha[..., None]) * behind, 0, 255 * alpha[..., None])
    colour[hidden] = (alpha[..., None] * dark)[hidden]
    return np.ascontiguousarray(np.dstack([colour, alpha]), np.float32)


def seen_reach(lashes: FloatArray, curve: FloatArray, outwards: int, most: LashReach) -> FloatArray:
    """Return (2, S) float32, how far lashes are seen out- and inwards of each segment of their lid; 0 for nowhere.

    lashes: (H, W, 4) BGRA, opacity from 0 to 255. curve: (5, S) `lid_curves.segments` of the lid at rest. outwards: 1
    for the upper lid, whose outer side is above it, -1 for the lower one.
    """
    seen = np.asarray(cv2.dilate((lashes[..., 3] > 0).astype(np.uint8), np.ones((3, 3), np.uint8)))
    x, y, ux, uy, length = curve[:, :, None, None]
    forward = length * np.linspace(0, 1, _SHARES)[:, None]
    reach = np.zeros((2, curve.shape[1] + 2), np.float32)
    for each, side, limit in zip(reach, (outwards, -outwards), (most.outwards, most.inwards)):
        offset = np.arange(0, limit + 1, 0.5)
        column = np.rint(x + forward * ux + side * offset * uy).astype(int).clip(0, seen.shape[1] - 1)
        row = np.rint(y + forward * uy - side * offset * ux).astype(int).clip(0, seen.shape[0] - 1)
        each[1:-1] = ((offset + 1) * seen[row, column]).max((1, 2))
    # Places around a corner of the curve belong to the neighbour.
    around: FloatArray = np.lib.stride_tricks.sliding_window_view(reach, 3, axis=1).max(2)
    # Nothing moves beyond the eye's corners.
    around[:, :BEYOND] = around[:, -BEYOND:] = 0
    return around


def _usual_alpha(alpha: AnyArray, lid: LidSide, *, inwards: float) -> AnyArray:
    """Return (H, W) the usual opacity of lashes at their distance from the lid's margin, measured beside the iris."""
    told = ~lid.near_iris & (lid.belongs > 0.5)
    depths = np.arange(int(inwards) + 2, dtype=np.float64)
    usual = np.zeros_like(depths)
    for number, depth in enumerate(depths):
        values = alpha[told & (np.abs(-lid.outside - depth) < 0.75)]
        usual[number] = np.percentile(values, 70) if len(values) else 0.0
    usual = np.maximum.accumulate(usual[::-1])[::-1]
    return np.interp(-lid.outside, depths, usual)


def _connected(mask: AnyArray, seeds: AnyArray) -> AnyArray:
    """Return the parts of a mask, (H, W) bool, that hold any of the seeds."""
    _, found = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    labels = np.asarray(found)
    kept = np.unique(labels[mask & seeds])
    return np.isin(labels, kept[kept > 0])
