"""PNG pictures with one transparent colour (tRNS), for bit depths at which Pillow compares it wrongly."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

_DEPTH_AT = 24
"""Offset of the bit depth in a PNG file."""


def keyed_alpha(image: Image.Image, path: Path) -> Image.Image | None:
    """Return the alpha channel of a PNG's transparent grey or colour, or None without one.

    image: as Pillow opened it, loaded. path: its file; for 16 bits of colour, of which Pillow keeps 8, it is read anew.
    """
    key = image.info.get("transparency")
    if image.format != "PNG" or image.mode == "P" or not isinstance(key, (int, tuple)):
        return None
    with path.open("rb") as file:
        depth = file.read(_DEPTH_AT + 1)[_DEPTH_AT]
    if isinstance(key, int):
        if depth == 16:
            is_key = np.asarray(image) == key
        else:
            # Pillow spreads the samples over 8 bits, and of single bits the key as well.
            most = (1 << depth) - 1
            is_key = np.asarray(image.convert("L")) == (key if key > most else key * 255 // most)
    elif depth == 16:
        pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
        is_key = (pixels[..., 2::-1] == np.array(key)).all(axis=2)
    else:
        is_key = (np.asarray(image) == np.array(key)).all(axis=2)
    return Image.fromarray(np.where(is_key, 0, 255).astype(np.uint8))
