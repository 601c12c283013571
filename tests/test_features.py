"""Features on disk and on the device: what is kept, what is made again, and what bounds them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from animator_core.liveportrait.model import SourceFeatures
from animator_core.liveportrait.networks.keypoints import KeypointMotion
from animator_core.liveportrait.source.features import CharacterFeatures, check_features
from animator_core.liveportrait.source.store import FeatureKey, FeatureStore
from animator_core.lru import LruCache

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


def test_memory_holds_no_more_than_its_bound_and_keeps_the_features_used_last():
    size = make_features().nbytes
    cache: LruCache[str, CharacterFeatures] = LruCache(2 * size, lambda features: features.nbytes)
    for name in ("a", "b"):
        cache.put(name, make_features())
    cache.get("a")
    cache.put("c", make_features())
    assert cache.get("b") is None
    assert cache.get("a") is not None
    assert cache.statistics.size <= 2 * size
