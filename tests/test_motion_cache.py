"""The motion cache: whom it takes for the same face, and what it forgets."""

from __future__ import annotations

import numpy as np
import pytest

from animator_core.liveportrait.motion.motion_cache import UNLIKE, MotionCache

FACE = np.random.default_rng(0).uniform(0.2, 0.8, (478, 3)).astype(np.float32)


def shifted(amount: float, index: int = 14) -> np.ndarray:
    face = FACE.copy()
    face[index, 1] += amount
    return face


def test_the_same_face_hits_and_another_misses():
    cache: MotionCache[str] = MotionCache()
    assert cache.get(FACE) is None
    cache.put(FACE, "neutral")
    assert cache.get(FACE) == "neutral"
    assert cache.get(shifted(0.02)) is None
    found = cache.statistics
    assert (found.hits, found.misses, found.entries, found.hit_rate) == (1, 2, 1, pytest.approx(1 / 3))


@pytest.mark.parametrize("step", [1 / 4096, 1 / 1024, 1 / 256])
@pytest.mark.parametrize("threshold", [0.8, 0.95, 1.0])
def test_no_hit_differs_by_more_than_the_stated_bound_in_any_landmark(step, threshold):
    cache: MotionCache[np.ndarray] = MotionCache(1000, threshold, step)
    random, hits = np.random.default_rng(1), 0
    for _ in range(400):
        face = FACE + random.uniform(-0.5, 0.5, FACE.shape) * random.choice([1e-4, 2e-3, 1e-2])
        found = cache.get(face)
        if found is None:
            cache.put(face, face)
        else:
            hits += 1
            assert np.abs(found - face)[:, :2].max() <= cache.largest_shift + 1e-9
    assert threshold == 1 or hits > 0


def test_one_moved_lid_alone_is_a_miss_however_still_the_rest_is():
    cache: MotionCache[str] = MotionCache()
    cache.put(FACE, "open")
    assert cache.get(shifted(0.95 * (1 - 0.95) * UNLIKE)) == "open"
    assert cache.get(shifted(1.6 * (1 - 0.95) * UNLIKE)) is None


def test_the_most_similar_of_several_faces_answers():
    cache: MotionCache[str] = MotionCache(similarity_threshold=0.5)
    cache.put(shifted(0.02), "far")
    cache.put(shifted(0.004), "near")
    cache.put(shifted(-0.02), "far")
    assert cache.get(FACE) == "near"


def test_depth_is_not_looked_at():
    cache: MotionCache[str] = MotionCache()
    cache.put(FACE, "face")
    assert cache.get(FACE + np.array([0, 0, 0.3], np.float32)) == "face"
    assert cache.get(FACE[:, :2]) == "face"


def test_a_value_of_another_scope_never_answers():
    cache: MotionCache[str] = MotionCache()
    cache.put(FACE, "ada", "ada.png")
    assert cache.get(FACE, "bob.png") is None
    assert cache.get(shifted(1e-3), "ada.png") == "ada"


def test_the_face_not_asked_for_the_longest_goes_first():
    cache: MotionCache[int] = MotionCache(max_entries=3)
    for number in range(3):
        cache.put(shifted(0.01 * number), number)
    assert cache.get(shifted(0.0)) == 0
    cache.put(shifted(0.03), 3)
    assert cache.get(shifted(0.01)) is None
    assert [cache.get(shifted(0.01 * number)) for number in (0, 2, 3)] == [0, 2, 3]
    assert (cache.statistics.entries, cache.statistics.evictions) == (3, 1)


def test_clear_forgets_faces_and_counts():
    cache: MotionCache[int] = MotionCache()
    cache.put(FACE, 1)
    cache.get(FACE)
    cache.clear()
    assert cache.statistics.entries == cache.statistics.hits == 0
    assert cache.get(FACE) is None


def test_landmarks_that_are_no_numbers_are_refused():
    cache: MotionCache[int] = MotionCache()
    broken = FACE.copy()
    broken[3, 0] = np.nan
    with pytest.raises(ValueError, match="not finite"):
        cache.put(broken, 1)


@pytest.mark.parametrize("wrong", [{"max_entries": 0}, {"similarity_threshold": 1.5}, {"quantisation_step": 0.0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(ValueError, match=str(next(iter(wrong.values())))):
        MotionCache(**wrong)
