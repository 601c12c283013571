"""The picture's view in the window: zoom, pan, and conversion of coordinates."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import DoubleArray, UInt8Array

_LARGEST_SCALE = 32.0
_SHARP_SCALE = 4.0


class PickView:
    """Shows the whole picture at first; sizes are (width, height) in pixels."""

    def __init__(self, picture_size: tuple[int, int], window_size: tuple[int, int]) -> None:
        self._picture_size, self._window_size = picture_size, window_size
        self._whole = min(window_size[0] / picture_size[0], window_size[1] / picture_size[1])
        self.scale = self._whole
        """Window pixels per picture pixel."""
        self._centre = np.array(picture_size, np.float64) / 2

    def to_picture(self, x: float, y: float) -> tuple[float, float]:
        """Return a window pixel's coordinates in the picture."""
        place = self._centre + (np.array((x, y)) - np.array(self._window_size) / 2) / self.scale
        return float(place[0]), float(place[1])

    def to_window(self, points: DoubleArray) -> DoubleArray:
        """Return picture points, (N, 2), in window coordinates, (N, 2) float64."""
        return np.asarray((points - self._centre) * self.scale + np.array(self._window_size) / 2)

    def zoom(self, factor: float, x: float, y: float) -> None:
        """Zoom about a window pixel, which stays in place."""
        before = np.array(self.to_picture(x, y))
        self.scale = float(np.clip(self.scale * factor, self._whole, max(_LARGEST_SCALE, self._whole)))
        self._centre += before - np.array(self.to_picture(x, y))
        self._keep_inside()

    def move(self, x: float, y: float) -> None:
        """Pan by window pixels."""
        self._centre -= np.array((x, y)) / self.scale
        self._keep_inside()

    def show(self, picture: UInt8Array) -> UInt8Array:
        """Return the window's view of a picture, (H, W, 3) uint8, grey outside of it."""
        x, y = np.array(self._window_size) / 2 - self._centre * self.scale
        # Pixel centres lie half a window pixel inside.
        offset = (self.scale - 1) / 2
        matrix = np.array([[self.scale, 0, x + offset], [0, self.scale, y + offset]])
        method = cv2.INTER_AREA if self.scale < 1 else cv2.INTER_LINEAR
        if self.scale >= _SHARP_SCALE:
            method = cv2.INTER_NEAREST
        if self.scale < 0.5:
            # warpAffine does not average, and would skip pixels of large pictures.
            picture = cv2.resize(picture, None, fx=self.scale, fy=self.scale, interpolation=cv2.INTER_AREA)
            matrix = np.array([[1.0, 0, x], [0, 1.0, y]])
        return cv2.warpAffine(picture, matrix, self._window_size, flags=method, borderValue=(64, 64, 64))

    def _keep_inside(self) -> None:
        self._centre = np.clip(self._centre, 0, self._picture_size)
