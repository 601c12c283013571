"""A camera's neutral face on disk: found again, doubted, private, forgotten."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from animator_core.animation.neutral_store import NeutralStore
from animator_core.motion.kept_neutral import from_text, to_text

KEY = "0123456789abcdef" * 2


def text(*, is_chosen: bool = False) -> str:
    return to_text(
        {
            "calm_seconds": np.full(5, 90, np.float32),
            "is_chosen": np.float32(is_chosen),
            "scale": np.float32(3),
        }
    )


def test_an_estimated_face_counts_as_seen_for_moments_only(tmp_path: Path) -> None:
    NeutralStore(tmp_path).save(KEY, text())
    arrays = from_text(NeutralStore(tmp_path).load(KEY))
    assert arrays["scale"] == 3
    assert not arrays["calm_seconds"].any()


def test_a_chosen_face_stays_as_it_is(tmp_path: Path) -> None:
    NeutralStore(tmp_path).save(KEY, text(is_chosen=True))
    assert NeutralStore(tmp_path).load(KEY) == text(is_chosen=True)


def test_a_forgotten_face_leaves_no_file(tmp_path: Path) -> None:
    store = NeutralStore(tmp_path)
    store.save(KEY, text())
    store.save(KEY, "")
    assert store.load(KEY) == ""
    assert not list((tmp_path / "neutral").iterdir())
    store.save(KEY, "")


@pytest.mark.parametrize("key", ["", "../../etc/passwd", KEY.upper(), KEY + "0", KEY[:-1] + "\n"])
def test_any_other_key_keeps_nothing(tmp_path: Path, key: str) -> None:
    store = NeutralStore(tmp_path)
    store.save(key, text())
    assert store.load(key) == ""
    assert not list(tmp_path.rglob("*.neutral"))


@pytest.mark.parametrize("content", [b"", b"rubbish", "é".encode(), text()[:-40].encode(), b"\x00" * 5000])
def test_a_damaged_file_is_no_face(tmp_path: Path, content: bytes) -> None:
    store = NeutralStore(tmp_path)
    store.save(KEY, text())
    (file,) = tmp_path.rglob("*.neutral")
    file.write_bytes(content)
    assert store.load(KEY) == ""
