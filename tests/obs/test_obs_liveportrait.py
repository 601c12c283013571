"""LivePortrait in real OBS: the still character until the networks have drawn, then their picture; OBS never waits.

The weights are those of the golden rule, so the picture is no face; on a CPU a frame takes ten seconds and more.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest
from PIL import Image

pytestmark = [pytest.mark.requires_obs, pytest.mark.slow]
pytest.importorskip("obsws_python")
pytest.importorskip("mediapipe")

from obs_session import CHECKOUT, HELPER_SCRIPT, STATUS, ObsSession, wait_for  # noqa: E402
from person_clip import write_person  # noqa: E402
from test_obs_end_to_end import SCRIPT, add_scaled, gray  # noqa: E402
from test_obs_end_to_end import likeness as likeness_of_pictures  # noqa: E402

CHARACTER = CHECKOUT / "assets" / "characters" / "mira.png"
LONGEST_SECONDS = 540


@pytest.fixture
def session(tmp_path: Path, display: str, golden_weights_dir: Path, golden_cache_dir: Path) -> Iterator[ObsSession]:
    settings = {
        "ai_model": {"model_path": str(golden_weights_dir), "device": "cpu", "warmup_frames": 0},
        "performance": {"cache_dir": str(golden_cache_dir), "frame_skip_threshold": 0},
        "character": {"preload_all": False},
    }
    # JSON is YAML.
    (tmp_path / "config.yaml").write_text(json.dumps(settings))
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "$@" --config "{tmp_path / "config.yaml"}"\n')
    python.chmod(0o755)
    (tmp_path / "obs").mkdir()
    environment = {"STREAM_MOTION_ANIMATOR_PYTHON": str(python)}
    session = ObsSession(tmp_path / "obs", display, [SCRIPT, HELPER_SCRIPT], environment, frame_rate=10)
    try:
        yield session
    finally:
        session.close()


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation of two pictures, 0 if the first is empty."""
    return likeness_of_pictures(first, second) if first.any() else 0.0


def workers(session: ObsSession) -> list[psutil.Process]:
    children = psutil.Process(session.pid).children(recursive=True)
    return [child for child in children if "animator_core" in child.cmdline()]


def test_the_still_character_is_shown_until_liveportrait_has_drawn_and_obs_goes_on(
    session: ObsSession, tmp_path: Path
) -> None:
    add_scaled(session, "Character", "image_source", {"file": str(CHARACTER), "linear_alpha": True})
    wait_for(lambda: gray(session).any(), "the still picture is shown")
    still = gray(session)
    session.client.remove_input("Character")
    wait_for(lambda: not gray(session).any(), "the scene is empty again")
    clip = write_person(tmp_path / "person.mp4", 50, step=2)
    add_scaled(session, "Camera", "ffmpeg_source", {"local_file": str(clip), "looping": True})
    wait_for(lambda: gray(session).any(), "the clip plays")
    camera = gray(session)
    session.add_filter("Camera", character=CHARACTER.name, renderer="liveportrait", fit="character")

    wait_for(lambda: likeness(gray(session), still) > 0.98, "the still character stands in for the camera")
    before = session.client.get_stats()
    waits = [0]
    seen: list[float] = []

    def has_drawn() -> bool:
        waits[0] += 1
        shot = gray(session)
        seen.append(likeness(shot, still))
        assert likeness(shot, camera) < 0.9, "the person on camera was shown"
        return seen[-1] < 0.95

    # Every picture asked for takes time from the networks.
    wait_for(has_drawn, "LivePortrait has drawn its first frame", LONGEST_SECONDS, interval=0.5)
    after = session.client.get_stats()
    drawn = session.screenshot()
    Image.fromarray(drawn).save(tmp_path / "drawn.png")
    assert seen[0] > 0.98, "the still character came first"
    assert waits[0] >= 5, "OBS answered while the networks were busy"
    assert after.render_total_frames - before.render_total_frames >= 30, "and rendered"
    status = session.call(STATUS)[0]
    assert "Renderer: LivePortrait · CPU" in status, status

    # The hair's tip and the shoulders lie outside the painted square.
    difference = np.abs(gray(session) - still)
    assert difference.mean() > 3, "the networks painted"
    size = difference.shape[0]
    assert difference[: size // 20].mean() < 1, "above the head nothing was painted"
    assert difference[-size // 10 :].mean() < 2, "nor on the body"

    worker = workers(session)
    assert worker
    assert session.quit() == 0
    psutil.wait_procs(worker, 10)
    assert not any(each.is_running() for each in worker)
    assert session.ring_files() == []
