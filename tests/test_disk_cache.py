"""The cache on disk: entries come back, damaged ones do not, and the folder stays within its bound."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from animator_core.disk_cache import DiskCache


def make_cache(directory: Path, max_bytes: int = 100) -> DiskCache:
    return DiskCache(directory, suffix=".txt", max_bytes=max_bytes, contents="texts", cost="they are written again")


def save(cache: DiskCache, key: str, content: str) -> None:
    cache.save(key, lambda path: path.write_text(content))


def read_sound(path: Path) -> str:
    content = path.read_text()
    if not content.startswith("sound"):
        raise ValueError("not sound")
    return content


def test_a_saved_file_comes_back_and_a_missing_one_is_none(tmp_path):
    cache = make_cache(tmp_path / "made")
    save(cache, "a", "sound")
    assert (cache.load("a", read_sound), cache.load("b", read_sound)) == ("sound", None)
    assert [path.name for path in (tmp_path / "made").iterdir()] == ["a.txt"]


def test_a_damaged_file_is_none_and_is_replaced(tmp_path, caplog):
    cache = make_cache(tmp_path)
    save(cache, "a", "broken")
    with caplog.at_level("INFO"):
        assert cache.load("a", read_sound) is None
    assert "is damaged or out of date and is made again (not sound)" in caplog.text
    save(cache, "a", "sound again")
    assert cache.load("a", read_sound) == "sound again"


def test_the_least_recently_used_files_go_above_the_bound(tmp_path):
    cache = make_cache(tmp_path, max_bytes=110)
    for age, key in enumerate("abc"):
        save(cache, key, f"sound {'x' * 30}")
        os.utime(cache.path(key), (age, age))
    cache.load("a", read_sound)
    save(cache, "d", f"sound {'x' * 60}")
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["a", "d"]
    assert cache.nbytes <= 110


def test_the_newest_file_stays_however_large_it_is(tmp_path):
    cache = make_cache(tmp_path, max_bytes=0)
    save(cache, "a", "sound")
    save(cache, "b", "sound")
    assert [path.stem for path in tmp_path.iterdir()] == ["b"]


@pytest.mark.parametrize("name", ["old.0123.part", ".tmp3abjlf"])
def test_what_a_crash_left_unfinished_counts_and_goes(tmp_path, name):
    (tmp_path / name).write_text("x" * 1000)
    os.utime(tmp_path / name, (1, 1))
    cache = make_cache(tmp_path)
    assert cache.nbytes == 1000
    save(cache, "a", "sound")
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_write_that_fails_leaves_the_old_file_and_warns_once(tmp_path, caplog):
    cache = make_cache(tmp_path)
    save(cache, "a", "sound")

    def fail(path: Path) -> None:
        path.write_text("half")
        raise OSError(28, "No space left on device")

    for _ in range(2):
        cache.save("a", fail)
    assert cache.load("a", read_sound) == "sound"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]
    (message,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert message == (
        f"cannot keep texts in {tmp_path} (No space left on device): they are written again; "
        "free disk space or make the folder writable"
    )


def test_an_error_that_is_not_the_disks_comes_out(tmp_path):
    def fail(path: Path) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        make_cache(tmp_path).save("a", fail)
    assert list(tmp_path.iterdir()) == []
