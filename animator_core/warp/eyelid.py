"""Closing lids: skin of the picture's own colour where its lid would only be a stretched lash, and a lash line."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.warp.openings import Opening, lay_over, spread

_BEGIN, _FULL = 0.12, 0.55
"""How far a lid must close until its drawn skin begins to show, and until it has replaced the picture's."""
_LASH_WIDTH = 0.045
_REACH = 0.45
"""How far from the lid's edge its skin is drawn, in eye widths."""
_SHADE = 0.94


class Eyelid:
    """The upper lid of one eye of a character."""

    def __init__(
        self, picture: np.ndarray, landmarks: np.ndarray, ring: tuple[int, ...], brow: tuple[int, ...]
    ) -> None:
        """picture: (H, W, 3) uint8 BGR. landmarks: (478, 3) pixels. ring: the eye's; brow: the brow's lower edge."""
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
        patch = picture[low[1] : high[1], low[0] : high[0]].astype(np.float32)
        self._origin = low.astype(np.float32)
        mask = _filled(zone - low, patch.shape)
        hidden = np.maximum(mask, _filled(polygon - low, patch.shape))
        skin = _skin(patch, cv2.dilate(hidden, np.ones((3, 3), np.uint8), iterations=max(1, round(0.06 * self._width))))
        alpha = _faded(mask, self._width)
        self._texture = np.dstack([np.clip(skin * _SHADE, 0, 255), 255 * alpha]).astype(np.uint8)
        self._lash = _lash_colour(picture, upper)

    def bounds(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return the top left and bottom right of where the lid is drawn with its landmarks at ``points``, pixels."""
        curve = points[self._curve]
        reach = _REACH * float(np.linalg.norm(curve[0] - curve[8]))
        return curve.min(0) - reach, curve.max(0) + reach

    def cover(self, frame: np.ndarray, map_x: np.ndarray, map_y: np.ndarray, points: np.ndarray, closed: float) -> None:
        """Lay the lid's skin over the frame ((H, W, 4) BGRA), where the maps ((H, W) float32) show the lid.

        points: (478, 2) pixels of the frame. closed: 0 as in the picture, 1 shut.
        """
        share = _smooth((closed - _BEGIN) / (_FULL - _BEGIN))
        where = _region(frame, *self.bounds(points)) if share > 0 else None
        if where is None:
            return
        u, v = where.region(map_x) - self._origin[0], where.region(map_y) - self._origin[1]
        layer = cv2.remap(self._texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        alpha = layer[..., 3].astype(np.float32) * np.float32(share / 255)
        lay_over(where.region(frame), layer, alpha)

    def draw_lashes(self, frame: np.ndarray, points: np.ndarray, closed: float) -> None:
        """Draw the lash line along the lid's edge; it takes over as the picture's own is stretched away."""
        share = _smooth((closed - _BEGIN) / (_FULL - _BEGIN))
        curve = points[self._curve]
        width = float(np.linalg.norm(curve[0] - curve[8])) * _LASH_WIDTH
        softness = max(0.6, 0.25 * width)
        reach = 0.6 * width + 3 * softness + 2
        where = _region(frame, curve.min(0) - reach, curve.max(0) + reach) if share > 0 else None
        if where is None:
            return
        curve = curve - (where.left, where.top)
        # A closed ribbon that is thickest in the middle.
        bulge = np.sin(np.pi * np.linspace(0.08, 0.92, 9))[:, None] * np.array([0, width])
        ribbon = np.concatenate([curve - bulge * 0.6, (curve + bulge * 0.5)[::-1]])
        mask = np.zeros(where.mask.shape, np.uint8)
        cv2.fillPoly(mask, [np.rint(ribbon * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        alpha = cv2.GaussianBlur(mask, (0, 0), softness).astype(np.float32) * np.float32(0.85 * share / 255)
        lay_over(where.region(frame), np.full((*mask.shape, 3), self._lash, np.uint8), alpha)


def _region(frame: np.ndarray, low: np.ndarray, high: np.ndarray) -> Opening | None:
    """Return the frame's part between two corners, with an empty mask; None where it lies outside."""
    low = np.maximum(np.floor(low).astype(int), 0)
    high = np.minimum(np.ceil(high).astype(int), [frame.shape[1], frame.shape[0]])
    if (high - low).min() < 2:
        return None
    return Opening(int(low[0]), int(low[1]), np.empty((high[1] - low[1], high[0] - low[0]), np.float32))


def _smooth(share: float) -> float:
    share = min(max(share, 0.0), 1.0)
    return share * share * (3 - 2 * share)


def _filled(polygon: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    mask = np.zeros(shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(polygon).astype(np.int32)], 1)
    return mask


def _faded(mask: np.ndarray, width: float) -> np.ndarray:
    """Return the zone with soft sides and top that stay inside it as well as outside, (H, W) float32 in [0, 1]."""
    distance = cv2.distanceTransform(cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT), cv2.DIST_L2, 3)[
        1:-1, 1:-1
    ]
    inner = np.clip(distance / max(1.0, 0.09 * width), 0, 1)
    return cv2.GaussianBlur(inner, (0, 0), max(0.7, 0.05 * width))


def _skin(patch: np.ndarray, hidden: np.ndarray) -> np.ndarray:
    """Return the patch with the hidden part continued from the lit skin around it; hair and lashes do not count."""
    light = patch.mean(2)
    around = hidden == 0
    lit = light >= 0.85 * np.median(light[around]) if around.any() else np.zeros_like(around)
    size = max(patch.shape[:2])
    known = (around & lit).astype(np.float32)
    return spread(patch, known, (0.03 * size + 1, 0.08 * size + 1, 0.25 * size + 1))


def _lash_colour(picture: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """Return the dark BGR colour along the lid's edge, (3,) float."""
    height, width = picture.shape[:2]
    steps = np.linspace(0, 1, 6)[:, None, None]
    points = (curve[1:-2][None] + steps * (curve[2:-1] - curve[1:-2])[None]).reshape(-1, 2)
    points = np.concatenate([points + np.array([0, dy]) for dy in (-1, 0, 1)])
    x, y = np.rint(points).astype(int).T
    samples = picture[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)].astype(float)
    order = np.argsort(samples.sum(1))
    return np.asarray(samples[order[: max(1, len(order) // 4)]].mean(0))
