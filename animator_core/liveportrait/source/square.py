"""The square of a character's picture that the networks see, over a plain colour where it is transparent."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import cv2
import numpy as np

from animator_core.liveportrait.motion.crop import reduced_to_networks, source_crop, warp_to_crop
from animator_core.liveportrait.motion.retargeting import close_ratios

_MIDDLE_GREY = 13


@dataclass(frozen=True)
class SourceSquare:
    """A face's square.

    source: (256, 256, 3) uint8 RGB. crop_from_image: (3, 3), pixels of the picture → pixels of the 512 square.
    alpha: (512, 512) uint8 matte, None where the whole picture is opaque. plain_colour: (3,) float32 in [0, 1], what
    is behind the character then. eye_ratios: (2,) float32, lip_ratio: how far eyes and lips are open.
    """

    source: np.ndarray
    crop_from_image: np.ndarray
    alpha: np.ndarray | None
    plain_colour: np.ndarray | None
    eye_ratios: np.ndarray
    lip_ratio: float


def source_square(picture: np.ndarray, landmarks: np.ndarray) -> SourceSquare:
    """Return the square of a face; raises CharacterError where it is too small.

    picture: (H, W, 3 or 4) uint8 RGB(A), straight alpha. landmarks: (478, 2 or more) pixels of the picture.
    """
    left, right, lips = close_ratios(landmarks)
    ratios = np.array([left, right], np.float32)
    crop = source_crop(np.ascontiguousarray(picture[..., :3]), landmarks)
    if picture.shape[2] == 3 or (picture[..., 3] == 255).all():
        return SourceSquare(reduced_to_networks(crop.pixels), crop.crop_from_image, None, None, ratios, lips)
    square = _straight_square(picture, crop.crop_from_image, crop.pixels.shape[0])
    colour = plain_colour(square)
    source = reduced_to_networks(over_colour(square, colour))
    return SourceSquare(source, crop.crop_from_image, square[..., 3].copy(), colour, ratios, lips)


def _straight_square(picture: np.ndarray, crop_from_image: np.ndarray, side: int) -> np.ndarray:
    """Return the (side, side, 4) uint8 RGBA square without the colour that transparent pixels hide."""
    alpha = picture[..., 3:].astype(np.float32) / 255
    moved = warp_to_crop(np.concatenate((picture[..., :3] * alpha, alpha), 2), crop_from_image, side)
    colour = moved[..., :3] / np.maximum(moved[..., 3:], 1 / 512)
    return np.rint(np.concatenate((colour, moved[..., 3:] * 255), 2).clip(0, 255)).astype(np.uint8)


def plain_colour(square: np.ndarray) -> np.ndarray:
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


def over_colour(square: np.ndarray, colour: np.ndarray) -> np.ndarray:
    """Return a (H, W, 4) uint8 RGBA square over a colour: (H, W, 3) uint8 RGB."""
    alpha = square[..., 3:].astype(np.float32) / 255
    return np.rint(square[..., :3] * alpha + colour * 255 * (1 - alpha)).astype(np.uint8)
