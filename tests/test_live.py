"""Promises of animator_core.live: the parts of ``run``."""

from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from animator_core.animation.pipeline import CharacterPipeline
from animator_core.animation.reuse import RenderReuse
from animator_core.characters.character import Character
from animator_core.config import Config, OutputConfig, PerformanceConfig
from animator_core.errors import CameraError, CharacterError
from animator_core.ipc.protocol import CharacterEntry
from animator_core.live.outputs import Canvas, key_name
from animator_core.live.session import LiveParts, LiveSession
from animator_core.live.shelf import CharacterShelf
from animator_core.live.statistics_lines import LiveFigures, format_lines
from animator_core.live.threads import CaptureThread, TrackingThread
from tests import stand_ins


class Source:
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

    def list(self) -> tuple[CharacterEntry, ...]:
        return tuple(CharacterEntry(name, name, name) for name in self.names)

    def fingerprint(self, name: str) -> tuple[int, ...]:
        return (1,)

    def load(self, name: str) -> Character:
        if name == "two.png":
            raise CharacterError("two.png is broken", "save it again")
        shown = stand_ins.character()
        return Character(name, name.split(".")[0], shown.picture, shown.landmarks, name)


class Keyboard:
    """An output whose keys are pressed by the test: frame number → key."""

    is_closed = False

    def __init__(self, keys: dict[int, str]) -> None:
        self.keys, self.shapes = keys, []  # type: ignore[var-annotated]

    def show(self, frame: np.ndarray) -> str | None:
        self.shapes.append(frame.shape)
        return self.keys.get(len(self.shapes))

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
    attempts: list[Source] = []

    def reopen() -> Source:
        if not attempts:
            attempts.append(Source(0))
            raise CameraError("still gone")
        attempts.append(Source(1000))
        return attempts[-1]

    first = Source(3)
    capture = CaptureThread(first, reopen)
    capture.start()
    _wait(lambda: capture.problem)
    assert "camera 7" in capture.problem
    assert first.is_closed
    _wait(lambda: len(attempts) == 2 and not capture.problem)
    capture.stop()
    assert not capture.is_finished


def test_the_end_of_a_video_is_no_problem() -> None:
    capture = CaptureThread(Source(2, is_finite=True), lambda: pytest.fail("opened again"))
    capture.start()
    _wait(lambda: capture.is_finished)
    assert capture.problem == ""


def test_tracking_takes_the_newest_frame_and_drops_the_others() -> None:
    capture = CaptureThread(Source(5, is_finite=True), lambda: Source(0))
    tracker = stand_ins.PixelTracker()
    tracking = TrackingThread(capture.newest, tracker)
    capture.start()
    _wait(lambda: capture.is_finished)
    tracking.step(0.0)
    tracking.step(0.0)
    assert len(tracker.times) == 1
    tracked = tracking.newest.take()
    assert tracked is not None
    assert tracked.observation is not None


def test_a_tracker_that_fails_is_noticed() -> None:
    capture = CaptureThread(Source(1000), lambda: Source(0))
    tracker = stand_ins.PixelTracker()
    tracker.track = lambda frame, captured_ns: 1 / 0  # type: ignore[method-assign,assignment,return-value]
    tracking = TrackingThread(capture.newest, tracker)
    capture.start()
    tracking.start()
    _wait(lambda: tracking.failure is not None)
    tracking.stop()
    capture.stop()
    assert isinstance(tracking.failure, ZeroDivisionError)


def test_the_shelf_loads_in_the_background_and_names_what_it_cannot() -> None:
    shelf = CharacterShelf(Library(), preload_all=True)  # type: ignore[arg-type]
    shelf.start()
    _wait(lambda: shelf.get("three.png") is not None)
    with pytest.raises(CharacterError, match=r"two\.png is broken"):
        shelf.get("two.png")
    assert shelf.loaded_count == 2
    shelf.stop()


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


def _session(keys: dict[int, str], source: Source, told: list[str], **performance: Any) -> tuple[LiveSession, Any]:
    config = Config(
        output=OutputConfig(width=64, height=64), performance=PerformanceConfig(target_fps=240.0, **performance)
    )
    capture = CaptureThread(source, lambda: source)
    tracking = TrackingThread(capture.newest, stand_ins.PixelTracker())
    renderer = stand_ins.FlatRenderer()
    pipeline = CharacterPipeline(
        reuse=RenderReuse(is_enabled=performance.get("enable_optimizer", True)),
    )
    pipeline.use(renderer)
    shelf = CharacterShelf(Library(), preload_all=False)  # type: ignore[arg-type]
    first = Library().load("one.png")
    shelf.add(first)
    pipeline.set_character(first)
    parts = LiveParts(capture, tracking, pipeline, shelf, Keyboard(keys))
    return LiveSession(parts, config, told.append), parts


def _finish(parts: Any) -> None:
    parts.capture.stop()
    parts.tracking.stop()
    parts.shelf.stop()


@pytest.mark.parametrize("is_async", [True, False])
def test_a_session_tracks_and_ends_with_the_clip(is_async: bool) -> None:
    told: list[str] = []
    session, parts = _session({}, Source(60, is_finite=True), told, async_pipeline=is_async)
    session.run(None)
    _finish(parts)
    assert session.frame_count > 3
    assert parts.tracking.rate.rate(time.perf_counter_ns()) > 0
    assert parts.pipeline.has_face


def test_keys_switch_characters_and_one_that_is_broken_costs_nothing() -> None:
    told: list[str] = []
    session, parts = _session({2: "3", 60: "2", 120: "q"}, Source(10**6), told)
    session.run(2000)
    _finish(parts)
    assert session.frame_count == 120
    assert parts.pipeline.character.name == "three.png"
    assert any("two.png is broken" in line for line in told)


def test_the_next_key_goes_round() -> None:
    session, parts = _session({2: "left", 100: "q"}, Source(10**6), [])
    session.run(2000)
    _finish(parts)
    assert parts.pipeline.character.name == "three.png"


def test_freeze_keeps_the_picture_still() -> None:
    session, parts = _session({20: "f"}, Source(10**6), [], enable_optimizer=False)
    estimator = parts.pipeline.estimator
    session.run(60)
    _finish(parts)
    motions = parts.pipeline.renderer.motions
    assert len({id(motion) for motion in motions[-30:]}) == 1
    assert estimator is parts.pipeline.estimator


def test_the_statistics_come_once_a_second() -> None:
    told: list[str] = []
    session, parts = _session({}, Source(10**6), told)
    stopper = threading.Timer(2.5, lambda: setattr(parts.output, "is_closed", True))
    stopper.start()
    session.run(None)
    stopper.cancel()
    _finish(parts)
    blocks = [line for line in told if line.startswith("FPS: Capture=")]
    assert 2 <= len(blocks) <= 4


def test_profiling_tells_the_stages_times(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("animator_core.live.session._PROFILE_EVERY_NS", 1)
    told: list[str] = []
    session, parts = _session({}, Source(10**6), told, enable_profiling=True)
    session.run(5)
    _finish(parts)
    profiles = [line for line in told if line.startswith("Profile (p50/p95/p99 ms): motion=")]
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
        camera.open_source(97, Config().video)
    assert levels == ([] if place == "nowhere" else [0])


def test_a_missing_camera_is_named_with_its_remedy() -> None:
    from animator_core.config import VideoConfig
    from animator_core.live.camera import open_source

    with pytest.raises(CameraError, match=r"camera 97 .*--camera N"):
        open_source(97, VideoConfig())
    with pytest.raises(CameraError, match=r"nothing\.mp4"):
        open_source(str(Path("nothing.mp4")), VideoConfig())
