"""Picture files as arrays: whatever a PNG, JPEG or WebP holds becomes upright 8-bit sRGB with straight alpha."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

from animator_core.errors import CharacterError

logger = logging.getLogger(__name__)

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
MIN_SIDE = 64
MAX_SIDE = 8192
MAX_FILE_BYTES = 200 << 20
_FORMATS = ("PNG", "JPEG", "WEBP")
_DECODER_ERRORS = (
    OSError,
    SyntaxError,
    ValueError,
    EOFError,
    IndexError,
    KeyError,
    struct.error,
    zlib.error,
    MemoryError,
    Image.DecompressionBombError,
    Image.DecompressionBombWarning,
)


def load_picture(path: Path) -> np.ndarray:
    """Return the picture in ``path``: (H, W, 4) uint8 RGBA, straight alpha, sRGB; of an animation the first frame.

    The sides are 64 to 8192 px and are looked at before anything is decoded. Raises CharacterError otherwise.
    """
    try:
        if not path.is_file():
            raise CharacterError(f"{path} is no file; put a PNG, JPEG or WebP picture there")
        size = path.stat().st_size
        if size == 0:
            raise CharacterError(f"{path} is empty (0 bytes); copy the picture again")
        if size > MAX_FILE_BYTES:
            raise CharacterError(f"{path} has {size >> 20} MB, more than {MAX_FILE_BYTES >> 20}; save it smaller")
        with Image.open(path, formats=_FORMATS) as image:
            _check_size(image, path)
            picture = _to_rgba(ImageOps.exif_transpose(image))
    except _DECODER_ERRORS as exc:
        raise CharacterError(f"{path} cannot be read as a picture ({exc}); save it again as PNG, JPEG or WebP") from exc
    if not picture[..., 3].any():
        raise CharacterError(f"{path} is completely transparent; save it with the character visible")
    return picture


def fit_within(picture: np.ndarray, max_size: tuple[int, int], max_pixels: int | None = None) -> np.ndarray:
    """Return ``picture`` reduced, never enlarged, to at most ``max_size`` (width, height) and ``max_pixels``.

    picture: (H, W, 4) uint8 RGBA, straight alpha; the colour of transparent pixels does not bleed into the edge.
    """
    height, width = picture.shape[:2]
    factor = min(1.0, max_size[0] / width, max_size[1] / height)
    if max_pixels is not None:
        factor = min(factor, (max_pixels / (width * height)) ** 0.5)
    if factor >= 1.0:
        return picture
    size = (max(1, int(width * factor)), max(1, int(height * factor)))
    # Pillow multiplies RGBA by its alpha around the filter.
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)).copy()


def _check_size(image: Image.Image, path: Path) -> None:
    width, height = image.size
    if max(width, height) > MAX_SIDE:
        raise CharacterError(f"{path} has {width}x{height} pixels; save it with at most {MAX_SIDE} on a side")
    if min(width, height) < MIN_SIDE:
        raise CharacterError(f"{path} has {width}x{height} pixels; use a picture of at least {MIN_SIDE} on a side")


def _to_rgba(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):
        # 16-bit greyscale; Pillow's own conversion would clip it at 255.
        grey = np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255).astype(np.uint8)
        image = Image.fromarray(grey)
    profile = image.info.get("icc_profile")
    has_alpha = "A" in image.getbands() or "transparency" in image.info
    if has_alpha or not profile or image.mode not in ("RGB", "CMYK", "L"):
        rgba = image.convert("RGBA")
        if profile and image.mode in ("RGB", "RGBA"):
            rgb = _to_srgb(rgba.convert("RGB"), profile)
            rgb.putalpha(rgba.getchannel("A"))
            rgba = rgb
    else:
        rgba = _to_srgb(image, profile).convert("RGBA")
    return np.asarray(rgba).copy()


def _to_srgb(image: Image.Image, profile: bytes) -> Image.Image:
    """Convert from the picture's own colour profile; one that cannot be used is ignored."""
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError) as exc:
        logger.info("colour profile ignored: %s", exc)
        converted = None
    return converted if converted is not None else image.convert("RGB")
