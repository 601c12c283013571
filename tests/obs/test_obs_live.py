"""The filter in a running OBS with a worker that answers: one OBS for all tests, a scene for each."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
    blend,
    shows_camera,
    to_linear,
    to_srgb,
    wait_for,
)
from PIL import Image  # noqa: E402

WORKER_FRAME = noise(*CANVAS, seed=1)
FIRST, SECOND, THIRD = (noise(200, 300, seed=seed) for seed in (2, 3, 4))


def soft_edged() -> np.ndarray:
    """Return a picture whose alpha falls from 255 to 0 from left to right: (360, 640, 4) uint8 RGBA."""
    picture = noise(*CANVAS, seed=5)
    picture[..., 0] = 200
    picture[:, :, 3] = np.linspace(255, 0, CANVAS[0]).round().astype(np.uint8)
    return picture


class Live:
    """A running OBS and the installation of its filter."""

    def __init__(self, session: ObsSession, installation: Installation) -> None:
        self.obs = session
        self.installation = installation
        self.count = 0

    def status(self) -> list[str]:
        """Return the status line of each filter as the panel would show it."""
        return self.obs.call(
            "s = __import__('obs_plugin.registration').registration._registration.session\n"
            "result = [s.status_line(f).text for f in s.filters()]"
        )


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory, display: str) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    installation = Installation(folder / "installation")
    for name, picture in (("a.png", FIRST), ("b.png", SECOND), ("c.png", THIRD)):
        installation.add_character(name, picture)
    installation.set_frame(WORKER_FRAME)
    session = ObsSession(folder, display, [installation.script, HELPER_SCRIPT], installation.environment)
    try:
        yield Live(session, installation)
        assert session.quit() == 0
    finally:
        session.close()


class CameraScene:
    """A scene of a test's own with a camera that has the filter."""

    def __init__(self, live: Live) -> None:
        live.count += 1
        self.live, self.obs = live, live.obs
        self.installation = live.installation
        self.name = f"Scene {live.count}"
        self.camera = f"Camera {live.count}"
        self.inputs: list[str] = []
        self.obs.client.create_scene(self.name)
        self.obs.client.set_current_program_scene(self.name)

    def add_color(self, name: str, color: tuple[int, int, int], size: tuple[int, int] = CANVAS) -> int:
        self.inputs.append(name)
        return self.obs.add_color(name, color, size, self.name)

    def add_camera(self, size: tuple[int, int] = CANVAS, **settings: Any) -> int:
        item = self.add_color(self.camera, CAMERA, size)
        self.obs.add_filter(self.camera, **settings)
        return item

    def shot(self) -> np.ndarray:
        return self.obs.screenshot(self.name)[..., :3]

    def wait_to_show(self, picture: np.ndarray, tolerance: int = 0) -> None:
        """Wait until the scene shows exactly this picture; picture: (H, W, 3 or 4) uint8."""
        wait_for(lambda: difference(self.shot(), picture) <= tolerance, "the scene shows the picture")

    def close(self) -> None:
        for name in self.inputs:
            self.obs.client.remove_input(name)
        self.obs.client.remove_scene(self.name)


@pytest.fixture
def scene(live: Live) -> Iterator[CameraScene]:
    scene = CameraScene(live)
    yield scene
    live.installation.set_control(mode="run", state="tracking", message="", remedy="")
    live.installation.set_frame(WORKER_FRAME)
    scene.close()


def difference(shown: np.ndarray, expected: np.ndarray) -> int:
    return int(np.abs(shown[..., :3].astype(int) - expected[..., :3].astype(int)).max())


def standing(picture: np.ndarray) -> tuple[slice, slice]:
    """Return the rows and columns of a picture that is scaled to the canvas's height and centred."""
    width = round(picture.shape[1] * CANVAS[1] / picture.shape[0])
    left = (CANVAS[0] - width) // 2
    return slice(0, CANVAS[1]), slice(left, left + width)


def test_the_filter_is_registered_under_its_name(live: Live) -> None:
    assert (
        live.obs.call("result = obs.obs_source_get_display_name('stream_motion_animator')") == "Stream Motion Animator"
    )


def test_an_opaque_picture_is_shown_pixel_for_pixel(scene: CameraScene) -> None:
    scene.add_camera()
    scene.wait_to_show(WORKER_FRAME)


@pytest.mark.parametrize("background", [(255, 255, 255), (0, 0, 0), (0, 255, 0), (120, 60, 200)])
def test_a_soft_edge_blends_in_linear_light(scene: CameraScene, background: tuple[int, int, int]) -> None:
    picture = soft_edged()
    scene.installation.set_frame(picture)
    scene.add_color(f"Background {scene.camera}", background)
    scene.add_camera()
    wait_for(lambda: difference(scene.shot()[:, :1], picture[:, :1]) <= 1, "the picture is shown")
    # 8 bits hold a nearly transparent dark colour coarsely; OBS's own image source differs as much.
    assert difference(scene.shot(), blend(picture, background)) <= 2
    path = scene.installation.root / "soft.png"
    Image.fromarray(picture, "RGBA").save(path)
    ours = scene.shot()
    scene.obs.client.set_source_filter_enabled(scene.camera, "Animator", False)
    scene.obs.client.remove_input(scene.inputs.pop())
    scene.obs.add_image(f"Image {scene.camera}", path, scene.name)
    scene.inputs.append(f"Image {scene.camera}")
    wait_for(lambda: difference(scene.shot(), ours) <= 1, "OBS's image source of the same picture looks the same")


def test_the_driving_frame_has_the_sources_pixels(scene: CameraScene) -> None:
    dump = scene.installation.root / "driving.raw"
    scene.installation.set_control(dump=str(dump))
    camera = noise(*CANVAS, seed=6)
    path = scene.installation.root / "camera.png"
    Image.fromarray(camera, "RGBA").save(path)
    scene.obs.add_image(scene.camera, path, scene.name)
    scene.inputs.append(scene.camera)
    scene.obs.add_filter(scene.camera)

    def driving_is_camera() -> bool:
        if not dump.exists():
            return False
        data = np.frombuffer(dump.read_bytes(), np.uint8)
        return data.size == camera.size and np.array_equal(data.reshape(camera.shape), camera)

    wait_for(driving_is_camera, "the worker has the camera's exact pixels")


def test_a_large_source_is_scaled_down_for_tracking(scene: CameraScene) -> None:
    dump = scene.installation.root / "large.raw"
    scene.installation.set_control(dump=str(dump))
    scene.add_camera(size=(1280, 720))
    size = Path(f"{dump}.json")
    wait_for(lambda: size.exists() and size.read_text() == "[640, 360]", "the driving frame is 640x360")
    scene.wait_to_show(np.repeat(np.repeat(WORKER_FRAME, 2, 0), 2, 1)[: CANVAS[1], : CANVAS[0]], tolerance=255)
    assert not shows_camera(scene.shot())


def test_fit_frame_stands_on_the_bottom_edge(scene: CameraScene) -> None:
    scene.installation.set_frame(noise(100, 180, seed=7))
    scene.add_color(f"Background {scene.camera}", (255, 0, 0))
    scene.add_camera()
    wait_for(lambda: (scene.shot()[180, :, 0] == 0).sum() == 200, "the picture is 200 of 640 pixels wide")
    row = scene.shot()[180]
    assert (row[:220, 0] == 255).all() and (row[220:420, 0] == 0).all() and (row[420:, 0] == 255).all()
    scene.installation.set_frame(noise(640, 180, seed=7))
    wait_for(lambda: (scene.shot()[:, 320, 0] == 0).sum() == 180, "the wide picture is shown")
    assert (scene.shot()[:180, 320, 0] == 255).all()


def box_reduced(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Return an opaque picture with each pixel the mean, in linear light, of those it covers; size: (width, height)."""
    linear = to_linear(picture[..., :3] / 255.0)
    for axis, count in ((0, size[1]), (1, size[0])):
        length = linear.shape[axis]
        edges = np.arange(count + 1) * length / count
        pixels = np.arange(length)
        covered = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
        weights = np.clip(covered, 0, None) * count / length
        linear = np.moveaxis(np.tensordot(weights, linear, (1, axis)), 0, axis)
    return np.rint(to_srgb(linear) * 255).astype(np.uint8)


@pytest.mark.parametrize("is_flipped", [False, True])
def test_a_picture_larger_than_the_frame_is_reduced_without_aliasing(scene: CameraScene, is_flipped: bool) -> None:
    # A fine pattern: of four pixels to each on the screen it would lose most.
    picture = noise(1024, 1024, seed=11)
    picture[::5, :, 1:3] = 255
    scene.installation.set_frame(picture)
    item = scene.add_camera()
    if is_flipped:
        transform = {"scaleX": -1.0, "positionX": float(CANVAS[0])}
        scene.obs.client.set_scene_item_transform(scene.name, item, transform)
    expected = np.zeros((CANVAS[1], CANVAS[0], 3), np.uint8)
    expected[:, 140:500] = box_reduced(picture, (360, 360))
    scene.wait_to_show(expected[:, ::-1] if is_flipped else expected, tolerance=3)


def test_fit_cover_fills_the_frame_and_not_more(scene: CameraScene) -> None:
    scene.installation.set_frame(noise(640, 640, seed=8))
    scene.add_color(f"Background {scene.camera}", (255, 0, 0))
    scene.add_camera(size=(320, 200), fit="cover")
    wait_for(lambda: (scene.shot()[..., 0] == 0).sum() == 320 * 200, "exactly the source's frame is covered")


def test_fit_character_has_the_characters_own_size(scene: CameraScene) -> None:
    picture = noise(200, 120, seed=9)
    scene.installation.set_frame(picture)
    item = scene.add_camera(fit="character")

    def size() -> tuple[float, float]:
        transform = scene.obs.client.get_scene_item_transform(scene.name, item).scene_item_transform
        return transform["sourceWidth"], transform["sourceHeight"]

    wait_for(lambda: size() == (200, 120), "the source takes the picture's size")
    wait_for(lambda: difference(scene.shot()[:120, :200], picture) == 0, "the picture is shown 1:1")


def test_what_a_zoom_moves_out_of_the_frame_is_cut_off(scene: CameraScene) -> None:
    picture = noise(320, 180, seed=12)
    scene.installation.set_frame(picture)
    scene.add_color(f"Background {scene.camera}", (255, 0, 0))
    scene.add_camera(size=(320, 180), zoom=2.0, offset_y=-0.5)
    wait_for(lambda: (scene.shot()[..., 0] == 0).sum() == 320 * 90, "the lower half of the frame is covered, no more")
    assert (scene.shot()[90:180, :320, 0] == 0).all()
    scene.obs.set_filter(scene.camera, zoom=1.0, offset_y=0.0, offset_x=0.25)
    expected = np.zeros((*CANVAS[::-1], 3), np.uint8)
    expected[..., 0] = 255
    expected[:180, 80:320] = picture[:, :240, :3]
    scene.wait_to_show(expected)


def test_a_smaller_picture_stands_on_the_lower_edge_without_aliasing(scene: CameraScene) -> None:
    scene.add_camera(zoom=0.5)
    expected = np.zeros((*CANVAS[::-1], 3), np.uint8)
    expected[180:, 160:480] = box_reduced(WORKER_FRAME, (320, 180))
    scene.wait_to_show(expected, tolerance=2)


def test_a_turn_by_half_shows_every_pixel_upside_down(scene: CameraScene) -> None:
    scene.add_camera(rotation=180.0)
    scene.wait_to_show(WORKER_FRAME[::-1, ::-1], tolerance=1)


def test_a_background_colour_is_exact_and_blends_in_linear_light(scene: CameraScene) -> None:
    picture = soft_edged()
    scene.installation.set_frame(picture)
    scene.add_camera(background="color", background_color=0xFF3C8028)
    scene.wait_to_show(blend(picture, (0x28, 0x80, 0x3C)), tolerance=2)
    assert scene.obs.screenshot(scene.name)[..., 3].min() == 255


def test_the_label_is_readable_in_the_corner_also_on_the_still(scene: CameraScene) -> None:
    scene.add_camera(label=True)
    box = (slice(337, 353), slice(7, 80))

    def has_label() -> bool:
        label = scene.shot()[box]
        return bool((label.min(axis=2) > 180).sum() > 20 and (label.max(axis=2) < 60).sum() > 200)

    wait_for(has_label, "white letters on a dark ground")
    wait_for(lambda: difference(scene.shot()[:330], WORKER_FRAME[:330]) == 0, "and the picture is as it was")
    scene.installation.set_control(mode="die_at_start")
    os.kill(scene.installation.worker_pids()[-1], signal.SIGKILL)
    wait_for(lambda: difference(scene.shot()[:330], WORKER_FRAME[:330]) > 0, "the still stands in")
    assert has_label()
    scene.obs.set_filter(scene.camera, label=False)
    wait_for(lambda: not has_label(), "the label is off")


def test_a_hidden_character_takes_background_and_label_along(scene: CameraScene) -> None:
    scene.add_camera(background="color", background_color=0xFF3C8028, label=True, zoom=0.5)
    wait_for(lambda: tuple(scene.shot()[5, 5]) == (0x28, 0x80, 0x3C), "the colour is shown")
    scene.obs.press_hotkey("show_hide")
    wait_for(lambda: not scene.shot().any(), "nothing is shown, above all not the camera")
    scene.obs.press_hotkey("show_hide")
    wait_for(lambda: tuple(scene.shot()[5, 5]) == (0x28, 0x80, 0x3C), "all is back")


def test_hotkeys_choose_the_character_and_save_it(scene: CameraScene) -> None:
    scene.add_camera()
    scene.wait_to_show(WORKER_FRAME)

    def character() -> str:
        return scene.obs.client.get_source_filter(scene.camera, "Animator").filter_settings.get("character", "")

    for hotkey, expected in (
        ("next_character", "b.png"),
        ("next_character", "c.png"),
        ("next_character", "a.png"),
        ("previous_character", "c.png"),
        ("character_2", "b.png"),
    ):
        scene.obs.press_hotkey(hotkey)
        wait_for(lambda expected=expected: character() == expected, f"{hotkey} chooses {expected}")

    def sent() -> list[str]:
        return [message["settings"]["character"] for message in scene.installation.messages("update_filter")]

    wait_for(lambda: sent()[-1:] == ["b.png"], "the worker has the choice")
    scene.obs.press_hotkey("character_9")
    wait_for(lambda: "character 9 cannot be shown" in scene.obs.log(), "the log says that there is none")
    assert character() == "b.png"


def test_hotkeys_calibrate_and_freeze(scene: CameraScene) -> None:
    scene.add_camera()
    scene.wait_to_show(WORKER_FRAME)
    before = len(scene.installation.messages("filter_action"))

    def actions() -> list[str]:
        return [message["action"] for message in scene.installation.messages("filter_action")[before:]]

    expected: list[str] = []
    for hotkey, action in (("calibrate", "calibrate"), ("freeze", "freeze"), ("freeze", "unfreeze")):
        scene.obs.press_hotkey(hotkey)
        expected.append(action)
        wait_for(lambda: actions() == expected, f"the worker has the action {action}")


def test_the_show_hide_hotkey_hides_the_character_and_never_shows_the_camera(scene: CameraScene) -> None:
    scene.add_color(f"Background {scene.camera}", (0, 255, 0))
    scene.add_camera()
    scene.wait_to_show(WORKER_FRAME)
    scene.obs.press_hotkey("show_hide")
    wait_for(lambda: (scene.shot() == (0, 255, 0)).all(), "only the background is left")
    scene.obs.press_hotkey("show_hide")
    scene.wait_to_show(WORKER_FRAME)


def test_several_filters_have_rings_each(scene: CameraScene) -> None:
    scene.add_camera()
    other = f"Other {scene.camera}"
    scene.add_color(other, CAMERA)
    scene.obs.add_filter(other)
    scene.wait_to_show(WORKER_FRAME)
    opened = [message["filter_id"] for message in scene.installation.messages("open_filter")]
    assert len(set(opened[-2:])) == 2
    assert not shows_camera(scene.obs.screenshot(other)) and not shows_camera(scene.obs.screenshot(scene.camera))
    assert len(set(scene.installation.worker_pids()[-1:])) == 1


def test_two_filters_on_one_source_do_not_block(scene: CameraScene) -> None:
    scene.add_camera()
    scene.obs.add_filter(scene.camera, "Second animator")
    scene.wait_to_show(WORKER_FRAME)


def test_a_filter_can_be_removed_and_added_again(scene: CameraScene) -> None:
    scene.add_camera()
    scene.wait_to_show(WORKER_FRAME)
    closed = len(scene.installation.messages("close_filter"))
    scene.obs.client.remove_source_filter(scene.camera, "Animator")
    wait_for(lambda: len(scene.installation.messages("close_filter")) > closed, "the worker lets go of the filter")
    assert shows_camera(scene.shot())
    scene.obs.add_filter(scene.camera)
    scene.wait_to_show(WORKER_FRAME)


def test_adding_and_removing_in_quick_succession_does_not_crash_obs(scene: CameraScene) -> None:
    scene.add_camera()
    for number in range(300):
        scene.obs.client.remove_source_filter(scene.camera, "Animator")
        scene.obs.press_hotkey("next_character")
        scene.obs.add_filter(scene.camera)
        # Statuses change all the while, so that the panel is told to reload around each removal.
        scene.installation.set_control(message=f"round {number}")
    scene.installation.set_control(message="")
    scene.wait_to_show(WORKER_FRAME)


def test_disabling_shows_the_camera_and_enabling_the_character(scene: CameraScene) -> None:
    scene.add_camera()
    scene.wait_to_show(WORKER_FRAME)
    scene.obs.client.set_source_filter_enabled(scene.camera, "Animator", False)
    wait_for(lambda: (scene.shot() == CAMERA).all(), "the camera is shown")
    scene.obs.client.set_source_filter_enabled(scene.camera, "Animator", True)
    scene.wait_to_show(WORKER_FRAME)


def test_a_hidden_source_drives_nothing(scene: CameraScene) -> None:
    dump = scene.installation.root / "hidden.raw"
    scene.installation.set_control(dump=str(dump))
    item = scene.add_camera()
    scene.wait_to_show(WORKER_FRAME)
    wait_for(dump.exists, "driving frames arrive")
    scene.obs.client.set_scene_item_enabled(scene.name, item, False)
    time.sleep(0.5)
    dump.unlink()
    time.sleep(0.5)
    assert not dump.exists()
    scene.obs.client.set_scene_item_enabled(scene.name, item, True)
    wait_for(dump.exists, "driving frames arrive again")
    scene.wait_to_show(WORKER_FRAME)


def test_a_source_can_change_its_size(scene: CameraScene) -> None:
    scene.add_color(f"Background {scene.camera}", (255, 0, 0))
    scene.add_camera()
    scene.wait_to_show(WORKER_FRAME)
    for size in ((320, 180), (500, 300), (64, 36), CANVAS):
        settings = {"width": size[0], "height": size[1]}
        scene.obs.client.set_input_settings(scene.camera, settings, True)
        shown = min(size[0], round(size[1] * 16 / 9)) * min(size[1], round(size[0] * 9 / 16))
        wait_for(
            lambda shown=shown: abs((scene.shot()[..., 0] < 128).sum() - shown) < 1300,
            f"the character fits {size}",
        )


def test_the_same_source_in_two_scenes_drives_once_a_frame(scene: CameraScene) -> None:
    scene.add_camera()
    scene.wait_to_show(WORKER_FRAME)
    scene.obs.client.create_scene_item(scene.name, scene.camera)
    code = (
        "import time\n"
        "s = __import__('obs_plugin.registration').registration._registration.session\n"
        "f = s.filters()[-1]\n"
        "before, t = f.rings.published_count, time.monotonic()\n"
        "time.sleep(2)\n"
        "result = (f.rings.published_count - before) / (time.monotonic() - t)"
    )
    assert scene.obs.call(code) < 31.5


def test_a_killed_worker_leaves_the_still_character_and_comes_back(scene: CameraScene) -> None:
    scene.add_camera()
    scene.wait_to_show(WORKER_FRAME)
    pid = scene.installation.worker_pids()[-1]
    scene.installation.set_control(mode="silent")
    os.kill(pid, signal.SIGKILL)
    rows, columns = standing(FIRST)

    def shows_still() -> bool:
        shot = scene.shot()
        assert not shows_camera(shot), "the camera flashed"
        return bool((shot[:, : columns.start] == 0).all() and shot[rows, columns].any())

    wait_for(shows_still, "the still picture stands where the character stood")
    time.sleep(1)
    assert shows_still()
    scene.installation.set_control(mode="run")
    scene.wait_to_show(WORKER_FRAME)
    assert scene.installation.worker_pids()[-1] != pid


def test_a_hanging_worker_is_replaced(scene: CameraScene) -> None:
    scene.add_camera()
    scene.wait_to_show(WORKER_FRAME)
    wait_for(lambda: any("Live" in text for text in scene.live.status()), "the worker no longer counts as loading")
    scene.obs.call(
        "import dataclasses\n"
        "s = __import__('obs_plugin.registration').registration._registration.session._supervisor\n"
        "s._timing = dataclasses.replace(s._timing, heartbeat=4.0)"
    )
    pid = scene.installation.worker_pids()[-1]
    os.kill(pid, signal.SIGSTOP)
    wait_for(lambda: difference(scene.shot(), WORKER_FRAME) > 0, "the still picture is shown instead", 6)
    assert not shows_camera(scene.shot())
    wait_for(lambda: scene.installation.worker_pids()[-1] != pid, "another worker runs", 30)
    scene.wait_to_show(WORKER_FRAME)


def test_on_problem_camera_and_transparent_do_what_they_say(scene: CameraScene) -> None:
    scene.add_color(f"Background {scene.camera}", (0, 255, 0))
    scene.add_camera(on_problem="camera")
    scene.wait_to_show(WORKER_FRAME)
    hidden = scene.installation.python.with_suffix(".hidden")
    scene.installation.python.rename(hidden)
    os.kill(scene.installation.worker_pids()[-1], signal.SIGKILL)
    wait_for(lambda: (scene.shot() == CAMERA).all(), "the camera is shown, as it was asked for")
    scene.obs.set_filter(scene.camera, on_problem="transparent")
    wait_for(lambda: (scene.shot() == (0, 255, 0)).all(), "only the background is left")
    hidden.rename(scene.installation.python)
    scene.wait_to_show(WORKER_FRAME)


def test_reloading_the_script_brings_everything_back(scene: CameraScene) -> None:
    scene.add_camera()
    scene.wait_to_show(WORKER_FRAME)
    for _ in range(2):
        pid = scene.installation.worker_pids()[-1]
        assert scene.obs.call("result = reload_script('stream_motion_animator')") is True
        assert not shows_camera(scene.shot())
        wait_for(lambda pid=pid: scene.installation.worker_pids()[-1] != pid, "a new worker runs")
        scene.wait_to_show(WORKER_FRAME)
    assert "already exists" not in scene.obs.log()
    scene.obs.press_hotkey("character_3")
    name = lambda: scene.obs.client.get_source_filter(scene.camera, "Animator").filter_settings.get("character")  # noqa: E731
    wait_for(lambda: name() == "c.png", "hotkeys work after a reload")


def test_saving_keeps_no_thread_from_python_while_it_waits_for_the_hotkeys(scene: CameraScene) -> None:
    code = """
import threading, time
def press(*_):
    # OBS holds its lock of the hotkeys here; saving waits for that, this function for the interpreter's lock.
    thread.start()
    time.sleep(0.5)
thread = threading.Thread(target=save_script, args=("stream_motion_animator",))
pressed = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p, ctypes.c_bool)(press)
key = native("obs_hotkey_register_frontend", b"test.waits", b"test.waits", pressed, None, result=ctypes.c_size_t)
native("obs_hotkey_trigger_routed_callback", ctypes.c_size_t(key), ctypes.c_bool(True), result=None)
thread.join()
native("obs_hotkey_unregister", ctypes.c_size_t(key), result=None)
result = "saved"
"""
    assert scene.obs.call(code) == "saved"


def test_an_unloaded_script_leaves_the_still_character(scene: CameraScene) -> None:
    scene.add_camera()
    scene.wait_to_show(WORKER_FRAME)
    scene.obs.call("import obs_plugin.registration as r\nr.hide()\nr._registration.session.stop()")
    wait_for(lambda: difference(scene.shot(), WORKER_FRAME) > 0, "the animation stops")
    shot = scene.shot()
    assert shot[:, CANVAS[0] // 2].any() and not shows_camera(shot)
    scene.obs.call("import obs_plugin.registration as r\nr.register(r._registration._lib).start()")
    scene.wait_to_show(WORKER_FRAME)


def test_a_whole_scene_can_be_the_parent(scene: CameraScene) -> None:
    scene.add_color(scene.camera, CAMERA)
    scene.obs.add_filter(scene.name)
    scene.wait_to_show(WORKER_FRAME)
    scene.obs.client.remove_source_filter(scene.name, "Animator")
    wait_for(lambda: (scene.shot() == CAMERA).all(), "the scene is itself again")


def test_the_panel_says_how_it_goes_and_its_buttons_work(scene: CameraScene) -> None:
    scene.installation.set_control(message="the picture is very small", remedy="use a larger one")
    scene.add_camera()
    scene.wait_to_show(WORKER_FRAME)
    wait_for(lambda: any("Use a larger one." in text for text in scene.live.status()), "the remedy arrives")
    code = f"""
c_string, c_bool = ctypes.c_char_p, ctypes.c_bool
source = native("obs_get_source_by_name", {scene.camera.encode()!r})
found = native("obs_source_get_filter_by_name", source, b"Animator")
panel = native("obs_source_properties", found)
get = lambda name: native("obs_properties_get", panel, name.encode())
press = lambda name: native("obs_property_button_clicked", get(name), found, result=c_bool)
text = lambda name: native("obs_property_description", get(name), result=c_string).decode()
visible = lambda name: native("obs_property_visible", get(name), result=c_bool)
first = native("obs_property_name", native("obs_properties_first", panel), result=c_string).decode()
status = text("status")
groups = ("characters_group", "movement_group")
folded = [visible(name) for name in groups]
pressed = [press("characters"), press("calibrate"), press("refresh")]
unfolded = [visible(name) for name in groups]
choices = [text("character:" + name) for name in ("a.png", "b.png", "c.png")]
pressed.append(press("character:b.png"))
chosen = text("characters")
pressed.append(press("movement"))
unfolded += [visible(name) for name in groups]
names = "renderer fit on_problem sensitivity_expression sensitivity_gaze smoothing preset:lively mirror".split()
has_all = all(get(name) for name in names)
native("obs_properties_destroy", panel, result=None)
native("obs_source_release", found, result=None)
native("obs_source_release", source, result=None)
result = [first, status, folded, pressed, unfolded, choices, chosen, has_all]
"""
    before = len(scene.installation.messages("filter_action"))
    first, status, folded, pressed, unfolded, choices, chosen, has_all = scene.obs.call(code)
    assert first == "status" and status.startswith("Live") and "Use a larger one." in status
    assert folded == [False, False] and unfolded == [True, False, False, True] and has_all
    assert pressed == [True, False, False, True, True]
    assert [choice[0] for choice in choices] == ["●", "○", "○"] and "2 b" in chosen
    wait_for(lambda: len(scene.installation.messages("filter_action")) > before, "the button calibrates")
    settings = scene.obs.client.get_source_filter(scene.camera, "Animator").filter_settings
    assert settings["character"] == "b.png"


def test_obs_renders_without_skipping(scene: CameraScene) -> None:
    scene.add_camera()
    scene.wait_to_show(WORKER_FRAME)
    before = scene.obs.client.get_stats()
    rendered = lambda: scene.obs.client.get_stats().render_total_frames - before.render_total_frames  # noqa: E731
    wait_for(lambda: rendered() > 45, "OBS renders 45 frames", 3)
    skipped = scene.obs.client.get_stats().render_skipped_frames - before.render_skipped_frames
    assert skipped < rendered() / 2
