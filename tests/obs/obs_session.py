"""Real OBS Studio in a private, headless desktop, driven through obs-websocket."""

from __future__ import annotations

import base64
import contextlib
import io
import itertools
import json
import logging
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Callable

import av
import numpy as np
import obsws_python
import psutil
from PIL import Image, ImageGrab

logging.getLogger("obsws_python").setLevel(logging.CRITICAL)

CHECKOUT = Path(__file__).resolve().parents[2]
HELPER_SCRIPT = Path(__file__).with_name("helper_script.py")
SCENE = "Scene"
CANVAS = (640, 360)

# The preview is off: with it, OBS 28 and 29 by themselves abort where scenes are made and removed quickly
# (docs/ARCHITECTURE.md, "Locks inside OBS"). So an abort in these tests has another cause, which is to be found.
_GLOBAL_INI = """[General]
FirstRun=true
LastVersion=486539265
EnableAutoUpdates=false
Language={language}
ConfirmOnExit=false
[Basic]
Profile=Untitled
ProfileDir=Untitled
SceneCollection=Untitled
SceneCollectionFile=Untitled
[BasicWindow]
PreviewEnabled=false
[OBSWebSocket]
ServerEnabled=true
ServerPort={port}
AuthRequired=false
AlertsEnabled=false
FirstLoad=false
"""
_BASIC_INI = """[General]
Name=Untitled
[Video]
BaseCX={0}
BaseCY={1}
OutputCX={0}
OutputCY={1}
FPSType=0
FPSCommon={3}
[Output]
Mode=Simple
[SimpleOutput]
FilePath={2}
RecFormat=mkv
RecQuality=Stream
StreamEncoder=x264
VBitrate=6000
"""
STATUS = (
    "s = __import__('obs_plugin.registration').registration._registration.session\n"
    "result = [s.status_line(f).text for f in s.filters()]"
)
"""For `ObsSession.call`: the first line of each filter's panel."""
OPEN_FILTERS = """
show = ctypes.CDLL("libobs-frontend-api.so.0").obs_frontend_open_source_filters
show.argtypes = [ctypes.c_void_p]
source = native("obs_get_source_by_name", b"Camera")
show(source)
native("obs_source_release", source, result=None)
"""
PANELS = """
session = __import__('obs_plugin.registration').registration._registration.session
panels = [each.panel for each in session.filters()]
result = [[panel.open_count, panel.shown.text if panel.shown else ""] for panel in panels]
"""
UNFOLD = """
session = __import__("obs_plugin.registration").registration._registration.session
section = __import__("obs_plugin.panel_state").panel_state.Section({section!r})
for each in session.filters():
    each.panel.section = section
    session._ui_thread.run(each.obs_source.reload_panel)
"""


def why_not() -> str:
    """Return why real OBS cannot run here, or ""."""
    missing = [name for name in ("obs", "Xvfb", "dbus-run-session") if shutil.which(name) is None]
    if missing:
        return f"{', '.join(missing)} not installed (apt-get install obs-studio xvfb dbus)"
    return "" if sys.platform == "linux" else "real OBS is driven on Linux only"


def wait_for(condition: Callable[[], Any], what: str, seconds: float = 20.0, interval: float = 0.05) -> Any:
    """Return the first true result of ``condition``, asked every ``interval``; fails the test after ``seconds``."""
    end = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < end, f"waited {seconds:.0f} s in vain until {what}"
        time.sleep(interval)


class Installation:
    """A copy of the files that OBS needs, in a folder of the test's own, with a fake worker beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.script = root / "obs_plugin" / "stream_motion_animator.py"
        self.characters = root / "assets" / "characters"
        self.control = root / "control.json"
        shutil.copytree(CHECKOUT / "obs_plugin", root / "obs_plugin", ignore=shutil.ignore_patterns("__pycache__"))
        (root / "animator_core" / "ipc").mkdir(parents=True)
        shared = ("character_names", "emote_names", "face_settings", "frame_ring", "protocol")
        for name in ("__init__.py", "ipc/__init__.py", *(f"ipc/{module}.py" for module in shared)):
            shutil.copy(CHECKOUT / "animator_core" / name, root / "animator_core" / name)
        self.characters.mkdir(parents=True)
        shutil.copytree(CHECKOUT / "assets" / "emotes", root / "assets" / "emotes")
        self._settings: dict[str, Any] = {}
        self.set_control()
        self.python = root / "fake_python"
        worker = Path(__file__).with_name("fake_worker.py")
        self.python.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{worker}"\n')
        self.python.chmod(0o755)

    def set_control(self, **changes: Any) -> None:
        """Change how the fake worker behaves, now and after its next starts."""
        self._settings.update(changes)
        temporary = self.control.with_suffix(".part")
        temporary.write_text(json.dumps(self._settings))
        temporary.replace(self.control)

    def add_character(self, name: str, rgba: np.ndarray) -> Path:
        """Save a character; rgba: (H, W, 4) uint8, straight alpha."""
        path = self.characters / name
        Image.fromarray(rgba, "RGBA").save(path)
        return path

    def set_frame(self, rgba: np.ndarray) -> None:
        """Have the worker publish this picture; rgba: (H, W, 4) uint8, straight alpha."""
        path = self.root / f"frame-{time.monotonic_ns()}.bgra"
        path.write_bytes(premultiplied_bgra(rgba).tobytes())
        self.set_control(frame=str(path), frame_size=[rgba.shape[1], rgba.shape[0]])

    def messages(self, kind: str) -> list[dict[str, Any]]:
        """Return the messages of one type that the worker has got, in order."""
        return [message for _, message in self._log() if message["type"] == kind]

    def worker_pids(self) -> list[int]:
        """Return the ids of the workers that got messages so far, oldest first; an id may come again."""
        return [pid for pid, _ in itertools.groupby(pid for pid, _ in self._log())]

    def _log(self) -> list[Any]:
        path = Path(f"{self.control}.log")
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    @property
    def environment(self) -> dict[str, str]:
        return {
            "STREAM_MOTION_ANIMATOR_PYTHON": str(self.python),
            "FAKE_WORKER_CONTROL": str(self.control),
            "FAKE_WORKER_ROOT": str(self.root),
        }


def to_linear(encoded: np.ndarray) -> np.ndarray:
    """Return sRGB values in [0, 1] as linear light."""
    return np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)


def to_srgb(linear: np.ndarray) -> np.ndarray:
    """Return linear light in [0, 1] as sRGB values."""
    return np.where(linear <= 0.0031308, linear * 12.92, 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055)


def premultiplied_bgra(rgba: np.ndarray) -> np.ndarray:
    """Return a straight RGBA picture as the animated ring holds it."""
    alpha = rgba[..., 3:].astype(np.float64) / 255
    color = to_srgb(to_linear(rgba[..., :3] / 255.0) * alpha)
    return np.concatenate([np.rint(color[..., ::-1] * 255).astype(np.uint8), rgba[..., 3:]], axis=-1)


def blend(rgba: np.ndarray, background: tuple[int, int, int]) -> np.ndarray:
    """Return a straight RGBA picture over a plain colour, blended in linear light: (H, W, 3) uint8."""
    alpha = rgba[..., 3:].astype(np.float64) / 255
    under = to_linear(np.array(background) / 255.0)
    return np.rint(to_srgb(to_linear(rgba[..., :3] / 255.0) * alpha + under * (1 - alpha)) * 255).astype(np.uint8)


CAMERA = (255, 0, 255)
"""The colour of every camera in these tests; no character has red, so no pixel of it can be missed."""


def shows_camera(shown: np.ndarray) -> bool:
    """Return whether any pixel has the camera's colour; shown: (H, W, 3 or 4) uint8 RGB(A)."""
    red, green, blue = (shown[..., channel] for channel in range(3))
    return bool(((red > 195) & (green < 60) & (blue > 195)).any())


def recorded_frames(path: str) -> Iterator[np.ndarray]:
    """Yield every frame of a recording: (H, W, 3) uint8 RGB."""
    with av.open(path) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="rgb24")


def camera_frames(path: str) -> list[int]:
    """Return the numbers, from 0, of the frames of a recording that show the camera."""
    numbers = [number for number, frame in enumerate(recorded_frames(path)) if shows_camera(frame)]
    assert next(recorded_frames(path), None) is not None, "the recording is empty"
    return numbers


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def xvfb(size: str = "1280x900") -> Iterator[str]:
    """Run a virtual X server and yield its display; size: width x height in pixels."""
    read_end, write_end = os.pipe()
    command = ["Xvfb", "-displayfd", str(write_end), "-screen", "0", f"{size}x24", "-nolisten", "tcp"]
    server = subprocess.Popen(command, pass_fds=[write_end], stderr=subprocess.DEVNULL)
    os.close(write_end)
    try:
        with os.fdopen(read_end) as pipe:
            yield f":{pipe.readline().strip()}"
    finally:
        server.terminate()
        server.wait(10)


class ObsSession:
    """One run of OBS with private settings; ``folder`` keeps them from run to run."""

    def __init__(
        self,
        folder: Path,
        display: str,
        scripts: list[Path],
        environment: dict[str, str],
        *,
        collections: dict[str, list[Path]] | None = None,
        script_settings: dict[str, Any] | None = None,
        frame_rate: int = 30,
        language: str = "en-US",
    ) -> None:
        """collections: more scene collections and the scripts in each. script_settings: saved by every script before.

        frame_rate: one of OBS's common ones; on two cores OBS's own rendering takes half of them at 30.
        """
        self.folder = folder
        self.runtime = folder / "runtime"
        self.commands = folder / "commands"
        self._display = display
        self._environment = environment
        self.port = _free_port()
        self._script_settings = script_settings or {}
        self._language = language
        self._write_settings(scripts, collections or {}, frame_rate)
        self.process: subprocess.Popen[bytes] | None = None
        self.client: Any = None
        self.pid = 0
        self.start()

    def _write_settings(self, scripts: list[Path], collections: dict[str, list[Path]], frame_rate: int) -> None:
        config = self.folder / "config" / "obs-studio"
        profile, scenes = config / "basic/profiles/Untitled", config / "basic/scenes"
        profile.mkdir(parents=True, exist_ok=True)
        scenes.mkdir(parents=True, exist_ok=True)
        self.runtime.mkdir(mode=0o700, exist_ok=True)
        # OBS 31 and later make user.ini of it at their first start; 32.2 does not start with one that only has this.
        (config / "global.ini").write_text(_GLOBAL_INI.format(port=self.port, language=self._language))
        (profile / "basic.ini").write_text(_BASIC_INI.format(*CANVAS, self.folder, frame_rate))
        for name, paths in {"Untitled": scripts, **collections}.items():
            path = scenes / f"{name}.json"
            if not path.exists():
                path.write_text(json.dumps(_collection(name, paths, self._script_settings)))

    def start(self, *arguments: str) -> None:
        """Start OBS and wait until obs-websocket answers."""
        self.commands.mkdir(exist_ok=True)
        environment = {
            **os.environ,
            **self._environment,
            "HELPER_FOLDER": str(self.commands),
            "HOME": str(self.folder),
            "XDG_CONFIG_HOME": str(self.folder / "config"),
            "XDG_CACHE_HOME": str(self.folder / "cache"),
            "XDG_RUNTIME_DIR": str(self.runtime),
            "DISPLAY": self._display,
            "QT_QPA_PLATFORM": "xcb",
            "LIBGL_ALWAYS_SOFTWARE": "1",
            "PYTHONDONTWRITEBYTECODE": "1",
            # mediapipe imports matplotlib, which lists the computer's fonts anew for every new home.
            "MPLCONFIGDIR": os.environ.get("MPLCONFIGDIR", str(Path.home() / ".cache" / "matplotlib")),
        }
        # Importing cv2 leaves the paths of its own Qt in the environment; OBS would load that.
        for name in ("WAYLAND_DISPLAY", "QT_QPA_PLATFORM_PLUGIN_PATH", "QT_QPA_FONTDIR"):
            environment.pop(name, None)
        command = ["dbus-run-session", "obs", "--multi", "--disable-updater", "--disable-missing-files-check"]
        command += arguments
        self._output = self.folder / "output.txt"
        with open(self._output, "wb") as output:
            self.process = subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.client = wait_for(self._connect, "obs-websocket answers", 60)
        self._wait_for_the_window()
        children = psutil.Process(self.process.pid).children(recursive=True)
        self.pid = next(child.pid for child in children if child.name() == "obs")

    def _wait_for_the_window(self) -> None:
        """Wait until OBS's user interface has started.

        OBS 31 and later answer before; a scene that is made then keeps a lock that the start waits for, while it waits
        for the start itself. Changing the studio mode holds no lock and returns after the user interface did it.
        """
        if int(self.client.get_version().obs_version.split(".")[0]) >= 31:
            for is_enabled in (True, False):
                self.client.set_studio_mode_enabled(is_enabled)

    def _connect(self) -> Any:
        assert self.process is not None and self.process.poll() is None, f"OBS ended at start:\n{self.log()[-3000:]}"
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            client = obsws_python.ReqClient(host="127.0.0.1", port=self.port, timeout=10)
            # Checked in pure Python, a screenshot's text would take a second.
            socket_ = client.base_client.ws
            socket_.frame_buffer.skip_utf8_validation = socket_.cont_frame.skip_utf8_validation = True
            try:
                client.get_scene_list()
                return client
            except obsws_python.error.OBSSDKError:
                client.disconnect()
        return None

    def _disconnect(self) -> None:
        client, self.client = self.client, None
        if client is not None:
            with contextlib.suppress(OSError, obsws_python.error.OBSSDKError):
                client.disconnect()

    def log(self) -> str:
        """Return OBS's log of this run so far."""
        return self._output.read_text(errors="replace")

    # --- scene ---

    def add_input(self, name: str, kind: str, settings: dict[str, Any], scene: str = SCENE) -> int:
        """Add a source to a scene and return its scene item's id."""
        return int(self.client.create_input(scene, name, kind, settings, True).scene_item_id)

    def add_color(
        self, name: str, color: tuple[int, int, int], size: tuple[int, int] = CANVAS, scene: str = SCENE
    ) -> int:
        red, green, blue = color
        value = 0xFF000000 | blue << 16 | green << 8 | red
        settings = {"color": value, "width": size[0], "height": size[1]}
        return self.add_input(name, "color_source_v3", settings, scene)

    def add_image(self, name: str, path: Path, scene: str = SCENE) -> int:
        return self.add_input(name, "image_source", {"file": str(path), "linear_alpha": True}, scene)

    def add_filter(self, source: str, name: str = "Animator", **settings: Any) -> None:
        self.client.create_source_filter(source, name, "stream_motion_animator", settings)

    def set_filter(self, source: str, name: str = "Animator", **settings: Any) -> None:
        self.client.set_source_filter_settings(source, name, settings, True)

    def screenshot(self, source: str = SCENE) -> np.ndarray:
        """Return a scene or source as it is rendered now: (H, W, 4) uint8 RGBA."""
        request = {"sourceName": source, "imageFormat": "png", "imageCompressionQuality": 100}
        answer = self.client.send("GetSourceScreenshot", request, raw=True)
        data = base64.b64decode(answer["imageData"].split(",", 1)[1])
        return np.array(Image.open(io.BytesIO(data)).convert("RGBA"))

    def recorded_ms(self) -> int:
        """Return how many milliseconds the present recording has."""
        return int(self.client.get_record_status().output_duration)

    def stop_recording(self) -> str:
        """Return the path of the recording, once it is written."""
        path = str(self.client.stop_record().output_path)
        wait_for(lambda: not self.client.get_record_status().output_active, "the recording is written")
        return path

    @contextlib.contextmanager
    def recording(self) -> Iterator[list[str]]:
        """Record the program; the list has the file's path once the block has ended."""
        path: list[str] = []
        self.client.start_record()
        wait_for(self.recorded_ms, "the recording runs")
        try:
            yield path
        finally:
            path.append(self.stop_recording())

    def load_collection(self, name: str) -> None:
        """Switch to another scene collection and wait until it is loaded."""
        self.client.set_current_scene_collection(name)
        current = lambda: self.client.get_scene_collection_list().current_scene_collection_name  # noqa: E731
        wait_for(lambda: current() == name, f"{name} is loaded")

    def wait_for_transition(self) -> None:
        """Wait for the end of the transition that is under way."""
        cursor = lambda: self.client.get_current_scene_transition_cursor().transition_cursor  # noqa: E731
        wait_for(lambda: cursor() == 1.0, "no transition is under way")

    def collection(self, name: str = "Untitled") -> Path:
        """Return the file of a scene collection."""
        return self.folder / "config/obs-studio/basic/scenes" / f"{name}.json"

    def set_saved_scripts(self, scripts: list[Path], name: str = "Untitled") -> None:
        """Change which scripts a collection has while OBS does not run."""
        path = self.collection(name)
        saved = json.loads(path.read_text())
        saved["modules"]["scripts-tool"] = [{"path": str(script), "settings": {}} for script in scripts]
        path.write_text(json.dumps(saved))

    def call(self, code: str) -> Any:
        """Run Python code inside OBS (helper_script.py must be loaded) and return its ``result``."""
        path = self.commands / f"{time.monotonic_ns()}.command"
        path.with_suffix(".new").write_text(code)
        path.with_suffix(".new").rename(path)
        answer_path = path.with_suffix(".answer")
        wait_for(answer_path.exists, "the helper script answers")
        answer = json.loads(answer_path.read_text())
        assert "error" not in answer, answer["error"]
        return answer["result"]

    def press_hotkey(self, name: str) -> None:
        self.client.trigger_hot_key_by_name(f"stream_motion_animator.{name}", None)

    # --- the end ---

    def quit(self) -> int:
        """Close the main window as a person does, and return OBS's exit code."""
        assert self.process is not None
        self._disconnect()
        _close_main_window(self._display)
        code = self.process.wait(40)
        self.process = None
        return code

    def memory_leaks(self) -> int:
        """Return the number of memory leaks in the log of the ended run."""
        wait_for(lambda: "Number of memory leaks" in self.log(), "the log is complete", 5)
        found = re.search(r"Number of memory leaks: (\d+)", self.log())
        assert found is not None, "the log does not end with the number of memory leaks"
        return int(found.group(1))

    def kill(self) -> None:
        """Kill OBS alone, as a crash would."""
        self._disconnect()
        os.kill(self.pid, signal.SIGKILL)
        assert self.process is not None
        self.process.wait(20)
        self.process = None

    def ring_files(self) -> list[str]:
        return [path.name for path in self.runtime.iterdir() if path.name.startswith("stream-motion-animator-")]

    def close(self) -> None:
        """End whatever still runs."""
        self._disconnect()
        if self.process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(20)
            self.process = None


def shows(session: ObsSession, picture: np.ndarray, scene: str = SCENE) -> bool:
    """Return whether a scene shows exactly this picture; picture: (H, W, 3 or 4) uint8."""
    return np.array_equal(session.screenshot(scene)[..., :3], picture[..., :3])


def _desktop(display: str) -> np.ndarray:
    return np.asarray(ImageGrab.grab(xdisplay=display).convert("RGB"))


def settled(display: str, unlike: np.ndarray | None = None) -> np.ndarray:
    """Return a screenshot of a panel that OBS has finished to lay out; unlike: one of the panel as it was before."""
    shots = [_desktop(display)]

    def is_done() -> bool:
        time.sleep(0.3)
        shots.append(_desktop(display))
        before, now = shots[-2][400:700], shots[-1][400:700]
        is_other = unlike is None or (now != unlike[400:700]).any(axis=2).sum() > 2000
        return bool(is_other and (before == now).all())

    wait_for(is_done, "OBS has laid out the panel")
    return shots[-1]


def _collection(name: str, scripts: list[Path], settings: dict[str, Any]) -> dict[str, Any]:
    scene = {"id": "scene", "name": SCENE, "settings": {"items": [], "id_counter": 0, "custom_size": False}}
    return {
        "name": name,
        "current_scene": SCENE,
        "current_program_scene": SCENE,
        "scene_order": [{"name": SCENE}],
        "sources": [scene],
        "modules": {"scripts-tool": [{"path": str(path), "settings": settings} for path in scripts]},
    }


def _close_main_window(name: str) -> None:
    from Xlib import X, display
    from Xlib.error import BadWindow, CatchError
    from Xlib.protocol import event

    connection = display.Display(name)
    try:
        delete, protocols = connection.intern_atom("WM_DELETE_WINDOW"), connection.intern_atom("WM_PROTOCOLS")
        for window in connection.screen().root.query_tree().children:
            # A small window of OBS may be gone since it was listed.
            with contextlib.suppress(BadWindow):
                title = window.get_wm_name() or ""
                if isinstance(title, str) and title.startswith("OBS "):
                    message = event.ClientMessage(
                        window=window, client_type=protocols, data=(32, [delete, X.CurrentTime, 0, 0, 0])
                    )
                    window.send_event(message, onerror=CatchError(BadWindow))
        connection.sync()
    finally:
        connection.close()
