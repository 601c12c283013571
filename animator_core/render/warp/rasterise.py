"""Draws triangles into a map that says, for every output pixel, which picture pixel it shows (compiled by Numba)."""

from __future__ import annotations

import math

import numba
import numpy as np


@numba.njit(
    "void(float32[:,::1], float32[:,::1], float32[:,::1], float32[:,::1], float32[::1], int32[:,::1], boolean)",
    cache=True,
    nogil=True,
    error_model="numpy",
)
def draw_triangles(
    map_x: np.ndarray,
    map_y: np.ndarray,
    screen: np.ndarray,
    texture: np.ndarray,
    weight: np.ndarray,
    triangles: np.ndarray,
    culls_back_faces: bool,
) -> None:
    """Fill ``map_x``, ``map_y`` ((H, W) float32) with the texture positions of the triangles, in their order.

    screen, texture: (N, 2) float32 pixels of the output and of the picture. triangles: (T, 3) int32, clockwise on the
    screen (others are skipped where culls_back_faces). weight: (N,) float32; how far a triangle's value replaces what
    the map holds already: 1 replaces it, 0 leaves it. Pixel centres are at whole coordinates.
    """
    height, width = map_x.shape
    for t in range(triangles.shape[0]):
        a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
        ax, ay = screen[a, 0], screen[a, 1]
        abx, aby = screen[b, 0] - ax, screen[b, 1] - ay
        acx, acy = screen[c, 0] - ax, screen[c, 1] - ay
        area = abx * acy - acx * aby
        if culls_back_faces and area <= 0.0:
            continue
        if abs(area) < 1e-6:
            continue
        bx, by, cx, cy = ax + abx, ay + aby, ax + acx, ay + acy
        top = max(0, math.ceil(min(ay, by, cy) - 1e-3))
        bottom = min(height - 1, math.floor(max(ay, by, cy) + 1e-3))
        if top > bottom:
            continue
        # Texture position and weight are linear over the triangle: value = va + (x - ax) dx + (y - ay) dy.
        uab, uac = texture[b, 0] - texture[a, 0], texture[c, 0] - texture[a, 0]
        vab, vac = texture[b, 1] - texture[a, 1], texture[c, 1] - texture[a, 1]
        wab, wac = weight[b] - weight[a], weight[c] - weight[a]
        inverse = 1.0 / area
        udx, udy = (uab * acy - uac * aby) * inverse, (uac * abx - uab * acx) * inverse
        vdx, vdy = (vab * acy - vac * aby) * inverse, (vac * abx - vab * acx) * inverse
        wdx, wdy = (wab * acy - wac * aby) * inverse, (wac * abx - wab * acx) * inverse
        is_full = weight[a] >= 1.0 and weight[b] >= 1.0 and weight[c] >= 1.0
        for y in range(top, bottom + 1):
            left, right = 1e9, -1e9
            for edge in range(3):
                if edge == 0:
                    x0, y0, x1, y1 = ax, ay, bx, by
                elif edge == 1:
                    x0, y0, x1, y1 = bx, by, cx, cy
                else:
                    x0, y0, x1, y1 = cx, cy, ax, ay
                if (y0 <= y + 1e-3 and y1 >= y - 1e-3) or (y1 <= y + 1e-3 and y0 >= y - 1e-3):
                    if abs(y1 - y0) < 2e-3:
                        left, right = min(left, x0, x1), max(right, x0, x1)
                    else:
                        share = min(max((y - y0) / (y1 - y0), 0.0), 1.0)
                        x = x0 + share * (x1 - x0)
                        left, right = min(left, x), max(right, x)
            first = max(0, math.ceil(left - 1e-3))
            last = min(width - 1, math.floor(right + 1e-3))
            u = texture[a, 0] + (y - ay) * udy - ax * udx
            v = texture[a, 1] + (y - ay) * vdy - ax * vdx
            if is_full:
                for x in range(first, last + 1):
                    map_x[y, x] = u + x * udx
                    map_y[y, x] = v + x * vdx
            else:
                w = weight[a] + (y - ay) * wdy - ax * wdx
                for x in range(first, last + 1):
                    share = min(max(w + x * wdx, 0.0), 1.0)
                    map_x[y, x] += share * (u + x * udx - map_x[y, x])
                    map_y[y, x] += share * (v + x * vdx - map_y[y, x])
