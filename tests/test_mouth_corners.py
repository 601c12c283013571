"""Promises of animator_core.warp.mouth_corners."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from animator_core.tracking.face_model import face_model
from animator_core.warp.mouth_corners import with_line_ends

SIZE = 400
LINE = (40, 20, 90)


def face() -> np.ndarray:
    return np.asarray(face_model().mean * 260 + np.array([200, 150, 0]), np.float32)


def drawing(beyond: float, climb: float) -> np.ndarray:
    """Return a flat face, (H, W, 3) uint8 BGR, whose mouth's line ends ``beyond`` and above the tracker's corners."""
    picture, points = np.full((SIZE, SIZE, 3), (190, 205, 235), np.uint8), face()[:, :2]
    right, left = points[61] + [-beyond, -climb], points[291] + [beyond, -climb]
    line = np.rint([right, points[61], points[13], points[291], left]).astype(np.int32)
    cv2.polylines(picture, [line], False, LINE, 3, cv2.LINE_AA)
    return picture


@pytest.mark.parametrize(("beyond", "climb"), [(10, 0), (8, 4), (4, 2)])
def test_the_corners_of_a_drawn_mouth_go_to_the_ends_of_its_line(beyond: float, climb: float) -> None:
    before = face()
    after = with_line_ends(drawing(beyond, climb), before)
    for corner, side in ((61, -1), (291, 1)):
        assert after[corner, :2] == pytest.approx(before[corner, :2] + [side * beyond, -climb], abs=2.5)
    for inner, corner in ((78, 61), (308, 291)):
        assert np.linalg.norm(after[inner] - after[corner]) < 6
    # The rest of the face stays.
    far = np.linalg.norm(before[:, :2] - before[13, :2], axis=1) > 130
    assert np.abs(after[far] - before[far]).max() < 0.5


def test_landmarks_of_a_mouth_without_a_line_and_of_a_photograph_are_left_alone() -> None:
    bare = np.full((SIZE, SIZE, 3), (190, 205, 235), np.uint8)
    assert np.array_equal(with_line_ends(bare, face()), face())
    noise = np.random.default_rng(3).normal(0, 9, bare.shape)
    photograph = np.clip(drawing(10, 0) + noise, 0, 255).astype(np.uint8)
    assert np.array_equal(with_line_ends(photograph, face()), face())
