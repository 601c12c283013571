"""Eyeballs: the picture's own iris and white, completed under the lids and moved by the gaze."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import AnyArray, DoubleArray, FloatArray, UInt8Array
from animator_core.tracking.pose import HeadPose
from animator_core.warp.compiling import compiled
from animator_core.warp.openings import Opening, blend_through, extrapolate, frontal_plane, opening, polygon_mask

_MOST_GAZE = 0.22
_RIM_STAYS, _RIM_WIDENS = 0.05, 0.15
"""Gaze (eye widths) and widening at which the texture without the lids' line has fully replaced the one with it."""


class Eyeball:
    """One eye of a character."""

    def __init__(
        self, picture: UInt8Array, landmarks: FloatArray, ring: tuple[int, ...], iris: int, pose: HeadPose
    ) -> None:
        """picture: (H, W, 3) uint8 BGR. landmarks: (478, 3) pixels. ring, iris: the eye's landmarks. pose: its own."""
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
        patch: AnyArray = cv2.warpAffine(picture, patch_from_picture, (size, size), borderMode=cv2.BORDER_REPLICATE)
        self._texture, self._rimless = _completed(patch, polygon - low, centre=centre - low, radius=radius)
        self._origin = low.astype(np.float64)
        self._anchor = landmarks[self._corners, :2].mean(0).astype(np.float64)
        self._iris = centre - low
        self._radius = radius

    def draw(self, frame: UInt8Array, points: FloatArray, pose: HeadPose, gaze: FloatArray, openness: float) -> None:
        """Draw the eye into ``frame``, (H, W, 4) BGRA, behind its lids.

        points: (478, 2) pixels of the frame. gaze: (2,) shift of the iris from its place in the picture, in eye widths,
        in the head's axes. openness: 1 as in the picture, 0 closed.
        """
        seen = opening(points[self._ring], frame.shape, 0.4 + 0.004 * self._width)
        if seen is None:
            return
        linear = frontal_plane(pose) @ self._units_from_picture
        target = points[self._corners].mean(0)
        matrix = np.column_stack([linear, target + linear @ (self._origin - self._anchor)])
        away = max(float(np.abs(gaze).max()) / _RIM_STAYS, (openness - 1) / _RIM_WIDENS)
        layer = self._looking(seen, matrix, gaze=gaze, rimless_share=min(max(away, 0.0), 1.0))
        blend_through(frame, seen, layer)

    def _looking(
        self, seen: Opening, frame_from_patch: DoubleArray, *, gaze: FloatArray, rimless_share: float
    ) -> AnyArray:
        """Return the eye in the opening's region, (h, w, 3) uint8 BGR."""
        height, width = seen.mask.shape
        inverse: AnyArray = cv2.invertAffineTransform(seen.affine_from(frame_from_patch))
        shift = self._rotation[:2, :2] @ np.clip(gaze, -_MOST_GAZE, _MOST_GAZE) * self._width
        u, v = np.empty((2, height, width), np.float32)
        _look(u, v, inverse, shift.astype(np.float64), self._iris.astype(np.float64), self._radius)
        texture = cv2.addWeighted(self._texture, 1 - rimless_share, self._rimless, rimless_share, 0)
        layer: AnyArray = cv2.remap(texture, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return layer


@compiled(
    "void(float32[:,::1], float32[:,::1], float64[:,::1], float64[::1], float64[::1], float64)",
    nogil=True,
    error_model="numpy",
)
def _look(
    map_x: FloatArray, map_y: FloatArray, affine: DoubleArray, shift: DoubleArray, iris: DoubleArray, radius: float
) -> None:
    """Write the backward map of an eye whose iris is shifted; the white around it is squeezed smoothly.

    map_x, map_y: (h, w) float32, written. affine: (2, 3) from pixels of the region to the texture. shift, iris: (2,),
    the iris' shift and centre, and radius, in pixels of the texture.
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


def _completed(
    patch: UInt8Array, polygon: FloatArray, *, centre: FloatArray, radius: float
) -> tuple[UInt8Array, UInt8Array]:
    """Return the patch, (S, S, 3) uint8 BGR, with the eyeball completed under the lids, in two versions.

    The first one is the picture's up to the lids; the second one leaves out lashes, lid line and shadow. The iris is
    completed from its visible half, the white by `extrapolate`.
    """
    size = patch.shape[0]
    visible = polygon_mask(polygon, patch.shape)
    # Lashes and the lids' shadow belong to the skin, not to the eyeball behind it.
    inset = max(1, round(radius * 0.12))
    inner = cv2.erode(visible, np.ones((2 * inset + 1, 2 * inset + 1), np.uint8)).astype(np.float32) / 255
    visible_share = visible.astype(np.float32) / 255
    x, y = np.meshgrid(np.arange(size, dtype=np.float32), np.arange(size, dtype=np.float32))
    distance = np.hypot(x - centre[0], y - centre[1])
    disc = np.clip(radius * 1.06 - distance + 0.5, 0, 1)
    values = patch.astype(np.float32)
    reaches = (1.5, 0.4 * radius + 1, radius + 1, 3 * radius + 1)
    white = extrapolate(values, inner * (distance > radius * 1.2), reaches)
    iris = _whole_iris(values, inner, mirrored=(x, (2 * centre[1] - y).astype(np.float32)), distance=distance)
    hidden = white + disc[..., None] * (iris - white)
    shown = np.clip(cv2.GaussianBlur(visible_share, (0, 0), 0.7), 0, 1)
    kept = np.clip(cv2.GaussianBlur(inner, (0, 0), 0.7), 0, 1)
    whole, rimless = (
        np.clip(hidden + s[..., None] * (values - hidden), 0, 255).astype(np.uint8) for s in (shown, kept)
    )
    return whole, rimless


def _whole_iris(
    values: FloatArray, seen: FloatArray, *, mirrored: tuple[FloatArray, FloatArray], distance: FloatArray
) -> FloatArray:
    """Return the iris with its hidden parts filled from the opposite side, or from the ring at the same distance.

    values: (S, S, 3). seen: (S, S) in [0, 1]. mirrored: the map that flips the patch about the iris' centre.
    distance: (S, S) from the iris' centre, in pixels.
    """
    flipped = cv2.remap(values, *mirrored, cv2.INTER_LINEAR)
    flipped_seen = cv2.remap(seen, *mirrored, cv2.INTER_LINEAR)
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
