"""What several test files share."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared"


def shared_file(relative: str) -> Path:
    """Return a file of the test media beside the checkout; skips the test where it is absent."""
    path = SHARED / relative
    if not path.exists():
        pytest.skip(f"test media {relative} is not beside this checkout")
    return path


@pytest.fixture(scope="session")
def golden_weights_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with LivePortrait's five weight files, made by the golden rule; do not write into it."""
    from liveportrait_weights import write_golden_weights

    folder = tmp_path_factory.mktemp("golden_weights")
    yield write_golden_weights(folder)
    # pytest keeps the folders of its last three runs; these are half a gigabyte each.
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def golden_cache_dir(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A cache folder for the session, where the golden weights are converted once."""
    folder = tmp_path_factory.mktemp("golden_cache")
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def golden_networks(golden_weights_dir: Path, golden_cache_dir: Path):
    """LivePortrait's networks with the golden weights, float32 on the CPU."""
    from animator_core.liveportrait.build import load_networks

    return load_networks(golden_weights_dir, cache_dir=golden_cache_dir)
