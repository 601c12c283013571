"""Fixtures of the tests of the OBS side."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

if TYPE_CHECKING:
    from obs_session import ObsSession


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


@pytest.fixture
def start(tmp_path: Path, display: str) -> Iterator[Callable[..., ObsSession]]:
    """Starts runs of OBS, each with settings of its own, and closes them."""
    from obs_session import ObsSession

    sessions: list[ObsSession] = []

    def start_obs(scripts: list[Path], environment: dict[str, str], **more: Any) -> ObsSession:
        folder = tmp_path / f"obs{len(sessions)}"
        folder.mkdir()
        sessions.append(ObsSession(folder, display, scripts, environment, **more))
        return sessions[-1]

    yield start_obs
    for session in sessions:
        session.close()
