"""Quitting OBS: it ends with 0 and does not hang, whatever was done before.

Each way is gone once. With `--obs-exit-runs N` it is gone N times, and N times without the script and with a filter of
OBS's own: where OBS crashes then too, the fault is its own. `-rP` shows the exit codes of every run.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Union

import numpy as np
import pytest

pytestmark = pytest.mark.requires_obs
pytest.importorskip("obsws_python")

from conftest import noise  # noqa: E402
from obs_session import CANVAS, HELPER_SCRIPT, SCENE, Installation, ObsSession, wait_for  # noqa: E402

CAMERA = (255, 0, 255)
WORKER_FRAME = noise(*CANVAS, seed=1)
FILTERED = (0, 0, 0)
"""The camera's colour through OBS's own filter, which is used in place of ours."""

ExitCode = Union[int, str]


@dataclass(frozen=True)
class Way:
    """The actions in one run of OBS before it is quit."""

    target: str = "Camera"
    is_saved: bool = False
    is_reloaded: bool = False
    has_second_script: bool = False
    is_removed: bool = False


WAYS = {
    "a new source": Way(),
    "a saved source": Way(is_saved=True),
    "a scene": Way(SCENE),
    "a saved scene": Way(SCENE, is_saved=True),
    "a reloaded script": Way(is_reloaded=True),
    "a second script": Way(is_saved=True, has_second_script=True),
    "a removed source": Way(is_removed=True),
}


def add_filter(session: ObsSession, target: str, is_ours: bool) -> None:
    if is_ours:
        session.add_filter(target)
    else:
        session.client.create_source_filter(target, "Animator", "color_filter_v2", {"color_multiply": 0xFF000000})


def quit_once(folder: Path, display: str, way: Way, is_ours: bool) -> ExitCode:
    """Run OBS, do the actions, quit it and return its exit code, or "hang"; is_ours: with the script."""
    installation = Installation(folder / "installation")
    installation.set_frame(WORKER_FRAME)
    expected = WORKER_FRAME[..., :3] if is_ours else np.array(FILTERED, np.uint8)
    has_helper = way.has_second_script or (way.is_reloaded and is_ours)
    scripts = [installation.script] * is_ours + [HELPER_SCRIPT] * has_helper
    session = ObsSession(folder, display, scripts, installation.environment)
    try:
        shows = lambda: (session.screenshot()[..., :3] == expected).all()  # noqa: E731
        session.add_color("Camera", CAMERA)
        add_filter(session, way.target, is_ours)
        wait_for(shows, "the filter is shown")
        if way.is_saved:
            assert quit_or_hang(session) == 0, "the run before, which only saved, did not end well"
            session.start()
            wait_for(shows, "the saved filter is shown")
        if way.is_reloaded and is_ours:
            assert session.call("result = reload_script('stream_motion_animator')")
            wait_for(shows, "the filter is shown again")
        if way.is_removed:
            session.client.remove_input("Camera")
            wait_for(lambda: not session.screenshot()[..., :3].any(), "the source is gone")
        return quit_or_hang(session)
    finally:
        session.close()


def quit_or_hang(session: ObsSession) -> ExitCode:
    with contextlib.suppress(subprocess.TimeoutExpired):
        return session.quit()
    return "hang"


@pytest.mark.parametrize("name", WAYS)
def test_obs_ends_with_0(name: str, tmp_path: Path, display: str, request: pytest.FixtureRequest) -> None:
    runs = request.config.option.obs_exit_runs
    counts: dict[bool, Counter[ExitCode]] = {True: Counter()}
    if runs > 1:
        counts[False] = Counter()
    for is_ours, counter in counts.items():
        for number in range(runs):
            folder = tmp_path / f"{'script' if is_ours else 'plain'}{number}"
            folder.mkdir()
            counter[quit_once(folder, display, WAYS[name], is_ours)] += 1
        print(f"{name}, {'with the script' if is_ours else 'without any script of ours'}: {dict(counter)}")
    assert counts[True] == Counter({0: runs})
