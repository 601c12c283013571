"""The skin of closed lids: the picture's around the eye, continued over it."""

from __future__ import annotations

import cv2
import numpy as np

from animator_core.arrays import AnyArray, DoubleArray, FloatArray
from animator_core.warp.eye_map import EyeMap


def bare_skin(patch: FloatArray, eye: EyeMap, *, drawn: float) -> FloatArray:
    """Return the patch's skin without eye, lashes and brow, (H, W, 3) float32: continued from its usual colour."""
    width = eye.width
    ring = (eye.outside > (0.1 + 0.02 * drawn) * width) & (eye.outside < 0.45 * width)
    # Lids are the skin above the eye; a drawing's is flat all around.
    known = ring * np.where(eye.above >= eye.below, 1, 0.15 + 0.85 * drawn)
    light = patch.mean(2)
    pixels = patch[known > 0.5] if (known > 0.5).any() else patch.reshape(-1, 3)
    lit = pixels[pixels.mean(1) >= np.percentile(pixels.mean(1), 35)]
    usual = np.median(lit, axis=0)
    spread = max(float(np.median(np.abs(lit - usual).max(1))), 3.0)
    away = np.abs(patch - usual).max(2)
    weight = np.exp(-((away / ((3.5 - 1.0 * drawn) * spread)) ** 2))
    dark = np.clip((light / max(float(usual.mean()), 1.0) - 0.72) / 0.12, 0, 1)
    mask = (known * weight * (dark if drawn < 0.5 else dark * (away < 5 * spread))).astype(np.float32)
    reaches = (0.06 * width, 0.13 * width, 0.3 * width)
    whole = extrapolated(patch, mask, reaches, rest=usual)
    return np.asarray(cv2.GaussianBlur(whole, (0, 0), 0.05 * width), np.float32)


def hidden_share(patch: FloatArray, bare: FloatArray, eye: EyeMap, *, lashes: FloatArray, drawn: float) -> AnyArray:
    """Return the share by which bare skin hides the picture's eye and lashes, (H, W) in [0, 1].

    lashes: (H, W) their opacity.
    """
    upper, lower = eye.from_corners()
    hides: AnyArray = ((eye.opened > 0) | (lashes > 0.04) | _outer_iris(patch, bare, eye)).astype(np.uint8)
    hides = _dilated(hides, max(0.03 * eye.width, 1.2 * eye.picture_pixel))
    is_lid = np.where(eye.above > 0, upper >= 0, np.where(eye.below > 0, lower >= 0, True))
    softness = max(0.8, 0.02 * eye.width)
    soft: AnyArray = cv2.GaussianBlur((hides * is_lid).astype(np.float32), (0, 0), softness)
    # Lashes of a photograph stay at the corners, where they hardly move.
    ease = 0.7 + 2.3 * (1 - drawn)
    moves = [np.clip(each / ease, 0, 1) for each in (upper, lower)]
    soft = soft * np.where(eye.above > 0, moves[0], np.where(eye.below > 0, moves[1], 1))
    # White left at the corners would show; what is dark there are lashes.
    rim: AnyArray = _dilated((eye.opened > 0).astype(np.uint8), 1.6 * eye.picture_pixel)
    is_white = (rim > 0) & (patch.mean(2) > bare.mean(2) + 4)
    return np.maximum(soft, cv2.GaussianBlur(is_white.astype(np.float32), (0, 0), 0.6))


def _outer_iris(patch: FloatArray, bare: FloatArray, eye: EyeMap) -> AnyArray:
    """Return (H, W) bool, the iris' pixels outside of the opening: a large one may be drawn over its lids."""
    pixels = patch[(eye.opened > 0) & (eye.iris_distance < 0.95)]
    if len(pixels) < 6:
        return np.zeros(eye.above.shape, np.bool_)
    to_iris, to_skin = (np.abs(patch - colour).max(2) for colour in (np.median(pixels, axis=0), bare))
    return np.asarray((eye.iris_distance < 1.1) & (to_iris < to_skin) & (eye.outside < 0.3 * eye.width))


def _dilated(mask: AnyArray, reach: float) -> AnyArray:
    size = 2 * max(1, round(reach)) + 1
    grown: AnyArray = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    return grown


def joined_skin(patch: FloatArray, bare: FloatArray, hides: AnyArray, *, width: float, drawn: float) -> AnyArray:
    """Return the bare skin, (H, W, 3), joined to the picture's around: its lid shadows and make-up go on into it.

    hides: (H, W) share of the picture that it hides.
    """
    known = np.clip(1 - 4 * hides, 0, 1).astype(np.float32)
    limited = np.clip(patch - bare, -90, 40)
    more = extrapolated(limited, known, (0.03 * width, 0.08 * width, 0.2 * width), rest=np.zeros(3))
    return bare + (1 - drawn) * more


def extrapolated(values: FloatArray, mask: FloatArray, sigmas: tuple[float, ...], *, rest: DoubleArray) -> FloatArray:
    """Return ``values`` inside ``mask`` and their smooth continuation outside, by normalised convolution.

    values: (H, W, 3) float32. mask: (H, W) float32 in [0, 1]. sigmas: rising standard deviations in pixels. rest: (3,)
    colour far from the mask.
    """
    out = np.broadcast_to(rest, values.shape).astype(np.float32).copy()
    for sigma in reversed(sigmas):
        share = cv2.GaussianBlur(mask, (0, 0), sigma)[..., None]
        near = cv2.GaussianBlur(values * mask[..., None], (0, 0), sigma) / np.maximum(share, 1e-6)
        out += np.clip(share * 8, 0, 1) * (near - out)
    return np.asarray(values * mask[..., None] + out * (1 - mask[..., None]), np.float32)
