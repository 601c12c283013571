"""The kernel that paints eyes: what spares it work changes no picture."""

from __future__ import annotations

import dataclasses

import numba
import numpy as np
import pytest
from test_eyes import face, photo

from animator_core.motion.driving import DrivingMotion
from animator_core.tracking.pose import fit_pose, with_true_depth
from animator_core.warp import eye_kernels
from animator_core.warp.canvas import MappedWindow
from animator_core.warp.eye_kernels import HAS_REST, HAS_SKIN, MAY_CHANGE
from animator_core.warp.eyes import Eyes
from animator_core.warp.lid_curves import segments

AT_ONCE = eye_kernels._AT_ONCE
MOTIONS = [(0.0, 0.0, 1.0), (0.05, 0.01, 0.7), (-0.1, 0.02, 0.35), (0.0, 0.0, 0.0), (0.02, -0.03, 1.3)]
"""Gaze and openness."""


@numba.njit
def interpolated(texture: np.ndarray, index: int, pitch: int, across: float, down: float) -> tuple[float, ...]:
    return eye_kernels._interpolated(texture, index, pitch, across, down)


def test_interpolation_matches_the_bilinear_formula() -> None:
    rng = np.random.default_rng(0)
    texture = rng.integers(0, 256, (7, 9, 4)).astype(np.uint8)
    flat = texture.view(np.uint32).ravel()
    for row, column, across, down in ((0, 0, 0.0, 0.0), (2, 3, 0.25, 0.7), (5, 7, 0.999, 0.001)):
        (a, b), (c, d) = texture[row : row + 2, column : column + 2].astype(float)
        expected = (1 - down) * ((1 - across) * a + across * b) + down * ((1 - across) * c + across * d)
        found = interpolated(flat, row * 9 + column, 9, np.float32(across), np.float32(down))
        assert found == pytest.approx(expected.tolist(), abs=1e-3)


@pytest.mark.parametrize("spread", [0.5, 4.0, 60.0])
def test_the_nearest_segment_of_many_points_matches_a_search_of_all(spread: float) -> None:
    rng = np.random.default_rng(1)
    x = np.linspace(10, 110, 39)
    curve = segments(np.stack([x, 60 - 0.012 * (x - 10) * (110 - x)], 1)[None].astype(np.float32))[0]
    squares = np.empty(curve.shape[1] + AT_ONCE, np.float32)
    found, signed = np.empty((2, AT_ONCE), np.float32)
    for middle in rng.uniform(0, 120, (40, 2)):
        points = (middle + rng.uniform(-spread, spread, (AT_ONCE, 2))).astype(np.float32)
        eye_kernels._find_nearest(
            curve, points[:, 0].copy(), points[:, 1].copy(), squares=squares, segment=found, signed=signed
        )
        offset = points[:, None] - curve[:2].T[None]
        along = (offset * curve[2:4].T[None]).sum(2)
        away = offset - np.clip(along, 0, curve[4])[..., None] * curve[2:4].T[None]
        distance = np.linalg.norm(away, axis=2)
        assert np.abs(signed) == pytest.approx(distance.min(1), abs=2e-3)
        assert distance[np.arange(AT_ONCE), found.astype(int)] == pytest.approx(distance.min(1), abs=2e-3)


@pytest.mark.parametrize("make", [face, photo], ids=["drawn", "photo"])
def test_layers_left_out_where_they_show_nothing_matches_painting_all(make: type) -> None:
    character = make()
    landmarks = with_true_depth(character.landmarks)
    picture = np.ascontiguousarray(character.picture[..., 2::-1])
    sparing, painting_all = (Eyes(picture, landmarks, fit_pose(landmarks)) for _ in range(2))
    for eye in painting_all._eyes:
        layers = eye._layers
        assert 0 < np.count_nonzero(layers.needs == MAY_CHANGE) < np.count_nonzero(layers.needs)
        all_bits = np.where(layers.needs, MAY_CHANGE | HAS_SKIN | HAS_REST, 0).astype(np.uint8)
        far = np.full_like(layers.reach, 1e3)
        far[..., : eye_kernels.BEYOND] = far[..., -eye_kernels.BEYOND :] = 0
        eye._layers = dataclasses.replace(layers, needs=all_bits, reach=far)
    height, width = picture.shape[:2]
    map_x, map_y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    for x, y, openness in MOTIONS:
        motion = DrivingMotion(gaze=np.full((2, 2), (x, y), np.float32), eye_openness=np.full(2, openness, np.float32))
        frames = []
        for eyes in (sparing, painting_all):
            frame = np.dstack([picture, np.full((height, width), 255, np.uint8)])
            eyes.draw(MappedWindow(0, 0, frame, map_x, map_y), landmarks[:, :2].astype(np.float32), motion)
            frames.append(frame.astype(int))
        assert np.abs(frames[0] - frames[1]).max() <= 1, (x, y, openness)
