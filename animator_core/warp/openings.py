"""Draws layers behind the skin, seen through the openings of eyes and mouth."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from animator_core.arrays import AnyArray, DoubleArray, FloatArray, UInt8Array
from animator_core.tracking.pose import HeadPose
from animator_core.warp.compiling import compiled

_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class Opening:
    """The region of a frame that an opening covers: its top left corner and soft mask, (h, w) float32 in [0, 1]."""

    left: int
    top: int
    mask: FloatArray

    def region(self, frame: AnyArray) -> AnyArray:
        """Return the mask's region of ``frame``, (H, W) or (H, W, C), as a view."""
        height, width = self.mask.shape
        return frame[self.top : self.top + height, self.left : self.left + width]

    def affine_from(self, frame_from_texture: DoubleArray) -> DoubleArray:
        """Return the (2, 3) affine texture → region for an affine texture → frame."""
        matrix = frame_from_texture.copy()
        matrix[:, 2] -= (self.left, self.top)
        return matrix


def opening(polygon: FloatArray, frame_shape: tuple[int, ...], softness: float) -> Opening | None:
    """Return the opening that ``polygon``, (N, 2) float32 pixels, cuts into a frame, or None if it is shut.

    softness: standard deviation of the edge's blur in pixels, on top of anti-aliasing.
    """
    pad = 2 + int(2 * softness)
    low = np.maximum(np.floor(polygon.min(0)).astype(int) - pad, 0)
    high = np.minimum(np.ceil(polygon.max(0)).astype(int) + pad + 1, [frame_shape[1], frame_shape[0]])
    width, height = int(high[0] - low[0]), int(high[1] - low[1])
    if width < 2 or height < 2 or cv2.contourArea(polygon.astype(np.float32)) < 0.75:
        return None
    mask: AnyArray = polygon_mask(polygon - low, (height, width))
    if softness > 0:
        mask = cv2.GaussianBlur(mask, (0, 0), softness)
    return Opening(int(low[0]), int(low[1]), mask.astype(np.float32) / np.float32(255))


def polygon_mask(polygon: AnyArray, shape: tuple[int, ...]) -> UInt8Array:
    """Return (h, w) uint8, 255 inside an anti-aliased polygon of (N, 2) pixels; shape: (h, w, ...)."""
    mask = np.zeros(shape[:2], np.uint8)
    points = np.rint(polygon * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(mask, [points], (255,), cv2.LINE_AA, _SUBPIXEL_BITS)
    return mask


def blend_through(frame: UInt8Array, seen: Opening, layer: UInt8Array) -> None:
    """Blend an opaque layer, (h, w, 3) uint8 BGR, into the frame, (H, W, 4) BGRA, through the opening's mask."""
    alpha_blend(seen.region(frame), layer, seen.mask)


@compiled("void(uint8[:,:,:], uint8[:,:,:], float32[:,::1])", nogil=True, error_model="numpy")
def alpha_blend(below: UInt8Array, layer: UInt8Array, alpha: FloatArray) -> None:
    """Blend the colour of ``layer`` over ``below`` in place; the alpha of ``below`` is unchanged.

    below, layer: (h, w, 3 or 4) uint8 BGR(A). alpha: (h, w) float32 in [0, 1], opacity of the layer.
    """
    for y in range(alpha.shape[0]):
        for x in range(alpha.shape[1]):
            share = alpha[y, x]
            if share <= 0:
                continue
            for channel in range(3):
                under = np.float32(below[y, x, channel])
                mixed = under + share * (np.float32(layer[y, x, channel]) - under)
                below[y, x, channel] = np.uint8(mixed + np.float32(0.5))


def frontal_plane(pose: HeadPose) -> DoubleArray:
    """Return the (2, 2) float64 matrix from face units in the head's frontal plane to pixels."""
    return pose.scale * pose.rotation[:2, :2].astype(np.float64)


def extrapolate(values: FloatArray, mask: FloatArray, sigmas: tuple[float, ...]) -> FloatArray:
    """Return ``values`` inside ``mask`` and their smooth continuation outside, by normalised convolution.

    values: (H, W, 3) float32. mask: (H, W) float32 in [0, 1]. sigmas: rising standard deviations in pixels; pixels
    beyond the widest one get the masked mean.
    """
    total = float(mask.sum())
    mean: FloatArray = (values * mask[..., None]).sum((0, 1)) / total if total > 1e-3 else values.mean((0, 1))
    out = np.broadcast_to(mean, values.shape).astype(np.float32).copy()
    for sigma in reversed(sigmas):
        share = cv2.GaussianBlur(mask, (0, 0), sigma)[..., None]
        near = cv2.GaussianBlur(values * mask[..., None], (0, 0), sigma) / np.maximum(share, 1e-6)
        trust = np.clip(share * 8, 0, 1)
        out += trust * (near - out)
    return np.asarray(values * mask[..., None] + out * (1 - mask[..., None]), np.float32)
