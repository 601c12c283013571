"""Whether a folder can be written, told at once on every system."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from animator_core.installation.writable import writing_problem
from tests.windows_doubles import folder_refusing_files


def test_a_folder_that_can_be_written_is_made_and_left_empty(tmp_path: Path) -> None:
    assert writing_problem(tmp_path / "new" / "cache") == ""
    assert list((tmp_path / "new" / "cache").iterdir()) == []


def test_a_folder_that_windows_protects_is_told_at_the_first_refusal(tmp_path: Path) -> None:
    with folder_refusing_files() as refused:
        assert writing_problem(tmp_path) == "Permission denied"
    assert refused.call_count == 1


def test_a_file_in_the_place_of_the_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "cache").write_bytes(b"")
    assert writing_problem(tmp_path / "cache")
    assert writing_problem(tmp_path / "cache" / "below")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs a device that is always full")
def test_a_full_disk_is_told_and_the_probe_removed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    real = os.open

    def open_on_a_full_disk(path: str, flags: int, mode: int = 0o777) -> int:
        os.close(real(path, flags, mode))
        return real("/dev/full", os.O_WRONLY)

    monkeypatch.setattr(os, "open", open_on_a_full_disk)
    assert writing_problem(tmp_path) == os.strerror(errno.ENOSPC)
    assert list(tmp_path.iterdir()) == []
