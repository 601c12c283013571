"""Text in the window of ``run``, smoothed, in any alphabet that DejaVu Sans has."""

from __future__ import annotations

import functools
import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from animator_core.arrays import UInt8Array

Colour = tuple[int, int, int]
"""Blue, green, red."""


@functools.lru_cache(maxsize=8)
def _font(size: int, is_bold: bool) -> Any:
    """Return DejaVu Sans of the package matplotlib, which is installed and need not be loaded for it."""
    found = importlib.util.find_spec("matplotlib")
    folder = Path(found.origin).parent if found is not None and found.origin else Path()
    try:
        return ImageFont.truetype(
            str(folder / "mpl-data/fonts/ttf" / ("DejaVuSans-Bold.ttf" if is_bold else "DejaVuSans.ttf")), size
        )
    except OSError:
        return ImageFont.load_default()


@functools.lru_cache(maxsize=256)
def _mask(text: str, size: int, is_bold: bool) -> UInt8Array:
    """Return the letters' coverage, (H, W) uint8; all texts of one size have one height."""
    font = _font(size, is_bold)
    width = max(1, int(np.ceil(font.getlength(text))))
    image = Image.new("L", (width, round(size * 1.35)), 0)
    ImageDraw.Draw(image).text((0, 0), text, fill=255, font=font)
    return np.asarray(image)


def text_width(text: str, size: int, *, is_bold: bool = False) -> int:
    """Return the width of a line in pixels."""
    return int(_mask(text, size, is_bold).shape[1]) if text else 0


def shortened(text: str, size: int, width: int) -> str:
    """Return the text, or its beginning and an ellipsis, at most ``width`` pixels wide."""
    if text_width(text, size) <= width:
        return text
    while text and text_width(f"{text}…", size) > width:
        text = text[:-1]
    return f"{text.rstrip()}…"


def write(
    picture: UInt8Array, text: str, place: tuple[int, int], *, size: int, colour: Colour, is_bold: bool = False
) -> None:
    """Draw a line of text into a (H, W, 3) uint8 picture; place: (x, y) of its upper left corner. It may be cut off."""
    if not text:
        return
    mask = _mask(text, size, is_bold)
    x, y = place
    part = picture[y : y + mask.shape[0], x : x + mask.shape[1]]
    share = mask[: part.shape[0], : part.shape[1], None].astype(np.uint16)
    part[:] = (part * (255 - share) + np.array(colour, np.uint16) * share + 127) // 255
