"""Fixtures of the tests of the OBS side."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip tests that need a real OBS if it cannot run here, with the reason."""
    reason = _why_no_obs()
    if reason:
        for item in items:
            if item.get_closest_marker("requires_obs"):
                item.add_marker(pytest.mark.skip(reason=reason))


def _why_no_obs() -> str:
    try:
        from obs_session import why_not
    except ImportError as exc:
        return f"{exc.name} is not installed"
    return why_not()


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    """A virtual X display."""
    from obs_session import xvfb

    with xvfb() as name:
        yield name


def noise(width: int, height: int, seed: int) -> np.ndarray:
    """Return an opaque picture of random pixels with no red in it: (height, width, 4) uint8 RGBA."""
    picture = np.random.default_rng(seed).integers(0, 256, (height, width, 4), dtype=np.uint8)
    picture[..., 0] = 0
    picture[..., 3] = 255
    return picture
