"""The optimiser by its own API: any model, features once, motions once, statistics."""

from __future__ import annotations

import inspect

import numpy as np
import pytest
import torch
from stand_in_model import StandInModel
from stand_ins import face_landmarks
from test_features import make_features

from animator_core.api import InferenceOptimizer
from animator_core.errors import AnimatorError, CharacterError, ModelError

FRAME = np.zeros((240, 320, 3), np.uint8)


class PlainModel:
    """Has nothing but inference."""

    def __init__(self) -> None:
        self.count = 0

    def inference(self, source, driving):
        self.count += 1
        return torch.full((1, 3, 8, 8), 0.5)


class SmallModel(PlainModel):
    version = "1"

    def __init__(self) -> None:
        super().__init__()
        self.extracted = self.motions = 0

    def extract_features(self, source):
        self.extracted += 1
        return make_features().features

    def extract_motion(self, driving):
        self.motions += 1
        return "motion"

    def inference_with_features(self, features, driving, cached_motion=None, landmarks=None):
        assert cached_motion == "motion"
        return torch.full((1, 3, 8, 8), 0.5)


IMAGE = np.full((128, 128, 3), 90, np.uint8)


def test_a_second_start_loads_features_instead_of_computing_them(tmp_path):
    model = SmallModel()
    for _ in range(2):
        optimizer = InferenceOptimizer(cache_dir=tmp_path)
        optimizer.preprocess_character("ada", IMAGE, model)
        optimizer.preprocess_character("ada", IMAGE, model)
    assert model.extracted == 1
    assert optimizer.get_stats()["features_loaded"] == 1
    optimizer.clear_cache()
    assert optimizer.get_stats()["disk_bytes"] == 0


def test_the_motion_of_the_same_face_is_extracted_once():
    model, optimizer = SmallModel(), InferenceOptimizer()
    features = optimizer.preprocess_character("ada", IMAGE, model)
    frame = FRAME.copy()
    for _ in range(4):
        assert optimizer.optimize_inference(features, frame, face_landmarks(), model).shape == (8, 8, 3)
    assert model.motions == 1
    assert optimizer.get_stats()["cache_hit_rate"] == 0.75


def test_a_model_without_the_optional_methods_is_cached_too():
    model, optimizer = PlainModel(), InferenceOptimizer()
    features = optimizer.preprocess_character("ada", IMAGE, model)
    frame = FRAME.copy()
    first = optimizer.optimize_inference(features, frame, face_landmarks(), model)
    assert np.array_equal(first, optimizer.optimize_inference(features, frame, face_landmarks(), model))
    assert model.count == 1


def test_it_is_made_and_asked_as_the_original_projects_was(tmp_path):
    optimizer = InferenceOptimizer(device="cpu", fp16=True, cache_dir=str(tmp_path), enable_motion_cache=True)
    features = optimizer.preprocess_character(character_id="ada", character_image=IMAGE, model=SmallModel())
    picture = optimizer.optimize_inference(
        character_features=features, driving_frame=FRAME, landmarks=face_landmarks(), model=SmallModel()
    )
    assert picture.dtype == np.uint8
    assert list(inspect.signature(InferenceOptimizer).parameters)[:4] == [
        "device",
        "fp16",
        "cache_dir",
        "enable_motion_cache",
    ]


def test_features_hold_all_that_does_not_depend_on_the_driver():
    features = InferenceOptimizer().preprocess_character("ada", np.dstack((IMAGE, IMAGE[..., :1])), StandInModel())
    assert features.source_tensor.shape == (1, 3, 256, 256)
    assert features.features.appearance_features.shape == (1, 32, 16, 64, 64)
    assert features.canonical_keypoints.shape == (1, 21, 3)
    assert features.source_motion.expression.shape == (1, 21, 3)
    assert features.crop_from_image.shape == (3, 3)


def test_statistics_count_what_was_reused_and_a_cleared_cache_begins_anew(tmp_path):
    model, optimizer = SmallModel(), InferenceOptimizer(cache_dir=tmp_path)
    features = optimizer.preprocess_character("ada", IMAGE, model)
    assert optimizer.get_stats()["cache_hit_rate"] == 0.0
    for _ in range(4):
        optimizer.optimize_inference(features, FRAME, face_landmarks(), model)
    found = optimizer.get_stats()
    assert (found["cache_hit_rate"], found["motion_cache_hits"], found["motion_cache_misses"]) == (0.75, 3, 1)
    assert (found["cached_characters"], found["features_computed"], found["features_loaded"]) == (1, 1, 0)
    assert found["resident_bytes"] == features.nbytes
    assert found["disk_bytes"] > 8e6
    optimizer.clear_cache()
    cleared = optimizer.get_stats()
    for name in ("cache_hit_rate", "motion_cache_entries", "cached_characters", "resident_bytes", "disk_bytes"):
        assert cleared[name] == 0, name
    optimizer.preprocess_character("ada", IMAGE, model)
    assert model.extracted == 2


def test_without_the_motion_cache_every_face_is_looked_at():
    model, optimizer = SmallModel(), InferenceOptimizer(enable_motion_cache=False)
    features = optimizer.preprocess_character("ada", IMAGE, model)
    for _ in range(3):
        optimizer.optimize_inference(features, FRAME, face_landmarks(), model)
    assert model.motions == 3
    assert optimizer.get_stats()["cache_hit_rate"] == 0.0


def test_another_face_is_not_taken_for_the_one_before():
    model, optimizer = SmallModel(), InferenceOptimizer()
    features = optimizer.preprocess_character("ada", IMAGE, model)
    open_mouth = face_landmarks()
    open_mouth[14, 1] += 8
    for landmarks in (face_landmarks(), open_mouth, None, None):
        optimizer.optimize_inference(features, FRAME, landmarks, model)
    assert model.motions == 4, "nothing is known of a frame without landmarks"


class KeepsFeaturesOnly(PlainModel):
    def extract_features(self, source):
        return make_features().features


class HasNoMotion(KeepsFeaturesOnly):
    def inference_with_features(self, features, driving, cached_motion=None, landmarks=None):
        assert cached_motion is None
        return torch.full((1, 3, 8, 8), 0.5)


@pytest.mark.parametrize(("model", "inferences"), [(PlainModel(), 1), (KeepsFeaturesOnly(), 1), (HasNoMotion(), 0)])
def test_a_model_may_lack_any_optional_method(model, inferences):
    optimizer = InferenceOptimizer()
    features = optimizer.preprocess_character("ada", IMAGE, model)
    for _ in range(2):
        assert optimizer.optimize_inference(features, FRAME, face_landmarks(), model).shape == (8, 8, 3)
    assert model.count == inferences


def test_pictures_of_a_plain_model_are_kept_for_each_character_apart():
    model, optimizer = PlainModel(), InferenceOptimizer()
    for name in ("ada", "bob"):
        features = optimizer.preprocess_character(name, IMAGE, model)
        optimizer.optimize_inference(features, FRAME, face_landmarks(), model)
    assert model.count == 2


def test_a_kept_picture_cannot_be_spoilt_by_who_got_it():
    model, optimizer = PlainModel(), InferenceOptimizer()
    features = optimizer.preprocess_character("ada", IMAGE, model)
    for _ in range(3):
        picture = optimizer.optimize_inference(features, FRAME, face_landmarks(), model)
        assert picture[0, 0, 0] == 127
        picture[:] = 0


def test_what_depends_on_the_picture_is_computed_anew_for_another_one(tmp_path):
    model, optimizer = SmallModel(), InferenceOptimizer(cache_dir=tmp_path)
    for image in (IMAGE, IMAGE + 1, IMAGE):
        optimizer.preprocess_character("ada", image, model)
    model.version = "2"
    optimizer.preprocess_character("ada", IMAGE, model)
    assert model.extracted == 3


def test_features_that_are_no_numbers_are_an_error_that_names_the_character(tmp_path):
    class Broken(SmallModel):
        def extract_features(self, source):
            features = super().extract_features(source)
            features.motion.expression[0, 4, 1] = float("nan")
            return features

    optimizer = InferenceOptimizer(cache_dir=tmp_path)
    with pytest.raises(ModelError, match=r"in ada cannot be used \(motion\.expression is not finite\); run install"):
        optimizer.preprocess_character("ada", IMAGE, Broken())
    assert optimizer.get_stats()["disk_bytes"] == 0


@pytest.mark.parametrize("shape", [(1, 1, 3), (1, 8000, 3), (63, 200, 4)])
def test_a_picture_that_is_too_small_is_an_error_that_says_so(shape):
    with pytest.raises(CharacterError, match=f"has {shape[1]}x{shape[0]} pixels; use one of at least 64 on a side"):
        InferenceOptimizer().preprocess_character("ada", np.zeros(shape, np.uint8), SmallModel())


@pytest.mark.parametrize("picture", [np.zeros((99, 99), np.uint8), np.zeros((99, 99, 3), np.float32), np.zeros(3)])
def test_an_array_that_is_no_picture_is_an_error_that_says_what_is_taken(picture):
    optimizer, model = InferenceOptimizer(), SmallModel()
    with pytest.raises(AnimatorError, match=r"the picture of ada is .*; give \(H, W, 3 or 4\) uint8 RGB"):
        optimizer.preprocess_character("ada", picture, model)
    features = optimizer.preprocess_character("ada", IMAGE, model)
    with pytest.raises(AnimatorError, match=r"the driving frame is .*; give \(H, W, 3\) uint8 RGB"):
        optimizer.optimize_inference(features, picture, None, model)
