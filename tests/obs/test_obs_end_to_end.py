"""The whole product in real OBS: a person on video, the real worker, a character that moves."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

pytestmark = [pytest.mark.requires_obs, pytest.mark.slow]
pytest.importorskip("obsws_python")
pytest.importorskip("mediapipe")

from obs_session import CANVAS, CHECKOUT, HELPER_SCRIPT, SCENE, STATUS, ObsSession, wait_for  # noqa: E402

SCRIPT = CHECKOUT / "obs_plugin" / "stream_motion_animator.py"
CHARACTER = CHECKOUT / "assets" / "characters" / "astronaut.png"
ANIME = CHECKOUT / "assets" / "characters" / "mira_anime.png"
DRIVING = CHECKOUT.parent / "shared" / "faces" / "driving" / "d3.mp4"
SHOWN = CANVAS[1]
"""The clip and the picture are square: both are shown this high and wide."""


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory, display: str) -> Iterator[ObsSession]:
    for path in (DRIVING, CHARACTER, ANIME):
        if not path.exists():
            pytest.skip(f"{path.name} is not there")
    folder = tmp_path_factory.mktemp("end")
    environment = {"STREAM_MOTION_ANIMATOR_PYTHON": sys.executable}
    session = ObsSession(folder, display, [SCRIPT, HELPER_SCRIPT], environment)
    try:
        yield session
        assert session.quit() == 0
    finally:
        session.close()


def add_scaled(session: ObsSession, name: str, kind: str, settings: dict[str, object]) -> None:
    item = session.add_input(name, kind, settings)
    bounds = {
        "boundsType": "OBS_BOUNDS_SCALE_INNER",
        "boundsWidth": float(SHOWN),
        "boundsHeight": float(SHOWN),
        "positionX": 0.0,
        "positionY": 0.0,
    }
    session.client.set_scene_item_transform(SCENE, item, bounds)


def gray(session: ObsSession) -> np.ndarray:
    return session.screenshot()[:SHOWN, :SHOWN, :3].astype(float).mean(axis=-1)


def likeness(first: np.ndarray, second: np.ndarray) -> float:
    """Return the correlation of two pictures."""
    return float(np.corrcoef(first.ravel(), second.ravel())[0, 1])


def test_the_person_on_camera_drives_the_character(session: ObsSession, tmp_path: Path) -> None:
    add_scaled(session, "Character", "image_source", {"file": str(CHARACTER), "linear_alpha": True})
    wait_for(lambda: gray(session).any(), "the still picture is shown")
    still = gray(session)
    session.client.remove_input("Character")
    wait_for(lambda: not gray(session).any(), "the scene is empty again")
    add_scaled(session, "Camera", "ffmpeg_source", {"local_file": str(DRIVING), "looping": True})
    wait_for(lambda: gray(session).any(), "the clip plays")
    camera = gray(session)
    session.add_filter("Camera", character=CHARACTER.name)
    wait_for(lambda: session.call(STATUS)[0].startswith("Live"), "the worker tracks the face", 120)
    shots = []
    for _ in range(12):
        shots.append(gray(session))
        time.sleep(0.25)
    to_character, to_camera = ([round(likeness(shot, other), 2) for shot in shots] for other in (still, camera))
    assert min(to_character) > 0.6, f"the character is there: {to_character}"
    assert all(a > b + 0.2 for a, b in zip(to_character, to_camera)), f"and the driver is not: {to_camera}"
    movement = np.mean([np.abs(later - earlier).mean() for earlier, later in zip(shots, shots[1:])])
    assert movement > 0.3, "the character moves"
    print(session.call(STATUS))


def test_an_anime_character_is_warped_until_its_basis_is_there(session: ObsSession) -> None:
    weights = CHECKOUT / "assets" / "models" / "anime"
    if not any(weights.glob("*.pt")):
        pytest.skip("the anime networks' weights are not installed")
    seen: list[str] = []

    def is_anime() -> bool:
        # The networks are computed beside everything else: while nobody sees the filter, nothing else is done.
        session.client.set_current_program_scene("Empty")
        time.sleep(8)
        session.client.set_current_program_scene(SCENE)
        time.sleep(2)
        seen.append(session.call(STATUS)[0])
        return "Renderer: Anime" in seen[-1]

    session.client.create_scene("Empty")
    session.set_filter("Camera", character=ANIME.name)
    wait_for(is_anime, "the motion basis is played", 900)
    # Unless it was kept from before.
    assert all("Renderer: " in line or line.startswith("Loading") for line in seen), seen
    assert {line.split("Renderer: ")[1].split()[0] for line in seen if "Renderer: " in line} <= {"Anime", "Warp"}
    shots = []
    for _ in range(8):
        shots.append(gray(session))
        time.sleep(0.25)
    movement = np.mean([np.abs(later - earlier).mean() for earlier, later in zip(shots, shots[1:])])
    assert movement > 0.2, "the character moves"
    hair = session.screenshot()[30:48, SHOWN // 2 - 15 : SHOWN // 2 + 15, :3].astype(float).mean((0, 1))
    assert hair[2] > hair[1] + 25, f"violet hair, not {hair}"
    print(session.call(STATUS))
