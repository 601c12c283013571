"""Eyes: eyeballs moved by the gaze behind their openings, and lids that close over them."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from animator_core.arrays import AnyArray, DoubleArray, FloatArray, UInt8Array
from animator_core.rendering.compiling import compiled
from animator_core.tracking.pose import HeadPose
from animator_core.warp.canvas import Opening, alpha_blend, blend_through, opening, polygon_mask

_MOST_GAZE = 0.22
_RIM_STAYS, _RIM_WIDENS = 0.05, 0.15
"""Gaze (eye widths) and widening at which the texture without the lids' line has fully replaced the one with it."""

_LID_BEGIN, _LID_FULL = 0.12, 0.55
"""Closure at which the drawn skin begins to show, and at which it has replaced the picture's."""
_LASH_WIDTH = 0.045
_LID_REACH = 0.45
"""Distance from the lid's edge to which skin is drawn, in eye widths."""
_LID_SHADE = 0.94


class Eyeball:
    """One eye of a character."""

    def __init__(
        self, picture: UInt8Array, landmarks: FloatArray, ring: tuple[int, ...], iris: int, pose: HeadPose
    ) -> None:
        """picture: (H, W, 3) uint8 BGR. landmarks: (478, 3) pixels. ring, iris: the eye's landmarks. pose: its own."""
        self._ring = np.array(ring)
        self._corners = [ring[0], ring[8]]
        self._units_from_picture = np.linalg.inv(pose.frontal_plane)
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
        linear = pose.frontal_plane @ self._units_from_picture
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
    completed from its visible half, the white by `_extrapolate`.
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
    white = _extrapolate(values, inner * (distance > radius * 1.2), reaches)
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
        self._texture = np.dstack([np.clip(skin * _LID_SHADE, 0, 255), 255 * alpha]).astype(np.uint8)
        self._lash = _lash_colour(picture, upper)

    def bounds(self, points: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the top left and bottom right corners, (2,) pixels each, of the drawn lid for landmarks ``points``."""
        curve = points[self._curve]
        reach = _LID_REACH * float(np.linalg.norm(curve[0] - curve[8]))
        return curve.min(0) - reach, curve.max(0) + reach

    def cover(self, frame: UInt8Array, map_x: FloatArray, map_y: FloatArray, points: FloatArray, closed: float) -> None:
        """Blend the lid's skin into the frame, (H, W, 4) BGRA.

        map_x, map_y: (H, W) float32, the frame's backward map. points: (478, 2) pixels of the frame. closed: 0 as in
        the picture, 1 shut.
        """
        share = _smooth((closed - _LID_BEGIN) / (_LID_FULL - _LID_BEGIN))
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
        share = _smooth((closed - _LID_BEGIN) / (_LID_FULL - _LID_BEGIN))
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
    return _extrapolate(patch, known, (0.03 * size + 1, 0.08 * size + 1, 0.25 * size + 1))


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


def _extrapolate(values: FloatArray, mask: FloatArray, sigmas: tuple[float, ...]) -> FloatArray:
    """Return ``values`` inside ``mask`` and their smooth continuation outside, by normalised convolution.

    values: (H, W, 3) float32. mask: (H, W) float32 in [0, 1]. sigmas: rising standard deviations in pixels; pixels
    beyond the widest one get the masked mean.
    """
    total = float(mask.sum())
    mean: FloatArray = (values * mask[..., None]).sum((0, 1)) / total if total > 1e-3 else values.mean((0, 1))
    out = np.broadcast_to(mean, values.shape).astype(np.float32).copy()
    for sigma in reversed(sigmas):
        share = cv2.GaussianBlur(mask, (0, 0), sigma)[..., None]
        near = cv2.GaussianBlur(values * mask[..., None], (0, 0), sigma) / np.maximum(share, 1e-6)
        trust = np.clip(share * 8, 0, 1)
        out += trust * (near - out)
    return np.asarray(values * mask[..., None] + out * (1 - mask[..., None]), np.float32)
