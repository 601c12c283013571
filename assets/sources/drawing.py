"""A small painter: smooth outlines, soft shading and tapered lines on a supersampled canvas with alpha."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Callable, Union

import cv2
import numpy as np

Point = tuple[float, float]
Colour = Union[str, Callable[[np.ndarray, np.ndarray], np.ndarray]]
"""``#rrggbb``, or a function of pixel coordinates x, y (each (h, w)) to (h, w, 3) in [0, 1]."""

_SUBPIXEL_BITS = 4


def rgb(colour: str) -> np.ndarray:
    """Return ``#rrggbb`` as (3,) float in [0, 1]."""
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255


def smooth(points: Sequence[Point], closed: bool = False, steps: int = 16) -> np.ndarray:
    """Return the smooth curve (Catmull-Rom) through ``points`` as (N, 2); a point given twice is a sharp corner."""
    runs: list[list[Point]] = [[]]
    for point in [*points, *([points[0]] if closed else [])]:
        if runs[-1] and runs[-1][-1] == point:
            runs.append([])
        runs[-1].append(point)
    is_loop = closed and len(runs) == 1
    return np.concatenate([_catmull_rom(np.array(run, np.float64), is_loop, steps) for run in runs if len(run) > 1])


def _catmull_rom(points: np.ndarray, is_loop: bool, steps: int) -> np.ndarray:
    before = points[-2] if is_loop else 2 * points[0] - points[1]
    after = points[1] if is_loop else 2 * points[-1] - points[-2]
    knots = np.vstack([before, points, after])
    t = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for p0, p1, p2, p3 in zip(knots, knots[1:], knots[2:], knots[3:]):
        pieces.append(p1 + 0.5 * t * (p2 - p0 + t * (2 * p0 - 5 * p1 + 4 * p2 - p3 + t * (3 * (p1 - p2) + p3 - p0))))
    return np.vstack([*pieces, points[-1:]])


def bezier(p0: Point, p1: Point, p2: Point, p3: Point, count: int = 40) -> np.ndarray:
    """Return (count, 2) points of a cubic Bézier curve, both ends included."""
    t = np.linspace(0, 1, count)[:, None]
    a, b, c, d = (np.array(p, np.float64) for p in (p0, p1, p2, p3))
    return (1 - t) ** 3 * a + 3 * (1 - t) ** 2 * t * b + 3 * (1 - t) * t * t * c + t**3 * d


def resample(curve: np.ndarray, count: int) -> np.ndarray:
    """Return (count, 2) points at equal distances along ``curve``."""
    along = np.concatenate([[0], np.cumsum(np.linalg.norm(np.diff(curve, axis=0), axis=1))])
    at = np.linspace(0, along[-1], count)
    return np.stack([np.interp(at, along, curve[:, 0]), np.interp(at, along, curve[:, 1])], 1)


def ellipse(centre: Point, radii: Point, angle_deg: float = 0.0) -> np.ndarray:
    """Return the outline of an ellipse, (N, 2)."""
    t = np.linspace(0, 2 * np.pi, 96, endpoint=False)
    x, y = radii[0] * np.cos(t), radii[1] * np.sin(t)
    cosine, sine = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
    return np.stack([centre[0] + cosine * x - sine * y, centre[1] + sine * x + cosine * y], 1)


def gradient(start: Point, end: Point, *colours: str) -> Colour:
    """Return a colour that runs through ``colours`` from ``start`` to ``end``."""
    stops = np.array([rgb(colour) for colour in colours])
    axis = np.array(end, np.float64) - start

    def colour_at(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        t = ((x - start[0]) * axis[0] + (y - start[1]) * axis[1]) / (axis @ axis)
        return _between(stops, t)

    return colour_at


def radial(centre: Point, radii: Point, *colours: str) -> Colour:
    """Return a colour that runs through ``colours`` from ``centre`` to the ellipse of ``radii``."""
    stops = np.array([rgb(colour) for colour in colours])

    def colour_at(x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return _between(stops, np.hypot((x - centre[0]) / radii[0], (y - centre[1]) / radii[1]))

    return colour_at


def _between(stops: np.ndarray, t: np.ndarray) -> np.ndarray:
    at = np.linspace(0, 1, len(stops))
    return np.stack([np.interp(t, at, stops[:, channel]) for channel in range(3)], -1)


def ribbon(curve: np.ndarray, width: float, taper: tuple[float, float] = (0.3, 0.3), thin: float = 0.1) -> np.ndarray:
    """Return the outline of a brush stroke along ``curve``.

    taper: shares of the length over which it swells at its start and fades at its end; thin: width at the very ends,
    as a share of ``width``.
    """
    line = resample(curve, max(24, len(curve)))
    tangent = np.gradient(line, axis=0)
    tangent /= np.linalg.norm(tangent, axis=1, keepdims=True) + 1e-9
    normal = np.stack([-tangent[:, 1], tangent[:, 0]], 1)
    t = np.linspace(0, 1, len(line))
    swell = np.minimum(np.clip(t / max(taper[0], 1e-6), 0, 1), np.clip((1 - t) / max(taper[1], 1e-6), 0, 1))
    half = (thin + (1 - thin) * np.sin(swell * np.pi / 2))[:, None] * width / 2
    return np.vstack([line + normal * half, (line - normal * half)[::-1]])


class Canvas:
    """A transparent picture to paint on; coordinates are pixels of the finished picture."""

    def __init__(self, width: int, height: int, supersampling: int) -> None:
        self._factor = supersampling
        self._shape = height * supersampling, width * supersampling
        self._premultiplied = np.zeros((*self._shape, 4), np.float32)

    def area(self, outline: np.ndarray) -> np.ndarray:
        """Return the coverage of a closed outline, (H, W) float32 in [0, 1]."""
        return self._area_in(outline, 0, 0, self._shape)

    def _area_in(self, outline: np.ndarray, left: int, top: int, shape: tuple[int, int]) -> np.ndarray:
        mask = np.zeros(shape, np.uint8)
        points = np.round(((outline + 0.5) * self._factor - 0.5 - (left, top)) * (1 << _SUBPIXEL_BITS))
        cv2.fillPoly(mask, [points.astype(np.int32)], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
        return mask.astype(np.float32) / 255

    def soft(self, mask: np.ndarray, radius: float) -> np.ndarray:
        """Return ``mask`` blurred by a Gaussian of ``radius`` pixels."""
        sigma = radius * self._factor
        shrink = max(1, int(sigma / 4))
        small = cv2.resize(mask, None, fx=1 / shrink, fy=1 / shrink, interpolation=cv2.INTER_AREA)
        small = cv2.GaussianBlur(small, (0, 0), sigma / shrink, borderType=cv2.BORDER_REPLICATE)
        return cv2.resize(small, self._shape[::-1], interpolation=cv2.INTER_LINEAR)

    def moved(self, mask: np.ndarray, x: float, y: float) -> np.ndarray:
        """Return ``mask`` shifted by x, y pixels."""
        shift = np.array([[1, 0, x * self._factor], [0, 1, y * self._factor]], np.float32)
        return cv2.warpAffine(mask, shift, self._shape[::-1])

    def paint(self, mask: np.ndarray, colour: Colour, opacity: float = 1.0, within: np.ndarray | None = None) -> None:
        """Lay ``colour`` over the picture where ``mask`` is, and only ``within`` another mask."""
        self._paint_at(0, 0, mask, colour, opacity, within)

    def _paint_at(
        self, left: int, top: int, mask: np.ndarray, colour: Colour, opacity: float, within: np.ndarray | None
    ) -> None:
        """Paint with a mask whose top left corner is at a pixel of the canvas."""
        if within is not None:
            mask = mask * within[top : top + mask.shape[0], left : left + mask.shape[1]]
        x, y, width, height = cv2.boundingRect((mask > 1e-3).astype(np.uint8))
        alpha = (mask[y : y + height, x : x + width] * opacity)[..., None]
        box = np.s_[top + y : top + y + height, left + x : left + x + width]
        if isinstance(colour, str):
            paint = rgb(colour).astype(np.float32)
        else:
            rows, columns = np.mgrid[box] / self._factor
            paint = colour(columns, rows).astype(np.float32)
        below = self._premultiplied[box]
        below *= 1 - alpha
        below[..., :3] += paint * alpha
        below[..., 3:] += alpha

    def fill(self, outline: np.ndarray, colour: Colour, opacity: float = 1.0, within: np.ndarray | None = None) -> None:
        """Fill a closed outline."""
        # Hundreds of hairs: a mask of the whole canvas for each would take most of the time.
        size = self._shape[::-1]
        left, top = np.clip(np.floor(outline.min(0) * self._factor).astype(int) - 2, 0, size)
        right, bottom = np.clip(np.ceil(outline.max(0) * self._factor).astype(int) + 4, 0, size)
        if right > left and bottom > top:
            mask = self._area_in(outline, left, top, (bottom - top, right - left))
            self._paint_at(left, top, mask, colour, opacity, within)

    def picture(self) -> np.ndarray:
        """Return the finished picture: (H, W, 4) uint8 RGBA, straight alpha."""
        factor = 1 / self._factor
        small = cv2.resize(self._premultiplied, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
        alpha = small[..., 3:]
        colours = np.where(alpha > 1e-4, small[..., :3] / np.maximum(alpha, 1e-4), 0)
        return (np.clip(np.dstack([colours, alpha]), 0, 1) * 255 + 0.5).astype(np.uint8)
