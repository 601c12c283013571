"""Promises of animator_core.live: the parts of ``run``."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from animator_core.animation import quality
from animator_core.animation.face_tracking import FaceTracking
from animator_core.animation.preparation import PreparationThread
from animator_core.animation.services import Services
from animator_core.animation.statistics import FrameStatistics
from animator_core.characters.character import Character
from animator_core.config import Config, OutputConfig, PerformanceConfig
from animator_core.errors import AnimatorError, CameraError, CharacterError, DeviceLostError, ModelError
from animator_core.ipc.protocol import AnimationSettings, CharacterEntry
from animator_core.live.capture import CaptureThread
from animator_core.live.outputs import Canvas, key_name
from animator_core.live.session import LiveSession
from animator_core.live.statistics_lines import LiveFigures, format_lines
from animator_core.rendering.contract import Placement
from tests import stand_ins

_MANY = 240 * 60
"""More frames than any test shows; a session that goes wrong ends all the same."""


class Reader:
    """A camera that gives so many grey frames and then stops."""

    name, is_finite = "camera 7", False

    def __init__(self, frames: int, is_finite: bool = False) -> None:
        self.left, self.is_finite = frames, is_finite
        self.is_closed = False

    def read(self) -> np.ndarray | None:
        time.sleep(0.002)
        self.left -= 1
        return np.full((24, 32, 3), 99, np.uint8) if self.left >= 0 else None

    def close(self) -> None:
        self.is_closed = True


class Library:
    """Three characters; the second one cannot be loaded."""

    names = ("one.png", "two.png", "three.png")
    directory = Path("characters")

    def list(self) -> tuple[CharacterEntry, ...]:
        return tuple(CharacterEntry(name, name, name) for name in self.names)

    def expressions(self) -> dict[str, dict[str, str]]:
        return {"one.png": {"happy": "one.happy.png", "cross": "two.png"}}

    def fingerprint(self, name: str) -> tuple[int, ...]:
        return (1,)

    def load(self, name: str, max_pixels: int | None = None) -> Character:
        if name == "two.png":
            raise CharacterError("two.png is broken", "save it again")
        shown = stand_ins.character()
        return Character(name, name.split(".")[0], shown.picture, shown.landmarks, name)


class Keyboard:
    """An output whose keys are pressed by the test: by frame number, or by ``watch``, asked after every frame."""

    is_closed = False

    def __init__(self, keys: dict[int, str]) -> None:
        self.keys = keys
        self.shapes: list[tuple[int, ...]] = []
        self.watch: Callable[[], str | None] = lambda: None

    def show(self, frame: np.ndarray) -> str | None:
        self.shapes.append(frame.shape)
        return self.keys.get(len(self.shapes)) or self.watch()

    def close(self) -> None:
        pass


def _wait(condition: Any, seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.005)


def test_the_statistics_lines_have_the_originals_exact_shape() -> None:
    figures = LiveFigures(29.97, 30.04, 58.3, 60, 12.5, "Ada", 1, 10, 0.8512, 10, 42)
    assert format_lines(figures).splitlines() == [
        "FPS: Capture=30.0 | Tracking=30.0 | Inference=58.3 | Output=60.0",
        "Inference Time: 12.50 ms",
        "Character: Ada (1/10)",
        "Optimizer: Cache Hit Rate=85.1% | Cached=10 chars | Motion Cache=42",
    ]


def test_a_camera_that_stops_is_told_and_opened_again() -> None:
    attempts: list[Reader] = []

    def reopen() -> Reader:
        if not attempts:
            attempts.append(Reader(0))
            raise CameraError("still gone")
        attempts.append(Reader(1000))
        return attempts[-1]

    first = Reader(3)
    capture = CaptureThread(first, reopen)
    capture.start()
    _wait(lambda: capture.problem)
    assert "camera 7" in str(capture.problem)
    assert first.is_closed
    _wait(lambda: len(attempts) == 2 and not capture.problem)
    capture.stop()
    assert not capture.is_finished


def test_the_end_of_a_video_is_no_problem() -> None:
    capture = CaptureThread(Reader(2, is_finite=True), lambda: pytest.fail("opened again"))
    capture.start()
    _wait(lambda: capture.is_finished)
    assert capture.problem is None


def test_tracking_takes_the_newest_frame_and_drops_the_others() -> None:
    capture = CaptureThread(Reader(5, is_finite=True), lambda: Reader(0))
    tracker = stand_ins.PixelTracker()
    tracking = FaceTracking(capture, FrameStatistics())
    capture.start()
    _wait(lambda: capture.is_finished)
    tracked = tracking.track_newest(tracker)
    assert tracking.track_newest(tracker) is None
    assert len(tracker.times) == 1
    assert tracked is not None
    assert tracked.observation is not None


def test_the_canvas_keeps_the_pictures_shape_and_its_alpha() -> None:
    frame = np.full((50, 50, 4), 200, np.uint8)
    picture = Canvas(160, 80, 0).fit(frame)
    assert picture.shape == (80, 160, 4)
    assert (picture[:, 40:120] == 200).all()
    assert not picture[:, :40].any()
    assert not picture[:, 120:].any()


def test_the_background_alpha_fills_what_the_character_leaves_open() -> None:
    frame = np.zeros((40, 40, 4), np.uint8)
    frame[:20] = (10, 20, 30, 255)
    picture = Canvas(80, 40, 100).fit(frame)
    assert picture[5, 40].tolist() == [10, 20, 30, 255]
    assert picture[35, 40].tolist() == [0, 0, 0, 100]
    assert picture[5, 2].tolist() == [0, 0, 0, 100]


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (-1, None),
        (113, "q"),
        (65363, "right"),
        (2555904, "right"),
        (0x10FF53, "right"),
        (63234, "left"),
        (27, "escape"),
    ],
)
def test_keys_have_one_name_on_every_system(code: int, name: str | None) -> None:
    assert key_name(code) == name


class Live:
    """A session with doubles: pixel tracker, flat renderer, the library above, and the keyboard as its output."""

    def __init__(
        self,
        keys: dict[int, str],
        reader: Reader,
        renderers: dict[str, stand_ins.FlatRenderer] | None = None,
        **performance: Any,
    ) -> None:
        config = Config(
            output=OutputConfig(width=64, height=64), performance=PerformanceConfig(target_fps=240.0, **performance)
        )
        self.told: list[str] = []
        self.renderers: dict[str, stand_ins.FlatRenderer] = renderers or {}
        self.tracker = stand_ins.PixelTracker()
        self.output = Keyboard(keys)
        self.capture = CaptureThread(reader, lambda: reader)
        self.services = Services(
            config, Library(), PreparationThread(), create_tracker=lambda: self.tracker, create_renderer=self._make
        )
        settings = AnimationSettings("one.png", frame_rate=240.0)
        self.session = LiveSession(
            self.services, settings, capture=self.capture, output=self.output, tell=self.told.append
        )

    def _make(self, name: str) -> stand_ins.FlatRenderer:
        return self.renderers.setdefault(name, stand_ins.FlatRenderer())

    @property
    def renderer(self) -> stand_ins.FlatRenderer:
        """The one that is asked for first."""
        return self.renderers["auto"]

    def run(self, max_frames: int | None) -> None:
        """Run the session, and let go of everything."""
        try:
            self.session.run(max_frames)
        finally:
            self.session.close()
            self.services.preparation.finish(10)
            self.capture.stop()


@pytest.mark.parametrize("is_async", [True, False])
def test_a_session_tracks_and_ends_with_the_clip(is_async: bool) -> None:
    live = Live({}, Reader(60, is_finite=True), async_pipeline=is_async)
    live.run(None)
    assert live.session.frame_count > 3
    assert live.session.loop.statistics.count("tracking") > 0
    assert live.session.loop.animation.state(is_camera_silent=False) in ("calibrating", "tracking")
    assert live.tracker.is_closed
    assert live.renderer.is_closed


def test_keys_switch_characters_and_one_that_is_broken_costs_nothing() -> None:
    live = Live({2: "3", 60: "2", 120: "q"}, Reader(10**6))
    live.run(2000)
    assert live.session.frame_count == 120
    assert live.session.loop.animation.character_name == "three.png"
    assert any("two.png is broken" in line for line in live.told)


def test_the_next_key_goes_round() -> None:
    live = Live({2: "left", 100: "q"}, Reader(10**6))
    live.run(2000)
    assert live.session.loop.animation.character_name == "three.png"


def test_a_key_plays_an_emote() -> None:
    live = Live({20: "w"}, Reader(10**6), enable_optimizer=False)
    live.output.watch = lambda: "q" if live.renderer.motions[-1].eye_openness[1] < 0.1 else None
    live.run(_MANY)
    assert live.output.shapes and live.renderer.motions[-1].eye_openness[0] > 0.5


def test_an_expression_is_prepared_beside_its_character_and_a_broken_one_leaves_the_character() -> None:
    live = Live({}, Reader(10**6), enable_optimizer=False)
    requests, switch = live.session.loop.requests, live.session.loop.animation.switch
    drawn: list[str] = []

    def watch() -> str | None:
        name = switch.pipeline.character.name
        if not drawn and switch.prepared_count >= 3:
            assert "one.happy.png" in live.renderer.prepared
            drawn.append(name)
            requests.update(replace(requests.settings, expression="happy"))
        elif len(drawn) == 1 and name == "one.happy.png":
            drawn.append(name)
            assert live.session.loop.animation.character_name == "one.png"
            requests.update(replace(requests.settings, expression="cross"))
        elif len(drawn) == 2 and name == "one.png":
            return "q"
        return None

    live.output.watch = watch
    live.run(_MANY)
    assert drawn == ["one.png", "one.happy.png"]
    assert live.session.loop.animation.error is None


def test_freeze_keeps_the_picture_still() -> None:
    live = Live({20: "f"}, Reader(10**6), enable_optimizer=False)
    live.run(60)
    motions = live.renderer.motions
    assert len({id(motion) for motion in motions[-30:]}) == 1


def test_a_tracker_that_fails_is_told_and_started_again() -> None:
    live = Live({}, Reader(10**6))
    track, failed = live.tracker.track, threading.Event()

    def fail_once(frame: np.ndarray, captured_ns: int) -> Any:
        if not failed.is_set():
            failed.set()
            raise ZeroDivisionError("division by zero")
        live.output.is_closed = True
        return track(frame, captured_ns)

    live.tracker.track = fail_once  # type: ignore[method-assign]
    live.run(None)
    assert len(live.tracker.times) >= 1
    assert any("the tracking failed: ZeroDivisionError" in line for line in live.told)


class GpuRenderer(stand_ins.FlatRenderer):
    """Draws as if by LivePortrait on a GPU, until it is told to fail."""

    name = "liveportrait"
    has_failed = False

    def draw(self, placement: Placement) -> np.ndarray:
        if self.has_failed:
            raise ModelError("the GPU has no memory", "close other programs")
        return super().draw(placement)


def test_when_the_gpu_fails_the_warp_goes_on_and_says_why() -> None:
    gpu, warp = GpuRenderer(), stand_ins.FlatRenderer()
    live = Live({}, Reader(10**6), {"auto": gpu, "warp": warp}, enable_optimizer=False)

    def watch() -> str | None:
        gpu.has_failed = len(live.output.shapes) > 5
        return "q" if live.session.loop.animation.switch.pipeline.renderer is warp else None

    live.output.watch = watch
    live.run(_MANY)
    assert any("liveportrait on" in line for line in live.told)
    assert "note: the GPU has no memory, so the warp renderer draws for now; close other programs" in live.told
    assert warp.motions


def test_a_gpu_that_is_lost_ends_the_session_with_its_error(monkeypatch: pytest.MonkeyPatch) -> None:
    gpu = GpuRenderer()
    live = Live({}, Reader(10**6), {"auto": gpu}, enable_optimizer=False)

    def lose(placement: Placement) -> np.ndarray:
        if len(live.output.shapes) > 5:
            raise DeviceLostError("the GPU is gone", "update its driver")
        return stand_ins.FlatRenderer.draw(gpu, placement)

    monkeypatch.setattr(gpu, "draw", lose)
    with pytest.raises(DeviceLostError, match="the GPU is gone; update its driver"):
        live.run(_MANY)


def test_a_machine_that_is_too_slow_gets_less_to_do_and_the_user_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quality, "_OBSERVE_NS", 50_000_000)
    monkeypatch.setattr(quality, "_TOO_SLOW_NS", 0)

    class SlowRenderer(stand_ins.FlatRenderer):
        def draw(self, placement: Placement) -> np.ndarray:
            time.sleep(0.02)
            return super().draw(placement)

    live = Live({}, Reader(10**6), {"auto": SlowRenderer()}, frame_skip_threshold=240, enable_optimizer=False)
    live.output.watch = lambda: "q" if any("too slow" in line for line in live.told) else None
    live.run(_MANY)
    notes = [line for line in live.told if line.startswith("note: ")]
    # More than one rung may be gone down before the next look for news.
    assert notes[0].startswith("note: the computer is too slow just now, so it is animated ")
    assert "every second frame only; close other programs" in notes[0]


def test_drawing_goes_on_while_another_character_is_prepared() -> None:
    began, may_end = threading.Event(), threading.Event()

    class PreparingRenderer(stand_ins.FlatRenderer):
        def prepare(self, character: Character) -> None:
            super().prepare(character)
            if character.name == "three.png":
                began.set()
                assert may_end.wait(30)

    renderer = PreparingRenderer()
    live = Live({2: "3"}, Reader(10**6), {"auto": renderer})
    shown_meanwhile: list[str] = []

    def watch() -> str | None:
        name = live.session.loop.animation.character_name
        if began.is_set() and not may_end.is_set():
            shown_meanwhile.append(name)
            if len(shown_meanwhile) == 30:
                may_end.set()
        return "q" if name == "three.png" else None

    live.output.watch = watch
    live.run(_MANY)
    assert shown_meanwhile == ["one.png"] * 30
    assert live.session.loop.animation.character_name == "three.png"


def test_a_first_character_that_is_broken_ends_the_session_with_its_error() -> None:
    live = Live({}, Reader(10**6))
    live.session.loop.requests.update(AnimationSettings("two.png"))
    with pytest.raises(CharacterError, match=r"two\.png is broken"):
        live.run(_MANY)
    assert live.output.shapes == []


def test_an_output_that_fails_ends_the_session_with_an_error() -> None:
    live = Live({}, Reader(10**6))

    def fail() -> str | None:
        raise RuntimeError("the window is gone")

    live.output.watch = fail
    with pytest.raises(AnimatorError, match=r"the output failed .*the window is gone"):
        live.run(_MANY)


def test_the_statistics_come_once_a_second() -> None:
    live = Live({}, Reader(10**6))
    stopper = threading.Timer(2.5, lambda: setattr(live.output, "is_closed", True))
    stopper.start()
    live.run(None)
    stopper.cancel()
    blocks = [line for line in live.told if line.startswith("FPS: Capture=")]
    assert 2 <= len(blocks) <= 4


def test_profiling_tells_the_stages_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("animator_core.live.statistics_lines._PROFILE_EVERY_NS", 1)
    live = Live({}, Reader(10**6), enable_profiling=True)
    live.run(5)
    profiles = [line for line in live.told if line.startswith("Profile (p50/p95/p99 ms): motion=")]
    assert profiles
    assert " | render=" in profiles[-1]


@pytest.mark.parametrize("place", ["cv2", "cv2.utils.logging", "nowhere"])
def test_opencv_is_kept_quiet_wherever_this_version_has_its_log_level(place: str, monkeypatch) -> None:
    from animator_core.live import camera

    levels: list[int] = []
    monkeypatch.delattr(camera.cv2, "setLogLevel", raising=False)
    monkeypatch.delattr(camera.cv2.utils, "logging", raising=False)
    if place == "cv2":
        monkeypatch.setattr(camera.cv2, "setLogLevel", levels.append, raising=False)
    elif place == "cv2.utils.logging":
        monkeypatch.setattr(camera.cv2.utils, "logging", SimpleNamespace(setLogLevel=levels.append), raising=False)
    with pytest.raises(CameraError, match="camera 97"):
        camera.open_reader(97, Config().video)
    assert levels == ([] if place == "nowhere" else [0])


def test_a_missing_camera_is_named_with_its_remedy() -> None:
    from animator_core.config import VideoConfig
    from animator_core.live.camera import open_reader

    with pytest.raises(CameraError, match=r"camera 97 .*--camera N"):
        open_reader(97, VideoConfig())
    with pytest.raises(CameraError, match=r"nothing\.mp4"):
        open_reader(str(Path("nothing.mp4")), VideoConfig())
