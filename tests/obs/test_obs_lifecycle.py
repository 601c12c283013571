"""Starts and ends of OBS with the filter: saved settings, first frames, nothing left behind."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Callable

import psutil
import pytest

pytestmark = pytest.mark.requires_obs
pytest.importorskip("obsws_python")

from conftest import noise  # noqa: E402
from obs_session import (  # noqa: E402
    CAMERA,
    CANVAS,
    HELPER_SCRIPT,
    OPEN_FILTERS,
    PANELS,
    STATUS,
    Installation,
    ObsSession,
    camera_frames,
    recorded_frames,
    shows,
    shows_camera,
    wait_for,
)

WORKER_FRAME = noise(*CANVAS, seed=1)

Starter = Callable[..., ObsSession]


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "installation")
    made.add_character("a.png", noise(200, 300, seed=2))
    made.set_frame(WORKER_FRAME)
    return made


def test_obs_quits_cleanly_and_leaves_nothing(start: Starter, installation: Installation) -> None:
    plain = start([], {})
    plain.add_color("Camera", CAMERA)
    wait_for(lambda: shows_camera(plain.screenshot()), "the camera is shown")
    assert plain.quit() == 0

    hotkey = "stream_motion_animator.show_hide"
    session = start([installation.script], installation.environment, script_settings={hotkey: [{"key": "OBS_KEY_F9"}]})
    session.add_color("Camera", CAMERA)
    session.add_filter("Camera")
    session.add_filter("Camera", "Second")
    wait_for(lambda: shows(session, WORKER_FRAME), "the animated frame is shown")
    session.client.trigger_hot_key_by_key_sequence("OBS_KEY_F9", False, False, False, False)
    wait_for(lambda: not session.screenshot()[..., :3].any(), "the saved key hides the character")
    assert session.ring_files() == [], "a ring has a name although both sides have it"
    assert session.quit() == 0
    assert session.memory_leaks() == plain.memory_leaks()
    assert session.ring_files() == []
    assert not any(psutil.pid_exists(pid) for pid in installation.worker_pids())
    saved = json.loads((session.folder / "config/obs-studio/basic/scenes/Untitled.json").read_text())
    script = saved["modules"]["scripts-tool"][0]
    assert script["settings"][hotkey][0]["key"] == "OBS_KEY_F9", "the hotkeys are saved"
    assert "stream_motion_animator.next_character" in script["settings"]


HOTKEYS = """
texts = {}
@ctypes.CFUNCTYPE(ctypes.c_bool, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
def note(_data, _identifier, key):
    name, text = (native(f"obs_hotkey_get_{what}", key, result=ctypes.c_char_p) for what in ("name", "description"))
    texts[name.decode()] = text.decode()
    return True
native("obs_enum_hotkeys", note, None, result=None)
result = {name: text for name, text in texts.items() if name.startswith("stream_motion_animator.character_")}
"""


def test_a_character_keeps_its_number_from_start_to_start(start: Starter, installation: Installation) -> None:
    installation.add_character("b.png", noise(200, 300, seed=3))
    saved = {"character_numbers": json.dumps(["b.png", "gone.png"])}
    scripts = [installation.script, HELPER_SCRIPT]
    session = start(scripts, installation.environment, script_settings=saved)
    session.add_color("Camera", CAMERA)
    session.add_filter("Camera")
    texts = session.call(HOTKEYS)
    prefix = "stream_motion_animator.character_"
    assert texts[f"{prefix}1"] == "Stream Motion Animator: Character 1: b"
    assert texts[f"{prefix}2"] == "Stream Motion Animator: Character 2", "its picture may come back"
    assert texts[f"{prefix}3"] == "Stream Motion Animator: Character 3: a"
    session.press_hotkey("character_1")
    wait_for(
        lambda: session.client.get_source_filter("Camera", "Animator").filter_settings.get("character") == "b.png",
        "the first hotkey chooses the character that had it",
    )
    assert session.call("result = reload_script('stream_motion_animator')")
    wait_for(lambda: session.call(HOTKEYS) == texts, "a reload names the hotkeys again")
    assert session.quit() == 0
    kept = json.loads((session.folder / "config/obs-studio/basic/scenes/Untitled.json").read_text())
    numbers = json.loads(kept["modules"]["scripts-tool"][0]["settings"]["character_numbers"])
    assert numbers[:4] == ["b.png", "gone.png", "a.png", ""]


def visible_windows(display: str) -> list[str]:
    """Return the titles of the windows that are on the screen."""
    from Xlib import X
    from Xlib.display import Display

    connection = Display(display)
    try:
        windows = connection.screen().root.query_tree().children
        shown = [window for window in windows if window.get_attributes().map_state == X.IsViewable]
        return [str(window.get_wm_name()) for window in shown]
    finally:
        connection.close()


def test_only_what_no_panel_shows_brings_the_log_window_up(
    start: Starter, installation: Installation, display: str
) -> None:
    (installation.characters / "b.png").write_bytes(b"no picture")
    session = start([installation.script, HELPER_SCRIPT], installation.environment)
    session.add_color("Camera", CAMERA)
    session.add_filter("Camera", character="b.png")
    wait_for(lambda: shows(session, WORKER_FRAME), "the animated frame is shown")
    os.kill(installation.worker_pids()[-1], signal.SIGKILL)
    wait_for(lambda: "Warning: The animation worker ended" in session.log(), "the log tells it all the same")
    wait_for(lambda: "Warning: b.png is no PNG" in session.log(), "and of the broken picture")
    log_window = "Script Log"
    assert not any(log_window in title for title in visible_windows(display))
    session.call("import logging\nlogging.getLogger('obs_plugin').error('it cannot go on')")
    wait_for(lambda: any(log_window in title for title in visible_windows(display)), "an error brings it up")


MICROPHONE = """
source = native("obs_get_source_by_name", b"Microphone")
native("obs_set_output_source", 3, source, result=None)
native("obs_source_release", source, result=None)
session = __import__('obs_plugin.registration').registration._registration.session
session.delay_sound(session.filters()[0], "Microphone")
result = None
"""


def test_an_open_panel_follows_by_itself_and_obs_quits_with_it(start: Starter, installation: Installation) -> None:
    session = start([installation.script, HELPER_SCRIPT], installation.environment)
    session.add_color("Camera", CAMERA)
    session.add_filter("Camera")
    wait_for(lambda: shows(session, WORKER_FRAME), "the animated frame is shown")
    session.call(OPEN_FILTERS)
    wait_for(lambda: [count for count, _ in session.call(PANELS)] == [1], "the panel is open")
    installation.set_control(fps=21.0, latency_ms=77.0)
    wait_for(lambda: "21 fps · 77 ms" in session.call(PANELS)[0][1], "the numbers in the panel follow")
    wait_for(lambda: session.call(PANELS)[0][0] == 1, "OBS lets go of the panel that was made anew")
    session.add_input("Microphone", "ffmpeg_source", {})
    session.call(MICROPHONE)
    offset = lambda: session.client.get_input_audio_sync_offset("Microphone").input_audio_sync_offset  # noqa: E731
    wait_for(lambda: offset() == 77 + 33, "the microphone is as late as the animation, and a frame of 30 a second")
    assert session.quit() == 0


def test_a_killed_obs_leaves_no_worker_and_no_memory(start: Starter, installation: Installation) -> None:
    session = start([installation.script], installation.environment)
    session.add_color("Camera", CAMERA)
    session.add_filter("Camera")
    wait_for(lambda: shows(session, WORKER_FRAME), "the animated frame is shown")
    session.kill()
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in installation.worker_pids()), "the worker leaves", 5)
    assert session.ring_files() == []


def test_no_frame_from_the_first_one_on_shows_the_camera(start: Starter, installation: Installation) -> None:
    session = start([installation.script], installation.environment)
    session.add_color("Camera", CAMERA)
    session.add_filter("Camera", smoothing=0.25)
    wait_for(lambda: shows(session, WORKER_FRAME), "the animated frame is shown")
    assert session.quit() == 0
    installation.set_control(mode="silent")
    session.start("--startrecording")

    def record(seconds: float) -> None:
        until = session.recorded_ms() + 1000 * seconds
        wait_for(lambda: session.recorded_ms() >= until, f"{seconds} more seconds are recorded")

    record(1)
    installation.set_control(mode="run")
    wait_for(lambda: shows(session, WORKER_FRAME), "the filter of the scene collection is animated again")
    record(0.5)
    pid = installation.worker_pids()[-1]
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: installation.worker_pids()[-1] != pid, "another worker runs")
    record(0.5)
    settings = session.client.get_source_filter("Camera", "Animator").filter_settings
    path = session.stop_recording()
    assert session.quit() == 0
    assert settings["smoothing"] == 0.25
    assert camera_frames(path) == []
    greens = [float(frame[100:300, 250:390, 1].mean()) for frame in recorded_frames(path)]
    assert len(greens) > 60
    assert max(greens) > 60, "the recording never shows the character"


def test_without_its_environment_the_filter_shows_the_still_and_says_what_to_do(
    start: Starter, installation: Installation
) -> None:
    (installation.characters / "broken.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR\0\0\0\x40\0\0\0\x40rest")
    (installation.characters / "huge.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR\0\0\x60\0\0\0\x60\0rest")
    (installation.characters / "text.jpg").write_bytes(b"no picture")
    session = start([installation.script, HELPER_SCRIPT], {})
    session.add_color("Camera", CAMERA)
    session.add_filter("Camera", character="a.png")
    wait_for(lambda: session.screenshot()[..., 1].any(), "the still picture is shown")
    assert not shows_camera(session.screenshot())
    wait_for(lambda: "install.py" in session.call(STATUS)[0], "the panel names the remedy")
    for name, words in (
        ("broken.png", "damaged"),
        ("huge.png", "24576x24576"),
        ("text.jpg", "no PNG"),
        ("gone.png", "not in assets/characters"),
        ("../../control.json", "not in assets/characters"),
    ):
        session.set_filter("Camera", character=name)
        wait_for(lambda words=words: words in session.log(), f"the log says of {name}: {words}")
        wait_for(lambda: not session.screenshot()[..., :3].any(), "nothing is shown, above all not the camera")
    session.set_filter("Camera", character="a.png")
    wait_for(lambda: session.screenshot()[..., 1].any(), "the still picture is shown again")
    assert session.quit() == 0


def leaks_after_switches(session: ObsSession, is_ours: bool) -> int:
    """Switch collections, with the script reload it in each, quit, and return how many blocks of memory leaked."""
    for collection in ("Second", "Untitled", "Second"):
        session.load_collection(collection)
        if not session.client.get_input_list().inputs:
            session.add_color("Camera", CAMERA)
            kind = "stream_motion_animator" if is_ours else "color_filter_v2"
            session.client.create_source_filter("Camera", "Filter", kind, {})
        for _ in range(2 * is_ours):
            wait_for(lambda: shows(session, WORKER_FRAME), f"the filter works in {collection}")
            assert session.call("result = reload_script('stream_motion_animator')") is True
    assert session.quit() == 0
    return session.memory_leaks()


def test_reloads_and_switches_leak_no_more_than_without_the_script(start: Starter, installation: Installation) -> None:
    scripts = [installation.script, HELPER_SCRIPT]
    # OBS itself leaks at each switch.
    plain = leaks_after_switches(start([], {}, collections={"Second": []}), is_ours=False)
    ours = start(scripts, installation.environment, collections={"Second": scripts})
    assert leaks_after_switches(ours, is_ours=True) == plain


def test_scene_collections_can_be_switched(start: Starter, installation: Installation) -> None:
    scripts = [installation.script]
    session = start(scripts, installation.environment, collections={"Second": scripts, "Bare": []})
    for collection in ("Untitled", "Second", "Untitled", "Bare", "Second"):
        session.load_collection(collection)
        inputs = [each["inputName"] for each in session.client.get_input_list().inputs]
        if collection == "Bare":
            assert inputs == []
            continue
        if not inputs:
            session.add_color("Camera", CAMERA)
            session.add_filter("Camera")
        wait_for(lambda: shows(session, WORKER_FRAME), f"the filter works in {collection}")
    assert "already exists" not in session.log()
    assert session.quit() == 0
    assert not any(psutil.pid_exists(pid) for pid in installation.worker_pids())
    assert session.ring_files() == []
