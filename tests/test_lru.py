"""The cache in memory: its bound, its order of eviction, its counts."""

from __future__ import annotations

import threading

from animator_core.lru import LruCache


def test_the_least_recently_used_values_go_above_the_bound():
    cache: LruCache[str, str] = LruCache(10, len)
    cache.put("a", "xxxx")
    cache.put("b", "xxxx")
    cache.get("a")
    cache.put("c", "xxxx")
    assert [key for key, _ in cache.items()] == ["a", "c"]
    found = cache.statistics
    assert (found.entries, found.size, found.evictions, found.hits, found.misses) == (2, 8, 1, 1, 0)


def test_the_newest_value_stays_however_large_it_is():
    cache: LruCache[str, str] = LruCache(2, len)
    cache.put("a", "x")
    cache.put("b", "xxxxx")
    assert cache.items() == [("b", "xxxxx")]


def test_another_value_under_the_same_key_takes_the_place_of_the_first():
    cache: LruCache[str, str] = LruCache(10, len)
    cache.put("a", "xxxx")
    cache.put("a", "xx")
    assert (cache.get("a"), cache.statistics.size, cache.statistics.entries) == ("xx", 2, 1)


def test_a_missing_value_is_made_once_and_counted_as_a_miss():
    cache: LruCache[str, object] = LruCache(3)
    made = [cache.get_or_make("a", object) for _ in range(3)]
    assert made[0] is made[1] is made[2]
    assert (cache.statistics.hits, cache.statistics.misses, cache.statistics.hit_rate) == (2, 1, 2 / 3)


def test_threads_that_make_the_same_value_at_once_share_the_first():
    cache: LruCache[str, object] = LruCache(3)
    both, got = threading.Barrier(2), []

    def make() -> object:
        both.wait(10)
        return object()

    threads = [threading.Thread(target=lambda: got.append(cache.get_or_make("a", make))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert got[0] is got[1] is cache.get("a")


def test_a_cleared_cache_begins_anew():
    cache: LruCache[str, str] = LruCache(3)
    cache.put("a", "x")
    cache.get("a")
    cache.clear()
    assert (cache.statistics.hits, cache.statistics.size, "a" in cache) == (0, 0, False)
