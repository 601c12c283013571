"""No frame shows the camera that the streamer did not choose: recordings of real OBS, frame by frame."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest

pytestmark = pytest.mark.requires_obs
pytest.importorskip("obsws_python")

from conftest import noise  # noqa: E402
from obs_session import (  # noqa: E402
    CAMERA,
    CANVAS,
    HELPER_SCRIPT,
    Installation,
    ObsSession,
    camera_frames,
    recorded_frames,
    shows,
    shows_camera,
    wait_for,
)

WORKER_FRAME = noise(*CANVAS, seed=1)


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    made = Installation(tmp_path / "installation")
    made.add_character("a.png", noise(200, 300, seed=2))
    made.add_character("b.png", noise(200, 300, seed=3))
    made.set_frame(WORKER_FRAME)
    return made


@pytest.fixture
def session(tmp_path: Path, display: str, installation: Installation) -> Iterator[ObsSession]:
    folder = tmp_path / "obs"
    folder.mkdir()
    made = ObsSession(
        folder,
        display,
        [installation.script, HELPER_SCRIPT],
        installation.environment,
        collections={"Other": [installation.script, HELPER_SCRIPT]},
    )
    yield made
    made.close()


def chain(session: ObsSession, source: str) -> list[tuple[str, str, bool, dict[str, object]]]:
    """Return a source's filters in order: name, kind, whether enabled, settings but for the camera's size."""
    filters = session.client.get_source_filter_list(source).filters
    for each in filters:
        for key in ("frame_width", "frame_height"):
            each["filterSettings"].pop(key, None)
    return [(each["filterName"], each["filterKind"], each["filterEnabled"], each["filterSettings"]) for each in filters]


def magenta_clip(path: Path) -> Path:
    """Write a second of a video in the camera's colour."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=30)
        stream.width, stream.height, stream.pix_fmt = *CANVAS, "yuv420p"
        picture = np.full((CANVAS[1], CANVAS[0], 3), CAMERA, np.uint8)
        for _ in range(30):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(stream.encode())
    return path


def test_a_script_that_is_loaded_after_its_filters_brings_them_to_life(
    session: ObsSession, installation: Installation
) -> None:
    session.add_color("Camera", CAMERA)
    session.client.create_source_filter("Camera", "Gain", "gain_filter", {})
    session.client.create_source_filter("Camera", "Below", "color_filter_v2", {})
    session.add_filter("Camera", smoothing=0.25, character="b.png")
    session.client.create_source_filter("Camera", "Above", "color_filter_v2", {})
    session.client.create_scene("Second")
    session.add_color("Second camera", CAMERA, scene="Second")
    session.add_filter("Second camera", "Not wanted")
    session.client.set_source_filter_enabled("Second camera", "Not wanted", False)
    session.client.create_scene("Third")
    session.add_color("Third camera", CAMERA, scene="Third")
    session.add_filter("Third")
    before = {name: chain(session, name) for name in ("Camera", "Second camera", "Third")}
    assert session.quit() == 0
    session.set_saved_scripts([HELPER_SCRIPT])
    session.start()
    wait_for(lambda: shows_camera(session.screenshot()), "the camera is seen, as nobody can protect it yet")
    # Studio mode has a copy of the scene, and of its filter, on program.
    session.client.set_studio_mode_enabled(True)
    session.client.set_current_program_scene("Third")
    program = lambda: session.client.get_current_program_scene().current_program_scene_name  # noqa: E731
    wait_for(lambda: program() == "Third", "the scene with a filter is on program")
    session.wait_for_transition()
    assert session.call(f"result = add_script({str(installation.script)!r})")
    with session.recording() as path:
        wait_for(lambda: shows(session, WORKER_FRAME), "the filter works")
        wait_for(lambda: shows(session, WORKER_FRAME, "Third"), "the filter of a scene works")
    assert camera_frames(path[0]) == []
    assert shows_camera(session.screenshot("Second camera")), "a filter that was off stays off"
    assert {name: chain(session, name) for name in before} == before
    assert session.log().count("was loaded before this script") == 4
    session.client.set_studio_mode_enabled(False)
    assert session.call("result = reload_script('stream_motion_animator')") is True
    assert session.log().count("was loaded before this script") == 4, "a live filter is left alone"
    assert session.quit() == 0


def test_a_camera_that_is_unplugged_leaves_the_character_where_it_is(
    session: ObsSession, installation: Installation, tmp_path: Path
) -> None:
    clip = magenta_clip(tmp_path / "camera.mp4")
    session.add_input("Camera", "ffmpeg_source", {"local_file": str(clip), "looping": True})
    session.add_filter("Camera")
    wait_for(lambda: shows(session, WORKER_FRAME), "the filter works")

    def has_picture() -> bool:
        code = "source = native('obs_get_source_by_name', b'Camera')\n"
        code += "result = native('obs_source_get_base_width', source, result=ctypes.c_uint32) > 0\n"
        return bool(session.call(code + "native('obs_source_release', source, result=None)"))

    def act(action: str) -> None:
        session.client.trigger_media_input_action("Camera", f"OBS_WEBSOCKET_MEDIA_INPUT_ACTION_{action}")

    with session.recording() as path:
        for _ in range(2):
            act("STOP")
            wait_for(lambda: not has_picture(), "the camera is gone")
            assert session.client.get_scene_item_transform("Scene", 1).scene_item_transform["sourceWidth"] == CANVAS[0]
            act("RESTART")
            wait_for(has_picture, "the camera is back")
    assert camera_frames(path[0]) == []
    assert [number for number, frame in enumerate(recorded_frames(path[0])) if frame.mean() < 20] == []
    # The next start shows the character in the same size although no camera opens.
    session.client.set_input_settings("Camera", {"local_file": str(tmp_path / "gone.mp4")}, True)
    assert session.quit() == 0
    session.start()
    wait_for(lambda: session.screenshot()[..., :3].any(), "the still character stands where the camera will be")
    assert session.screenshot().shape[:2] == CANVAS[::-1] and not shows_camera(session.screenshot())
    assert session.quit() == 0


def test_no_event_shows_the_camera(session: ObsSession, installation: Installation) -> None:
    def is_live() -> bool:
        return shows(session, WORKER_FRAME)

    for collection in ("Other", "Untitled"):
        session.load_collection(collection)
        session.add_color("Camera", CAMERA)
        session.add_filter("Camera", on_problem="camera" if collection == "Other" else "character")
        wait_for(is_live, "the filter works")
    with session.recording() as path:
        for signal_number in (signal.SIGKILL, signal.SIGSEGV):
            pid = installation.worker_pids()[-1]
            os.kill(pid, signal_number)
            wait_for(lambda pid=pid: installation.worker_pids()[-1] != pid, "another worker runs")
            wait_for(is_live, "the filter works again")
        for name in ("b.png", "gone.png", ""):
            session.set_filter("Camera", character=name)
        assert session.call("result = reload_script('stream_motion_animator')") is True
        wait_for(is_live, "the filter works after a reload")
        session.client.set_source_filter_index("Camera", "Animator", 0)
        session.add_filter("Camera", "Second")
        session.client.set_input_settings("Camera", {"width": 320, "height": 180}, True)
        session.client.set_input_settings("Camera", {"width": CANVAS[0], "height": CANVAS[1]}, True)
        session.client.remove_source_filter("Camera", "Second")
        wait_for(is_live, "the filter works with another one beside it")
        for collection in ("Other", "Untitled"):
            session.load_collection(collection)
            wait_for(is_live, f"the filter works in {collection}")
    assert camera_frames(path[0]) == []
    # OBS changes profiles only while nothing is recorded.
    session.client.create_profile("Portrait")
    for profile in ("Untitled", "Portrait"):
        session.client.set_current_profile(profile)
        for _ in range(5):
            assert not shows_camera(session.screenshot())
    # OBS 31 and later enlarge what is in a scene with the canvas.
    wait_for(lambda: session.screenshot()[..., :3].any(), "the filter works in another profile")
    assert not shows_camera(session.screenshot())
    assert session.quit() == 0
