"""Closing eyelids: skin in the picture's own colour in place of the stretched lashes, and a lash line."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from animator_core.arrays import AnyArray, DoubleArray, FloatArray, UInt8Array
from animator_core.warp.openings import Opening, alpha_blend, extrapolate, polygon_mask

_BEGIN, _FULL = 0.12, 0.55
"""Closure at which the drawn skin begins to show, and at which it has replaced the picture's."""
_LASH_WIDTH = 0.045
_REACH = 0.45
"""Distance from the lid's edge to which skin is drawn, in eye widths."""
_SHADE = 0.94


class Eyelid:
    """The upper lid of one eye of a character."""

    def __init__(
        self, picture: UInt8Array, landmarks: FloatArray, ring: tuple[int, ...], brow: tuple[int, ...]
    ) -> None:
        """picture: (H, W, 3) uint8 BGR. landmarks: (478, 3) pixels. ring, brow: landmarks of eye and brow's edge."""
        self._curve = np.array(ring[:9])
        upper = landmarks[self._curve, :2]
        self._width = float(np.linalg.norm(upper[0] - upper[8]))
        polygon = landmarks[list(ring), :2]
        rise = landmarks[list(brow), :2].mean(0) - upper[2:7].mean(0)
        zone = np.concatenate([upper, upper[::-1] + 0.55 * rise])
        zone[:9] += 0.3 * (polygon.mean(0) - zone[:9])
        reach = 0.6 * self._width
        low = np.maximum(np.floor(np.minimum(zone.min(0), polygon.min(0)) - reach).astype(int), 0)
        high = np.ceil(np.maximum(zone.max(0), polygon.max(0)) + reach).astype(int)
        patch: FloatArray = picture[low[1] : high[1], low[0] : high[0]].astype(np.float32)
        self._origin = low.astype(np.float32)
        mask = _filled(zone - low, patch.shape)
        hidden: AnyArray = np.maximum(mask, _filled(polygon - low, patch.shape))
        hidden = cv2.dilate(hidden, np.ones((3, 3), np.uint8), iterations=max(1, round(0.06 * self._width)))
        skin = _skin(patch, hidden)
        alpha = _faded(mask, self._width)
        self._texture = np.dstack([np.clip(skin * _SHADE, 0, 255), 255 * alpha]).astype(np.uint8)
        self._lash = _lash_colour(picture, upper)

    def bounds(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the top left and bottom right corners, (2,) pixels each, of the drawn lid for landmarks ``points``."""
        curve = points[self._curve]
        reach = _REACH * float(np.linalg.norm(curve[0] - curve[8]))
        return curve.min(0) - reach, curve.max(0) + reach

    def cover(self, frame: UInt8Array, map_x: FloatArray, map_y: FloatArray, points: FloatArray, closed: float) -> None:
        """Blend the lid's skin into the frame, (H, W, 4) BGRA.

        map_x, map_y: (H, W) float32, the frame's backward map. points: (478, 2) pixels of the frame. closed: 0 as in
        the picture, 1 shut.
        """
        share = _smooth((closed - _BEGIN) / (_FULL - _BEGIN))
        area = _region(frame, *self.bounds(points)) if share > 0 else None
        if area is None:
            return
        u, v = area.region(map_x) - self._origin[0], area.region(map_y) - self._origin[1]
        layer: AnyArray = cv2.remap(self._texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        alpha = layer[..., 3].astype(np.float32) * np.float32(share / 255)
        alpha_blend(area.region(frame), layer, alpha)

    def draw_lashes(self, frame: UInt8Array, points: FloatArray, closed: float) -> None:
        """Draw the lash line along the lid's edge, in place of the picture's own, which is stretched away.

        frame: (H, W, 4) uint8 BGRA. points, closed: as in `cover`.
        """
        share = _smooth((closed - _BEGIN) / (_FULL - _BEGIN))
        curve = points[self._curve]
        width = float(np.linalg.norm(curve[0] - curve[8])) * _LASH_WIDTH
        softness = max(0.6, 0.25 * width)
        reach = 0.6 * width + 3 * softness + 2
        area = _region(frame, curve.min(0) - reach, curve.max(0) + reach) if share > 0 else None
        if area is None:
            return
        curve = curve - (area.left, area.top)
        # A closed ribbon, thickest in the middle.
        bulge = np.sin(np.pi * np.linspace(0.08, 0.92, 9))[:, None] * np.array([0, width])
        ribbon = np.concatenate([curve - bulge * 0.6, (curve + bulge * 0.5)[::-1]])
        mask = polygon_mask(ribbon, area.mask.shape)
        alpha = cv2.GaussianBlur(mask, (0, 0), softness).astype(np.float32) * np.float32(0.85 * share / 255)
        alpha_blend(area.region(frame), np.full((*mask.shape, 3), self._lash, np.uint8), alpha)


def _region(frame: UInt8Array, low: FloatArray, high: FloatArray) -> Opening | None:
    """Return the frame's region between two corners, its mask uninitialised; None if it lies outside the frame."""
    low = np.maximum(np.floor(low).astype(int), 0)
    high = np.minimum(np.ceil(high).astype(int), [frame.shape[1], frame.shape[0]])
    if (high - low).min() < 2:
        return None
    return Opening(int(low[0]), int(low[1]), np.empty((high[1] - low[1], high[0] - low[0]), np.float32))


def _smooth(share: float) -> float:
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)


def _filled(polygon: FloatArray, shape: tuple[int, ...]) -> UInt8Array:
    mask = np.zeros(shape[:2], np.uint8)
    corners: Any = np.rint(polygon).astype(np.int32)
    cv2.fillPoly(mask, [corners], (1,))
    return mask


def _faded(mask: UInt8Array, width: float) -> AnyArray:
    """Return the mask with edges softened inwards and outwards, (H, W) float32 in [0, 1]."""
    distance = cv2.distanceTransform(cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 3)[
        1:-1, 1:-1
    ]
    inner = np.clip(distance / max(1.0, 0.09 * width), 0, 1)
    faded: AnyArray = cv2.GaussianBlur(inner, (0, 0), max(0.7, 0.05 * width))
    return faded


def _skin(patch: FloatArray, hidden: AnyArray) -> FloatArray:
    """Return the patch with its hidden pixels extrapolated from the lit skin around; hair and lashes are left out."""
    light = patch.mean(2)
    around = hidden == 0
    lit = light >= 0.85 * np.median(light[around]) if around.any() else np.zeros_like(around)
    size = max(patch.shape[:2])
    known = (around & lit).astype(np.float32)
    return extrapolate(patch, known, (0.03 * size + 1, 0.08 * size + 1, 0.25 * size + 1))


def _lash_colour(picture: UInt8Array, curve: FloatArray) -> DoubleArray:
    """Return the dark BGR colour along the lid's edge, (3,) float64."""
    height, width = picture.shape[:2]
    steps = np.linspace(0, 1, 6)[:, None, None]
    points = (curve[1:-2][None] + steps * (curve[2:-1] - curve[1:-2])[None]).reshape(-1, 2)
    points = np.concatenate([points + np.array([0, dy]) for dy in (-1, 0, 1)])
    x, y = np.rint(points).astype(int).T
    samples = picture[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)].astype(float)
    order = np.argsort(samples.sum(1))
    return np.asarray(samples[order[: max(1, len(order) // 4)]].mean(0))
