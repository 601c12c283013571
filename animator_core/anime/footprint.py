"""The pixels of a picture that a region of its basis covers."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import AnyArray, FloatArray, UInt8Array


class Footprint:
    """Where a region lies in the picture.

    place, box: as `paint_region` takes them. inside: their rows and columns in a bordered texture. columns, rows:
    (h, w) float32, the region's column and row at each of them.
    """

    def __init__(self, place: AnyArray, box: AnyArray) -> None:
        self.place, self.box = place, box
        left, top, right, bottom = box
        self.inside = slice(top + 1, bottom + 1), slice(left + 1, right + 1)
        x, y = place[0] + np.arange(left, right) * place[2], place[1] + np.arange(top, bottom) * place[2]
        self.columns, self.rows = np.meshgrid(x.astype(np.float32), y.astype(np.float32))

    def enlarged(self, layer: FloatArray) -> UInt8Array:
        """Return a layer of the region, (H, W, …) in 0 to 1, at the covered pixels as (h, w, …) uint8."""
        return self.sampled(np.rint(np.clip(layer, 0, 1) * 255).astype(np.uint8))

    def sampled(self, layer: UInt8Array) -> UInt8Array:
        """Return a layer of the region, (H, W, …) uint8, at the covered pixels."""
        return np.asarray(cv2.remap(layer, self.columns, self.rows, cv2.INTER_LINEAR))
