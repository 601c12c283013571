"""The inside of the mouth: the picture's own if its mouth is open, else drawn in the picture's colours."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import AnyArray, DoubleArray, FloatArray, UInt8Array
from animator_core.tracking.face_model import INNER_LIPS, OUTER_LIPS
from animator_core.tracking.pose import HeadPose
from animator_core.warp.openings import Opening, alpha_blend, blend_through, frontal_plane, opening, polygon_mask

_SIZE = 192
"""Side of the drawn textures in pixels; the mouth is two thirds of it wide."""
_UPPER, _LOWER = 13, 14
_OPEN_RATIO = 0.12


class Mouth:
    """The mouth of one character."""

    def __init__(self, picture: UInt8Array, landmarks: FloatArray, pose: HeadPose) -> None:
        """picture: (H, W, 3) uint8 BGR. landmarks: (478, 3) pixels."""
        self._ring = np.array(INNER_LIPS)
        self._units_from_picture = np.linalg.inv(frontal_plane(pose))
        self._corners = [INNER_LIPS[0], INNER_LIPS[10]]
        self._width = float(np.linalg.norm(landmarks[61, :2] - landmarks[291, :2]))
        self._upper_anchor = landmarks[_UPPER, :2].astype(np.float64)
        lips, light = _lip_colour(picture, landmarks), _skin_light(picture, landmarks)
        self._cavity = _cavity(lips)
        self._teeth = _teeth(light, rows=0.30)
        self._lower = _tongue_and_lower_teeth(lips, light)
        polygon = landmarks[self._ring, :2]
        gap = float(np.linalg.norm(landmarks[_UPPER, :2] - landmarks[_LOWER, :2]))
        self._own = _own_interior(picture, polygon) if gap > _OPEN_RATIO * self._width else None

    def draw(self, frame: UInt8Array, points: FloatArray, pose: HeadPose, rest: FloatArray) -> None:
        """Draw the mouth's inside into ``frame``, (H, W, 4) BGRA, behind the lips.

        points: (478, 2) pixels of the frame. rest: the same landmarks without expression; the upper teeth follow them.
        """
        seen = opening(points[self._ring], frame.shape, 0.5 + 0.004 * self._width)
        if seen is None:
            return
        blend_through(frame, seen, self._layer(seen, points=points, pose=pose, rest=rest))

    def _layer(self, seen: Opening, *, points: FloatArray, pose: HeadPose, rest: FloatArray) -> UInt8Array:
        upright = frontal_plane(pose) / pose.scale
        width, rest_width = (float(np.linalg.norm(p[61] - p[291])) for p in (points, rest))
        middle = points[self._corners].mean(0)
        centre = (points[_UPPER] + points[_LOWER]) / 2
        layer = _warped(self._cavity, seen, upright, anchor=centre, width=width * 1.3)
        # The lower jaw follows the lower lip.
        lower_at = points[_LOWER] * np.array([0.5, 1]) + np.array([0.5 * middle[0], 0])
        _over(layer, _warped(self._lower, seen, upright, anchor=lower_at, width=rest_width))
        teeth_at = rest[_UPPER] * 0.75 + points[_UPPER] * 0.25
        _over(layer, _warped(self._teeth, seen, upright, anchor=teeth_at, width=rest_width))
        if self._own is not None:
            texture, origin = self._own
            linear = frontal_plane(pose) @ self._units_from_picture
            target = rest[_UPPER] + linear @ (origin - self._upper_anchor)
            matrix = seen.affine_from(np.column_stack([linear, target]))
            own: AnyArray = cv2.warpAffine(texture, matrix, seen.mask.shape[::-1], flags=cv2.INTER_LINEAR)
            _over(layer, own)
        return _shaded(layer, seen, width)


def _warped(texture: UInt8Array, seen: Opening, upright: DoubleArray, *, anchor: AnyArray, width: float) -> AnyArray:
    """Return ``texture`` in the opening's region, (h, w, 4) uint8, with its centre at ``anchor``.

    width: the mouth's, two thirds of the texture's.
    """
    scaled = upright * (width / (_SIZE * 2 / 3))
    matrix = np.column_stack([scaled, anchor - scaled @ np.array([_SIZE / 2, _SIZE / 2])])
    size = seen.mask.shape[::-1]
    return cv2.warpAffine(
        texture, seen.affine_from(matrix), size, flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )


def _over(below: UInt8Array, layer: UInt8Array) -> None:
    """Blend a straight-alpha (h, w, 4) layer over (h, w, 4), in place."""
    alpha_blend(below, layer, layer[..., 3].astype(np.float32) / np.float32(255))


def _shaded(layer: UInt8Array, seen: Opening, width: float) -> UInt8Array:
    """Return the layer's colour, (h, w, 3) uint8, darkened by the shadow of the lips, most by the upper one."""
    depth = cv2.GaussianBlur(seen.mask, (0, 0), max(0.8, 0.045 * width))
    shift = max(1, round(0.02 * width))
    light = np.minimum(depth, np.roll(depth, shift, axis=0))
    light = np.clip(np.float32(0.45) + np.float32(0.62) * light, 0, 1)
    return np.asarray(layer[..., :3] * light[..., None]).astype(np.uint8)


def _lip_colour(picture: UInt8Array, landmarks: FloatArray) -> DoubleArray:
    """Return the lips' mean BGR colour, (3,) float64."""
    mask = np.zeros(picture.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.rint(landmarks[list(OUTER_LIPS), :2]).astype(np.int32)], (255,))
    cv2.fillPoly(mask, [np.rint(landmarks[list(INNER_LIPS), :2]).astype(np.int32)], (0,))
    return np.array(cv2.mean(picture, mask)[:3]) if mask.any() else np.array([90.0, 90.0, 160.0])


def _skin_light(picture: UInt8Array, landmarks: FloatArray) -> DoubleArray:
    """Return the BGR colour of well-lit skin, (3,) float64, the reference for the teeth's white."""
    cheeks = np.rint(landmarks[[50, 280, 205, 425, 151, 9], :2]).astype(int)
    height, width = picture.shape[:2]
    samples = [picture[np.clip(y, 0, height - 1), np.clip(x, 0, width - 1)] for x, y in cheeks]
    return np.asarray(np.percentile(np.array(samples, float), 75, axis=0))


def _grid() -> tuple[FloatArray, FloatArray]:
    """Return x and y of the texture's pixels, (S, S) float32 each, in mouth widths from its centre."""
    axis = (np.arange(_SIZE, dtype=np.float32) - _SIZE / 2) / (_SIZE * 2 / 3)
    x, y = np.meshgrid(axis, axis)
    return x, y


def _cavity(lips: DoubleArray) -> UInt8Array:
    """Return the cavity, (S, S, 4) uint8 BGRA: dark, a little red, lighter towards the rim."""
    x, y = _grid()
    rim = np.clip(np.hypot(x / 0.5, y / 0.45), 0, 1)[..., None]
    dark = lips * np.array([0.16, 0.13, 0.26])
    flesh = lips * np.array([0.42, 0.38, 0.55])
    return _texture(dark + (flesh - dark) * rim**2.5, np.ones_like(x))


def _teeth(light: DoubleArray, rows: float) -> UInt8Array:
    """Return the upper teeth, (S, S, 4) uint8 BGRA, with their lower edge a little below the texture's centre."""
    x, y = _grid()
    edge = 0.075 - 0.28 * x**2
    ivory = np.clip(0.35 * light + 0.65 * light.max() * np.array([0.86, 0.93, 0.97]) * 1.08, 0, 245)
    # Darker towards the sides: the dental arch turns away from the light.
    shade = (1 - 1.5 * x**2).clip(0.25, 1)[..., None]
    pitch = 0.105
    seams = 1 - 0.16 * np.exp(-((np.abs((x / pitch + 0.0) - np.rint(x / pitch)) * pitch / 0.008) ** 2))
    scallop = 0.012 * np.abs(np.sin(np.pi * x / pitch))
    alpha = np.clip((edge - 0.012 + scallop - y) / 0.012, 0, 1) * np.clip((0.44 - np.abs(x)) / 0.1, 0, 1)
    alpha *= np.clip((y + rows + 0.2) / 0.02, 0, 1)
    return _texture(ivory * shade * seams[..., None], alpha)


def _tongue_and_lower_teeth(lips: DoubleArray, light: DoubleArray) -> UInt8Array:
    """Return the tongue behind the lower teeth, (S, S, 4) uint8 BGRA, with the lower lip's rim at its centre."""
    x, y = _grid()
    top = -0.17 + 0.35 * x**2
    tongue = np.clip((y - top) / 0.05, 0, 1) * np.clip((0.36 - np.abs(x)) / 0.1, 0, 1)
    groove = 1 - 0.18 * np.exp(-((x / 0.025) ** 2))
    rise = np.clip((y - top) / 0.2, 0, 1)
    flesh = np.clip(lips * np.array([0.72, 0.66, 0.86]), 0, 255) * (0.62 + 0.38 * rise[..., None]) * groove[..., None]
    ivory = np.clip(0.5 * light + 0.4 * light.max(), 0, 225) * 0.8
    teeth_top = -0.045 + 0.22 * x**2
    teeth = np.clip((y - teeth_top) / 0.015, 0, 1) * np.clip((0.34 - np.abs(x)) / 0.06, 0, 1)
    shade = (1 - 2.2 * x**2).clip(0.2, 1)[..., None]
    pitch = 0.075
    seams = 1 - 0.18 * np.exp(-(((x / pitch - np.rint(x / pitch)) * pitch / 0.007) ** 2))
    colour = flesh + teeth[..., None] * (ivory * shade * seams[..., None] - flesh)
    return _texture(colour, np.maximum(tongue, teeth))


def _texture(colour: AnyArray, alpha: AnyArray) -> UInt8Array:
    return np.dstack([np.clip(colour, 0, 255), 255 * alpha]).astype(np.uint8)


def _own_interior(picture: UInt8Array, polygon: FloatArray) -> tuple[UInt8Array, DoubleArray]:
    """Return the picture's open mouth, (h, w, 4) uint8 BGRA with a soft rim, and its corner, (2,) float64 pixels."""
    pad = 4
    low = np.maximum(np.floor(polygon.min(0)).astype(int) - pad, 0)
    high = np.ceil(polygon.max(0)).astype(int) + pad
    patch = picture[low[1] : high[1], low[0] : high[0]]
    mask = cv2.GaussianBlur(polygon_mask(polygon - low, patch.shape), (0, 0), 1.0)
    return np.dstack([patch, mask]), low.astype(np.float64)
