"""Frames as bytes for the network: JPEG or landmarks towards the host, LZ4 or JPEG with alpha back."""

from __future__ import annotations

import io
import struct

import cv2
import lz4.block
import numpy as np
from PIL import Image

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.remote.wire import WireError
from animator_core.rendering.srgb import premultiplied_limit
from animator_core.tracking.observation_row import LENGTHS

MAX_DRIVING_SIDE = 1280
MAX_ANIMATED_PIXELS = 2048 * 2048
_DRIVING_QUALITY, _ANIMATED_QUALITY = 85, 90
_ALPHA = struct.Struct("<I")
_OPAQUE = 0


def encode_driving(picture: UInt8Array) -> bytes:
    """Return a camera frame, (H, W, 3) uint8 RGB, as JPEG."""
    return _jpeg(cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), _DRIVING_QUALITY, is_full_colour=False)


def decode_driving(payload: bytes | memoryview, size: tuple[int, int]) -> UInt8Array:
    """Return a camera frame as (H, W, 4) uint8 RGBA; raises WireError unless it is a JPEG of ``size``."""
    if max(size) > MAX_DRIVING_SIDE:
        raise WireError(f"a camera frame of {size[0]}x{size[1]}")
    return np.asarray(cv2.cvtColor(_decoded(payload, size), cv2.COLOR_BGR2RGBA), np.uint8)


def decode_row(payload: bytes | memoryview) -> FloatArray:
    """Return the row of `tracking.observation_row`; raises WireError for a row of another length."""
    if len(payload) not in [4 * length for length in LENGTHS]:
        raise WireError(f"a row of landmarks of {len(payload)} bytes")
    return np.frombuffer(payload, "<f4")


def encode_lz4(picture: UInt8Array) -> bytes:
    """Return an animated frame, (H, W, 4) uint8 premultiplied BGRA, without loss."""
    return bytes(lz4.block.compress(np.ascontiguousarray(picture).data, store_size=False))


def encode_jpeg_alpha(picture: UInt8Array) -> bytes:
    """Return an animated frame, (H, W, 4) uint8 premultiplied BGRA, with JPEG colours and its alpha without loss."""
    alpha = np.ascontiguousarray(picture[..., 3])
    packed = b"" if alpha.min() == 255 else lz4.block.compress(alpha.data, store_size=False)
    colours = _jpeg(np.ascontiguousarray(picture[..., :3]), _ANIMATED_QUALITY, is_full_colour=True)
    return b"".join((_ALPHA.pack(len(packed) or _OPAQUE), packed, colours))


def decode_lz4(payload: bytes | memoryview, size: tuple[int, int]) -> UInt8Array:
    """Return the frame of `encode_lz4`, (H, W, 4); size: (width, height). Raises WireError."""
    return _unpacked(payload, (size[1], size[0], 4))


def decode_jpeg_alpha(payload: bytes | memoryview, size: tuple[int, int]) -> UInt8Array:
    """Return the frame of `encode_jpeg_alpha`, (H, W, 4); size: (width, height). Raises WireError."""
    if len(payload) < _ALPHA.size:
        raise WireError("an animated frame without its length")
    (length,) = _ALPHA.unpack_from(payload)
    packed, jpeg = payload[_ALPHA.size : _ALPHA.size + length], payload[_ALPHA.size + length :]
    if length == _OPAQUE:
        _check_animated(size)
        return np.asarray(cv2.cvtColor(_decoded(jpeg, size), cv2.COLOR_BGR2BGRA), np.uint8)
    alpha = _unpacked(packed, (size[1], size[0]))
    # JPEG's ringing must not shine where the picture is transparent: OBS adds the colours to what is behind.
    limit = premultiplied_limit()[alpha]
    return np.dstack([np.minimum(_decoded(jpeg, size), limit[..., np.newaxis]), alpha])


def _jpeg(picture: UInt8Array, quality: int, *, is_full_colour: bool) -> bytes:
    sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444 if is_full_colour else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
    options = [cv2.IMWRITE_JPEG_QUALITY, quality, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    is_written, data = cv2.imencode(".jpg", picture, options)
    if not is_written:
        raise WireError(f"a picture of {picture.shape} cannot be written as JPEG")
    return data.tobytes()


def _decoded(jpeg: bytes | memoryview, size: tuple[int, int]) -> UInt8Array:
    """Return a JPEG as (H, W, 3) BGR; its header is read before any pixel: a small file may claim to be huge."""
    try:
        with Image.open(io.BytesIO(jpeg), formats=("JPEG",)) as image:
            if image.size != size:
                raise WireError(f"a JPEG of {image.size}, announced as {size}")
        picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    except (OSError, SyntaxError, ValueError, cv2.error, Image.DecompressionBombError) as exc:
        raise WireError(f"no JPEG ({exc})") from exc
    if picture is None or picture.shape[:2] != size[::-1]:
        raise WireError("a damaged JPEG")
    return np.asarray(picture, np.uint8)


def _unpacked(packed: bytes | memoryview, shape: tuple[int, ...]) -> UInt8Array:
    _check_animated((shape[1], shape[0]))
    wanted = int(np.prod(shape))
    try:
        data = lz4.block.decompress(packed, uncompressed_size=wanted)
    except (lz4.block.LZ4BlockError, ValueError, MemoryError) as exc:
        raise WireError(f"a damaged frame ({exc})") from exc
    if len(data) != wanted:
        raise WireError(f"a frame of {len(data)} bytes, expected {wanted}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def _check_animated(size: tuple[int, int]) -> None:
    if not 0 < size[0] * size[1] <= MAX_ANIMATED_PIXELS:
        raise WireError(f"an animated frame of {size[0]}x{size[1]}")
