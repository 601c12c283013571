"""Files appear as a whole or not at all."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from animator_core import atomic_file
from animator_core.atomic_file import replace_file, written_atomically


def test_a_finished_file_takes_the_place_of_the_old_one(tmp_path):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with written_atomically(path) as unfinished:
        unfinished.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("interruption", [OSError, KeyboardInterrupt])
def test_an_interruption_leaves_the_old_file_and_nothing_else(tmp_path, interruption):
    path = tmp_path / "file.txt"
    path.write_text("old")
    with pytest.raises(interruption), written_atomically(path) as unfinished:
        unfinished.write_text("half")
        raise interruption
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_not_there_is_an_error_of_the_system(tmp_path):
    with pytest.raises(FileNotFoundError), written_atomically(tmp_path / "absent" / "file.txt") as unfinished:
        unfinished.write_text("new")


def test_two_who_write_the_same_file_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "file.txt"
    with written_atomically(path) as one, written_atomically(path) as other:
        one.write_text("one")
        other.write_text("other")
    assert path.read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def link_or_skip(link: Path, target: Path) -> None:
    try:
        link.symlink_to(target)
    except OSError:
        pytest.skip("this Windows user may not make links")


def test_a_link_is_kept_and_the_file_that_it_names_is_written(tmp_path):
    (tmp_path / "big").mkdir()
    (tmp_path / "big" / "target.txt").write_text("old")
    link_or_skip(tmp_path / "link.txt", Path("big") / "target.txt")
    link_or_skip(tmp_path / "chain.txt", Path("link.txt"))
    link_or_skip(tmp_path / "dangling.txt", Path("big") / "new.txt")
    for name in ("chain.txt", "dangling.txt"):
        with written_atomically(tmp_path / name) as unfinished:
            assert unfinished.parent == tmp_path / "big"
            unfinished.write_text(name)
    assert (tmp_path / "chain.txt").is_symlink()
    assert (tmp_path / "dangling.txt").is_symlink()
    assert (tmp_path / "big" / "target.txt").read_text() == "chain.txt"
    assert (tmp_path / "big" / "new.txt").read_text() == "dangling.txt"


@pytest.mark.parametrize("name", ["n" * 251 + ".txt", "ü" * 125 + ".txt", "100%d: a.txt", "trailing.", "-.txt"])
@pytest.mark.skipif(os.name == "nt", reason="Windows has stricter names")
def test_a_name_may_be_as_long_and_strange_as_the_file_system_takes(tmp_path, name):
    with written_atomically(tmp_path / name) as unfinished:
        unfinished.write_text("new")
    assert [path.name for path in tmp_path.iterdir()] == [name]


class LockedForAWhile:
    """Stands for ``os.replace`` on Windows while another program has the file open: refuses, then works."""

    def __init__(self, monkeypatch, refusals):
        self.refusals = refusals
        self.seconds = 0.0
        self._replace = os.replace
        monkeypatch.setattr(atomic_file.os, "replace", self)
        monkeypatch.setattr(atomic_file.time, "monotonic", lambda: self.seconds)
        monkeypatch.setattr(atomic_file.time, "sleep", self._sleep)

    def _sleep(self, seconds):
        self.seconds += seconds

    def __call__(self, source, target):
        if self.refusals:
            self.refusals -= 1
            raise PermissionError(13, "The process cannot access the file because it is being used by another process")
        self._replace(source, target)


def test_windows_waits_for_whoever_has_the_old_file_open(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    lock = LockedForAWhile(monkeypatch, 5)
    path = tmp_path / "file.txt"
    path.write_text("old")
    with written_atomically(path) as unfinished:
        unfinished.write_text("new")
    assert path.read_text() == "new"
    assert lock.seconds > 0


def test_windows_gives_up_after_a_second(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "win32")
    lock = LockedForAWhile(monkeypatch, 10**6)
    with pytest.raises(PermissionError):
        replace_file(tmp_path / "a", tmp_path / "b")
    assert 1.0 <= lock.seconds < 1.2


def test_elsewhere_a_refusal_is_final(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "platform", "linux")
    lock = LockedForAWhile(monkeypatch, 1)
    with pytest.raises(PermissionError):
        replace_file(tmp_path / "a", tmp_path / "b")
    assert lock.seconds == 0
