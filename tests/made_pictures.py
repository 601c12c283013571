"""Small picture files with what those from cameras and editors have in them."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CORNERS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (240, 240, 240))
"""Of the picture as it is to be seen: top left, top right, bottom left, bottom right."""
STORED = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
"""How a picture is stored that EXIF's orientation turns upright: the other way round."""


def upright(width: int = 96, height: int = 80) -> Image.Image:
    image = Image.new("RGB", (width, height))
    for number, colour in enumerate(CORNERS):
        x, y = number % 2 * width // 2, number // 2 * height // 2
        image.paste(colour, (x, y, x + width // 2, y + height // 2))
    return image


def is_upright(picture: np.ndarray) -> bool:
    height, width = picture.shape[:2]
    seen = [picture[y, x, :3] for y in (10, height - 10) for x in (10, width - 10)]
    return (width, height) == (96, 80) and bool(np.abs(np.array(seen, int) - CORNERS).max() < 40)


def exif(orientation: int, order: str = "MM") -> bytes:
    data = Image.Exif()
    data.endian = "<" if order == "II" else ">"
    data[0x010F] = "a maker"
    data[0x0112] = orientation
    return data.tobytes()


def save_turned(path: Path, orientation: int, order: str = "MM", **options: Any) -> Path:
    image = upright()
    if orientation > 1:
        image = image.transpose(STORED[orientation])
    image.save(path, exif=exif(orientation, order), **options)
    return path


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def write_png(path: Path, samples: np.ndarray, depth: int, key: bytes, extra: bytes = b"") -> Path:
    """Write grey (H, W) or coloured (H, W, 3) samples of 1 to 16 bits with a transparent one."""
    height, width = samples.shape[:2]
    if depth == 16:
        rows = samples.astype(">u2").reshape(height, -1).view(np.uint8).reshape(height, -1)
    else:
        bits = (samples.reshape(height, -1)[..., None] >> np.arange(depth - 1, -1, -1)) & 1
        rows = np.packbits(bits.reshape(height, -1).astype(np.uint8), axis=1)
    pixels = zlib.compress(b"".join(b"\0" + row.tobytes() for row in rows))
    head = struct.pack(">IIBBBBB", width, height, depth, 2 if samples.ndim == 3 else 0, 0, 0, 0)
    parts = [chunk(b"IHDR", head), extra, chunk(b"tRNS", key), chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))
    return path
