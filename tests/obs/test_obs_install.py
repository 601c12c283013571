"""install.py --add-to-obs and --uninstall with a real OBS."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import pytest

if TYPE_CHECKING:
    from obs_session import ObsSession

pytestmark = [pytest.mark.requires_obs, pytest.mark.slow]

CHECKOUT = Path(__file__).resolve().parents[2]


def run_installer(root: Path, session: ObsSession, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "HOME": str(session.folder), "XDG_CONFIG_HOME": str(session.folder / "config")}
    command = [sys.executable, "install.py", *arguments]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=60)


def takes_the_filter(session: ObsSession, source: str) -> bool:
    """Add a camera, and return whether OBS knows the filter that is then to be added to it."""
    from obsws_python.error import OBSSDKRequestError

    session.add_color(source, (0, 0, 255))
    try:
        session.add_filter(source)
    except OBSSDKRequestError:
        return False
    return True


def test_after_add_to_obs_a_started_obs_has_the_script_and_after_uninstall_it_has_not(
    tmp_path: Path, start: Callable[..., ObsSession]
) -> None:
    from obs_session import Installation

    installation = Installation(tmp_path / "program")
    shutil.copy(CHECKOUT / "install.py", installation.root)
    shutil.copytree(
        CHECKOUT / "animator_core",
        installation.root / "animator_core",
        ignore=shutil.ignore_patterns("__pycache__"),
        dirs_exist_ok=True,
    )
    session = start([], installation.environment)
    assert not takes_the_filter(session, "First")
    refused = run_installer(installation.root, session, "--add-to-obs")
    assert refused.returncode == 1 and "OBS is running" in refused.stderr
    assert session.quit() == 0

    added = run_installer(installation.root, session, "--add-to-obs")
    assert added.returncode == 0, added.stderr
    assert 'Added to the scene collection "Untitled" of OBS' in added.stdout
    session.start()
    assert takes_the_filter(session, "Camera")
    assert session.quit() == 0

    removed = run_installer(installation.root, session, "--uninstall", "--yes")
    assert removed.returncode == 0, removed.stderr
    assert "still has the filter on: Camera" in removed.stdout
    session.start()
    assert not takes_the_filter(session, "Second")
    assert session.quit() == 0
