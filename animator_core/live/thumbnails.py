"""Small pictures of the library's characters, made in a thread of their own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from animator_core.arrays import UInt8Array
from animator_core.characters.picture import load_picture
from animator_core.errors import AnimatorError
from animator_core.live.layout import THUMBNAIL

logger = logging.getLogger(__name__)

_BACKGROUND = 58.0


class Thumbnails:
    """Makes a thumbnail of every named picture once; ``made`` has those that are ready, any thread may read it."""

    def __init__(self, path_of: Callable[[str], object]) -> None:
        self.made: dict[str, UInt8Array] = {}
        self._path_of = path_of
        self._asked: set[str] = set()

    def ask_for(self, names: Sequence[str]) -> None:
        """Make those that were not asked for before."""
        new = [name for name in names if name not in self._asked]
        self._asked.update(new)
        if new:
            threading.Thread(target=self._make, args=(new,), name="thumbnails", daemon=True).start()

    def _make(self, names: Sequence[str]) -> None:
        for name in names:
            try:
                made = thumbnail(load_picture(self._path_of(name)))  # type: ignore[arg-type]
            except (AnimatorError, OSError) as exc:
                logger.debug("no thumbnail of %s: %s", name, exc)
                continue
            # A new dictionary, as the thread that draws may be looking at the old one.
            self.made = {**self.made, name: made}


def thumbnail(picture: UInt8Array) -> UInt8Array:
    """Return the upper middle of a picture, (84, 84, 3) uint8 BGR; picture: (H, W, 4) uint8 RGBA, straight alpha."""
    height, width = picture.shape[:2]
    side = min(height, width)
    left = (width - side) // 2
    square = picture[:side, left : left + side].astype(np.float32)
    alpha = square[..., 3:] / 255
    flat = square[..., 2::-1] * alpha + _BACKGROUND * (1 - alpha)
    return np.asarray(cv2.resize(flat, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).round(), np.uint8)
