"""Paints the layers behind the lips, each a curved sheet in the head, as they are seen from the front."""

from __future__ import annotations

import numba
import numpy as np

from animator_core.arrays import DoubleArray, FloatArray, UInt8Array
from animator_core.rendering.compiling import Scalar, compiled
from animator_core.tracking.pose import HeadPose


def view_rays(pose: HeadPose, left: float, top: float) -> DoubleArray:
    """Return (4, 3) float64 in the head's axes and face units: the place of the frame's pixel (left, top), the steps
    to the next pixel to the right and below, and the direction of view away from the viewer.
    """
    rotation = pose.rotation.astype(np.float64)
    first = (np.array([left, top, 0.0]) - pose.translation) @ rotation / pose.scale
    return np.stack([first, rotation[0] / pose.scale, rotation[1] / pose.scale, rotation[2]])


@numba.njit(inline="always", error_model="numpy")
def _texel(texture: UInt8Array, column: Scalar, row: Scalar, channel: int) -> Scalar:
    """Return a texture's bilinear value; beyond its edges it goes on as at them."""
    rows, columns = texture.shape[0], texture.shape[1]
    column = min(max(column, 0.0), columns - 1.001)
    row = min(max(row, 0.0), rows - 1.001)
    i, j = int(row), int(column)
    down, right = row - i, column - j
    above = texture[i, j, channel] * (1 - right) + texture[i, j + 1, channel] * right
    below = texture[i + 1, j, channel] * (1 - right) + texture[i + 1, j + 1, channel] * right
    value: Scalar = above + down * (below - above)
    return value


@compiled(
    "void(uint8[:,:,:],float32[:,::1],float32[:,::1],float64[:,::1],float64[:,::1],uint8[:,:,:,::1],float64[::1])",
    nogil=True,
    error_model="numpy",
)
def paint_layers(
    frame: UInt8Array,
    alpha: FloatArray,
    light: FloatArray,
    rays: DoubleArray,
    sheets: DoubleArray,
    textures: UInt8Array,
    behind: DoubleArray,
) -> None:
    """Blend the layers, nearest first, into a frame; its own alpha is unchanged.

    frame: (h, w, 4) uint8 BGRA. alpha: (h, w) float32, opacity of all layers together. light: (h, w) float32, 0 to 1,
    the light that gets past the lips. rays: see `view_rays`. sheets: (N, 8) float64 by layer: x and y of its texture's
    first texel, the sheet's depth z at x = 0, its curvature (z rises by curvature · x²), texels in a face unit, the
    share of light that a shaded place keeps, opacity, slope of the logarithm of the light by x.
    textures: (N, rows, columns, 4) uint8 BGRA, straight alpha. behind: (4,) float64, the colour behind all of them and
    its light beside the lips: more than 1 for cheeks that are nearer than the throat.
    """
    colour = np.empty(3)
    for y in range(alpha.shape[0]):
        for x in range(alpha.shape[1]):
            share = alpha[y, x]
            if share <= 0 or frame[y, x, 3] == 0:
                continue
            left, shown = 1.0, frame[y, x, 3] / 255.0
            colour[:] = 0
            hx = rays[0, 0] + x * rays[1, 0] + y * rays[2, 0]
            hy = rays[0, 1] + x * rays[1, 1] + y * rays[2, 1]
            hz = rays[0, 2] + x * rays[1, 2] + y * rays[2, 2]
            dx, dy, dz = rays[3, 0], rays[3, 1], rays[3, 2]
            for layer in range(sheets.shape[0]):
                if left < 0.004:
                    break
                sheet = sheets[layer]
                # z(t) = depth + curvature · x(t)², solved for the first hit t of the ray (hx, hy, hz) + t (dx, dy, dz).
                curve = sheet[3]
                b = 2 * curve * hx * dx - dz
                c = curve * hx * hx + sheet[2] - hz
                under = b * b - 4 * curve * dx * dx * c
                if under < 0 or sheet[6] <= 0:
                    continue
                t = 2 * c / (np.sqrt(under) - b)
                at_x = hx + t * dx
                column, row = (at_x - sheet[0]) * sheet[4], (hy + t * dy - sheet[1]) * sheet[4]
                opacity = _texel(textures[layer], column, row, 3) * (sheet[6] / 255.0) * left
                if opacity <= 0.002:
                    continue
                kept = sheet[5] + (1 - sheet[5]) * light[y, x]
                lit = opacity * kept * (1 + sheet[7] * min(max(at_x, -0.2), 0.2))
                # Light in the shade comes from the flesh around, and has its colour.
                unlit = opacity * (1 - kept)
                for channel in range(3):
                    colour[channel] += lit * _texel(textures[layer], column, row, channel) + unlit * behind[channel]
                left -= opacity
            rest = left * (behind[3] + (1 - behind[3]) * light[y, x])
            for channel in range(3):
                mixed = frame[y, x, channel] * (1 - share) + share * shown * (colour[channel] + rest * behind[channel])
                frame[y, x, channel] = np.uint8(min(mixed + 0.5, frame[y, x, 3]))
