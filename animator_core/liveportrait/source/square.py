"""The square of a character's picture that the networks see, over a plain colour if it has transparent pixels."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np

from animator_core.arrays import DoubleArray, FloatArray, UInt8Array
from animator_core.errors import CharacterError
from animator_core.liveportrait.motion.crop import reduced_to_networks, source_crop, warp_to_crop
from animator_core.liveportrait.motion.face_motion import close_ratios

CROP_SIDE = 512
"""Side in pixels of the square in which LivePortrait paints."""
_SOURCE_SIDE = 256
_MIN_SIDE = 64
_MIDDLE_GREY = 13


@dataclass(frozen=True)
class SourceSquare:
    """A face's square.

    source: (256, 256, 3) uint8 RGB. crop_from_image: (3, 3), pixels of the picture → pixels of the 512 square.
    alpha: (512, 512) uint8 matte, None if the whole picture is opaque. plain_colour: (3,) float32 RGB in [0, 1], the
    background put behind a matte. eye_ratios: (2,) float32, lip_ratio: how far eyes and lips are open; None and 0 if
    unknown.
    """

    source: UInt8Array
    crop_from_image: DoubleArray
    alpha: UInt8Array | None = None
    plain_colour: FloatArray | None = None
    eye_ratios: FloatArray | None = None
    lip_ratio: float = 0.0


def source_square(picture: UInt8Array, landmarks: FloatArray) -> SourceSquare:
    """Return the square of a face; raises CharacterError for a face that is too small.

    picture: (H, W, 3 or 4) uint8 RGB(A), straight alpha. landmarks: (478, 2 or more) pixels of the picture.
    """
    left, right, lips = close_ratios(landmarks)
    ratios = np.array([left, right], np.float32)
    crop = source_crop(np.ascontiguousarray(picture[..., :3]), landmarks)
    if picture.shape[2] == 3 or (picture[..., 3] == 255).all():
        source = reduced_to_networks(crop.pixels)
        return SourceSquare(source, crop.crop_from_image, eye_ratios=ratios, lip_ratio=lips)
    square = _straight_square(picture, crop.crop_from_image, crop.pixels.shape[0])
    colour = plain_colour(square)
    source = reduced_to_networks(over_colour(square, colour))
    return SourceSquare(
        source,
        crop.crop_from_image,
        alpha=square[..., 3].copy(),
        plain_colour=colour,
        eye_ratios=ratios,
        lip_ratio=lips,
    )


def middle_square(picture: UInt8Array) -> SourceSquare:
    """Return the largest square in the middle of a (H, W, 3 or 4) uint8 RGB(A) picture, its alpha ignored.

    Raises CharacterError for a picture that is too small.
    """
    height, width = picture.shape[:2]
    side = min(height, width)
    if side < _MIN_SIDE:
        raise CharacterError(f"the picture has {width}x{height} pixels", f"use one of at least {_MIN_SIDE} on a side")
    left, top = (width - side) // 2, (height - side) // 2
    square = np.ascontiguousarray(picture[top : top + side, left : left + side, :3])
    scale = CROP_SIDE / side
    crop_from_image = np.array([[scale, 0, -left * scale], [0, scale, -top * scale], [0, 0, 1]])
    source = cv2.resize(square, (_SOURCE_SIDE, _SOURCE_SIDE), interpolation=cv2.INTER_AREA)
    return SourceSquare(np.asarray(source, np.uint8), crop_from_image)


def _straight_square(picture: UInt8Array, crop_from_image: DoubleArray, side: int) -> UInt8Array:
    """Return the (side, side, 4) uint8 RGBA square without the colour that transparent pixels hide."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    moved = warp_to_crop(np.concatenate((picture[..., :3] * alpha, alpha), 2), crop_from_image, side)
    colour = moved[..., :3] / np.maximum(moved[..., 3:], 1 / 512)
    straight = np.concatenate((colour, moved[..., 3:] * 255), 2)
    return np.asarray(np.rint(straight.clip(0, 255)), np.uint8)


def plain_colour(square: UInt8Array) -> FloatArray:
    """Return (3,) float32 RGB in [0, 1] that is far from all colours at the edge of a (H, W, 4) uint8 RGBA square."""
    alpha = square[..., 3]
    edge = ((alpha > 12) & (alpha < 243)).astype(np.uint8)
    near = cv2.dilate(edge, np.ones((15, 15), np.uint8)) > 0
    colours = square[near & (alpha > 204)][::7, :3].astype(np.float32) / 255
    candidates = np.array(list(itertools.product((0.0, 0.5, 1.0), repeat=3)), np.float32)
    if not len(colours):
        return np.asarray(candidates[_MIDDLE_GREY])
    distances = np.linalg.norm(candidates[:, None] - colours[None], axis=2)
    return np.asarray(candidates[np.percentile(distances, 5, axis=1).argmax()])


def over_colour(square: UInt8Array, colour: FloatArray) -> UInt8Array:
    """Return a (H, W, 4) uint8 RGBA square over a colour, (3,) in [0, 1]: (H, W, 3) uint8 RGB."""
    alpha = square[..., 3:].astype(np.float32) / 255
    return np.rint(square[..., :3] * alpha + colour * 255 * (1 - alpha)).astype(np.uint8)
