"""Asymmetry below the tracker's noise is damped; winks and one-sided smiles stay."""

from __future__ import annotations

import numpy as np
import pytest

from animator_core.arrays import FloatArray
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.symmetry import steadied
from animator_core.tracking.face_model import face_model

FLIP = np.array([-1, 1, 1], np.float32)


def lids(right: float, left: float) -> FloatArray:
    return steadied(DrivingMotion(eye_openness=np.array([right, left], np.float32))).eye_openness


def one_sided_smile(size: float) -> FloatArray:
    """Return an expression, (478, 3) face units, that lifts the left corner of the mouth by ``size``."""
    mean = face_model().mean
    near = np.exp(-((mean - mean[291]) ** 2).sum(1) / 0.1**2)
    return np.asarray(near[:, None] * np.array([0.4, -1.0, 0.0]) * size, np.float32)


def asymmetry(expression: FloatArray) -> float:
    return float(np.linalg.norm(expression - expression[face_model().mirror] * FLIP))


def test_lids_that_differ_by_noise_move_together() -> None:
    right, left = lids(0.81, 0.79)
    assert abs(right - left) < 0.25 * 0.02
    assert right + left == pytest.approx(1.6, abs=1e-5)


def test_a_wink_closes_one_eye_fully_and_leaves_the_other_open() -> None:
    right, left = lids(0.08, 0.95)
    assert right == 0
    assert left > 0.9


def test_lids_that_all_but_meet_are_closed() -> None:
    assert lids(0.12, 0.14).max() == 0
    np.testing.assert_allclose(lids(0.5, 0.5), 0.5)


def test_lids_never_jump_as_they_close() -> None:
    path = np.array([lids(opening, opening)[0] for opening in np.linspace(0, 1, 501)])
    assert (np.diff(path) >= 0).all()
    assert np.diff(path).max() < 0.01


def test_a_one_sided_smile_stays() -> None:
    smile = one_sided_smile(0.03)
    shown = steadied(DrivingMotion(expression=smile)).expression
    assert asymmetry(shown) > 0.9 * asymmetry(smile)


def test_noise_of_the_mouth_corners_is_damped() -> None:
    noise = one_sided_smile(0.002)
    assert asymmetry(steadied(DrivingMotion(expression=noise)).expression) < 0.4 * asymmetry(noise)


def test_a_symmetric_expression_is_untouched() -> None:
    smile = one_sided_smile(0.03)
    both = smile + smile[face_model().mirror] * FLIP
    np.testing.assert_allclose(steadied(DrivingMotion(expression=both)).expression, both, atol=1e-6)
