"""The hardening campaign in real OBS: killed workers and every event of a show, with each recorded frame looked at.

`pytest tests/obs/test_obs_campaign.py --campaign 1 -s` runs it at full numbers, which takes hours, and prints times.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytestmark = [pytest.mark.requires_obs, pytest.mark.slow]
pytest.importorskip("obsws_python")

from conftest import noise  # noqa: E402
from obs_session import (  # noqa: E402
    CAMERA,
    CANVAS,
    HELPER_SCRIPT,
    Installation,
    ObsSession,
    camera_frames,
    shows,
    shows_camera,
    wait_for,
)

WORKER_FRAME = noise(*CANVAS, seed=1)
FORGET_RESTARTS = (
    "s = __import__('obs_plugin.registration').registration._registration.session\n"
    "s._supervisor._restarts.starts.clear()"
)
"""For `ObsSession.call`: no fault kills as often as the campaign does, and each kill is to be the first of its kind."""
_PART = 100
"""Events in one recording: a longer one would be decoded for minutes while nothing else happens."""


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "installation")
    for number, name in enumerate(("a.png", "b.png", "c.png")):
        made.add_character(name, noise(200, 300, seed=2 + number))
    made.set_frame(WORKER_FRAME)
    return made


@pytest.fixture
def session(tmp_path: Path, display: str, installation: Installation) -> Iterator[ObsSession]:
    folder = tmp_path / "obs"
    folder.mkdir()
    scripts = [installation.script, HELPER_SCRIPT]
    made = ObsSession(folder, display, scripts, installation.environment, collections={"Other": scripts})
    yield made
    made.close()


def parts_of(count: int) -> Iterator[int]:
    """Yield the numbers of events of each recording."""
    for start in range(0, count, _PART):
        yield min(_PART, count - start)


def test_a_killed_worker_is_back_and_no_frame_shows_the_camera(
    session: ObsSession, installation: Installation, rounds: Callable[[int, int], int]
) -> None:
    dice, seconds = random.Random(8), []
    session.add_color("Camera", CAMERA)
    session.add_filter("Camera")
    is_live = lambda: shows(session, WORKER_FRAME)  # noqa: E731
    wait_for(is_live, "the filter works")
    for count in parts_of(rounds(3, 1000)):
        with session.recording() as path:
            for _ in range(count):
                pid = installation.worker_pids()[-1]
                os.kill(
                    pid, dice.choice((signal.SIGKILL, signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGTERM))
                )
                killed = time.monotonic()
                wait_for(lambda pid=pid: installation.worker_pids()[-1] != pid, "another worker runs")
                if dice.random() < 0.3:
                    # Once more, in the middle of its start.
                    time.sleep(dice.uniform(0, 0.2))
                    pid = installation.worker_pids()[-1]
                    os.kill(pid, signal.SIGKILL)
                    killed = time.monotonic()
                    wait_for(lambda pid=pid: installation.worker_pids()[-1] != pid, "a third worker runs")
                wait_for(is_live, "the filter works again")
                seconds.append(time.monotonic() - killed)
                session.call(FORGET_RESTARTS)
                time.sleep(dice.uniform(0, 0.3))
        assert camera_frames(path[0]) == []
        Path(path[0]).unlink()
    stats = session.client.get_stats()
    print(f"\n{len(seconds)} kills, back after {statistics.median(seconds):.2f} s, at most {max(seconds):.2f} s")
    print(f"OBS skipped {stats.render_skipped_frames} of {stats.render_total_frames} frames")
    assert session.quit() == 0
    assert session.ring_files() == []


def test_no_event_of_a_show_has_a_frame_show_the_camera(
    session: ObsSession, installation: Installation, rounds: Callable[[int, int], int]
) -> None:
    """Each event happens as often as the number says, in random order."""
    dice, client = random.Random(9), session.client
    is_live = lambda: shows(session, WORKER_FRAME)  # noqa: E731

    def switch_collection() -> None:
        for name in ("Other", "Untitled"):
            session.load_collection(name)

    def reload() -> None:
        assert session.call("result = reload_script('stream_motion_animator')") is True

    def switch_scene() -> None:
        for name in ("Second", "Scene"):
            client.set_current_program_scene(name)
            session.wait_for_transition()

    def studio_mode() -> None:
        client.set_studio_mode_enabled(True)
        client.set_current_preview_scene("Second")
        client.trigger_studio_mode_transition()
        client.set_studio_mode_enabled(False)
        client.set_current_program_scene("Scene")

    def second_filter() -> None:
        session.add_filter("Camera", "Second", character="c.png")
        client.set_source_filter_index("Camera", "Second", 0)
        client.remove_source_filter("Camera", "Second")

    def resize() -> None:
        for size in ((dice.randrange(64, 1920), dice.randrange(64, 1080)), CANVAS):
            client.set_input_settings("Camera", {"width": size[0], "height": size[1]}, True)

    def switch_character() -> None:
        session.set_filter("Camera", character=dice.choice(("a.png", "b.png", "c.png", "gone.png", "")))

    def duplicate() -> None:
        client.duplicate_scene_item("Scene", client.get_scene_item_id("Scene", "Camera").scene_item_id)
        items = client.get_scene_item_list("Scene").scene_items
        client.remove_scene_item("Scene", max(item["sceneItemId"] for item in items))

    def kill() -> None:
        # Another event may have ended it a moment before.
        with contextlib.suppress(ProcessLookupError):
            os.kill(installation.worker_pids()[-1], signal.SIGKILL)
        session.call(FORGET_RESTARTS)

    for collection in ("Other", "Untitled"):
        session.load_collection(collection)
        session.add_color("Camera", CAMERA)
        session.add_filter("Camera")
        client.create_scene("Second")
        client.create_scene_item("Second", "Camera", True)
        wait_for(is_live, "the filter works")
    events = (
        switch_collection,
        reload,
        switch_scene,
        studio_mode,
        second_filter,
        resize,
        switch_character,
        duplicate,
        kill,
    )
    todo = list(events) * rounds(1, 100)
    dice.shuffle(todo)
    while todo:
        part, todo = todo[:_PART], todo[_PART:]
        with session.recording() as path:
            for event in part:
                event()
                assert not shows_camera(session.screenshot()), event.__name__
                if dice.random() < 0.5:
                    wait_for(is_live, f"the filter works after {event.__name__}")
        assert camera_frames(path[0]) == []
        Path(path[0]).unlink()
    assert session.quit() == 0
    assert session.ring_files() == []
