"""Reads PNG, JPEG and WebP pictures as upright 8-bit sRGB with straight alpha."""

from __future__ import annotations

import io
import logging
import struct
import zlib
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms

from animator_core.arrays import UInt8Array
from animator_core.characters.colour_key import keyed_alpha
from animator_core.errors import CharacterError

logger = logging.getLogger(__name__)

MIN_SIDE = 64
MAX_SIDE = 8192
MAX_FILE_BYTES = 200 << 20
_FORMATS = ("PNG", "JPEG", "WEBP")
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_EXIF_ORIENTATION = 0x0112
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


def load_picture(path: Path) -> UInt8Array:
    """Return the picture in ``path``: (H, W, 4) uint8 RGBA, straight alpha, sRGB; of an animation the first frame.

    Raises CharacterError for a file that cannot be read, or with sides outside of 64 to 8192 pixels (checked before
    decoding).
    """
    try:
        if not path.is_file():
            raise CharacterError(f"{path} is no file", "put a PNG, JPEG or WebP picture there")
        size = path.stat().st_size
        if size == 0:
            raise CharacterError(f"{path} is empty (0 bytes)", "copy the picture again")
        if size > MAX_FILE_BYTES:
            raise CharacterError(f"{path} has {size >> 20} MB, more than {MAX_FILE_BYTES >> 20}", "save it smaller")
        with Image.open(path, formats=_FORMATS) as image:
            _check_size(image, path)
            if getattr(image, "is_animated", False) and image.format in ("PNG", "WEBP"):
                logger.warning("%s is animated; its first picture is used", path)
            turn = _TURNS.get(_orientation(image))
            rgba = _to_rgba(image, path)
            picture = np.asarray(rgba if turn is None else rgba.transpose(turn)).copy()
    except _DECODER_ERRORS as exc:
        raise CharacterError(
            f"{path} cannot be read as a picture ({exc})", "save it again as PNG, JPEG or WebP"
        ) from exc
    if not picture[..., 3].any():
        raise CharacterError(f"{path} is completely transparent", "save it with the character visible")
    return picture


def fit_within(picture: UInt8Array, max_size: tuple[int, int], max_pixels: int | None = None) -> UInt8Array:
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
        raise CharacterError(f"{path} has {width}x{height} pixels", f"save it with at most {MAX_SIDE} on a side")
    if min(width, height) < MIN_SIDE:
        raise CharacterError(f"{path} has {width}x{height} pixels", f"use a picture of at least {MIN_SIDE} on a side")


def _orientation(image: Image.Image) -> int:
    """Return EXIF's orientation, by default 1; reads the same places as `obs_plugin.plain_copy`."""
    image.load()  # a PNG may have it after the pixels
    exif = Image.Exif()
    try:
        exif.load(image.info.get("exif") or b"")
        return int(exif.get(_EXIF_ORIENTATION, 1))
    except (*_DECODER_ERRORS, TypeError):
        return 1


def _to_rgba(image: Image.Image, path: Path) -> Image.Image:
    alpha = keyed_alpha(image, path)
    if image.mode.startswith("I"):
        # 16-bit greyscale; Pillow's own conversion would clip it at 255.
        image_8_bit = Image.fromarray(np.clip(np.asarray(image).astype(np.int64) >> 8, 0, 255).astype(np.uint8))
        image_8_bit.info = image.info
        image = image_8_bit
    if alpha is None and ("A" in image.getbands() or "transparency" in image.info):
        alpha = image.convert("RGBA").getchannel("A")
    rgb = _to_srgb(image)
    if alpha is not None:
        rgb.putalpha(alpha)
    return rgb.convert("RGBA")


def _to_srgb(image: Image.Image) -> Image.Image:
    """Return the colours as sRGB, from the picture's own profile; one that cannot be used is ignored."""
    content = image.info.get("icc_profile")
    # A palette's transparency is read elsewhere; without this step Pillow warns of it.
    colours = image.convert("RGBA") if image.mode == "P" else image
    if content:
        try:
            profile = ImageCms.ImageCmsProfile(io.BytesIO(content))
            mode = _mode_for(profile.profile.xcolor_space.strip(), image)
            if mode:
                srgb = ImageCms.createProfile("sRGB")
                converted = ImageCms.profileToProfile(colours.convert(mode), profile, srgb, outputMode="RGB")
                if converted is not None:
                    return converted
        except (ImageCms.PyCMSError, OSError, ValueError) as exc:
            logger.info("colour profile ignored: %s", exc)
    return colours.convert("RGB")


def _mode_for(colour_space: str, image: Image.Image) -> str:
    """Return the mode in which a colour profile is applied to a picture, "" for a profile that does not fit."""
    if image.mode == "CMYK" or colour_space == "CMYK":
        return "CMYK" if image.mode == colour_space else ""
    if colour_space == "GRAY":
        return "L" if image.getbands()[0] in ("L", "1") else ""
    return "RGB" if colour_space == "RGB" else ""
