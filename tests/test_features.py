"""Features on disk and on the device: what is kept, what is made again, and what bounds them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from animator_core.characters.feature_store import FeatureKey, FeatureStore
from animator_core.characters.features import CharacterFeatures, check_features
from animator_core.characters.residency import FeatureResidency
from animator_core.liveportrait.keypoints import KeypointMotion
from animator_core.liveportrait.model import SourceFeatures
from animator_core.optimizer import InferenceOptimizer

KEY = FeatureKey("picture", "weights", "options")


def make_features(seed: int = 0) -> CharacterFeatures:
    torch.manual_seed(seed)
    one = torch.zeros(1)
    motion = KeypointMotion(
        one, one, one, torch.zeros(1, 3), torch.zeros(1, 21, 3), torch.ones(1, 1), torch.rand(1, 21, 3)
    )
    seen = SourceFeatures(torch.randn(1, 32, 16, 64, 64), motion, torch.rand(1, 21, 3))
    return CharacterFeatures("ada", torch.zeros(1, 3, 256, 256, dtype=torch.uint8), np.eye(3), seen)


def test_what_is_kept_comes_back_bit_for_bit(tmp_path):
    FeatureStore(tmp_path).put(KEY, make_features())
    found = FeatureStore(tmp_path).get("ada", KEY)
    assert torch.equal(found.features.appearance_features, make_features().features.appearance_features)
    assert torch.equal(found.canonical_keypoints, make_features().canonical_keypoints)
    assert [path.suffix for path in tmp_path.iterdir()] == [".safetensors"]


@pytest.mark.parametrize("change", [{"content_hash": "b"}, {"model_version": "b"}, {"options": "b"}])
def test_features_of_another_picture_model_or_option_are_not_used(tmp_path, change):
    store = FeatureStore(tmp_path)
    store.put(KEY, make_features())
    other = replace(KEY, **change)
    assert store.get("ada", other) is None
    (tmp_path / f"{KEY.digest}.safetensors").rename(tmp_path / f"{other.digest}.safetensors")
    assert store.get("ada", other) is None


@pytest.mark.parametrize("damage", ["empty", "truncated", "one bit", "no safetensors"])
def test_a_damaged_file_is_not_used(tmp_path, damage):
    store = FeatureStore(tmp_path)
    store.put(KEY, make_features())
    path = tmp_path / f"{KEY.digest}.safetensors"
    content = bytearray(path.read_bytes())
    content[-1000] ^= 1
    path.write_bytes(
        {"empty": b"", "truncated": bytes(content[:-5000]), "one bit": bytes(content), "no safetensors": b"x" * 99}[
            damage
        ]
    )
    assert store.get("ada", KEY) is None


def test_features_that_are_no_numbers_are_refused():
    features = make_features()
    features.features.appearance_features[0, 3, 2, 1, 0] = float("nan")
    with pytest.raises(ValueError, match="appearance_features is not finite"):
        check_features(features)


def test_a_folder_that_takes_nothing_costs_a_warning(tmp_path, caplog):
    (tmp_path / "file").write_text("")
    FeatureStore(tmp_path / "file" / "features").put(KEY, make_features())
    assert "cannot keep features" in caplog.text


def test_the_oldest_files_go_where_the_folder_grows_too_large(tmp_path):
    store = FeatureStore(tmp_path, max_bytes=20_000_000)
    for number in range(4):
        store.put(FeatureKey(str(number), "weights"), make_features())
    assert store.nbytes <= 20_000_000
    assert store.get("ada", FeatureKey("3", "weights")) is not None


def test_ten_characters_take_less_than_100_mb_of_disk(tmp_path):
    store = FeatureStore(tmp_path)
    store.put(KEY, replace(make_features(), alpha=np.zeros((512, 512), np.uint8), plain_colour=np.zeros(3, np.float32)))
    assert store.nbytes * 10 < 100e6


def test_the_device_holds_no_more_than_its_bound_and_keeps_what_was_used_last():
    size = make_features().nbytes
    residency = FeatureResidency("cpu", max_bytes=2 * size)
    for name in ("a", "b"):
        residency.put(name, make_features())
    residency.get("a")
    residency.put("c", make_features())
    assert residency.get("b") is None
    assert residency.get("a") is not None
    assert residency.get_stats().nbytes <= 2 * size


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


def face() -> np.ndarray:
    from stand_ins import face_landmarks

    return face_landmarks()


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
    frame = np.zeros((240, 320, 3), np.uint8)
    for _ in range(4):
        assert optimizer.optimize_inference(features, frame, face(), model).shape == (8, 8, 3)
    assert model.motions == 1
    assert optimizer.get_stats()["cache_hit_rate"] == 0.75


def test_a_model_without_the_optional_methods_is_cached_too():
    model, optimizer = PlainModel(), InferenceOptimizer()
    features = optimizer.preprocess_character("ada", IMAGE, model)
    frame = np.zeros((240, 320, 3), np.uint8)
    first = optimizer.optimize_inference(features, frame, face(), model)
    assert np.array_equal(first, optimizer.optimize_inference(features, frame, face(), model))
    assert model.count == 1
