"""The eyes: the picture's own iris and white, continued under the lids, moved by the gaze."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.tracking.pose import HeadPose
from animator_core.warp.compiling import compiled
from animator_core.warp.openings import Opening, blend_into, frontal_plane, opening, spread

_MOST_GAZE = 0.22
_RIM_STAYS, _RIM_WIDENS = 0.05, 0.15
"""By which gaze (eye widths) and which widening the lids' own line, which must stay with them, has left the eyeball."""


class Eyeball:
    """One eye of a character."""

    def __init__(
        self, picture: np.ndarray, landmarks: np.ndarray, ring: tuple[int, ...], iris: int, pose: HeadPose
    ) -> None:
        """picture: (H, W, 3) uint8 BGR. landmarks: (478, 3) pixels. ring, iris: the eye's landmarks."""
        self._ring = np.array(ring)
        self._corners = [ring[0], ring[8]]
        self._units_from_picture = np.linalg.inv(frontal_plane(pose))
        self._rotation = pose.rotation
        polygon = landmarks[self._ring, :2]
        self._width = float(np.linalg.norm(landmarks[ring[0], :2] - landmarks[ring[8], :2]))
        centre = landmarks[iris, :2]
        radius = float(np.linalg.norm(landmarks[iris + 1 : iris + 5, :2] - centre, axis=1).mean())
        side = 0.75 * self._width + radius
        middle = polygon.mean(0)
        low = np.floor(middle - side).astype(int)
        size = int(2 * side) + 2
        patch_from_picture = np.array([[1, 0, -low[0]], [0, 1, -low[1]]], np.float64)
        patch = cv2.warpAffine(picture, patch_from_picture, (size, size), borderMode=cv2.BORDER_REPLICATE)
        self._texture, self._rimless = _continued(patch, polygon - low, centre - low, radius)
        self._origin = low.astype(np.float64)
        self._anchor = landmarks[self._corners, :2].mean(0).astype(np.float64)
        self._iris = centre - low
        self._radius = radius

    def draw(self, frame: np.ndarray, points: np.ndarray, pose: HeadPose, gaze: np.ndarray, openness: float) -> None:
        """Draw the eye into ``frame`` ((H, W, 4) BGRA) behind lids at ``points`` ((478, 2) pixels of the frame).

        gaze: (2,) shift of the iris from where the picture shows it, in eye widths, in the head's axes. openness: 1 as
        in the picture, 0 closed.
        """
        where = opening(points[self._ring], frame.shape, 0.4 + 0.004 * self._width)
        if where is None:
            return
        linear = frontal_plane(pose) @ self._units_from_picture
        target = points[self._corners].mean(0)
        matrix = np.column_stack([linear, target + linear @ (self._origin - self._anchor)])
        away = max(float(np.abs(gaze).max()) / _RIM_STAYS, (openness - 1) / _RIM_WIDENS)
        blend_into(frame, where, self._looking(where, matrix, gaze, min(max(away, 0.0), 1.0)))

    def _looking(
        self, where: Opening, frame_from_patch: np.ndarray, gaze: np.ndarray, rimless_share: float
    ) -> np.ndarray:
        height, width = where.mask.shape
        inverse = cv2.invertAffineTransform(where.affine_from(frame_from_patch))
        shift = self._rotation[:2, :2] @ np.clip(gaze, -_MOST_GAZE, _MOST_GAZE) * self._width
        u, v = np.empty((2, height, width), np.float32)
        _look(u, v, inverse, shift.astype(np.float64), self._iris.astype(np.float64), self._radius)
        texture = cv2.addWeighted(self._texture, 1 - rimless_share, self._rimless, rimless_share, 0)
        return cv2.remap(texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


@compiled(
    "void(float32[:,::1], float32[:,::1], float64[:,::1], float64[::1], float64[::1], float64)",
    nogil=True,
    error_model="numpy",
)
def _look(
    map_x: np.ndarray, map_y: np.ndarray, affine: np.ndarray, shift: np.ndarray, iris: np.ndarray, radius: float
) -> None:
    """Write which place of the eye's texture each pixel shows when the iris is shifted.

    map_x, map_y: (h, w) float32. affine: (2, 3) of pixels to the texture. shift, iris: (2,), the latter the iris'
    centre, and its radius, in pixels of the texture. The white between the iris and the eye's corners gives way.
    """
    for y in range(map_x.shape[0]):
        for x in range(map_x.shape[1]):
            u = affine[0, 0] * x + affine[0, 1] * y + affine[0, 2]
            v = affine[1, 0] * x + affine[1, 1] * y + affine[1, 2]
            distance = np.sqrt((u - shift[0] - iris[0]) ** 2 + (v - shift[1] - iris[1]) ** 2)
            give = min(max((distance - 1.15 * radius) / (1.6 * radius), 0.0), 1.0)
            share = 1 - give * give * (3 - 2 * give)
            map_x[y, x] = u - shift[0] * share
            map_y[y, x] = v - shift[1] * share


def _continued(
    patch: np.ndarray, polygon: np.ndarray, centre: np.ndarray, radius: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the patch with the eyeball continued beyond the lids: iris by its other half, white by `spread`.

    Twice: as the picture shows it up to the lids, and without the lids' own lashes, line and shadow.
    """
    size = patch.shape[0]
    visible = np.zeros((size, size), np.uint8)
    cv2.fillPoly(visible, [np.rint(polygon * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
    # Lashes and the lids' shadow belong to the skin, not to what is behind it.
    inset = max(1, round(radius * 0.12))
    inner = cv2.erode(visible, np.ones((2 * inset + 1, 2 * inset + 1), np.uint8)).astype(np.float32) / 255
    visible_share = visible.astype(np.float32) / 255
    x, y = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    distance = np.hypot(x - centre[0], y - centre[1])
    disc = np.clip(radius * 1.06 - distance + 0.5, 0, 1)
    values = patch.astype(np.float32)
    white = spread(values, inner * (distance > radius * 1.2), (1.5, 0.4 * radius + 1, radius + 1, 3 * radius + 1))
    iris = _whole_iris(values, inner, x, y, centre, distance)
    hidden = white + disc[..., None] * (iris - white)
    shown = np.clip(cv2.GaussianBlur(visible_share, (0, 0), 0.7), 0, 1)
    kept = np.clip(cv2.GaussianBlur(inner, (0, 0), 0.7), 0, 1)
    whole, rimless = (
        np.clip(hidden + s[..., None] * (values - hidden), 0, 255).astype(np.uint8) for s in (shown, kept)
    )
    return whole, rimless


def _whole_iris(
    values: np.ndarray, seen: np.ndarray, x: np.ndarray, y: np.ndarray, centre: np.ndarray, distance: np.ndarray
) -> np.ndarray:
    """Return the iris with its hidden parts filled from the opposite side, or from the ring at the same distance."""
    flipped = cv2.remap(values, x, (2 * centre[1] - y).astype(np.float32), cv2.INTER_LINEAR)
    flipped_seen = cv2.remap(seen, x, (2 * centre[1] - y).astype(np.float32), cv2.INTER_LINEAR)
    rings = distance.astype(int).ravel()
    weight = np.bincount(rings, seen.ravel()) + 1e-6
    by_ring = np.stack([np.bincount(rings, (seen * values[..., c]).ravel()) / weight for c in range(3)], 1)
    known = np.flatnonzero(weight > 0.5)
    if len(known):
        indices = np.arange(len(weight))
        by_ring = np.stack([np.interp(indices, known, by_ring[known, c]) for c in range(3)], 1)
    radial = by_ring[distance.astype(int)].astype(np.float32)
    filled = radial + flipped_seen[..., None] * (flipped - radial)
    return np.asarray(filled + seen[..., None] * (values - filled))
