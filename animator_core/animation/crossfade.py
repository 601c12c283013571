"""A short crossfade from one picture to the pictures of another character."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import UInt8Array

_FADE_SECONDS = 0.18


class Crossfade:
    """Lets the last picture before a change fade away; used by one thread."""

    def __init__(self) -> None:
        self._before: UInt8Array | None = None
        self._began_ns: int | None = None

    @property
    def is_fading(self) -> bool:
        """Whether the old picture is still to be seen."""
        return self._before is not None

    def begin(self, before: UInt8Array | None) -> None:
        """Fade from ``before``, (H, W, 4) uint8 premultiplied BGRA, with the next picture; None: from nothing."""
        self._before, self._began_ns = None if before is None else before.copy(), None

    def over(self, picture: UInt8Array, now_ns: int) -> UInt8Array:
        """Return a new picture with what is left of the old one over it; one of another size is shown at once."""
        if self._before is None:
            return picture
        if self._began_ns is None:
            self._began_ns = now_ns
        share = (now_ns - self._began_ns) * 1e-9 / _FADE_SECONDS
        if share >= 1 or self._before.shape != picture.shape:
            self._before = None
            return picture
        return np.asarray(cv2.addWeighted(self._before, 1 - share, picture, share, 0), np.uint8)
