"""Head pose and the face model."""

from __future__ import annotations

import numpy as np
import pytest

from animator_core.errors import CharacterError
from animator_core.motion.rotation import (
    euler_angles,
    rotation_from_euler,
    rotation_from_vector,
    vector_from_rotation,
)
from animator_core.tracking.face_model import NAMED_POINTS, REQUIRED_POINTS, face_model, fit_landmarks
from animator_core.tracking.pose import HeadPose, fit_pose, with_true_depth


def test_mirroring_the_face_model_twice_is_nothing_and_once_is_its_mirror_image() -> None:
    model = face_model()
    assert (model.mirror[model.mirror] == np.arange(478)).all()
    np.testing.assert_allclose(model.mean[model.mirror] * [-1, 1, 1], model.mean, atol=1e-5)


def test_the_mesh_has_holes_for_eyes_and_mouth_only() -> None:
    triangles = face_model().triangles
    edges = np.sort(np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [0, 2]]]), axis=1)
    _, counts = np.unique(edges, axis=0, return_counts=True)
    assert len(triangles) == 852
    assert counts.max() == 2
    # 36 edges of the outline, 16 of each eye, 20 of the inner lips.
    assert (counts == 1).sum() == 88


@pytest.mark.parametrize("angles", [(0, 0, 0), (25, -10, 5), (-40, 20, -30)])
def test_fit_pose_finds_the_pose_that_placed_the_face(angles: tuple[float, float, float]) -> None:
    shape = with_true_depth(face_model().mean)
    placed = HeadPose(rotation_from_euler(*angles), np.array([300, 200, 10], np.float32), 250.0)
    found = fit_pose(placed.to_frame(shape))
    np.testing.assert_allclose(euler_angles(found.rotation), angles, atol=1e-2)
    assert found.scale == pytest.approx(250, rel=1e-4)
    np.testing.assert_allclose(found.to_head(placed.to_frame(shape)), shape, atol=1e-4)


def test_turning_to_the_left_of_the_picture_is_positive_yaw_and_nodding_down_positive_pitch() -> None:
    nose = np.array([0, 0, -1], np.float32)
    assert (rotation_from_euler(20, 0, 0) @ nose)[0] < 0
    assert (rotation_from_euler(0, 20, 0) @ nose)[1] > 0


@pytest.mark.parametrize("vector", [(0, 0, 0), (0.3, -0.2, 0.9), (0, 3.0, 0)])
def test_rotation_vectors_survive_the_way_there_and_back(vector: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(vector_from_rotation(rotation_from_vector(np.array(vector))), vector, atol=1e-5)


def test_fit_landmarks_passes_through_the_named_points_and_keeps_the_rest_of_the_face() -> None:
    mean = face_model().mean
    placed = {name: (200 * mean[index, 0] + 300, 240 * mean[index, 1] + 200) for name, index in NAMED_POINTS.items()}
    placed["mouth_left"] = (placed["mouth_left"][0] + 12, placed["mouth_left"][1])
    landmarks = fit_landmarks(placed)
    for name, point in placed.items():
        np.testing.assert_allclose(landmarks[NAMED_POINTS[name], :2], point, atol=1e-3)
    cheek = 50
    np.testing.assert_allclose(landmarks[cheek, :2], 200 * mean[cheek, :2] * [1, 1.2] + [300, 200], atol=6)


def test_fit_landmarks_names_what_is_missing_or_unknown() -> None:
    some = dict.fromkeys(REQUIRED_POINTS, (0.0, 0.0))
    del some["chin"]
    with pytest.raises(CharacterError, match="lack chin"):
        fit_landmarks(some)
    with pytest.raises(CharacterError, match="third_eye"):
        fit_landmarks({**some, "third_eye": (1, 2)})
