"""The window of ``run``: its layout, its picture, its clicks, and the window itself under Xvfb."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from animator_core.clips.track_file import read_track
from animator_core.config import PROJECT_ROOT, Config
from animator_core.errors import AnimatorError
from animator_core.live.keys import KeyCommands
from animator_core.live.layout import BUTTONS, Box, lay_out, rooms
from animator_core.live.lettering import shortened, text_width, write
from animator_core.live.motion_recording import MotionRecording
from animator_core.live.outputs import VirtualCameraSwitch
from animator_core.live.thumbnails import Thumbnails, thumbnail
from animator_core.live.window import SIZE, LiveView, WindowPainter
from animator_core.tracking.face_model import face_model
from animator_core.tracking.observation import FaceObservation, TrackedFrame
from tests.test_live import Library

FRAME = np.full((720, 1280, 3), (10, 200, 30), np.uint8)


def view(count: int = 3, **more: Any) -> LiveView:
    names = tuple(f"{number}.png" for number in range(count))
    return LiveView(names=names, labels=tuple(f"Character {number}" for number in range(count)), **more)


def middle(box: Box) -> tuple[int, int]:
    return box.x + box.width // 2, box.y + box.height // 2


@pytest.mark.parametrize("count", [0, 1, 9, 40])
@pytest.mark.parametrize("size", [(1280, 720), (800, 600)])
def test_nothing_in_the_window_overlaps_or_is_cut_off(size: tuple[int, int], count: int) -> None:
    layout = lay_out(size, ["x"] * count, first=0)
    boxes = [layout.preview, *(box for _, box in layout.cells), *(box for _, box in layout.buttons)]
    boxes += [arrow for arrow in (layout.earlier, layout.later) if arrow is not None]
    covered = np.zeros(size[::-1], int)
    for box in boxes:
        assert box.x >= 0 and box.y >= 0 and box.x + box.width <= size[0] and box.y + box.height <= size[1]
        covered[box.y : box.y + box.height, box.x : box.x + box.width] += 1
    assert covered.max() == 1
    assert len(layout.cells) == min(count, rooms(size[0]))
    assert (layout.later is not None) == (count > rooms(size[0]))


def test_a_click_is_the_command_below_it() -> None:
    painter = WindowPainter(SIZE)
    painter.paint(FRAME, view())
    for command, box in painter.layout.buttons:
        painter.click(*middle(box))
        assert painter.take_command() == command
    for number, box in painter.layout.cells:
        painter.click(*middle(box))
        assert painter.take_command() == f"choose {number}.png"
    painter.click(*middle(painter.layout.preview))
    assert painter.take_command() is None
    assert tuple(command for command, _ in painter.layout.buttons) == BUTTONS


def test_a_long_strip_scrolls_by_arrows_and_shows_the_chosen_character() -> None:
    painter, room = WindowPainter(SIZE), rooms(SIZE[0])
    painter.paint(FRAME, view(30, current="0.png"))
    assert painter.layout.earlier is not None and painter.layout.later is not None
    painter.click(*middle(painter.layout.later))
    painter.click(*middle(painter.layout.later))
    painter.paint(FRAME, view(30, current="0.png"))
    assert [number for number, _ in painter.layout.cells] == list(range(2, 2 + room))
    painter.scroll(100)
    painter.paint(FRAME, view(30, current="0.png"))
    assert painter.layout.cells[-1][0] == 29
    painter.paint(FRAME, view(30, current="4.png"))
    assert 4 in [number for number, _ in painter.layout.cells]


def test_hidden_controls_leave_the_picture_alone_and_a_click_brings_them_back() -> None:
    painter = WindowPainter(SIZE)
    shown = painter.paint(FRAME, view()).copy()
    assert not (shown == FRAME).all()
    hidden = view(active=frozenset({"toggle_controls"}), statistics=("60 fps",), message="news")
    assert (painter.paint(FRAME, hidden) == FRAME).all()
    painter.click(600, 300)
    assert painter.take_command() == "toggle_controls"
    assert (painter.paint(FRAME, view()) == shown).all()


def test_statistics_and_messages_are_written_over_the_picture_only_while_there_are_any() -> None:
    painter = WindowPainter(SIZE)
    plain = painter.paint(FRAME, view()).copy()
    told = painter.paint(FRAME, view(statistics=("60 fps shown", "warp on CPU"), message="word " * 200)).copy()
    height = painter.layout.preview.height
    changed = np.argwhere((told != plain).any(2))
    assert changed[:, 0].min() < 40 and 400 < changed[:, 0].max() < height
    assert (painter.paint(FRAME, view()) == plain).all()


def test_the_picture_keeps_its_shape_in_the_preview() -> None:
    painter = WindowPainter(SIZE)
    shown = painter.paint(np.full((500, 500, 3), 255, np.uint8), view())
    height = painter.layout.preview.height
    white = (shown[:height] == 255).all(2)
    assert white.sum() == height * height and white[:, SIZE[0] // 2].all()


def test_letters_stay_inside_their_place() -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    write(picture, "Mira", (2, 4), size=13, colour=(255, 255, 255))
    assert picture.max() > 200
    write(picture, "a long text at the edge", (50, 30), size=13, colour=(255, 255, 255))
    assert shortened("Mira", 13, 100) == "Mira"
    short = shortened("A very long name of a character", 13, 80)
    assert short.endswith("…") and text_width(short, 13) <= 80


def test_thumbnails_are_made_once_and_a_broken_picture_has_none(tmp_path: Path) -> None:
    from PIL import Image

    picture = np.zeros((300, 200, 4), np.uint8)
    picture[:200] = (255, 0, 0, 255)
    Image.fromarray(picture).save(tmp_path / "red.png")
    (tmp_path / "broken.png").write_bytes(b"no picture")
    asked: list[str] = []

    def path_of(name: str) -> Path:
        asked.append(name)
        return tmp_path / name

    thumbnails = Thumbnails(path_of)
    for _ in range(3):
        thumbnails.ask_for(("broken.png", "red.png"))
    wait_for(lambda: "red.png" in thumbnails.made)
    assert list(thumbnails.made) == ["red.png"] and sorted(asked) == ["broken.png", "red.png"]
    assert (thumbnails.made["red.png"] == (0, 0, 255)).all()
    assert thumbnail(np.zeros((10, 30, 4), np.uint8)).shape == (84, 84, 3)


class Requests:
    """Stands for `AnimationRequests`."""

    is_frozen = False

    def __init__(self) -> None:
        from animator_core.ipc.protocol import AnimationSettings

        self.settings = AnimationSettings("one.png")

    def update(self, settings: Any) -> None:
        self.settings = settings


def test_commands_of_clicks_do_as_their_keys() -> None:
    from types import SimpleNamespace

    pressed: list[str] = []
    switches = {name: (lambda name=name: pressed.append(name)) for name in ("record", "virtual_camera")}
    services, requests = SimpleNamespace(config=Config(), library=Library(), emotes=None), Requests()
    keys = KeyCommands(services, requests, pressed.append, switches=switches)
    for key in ("record", "m", "virtual_camera", "v"):
        keys.press(key)
    assert pressed == ["record", "record", "virtual_camera", "virtual_camera"]
    keys.press("choose three.png")
    assert requests.settings.character == "three.png"
    keys.press("choose gone.png")
    assert requests.settings.character == "three.png"
    keys.press("toggle_controls")
    keys.press("toggle_stats")
    assert keys.hides_controls and not keys.shows_statistics


class Camera:
    device = "Animator"

    def __init__(self) -> None:
        self.frames, self.is_open = 0, True

    def show(self, frame: np.ndarray) -> None:
        self.frames += 1

    def close(self) -> None:
        self.is_open = False


def test_the_virtual_camera_is_switched_while_frames_are_shown() -> None:
    cameras: list[Camera] = []
    told: list[str] = []

    def open_camera() -> Any:
        if len(cameras) == 1:
            raise AnimatorError("there is no virtual camera", "install one")
        cameras.append(Camera())
        return cameras[-1]

    switch = VirtualCameraSwitch(open_camera, told.append)
    switch.show(FRAME)
    switch.toggle()
    switch.show(FRAME)
    assert switch.is_on and cameras[0].frames == 1
    switch.toggle()
    switch.show(FRAME)
    assert not switch.is_on and not cameras[0].is_open and cameras[0].frames == 1
    switch.toggle()
    assert not switch.is_on and told[-1] == "warning: there is no virtual camera; install one"


def test_a_recording_runs_from_press_to_press(tmp_path: Path) -> None:
    told: list[str] = []
    recording = MotionRecording(tmp_path / "output", told.append)
    landmarks = face_model().mean * 300 + 400

    def drive(count: int) -> None:
        for number in range(count):
            moment = 10**9 + number * 33_000_000
            recording.take(TrackedFrame(FaceObservation(landmarks, 1280, 720, moment), None), moment)

    drive(5)
    recording.toggle()
    assert recording.is_running
    drive(20)
    recording.close()
    assert not recording.is_running
    (path,) = (tmp_path / "output").iterdir()
    assert len(read_track(path).landmarks) == 20
    assert f"wrote {path}: 20 frames" in told[-1]
    recording.toggle()
    recording.close()
    assert told[-1].startswith("warning:") and "no face was seen" in told[-1]


def wait_for(condition: Callable[[], Any], seconds: float = 60.0) -> Any:
    end = time.monotonic() + seconds
    while not (result := condition()):
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)
    return result


@pytest.fixture
def display() -> Iterator[str]:
    if sys.platform != "linux" or shutil.which("Xvfb") is None or shutil.which("xdotool") is None:
        pytest.skip("Xvfb or xdotool is not installed")
    read_end, write_end = os.pipe()
    command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", "1366x768x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write_end], stderr=subprocess.DEVNULL)
    os.close(write_end)
    with os.fdopen(read_end) as pipe:
        name = f":{pipe.readline().strip()}"
    yield name
    server.terminate()
    server.wait(10)


# `run` in a process of its own, whose records go into the test's folder.
RUN = """
import sys
from pathlib import Path
from animator_core.cli import run
run.RECORDINGS = Path(sys.argv.pop(1))
from animator_core.__main__ import main
sys.exit(main())
"""


@pytest.mark.slow
def test_a_streamer_chooses_a_character_records_and_quits_by_mouse_and_key(tmp_path: Path, display: str) -> None:
    config = tmp_path / "config.yaml"
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as free:
        free.bind(("127.0.0.1", 0))
        config.write_text(f"vmc: {{receive: true, port: {free.getsockname()[1]}}}\n")
    log = tmp_path / "log.txt"
    environment = {**os.environ, "DISPLAY": display, "PYTHONPATH": str(PROJECT_ROOT), "PYTHONUNBUFFERED": "1"}
    for name in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR"):
        environment.pop(name, None)
    arguments = ["run", "--character", "mira", "--renderer", "warp", "--config", config]
    with log.open("w") as output:
        running = subprocess.Popen(
            [sys.executable, "-c", RUN, tmp_path / "output", *arguments],
            cwd=PROJECT_ROOT,
            env=environment,
            stdout=output,
            stderr=subprocess.STDOUT,
        )

    def xdotool(*words: object) -> None:
        subprocess.run(["xdotool", *map(str, words)], env=environment, check=True, timeout=20)

    def click(box: Box) -> None:
        xdotool("mousemove", *middle(box), "click", 1)

    try:
        wait_for(lambda: "Character: Mira (3/4)" in log.read_text())
        layout = lay_out(SIZE, ["x"] * 4, first=0)
        click(layout.cells[0][1])
        wait_for(lambda: "Character: Amber (1/4)" in log.read_text())
        buttons = dict(layout.buttons)
        click(buttons["record"])
        wait_for(lambda: "recording the motion" in log.read_text())
        click(buttons["record"])
        # Nobody sends a face to this test.
        wait_for(lambda: "no face was seen" in log.read_text())
        xdotool("mousemove", *middle(layout.preview), "click", 1, "key", "q")
        assert running.wait(30) == 0, log.read_text()
    finally:
        running.kill()
        running.wait()
