"""What shows through the openings of a face: how a layer behind the skin is drawn into its polygon."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from animator_core.tracking.pose import HeadPose
from animator_core.warp.compiling import compiled

_SUBPIXEL_BITS = 4


@dataclass(frozen=True)
class Opening:
    """The part of a frame that an opening covers: its top left corner and its soft mask ((h, w) float32 in [0, 1])."""

    left: int
    top: int
    mask: np.ndarray

    def region(self, frame: np.ndarray) -> np.ndarray:
        """Return the view of ``frame`` ((H, W, C)) that the mask covers."""
        height, width = self.mask.shape
        return frame[self.top : self.top + height, self.left : self.left + width]

    def affine_from(self, frame_from_texture: np.ndarray) -> np.ndarray:
        """Return the (2, 3) affine texture → this region, of one texture → frame."""
        matrix = frame_from_texture.copy()
        matrix[:, 2] -= (self.left, self.top)
        return matrix


def opening(polygon: np.ndarray, frame_shape: tuple[int, ...], softness: float) -> Opening | None:
    """Return the opening that ``polygon`` ((N, 2) float32 pixels) cuts into a frame, or None where it is shut.

    softness: standard deviation of the edge in pixels; the polygon is drawn anti-aliased besides.
    """
    pad = 2 + int(2 * softness)
    low = np.maximum(np.floor(polygon.min(0)).astype(int) - pad, 0)
    high = np.minimum(np.ceil(polygon.max(0)).astype(int) + pad + 1, [frame_shape[1], frame_shape[0]])
    width, height = int(high[0] - low[0]), int(high[1] - low[1])
    if width < 2 or height < 2 or cv2.contourArea(polygon.astype(np.float32)) < 0.75:
        return None
    mask = np.zeros((height, width), np.uint8)
    points = np.rint((polygon - low) * (1 << _SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, _SUBPIXEL_BITS)
    if softness > 0:
        mask = cv2.GaussianBlur(mask, (0, 0), softness)
    return Opening(int(low[0]), int(low[1]), mask.astype(np.float32) / np.float32(255))


def blend_into(frame: np.ndarray, where: Opening, layer: np.ndarray) -> None:
    """Lay ``layer`` ((h, w, 3) uint8 BGR, opaque) over the frame ((H, W, 4) BGRA) through the opening's mask."""
    lay_over(where.region(frame), layer, where.mask)


@compiled("void(uint8[:,:,:], uint8[:,:,:], float32[:,::1])", nogil=True, error_model="numpy")
def lay_over(below: np.ndarray, layer: np.ndarray, alpha: np.ndarray) -> None:
    """Lay a layer over what is below, in place; its alpha stays as it is.

    below, layer: (h, w, 3 or 4) uint8 BGR(A). alpha: (h, w) float32 in [0, 1], how much of the layer shows.
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


def frontal_plane(pose: HeadPose) -> np.ndarray:
    """Return the (2, 2) float64 map from face units in the head's frontal plane to pixels."""
    return pose.scale * pose.rotation[:2, :2].astype(np.float64)


def spread(values: np.ndarray, mask: np.ndarray, sigmas: tuple[float, ...]) -> np.ndarray:
    """Return ``values`` where ``mask`` is 1, and around it their smooth continuation (normalised convolution).

    values: (H, W, 3) float32. mask: (H, W) float32 in [0, 1]. sigmas: rising reaches in pixels; what the widest does
    not reach becomes the masked mean.
    """
    total = float(mask.sum())
    mean = (values * mask[..., None]).sum((0, 1)) / total if total > 1e-3 else values.mean((0, 1))
    out = np.broadcast_to(mean, values.shape).astype(np.float32).copy()
    for sigma in reversed(sigmas):
        share = cv2.GaussianBlur(mask, (0, 0), sigma)[..., None]
        near = cv2.GaussianBlur(values * mask[..., None], (0, 0), sigma) / np.maximum(share, 1e-6)
        trust = np.clip(share * 8, 0, 1)
        out += trust * (near - out)
    return values * mask[..., None] + out * (1 - mask[..., None])
