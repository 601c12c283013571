"""What the worker is made of, part by part."""

from __future__ import annotations

import gc
import os
import queue
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path

import numpy as np
import pytest

from animator_core.animation import animation, character_switch, prepared_renderer
from animator_core.animation.animation import Animation
from animator_core.animation.face_tracking import FaceTracking
from animator_core.animation.preparation import SOON, WANTED, PreparationThread
from animator_core.animation.prepared_renderer import PreparedRenderer
from animator_core.animation.quality import Load, Rung
from animator_core.animation.requests import AnimationRequests
from animator_core.animation.services import Services
from animator_core.animation.statistics import FrameStatistics
from animator_core.characters.library import CharacterLibrary
from animator_core.config import AiModelConfig, CharacterConfig, Config
from animator_core.errors import AnimatorError, CharacterError, DeviceLostError, ModelError, WeightsError
from animator_core.ipc.frame_ring import FORMAT_BGRA_PREMULTIPLIED, FORMAT_RGBA, RingMemory, RingReader, RingWriter
from animator_core.ipc.protocol import AnimationSettings, Ready, Shutdown, decode, encode
from animator_core.motion.kept_neutral import from_text
from animator_core.tracking.observation import FaceObservation, TrackedFrame
from animator_core.warp.driver import LandmarkDriver
from animator_core.worker.channel import MessageChannel
from animator_core.worker.process import ParentWatch
from animator_core.worker.rings import RingSink, RingSource
from tests.worker_harness import save_character
from tests.worker_with_doubles import RendererDouble, TrackerDouble


class TrackerRecorder:
    name = "recorder"

    def __init__(self) -> None:
        self.frames: list[np.ndarray] = []
        self.times: list[int] = []

    def track(self, frame: np.ndarray, captured_ns: int) -> FaceObservation | None:
        self.frames.append(frame)
        self.times.append(captured_ns)
        return None

    def close(self) -> None: ...


class QuietRenderer(RendererDouble):
    def render(self, motion):
        return np.ascontiguousarray(self._character.picture)


@pytest.fixture
def memory(tmp_path):
    ring = RingMemory.create(64 * 64 * 4, directory=str(tmp_path))
    yield ring
    ring.close()


@pytest.fixture
def preparation():
    thread = PreparationThread()
    yield thread
    thread.end()
    assert thread.join(10)


@pytest.fixture
def library(tmp_path) -> CharacterLibrary:
    for name in ("a.png", "b.png", "c.png"):
        save_character(tmp_path / "characters", name, (10, 20, 30))
    return CharacterLibrary(tmp_path / "characters", detect=lambda rgb: None)


def wait_until(is_true) -> None:
    until = time.monotonic() + 10
    while not is_true():
        assert time.monotonic() < until, "it did not come about"
        time.sleep(0.005)


def publish(writer: RingWriter, captured_ns: int, width: int = 5, height: int = 3, padding: int = 12) -> np.ndarray:
    stride = width * 4 + padding
    rows = np.random.default_rng(captured_ns).integers(0, 256, (height, stride), np.uint8)
    writer.begin()[: rows.nbytes] = rows.reshape(-1).data
    writer.publish(width, height, stride, FORMAT_RGBA, captured_ns)
    return rows[:, : width * 4].reshape(height, width, 4)[..., :3]


def test_a_driving_frame_with_padded_rows_is_tracked_as_rgb(memory):
    tracker, frames = TrackerRecorder(), FaceTracking(RingSource(RingReader(memory)), FrameStatistics())
    assert frames.track_newest(tracker) is None
    expected = publish(RingWriter(memory), 5)
    tracked = frames.track_newest(tracker)
    assert np.array_equal(tracker.frames[0], expected)
    assert tracker.frames[0].flags.c_contiguous
    assert tracked.frame is tracker.frames[0]
    assert frames.track_newest(tracker) is None


def test_times_given_to_the_tracker_rise_whatever_the_ring_says(memory):
    tracker, frames = TrackerRecorder(), FaceTracking(RingSource(RingReader(memory)), FrameStatistics())
    writer = RingWriter(memory)
    for captured_ns in (100, 100, 50, 200):
        publish(writer, captured_ns)
        frames.track_newest(tracker)
    assert tracker.times == [100, 101, 102, 200]


def test_a_slow_machine_tracks_every_second_frame(memory):
    tracker, frames = TrackerRecorder(), FaceTracking(RingSource(RingReader(memory)), FrameStatistics())
    writer = RingWriter(memory)
    for captured_ns in range(1, 11):
        publish(writer, captured_ns)
        frames.track_newest(tracker, may_skip=True)
    assert len(tracker.frames) == 5


def test_frames_of_another_format_are_not_tracked(memory):
    tracker, frames = TrackerRecorder(), FaceTracking(RingSource(RingReader(memory)), FrameStatistics())
    writer = RingWriter(memory)
    writer.begin()
    writer.publish(4, 4, 16, FORMAT_BGRA_PREMULTIPLIED, 1)
    assert frames.track_newest(tracker) is None
    assert tracker.frames == []


def test_urgent_jobs_run_first_and_a_failing_one_stops_no_other(preparation, caplog):
    order: list[str] = []
    gate = threading.Event()
    preparation.submit(WANTED, lambda: gate.wait(10))
    preparation.submit(SOON, lambda: order.append("soon"))
    preparation.submit(WANTED, lambda: order.append(str(1 // 0)))
    preparation.submit(WANTED, lambda: order.append("wanted"))
    gate.set()
    wait_until(lambda: len(order) == 2)
    assert order == ["wanted", "soon"]
    assert "ZeroDivisionError" in caplog.text


def test_no_job_begins_after_the_end():
    thread, gate, order = PreparationThread(), threading.Event(), []
    thread.submit(WANTED, lambda: gate.wait(10))
    thread.submit(WANTED, lambda: order.append(1))
    thread.end()
    gate.set()
    assert thread.join(10)
    assert order == []


def make_services(library, preparation, create_renderer=lambda name: QuietRenderer(), config=None) -> Services:
    return Services(
        config or Config(), library, preparation, create_tracker=TrackerDouble, create_renderer=create_renderer
    )


def prepared_renderer_of(
    library, preparation, create_renderer=lambda name: QuietRenderer(), name="warp", warmup_frames=0
) -> PreparedRenderer:
    config = Config(ai_model=AiModelConfig(warmup_frames=warmup_frames))
    return PreparedRenderer(name, 1 << 20, make_services(library, preparation, create_renderer, config))


def test_a_prepared_renderer_prepares_in_the_background_and_then_answers_at_once(library, preparation):
    prepared = prepared_renderer_of(library, preparation, warmup_frames=2)
    assert prepared.character("a.png") is None
    wait_until(lambda: prepared.character("a.png") is not None)
    assert prepared.character("a.png") is prepared.character("a.png")
    assert prepared.renderer is not None


def test_a_prepared_renderer_says_why_a_character_cannot_be_drawn_until_it_is_refreshed(library, preparation):
    prepared = prepared_renderer_of(library, preparation)
    prepared.character("absent.png")
    wait_until(lambda: prepared.error("absent.png") is not None)
    assert isinstance(prepared.error("absent.png"), CharacterError)
    save_character(library.directory, "absent.png", (1, 2, 3))
    prepared.refresh()
    wait_until(lambda: prepared.character("absent.png") is not None)


def test_a_prepared_renderer_loads_a_changed_file_again_after_a_refresh_and_keeps_the_rest(library, preparation):
    prepared = prepared_renderer_of(library, preparation)
    prepared.preload(["a.png", "b.png"])
    wait_until(lambda: prepared.character("a.png") and prepared.character("b.png"))
    a, b = prepared.character("a.png"), prepared.character("b.png")
    path = save_character(library.directory, "a.png", (99, 98, 97))
    os.utime(path, ns=(5, 5))
    prepared.refresh()
    wait_until(lambda: prepared.character("a.png") is not None)
    assert prepared.character("a.png").content_hash != a.content_hash
    assert prepared.character("b.png") is b


def test_an_error_inside_a_library_is_that_characters_error(library, preparation):
    class Choking(QuietRenderer):
        def prepare(self, character):
            raise ZeroDivisionError("inside a library")

    prepared = prepared_renderer_of(library, preparation, lambda name: Choking())
    prepared.character("a.png")
    wait_until(lambda: prepared.error("a.png") is not None)
    assert "ZeroDivisionError: inside a library" in str(prepared.error("a.png"))


def test_without_weights_the_prepared_renderer_falls_back_to_warp_and_says_so(library, preparation):
    def create(name: str) -> QuietRenderer:
        if name != "warp":
            raise WeightsError("no weights", "run install.py")
        return QuietRenderer()

    prepared = prepared_renderer_of(library, preparation, create, "liveportrait")
    prepared.character("a.png")
    wait_until(lambda: prepared.character("a.png") is not None)
    assert isinstance(prepared.renderer_problem, WeightsError)


@pytest.mark.parametrize(
    "error", [ImportError("Numba needs NumPy 2.0 or less"), OSError(28, "No space left on device"), KeyError("numpy")]
)
def test_a_renderer_that_does_not_load_is_told_once_and_tried_again_later_and_later(
    library, preparation, monkeypatch, caplog, error
):
    attempts: list[float] = []
    now = [1000.0]
    is_broken = [True]
    monkeypatch.setattr(prepared_renderer.time, "monotonic", lambda: now[0])

    def create(name: str) -> QuietRenderer:
        attempts.append(now[0])
        if is_broken[0]:
            raise error
        return QuietRenderer()

    prepared = prepared_renderer_of(library, preparation, create)

    def ask(seconds: float) -> None:
        for _ in range(round(seconds * 4)):
            now[0] += 0.25
            prepared.character("a.png")
            prepared.character("b.png")
            idle = threading.Event()
            preparation.submit(SOON, idle.set)
            assert idle.wait(10)

    ask(300)
    gaps = [later - earlier for earlier, later in zip(attempts, attempts[1:])]
    assert gaps[0] == pytest.approx(2, abs=0.3)
    assert all(later >= earlier for earlier, later in zip(gaps, gaps[1:]))
    assert gaps[-1] == pytest.approx(60, abs=0.3)
    assert len(attempts) == 9
    assert type(error).__name__ in str(prepared.error("a.png"))
    assert "run install.py again" in str(prepared.error("b.png")).partition("; ")[2]
    assert len(caplog.records) == 1
    is_broken[0] = False
    ask(61)
    assert prepared.character("a.png") is not None and prepared.character("b.png") is not None
    assert prepared.error("a.png") is None and prepared.renderer_problem is None


def test_a_refresh_tries_a_renderer_that_does_not_load_at_once(library, preparation):
    is_broken = [True]

    def create(name: str) -> QuietRenderer:
        if is_broken[0]:
            raise ImportError("no numba")
        return QuietRenderer()

    prepared = prepared_renderer_of(library, preparation, create)
    prepared.character("a.png")
    wait_until(lambda: prepared.error("a.png") is not None)
    is_broken[0] = False
    assert prepared.character("a.png") is None
    prepared.refresh()
    wait_until(lambda: prepared.character("a.png") is not None)


def test_a_character_folder_that_cannot_be_looked_at_is_the_characters_error(library, preparation, monkeypatch):
    def fail(name: str) -> tuple[int, ...]:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(library, "fingerprint", fail)
    prepared = prepared_renderer_of(library, preparation)
    prepared.character("a.png")
    wait_until(lambda: prepared.error("a.png") is not None)
    assert "Input/output error" in str(prepared.error("a.png"))


def test_without_any_renderer_the_prepared_renderer_reports_the_error(library, preparation):
    def create(name: str) -> QuietRenderer:
        raise AnimatorError("no renderer", "install one")

    prepared = prepared_renderer_of(library, preparation, create)
    prepared.character("a.png")
    wait_until(lambda: prepared.error("a.png") is not None)
    assert "no renderer" in str(prepared.error("a.png"))


class LivePortraitDouble(QuietRenderer):
    name = "liveportrait"
    device = "a GPU"

    def set_character(self, character):
        super().set_character(character)
        self.name = "liveportrait"


def make_animation(memory, services: Services, settings: AnimationSettings) -> Animation:
    sink = RingSink(RingWriter(memory))
    return Animation(AnimationRequests(settings), services, sink=sink, statistics=FrameStatistics())


def animation_of(memory, library, preparation, made: list[QuietRenderer]) -> Animation:
    """Return an animation whose renderers are kept in ``made``."""

    def create(name: str) -> QuietRenderer:
        made.append(QuietRenderer() if name == "warp" else LivePortraitDouble())
        return made[-1]

    shown = make_animation(memory, make_services(library, preparation, create), AnimationSettings("a.png"))
    shown.restart()
    wait_until(lambda: shown.advance(None, False))
    return shown


def looks_of(shown: Animation, monkeypatch, clock: list[int]) -> list[int]:
    """Settle ``shown``, stop its clock, and return the list that takes the times at which its switch is called."""
    wait_until(lambda: (shown.advance(None, False), shown.switch.is_settled)[1])
    looks: list[int] = []
    look = shown.switch.advance
    monkeypatch.setattr(animation, "now_ns", lambda: clock[0])
    monkeypatch.setattr(shown.switch, "advance", lambda settings: (looks.append(clock[0]), look(settings))[1])
    return looks


def test_while_nothing_changes_the_character_switch_is_called_ten_times_a_second(
    memory, library, preparation, monkeypatch
):
    shown = animation_of(memory, library, preparation, [])
    clock = [animation.now_ns()]
    looks = looks_of(shown, monkeypatch, clock)
    for _ in range(200):
        clock[0] += 5_000_000
        shown.advance(None, False)
    assert 9 <= len(looks) <= 11
    shown.close()


@pytest.mark.parametrize(
    "change",
    [
        lambda shown: shown.requests.update(AnimationSettings("b.png")),
        lambda shown: shown.requests.act("calibrate"),
        lambda shown: shown.requests.refresh_characters(),
        lambda shown: slow_down(shown, Rung(is_half_rate=True)),
    ],
    ids=["settings", "calibrate", "refresh", "quality"],
)
def test_a_change_is_carried_out_at_the_next_frame(memory, library, preparation, monkeypatch, change):
    shown = animation_of(memory, library, preparation, [])
    clock = [animation.now_ns()]
    looks = looks_of(shown, monkeypatch, clock)
    shown.advance(None, False)
    before = len(looks)
    shown.advance(None, False)
    assert len(looks) == before
    change(shown)
    shown.advance(None, False)
    assert len(looks) == before + 1
    shown.close()


def test_less_computing_time_counts_from_the_next_frame_on(memory, library, preparation, monkeypatch):
    shown = animation_of(memory, library, preparation, [])
    rests: list[int] = []
    monkeypatch.setattr(shown._pace, "rest", lambda began, _: rests.append(shown._pace.rest_ns(1000)))
    for most_share in (1.0, 0.25, 0.5):
        shown.requests.update(AnimationSettings("a.png", most_share=most_share))
        wait_until(lambda: shown.advance(None, False))
    # The configuration's own limit is 0.9.
    assert rests == [111, 3000, 1000]
    shown.close()


def slow_down(shown: Animation, rung: Rung) -> None:
    """Have the animation see a machine that is too slow until it has gone down to ``rung``."""
    for second in range(100):
        if shown._load.rung == rung:
            return
        shown._load.quality.observe(Load(1, 0.1, 0.9), second * 1_000_000_000)
    raise AssertionError(shown._load.rung)


def test_a_machine_that_is_too_slow_gets_less_to_do_and_the_streamer_is_told(memory, library, preparation):
    made: list[QuietRenderer] = []
    shown = animation_of(memory, library, preparation, made)
    assert shown.note == ("", "")
    assert not shown.skips_frames
    slow_down(shown, Rung(is_half_rate=True))
    assert shown.skips_frames
    assert "every second frame only" in shown.note[0]
    slow_down(shown, Rung(is_warp=True))
    wait_until(lambda: shown.advance(None, False) and shown.renderer_name == "warp")
    assert "by the warp renderer" in shown.note[0]
    assert shown._pace._period_ns < 20_000_000, "in full rate"
    shown.close()


def test_where_the_gpu_fails_the_warp_goes_on_and_says_why(memory, library, preparation, monkeypatch):
    made: list[QuietRenderer] = []
    shown = animation_of(memory, library, preparation, made)

    def fail(self, motion):
        raise ModelError("NVIDIA failed while LivePortrait used it (out of memory)", "close other programs that use it")

    monkeypatch.setattr(LivePortraitDouble, "render", fail)
    shown._is_redraw_due = True
    wait_until(lambda: shown.advance(None, False) and shown.renderer_name == "warp")
    assert shown.note == (
        "NVIDIA failed while LivePortrait used it (out of memory), so the warp renderer draws for now",
        "close other programs that use it",
    )
    monkeypatch.undo()
    for second in range(100, 200):
        shown._load.quality.observe(Load(30, 0.1, 0.1), second * 1_000_000_000)
    assert shown._load.rung == Rung(), "the computer is not too slow"
    notes = set()
    wait_until(lambda: (notes.add(shown.note[0]), shown.advance(None, False), shown.renderer_name != "warp")[2])
    assert notes == {"NVIDIA failed while LivePortrait used it (out of memory), so the warp renderer draws for now"}
    assert shown.note == ("", "")
    shown.close()


def test_a_device_error_that_is_told_keeps_no_networks_alive(memory, library, preparation, monkeypatch):
    shown = animation_of(memory, library, preparation, [])
    held: list[weakref.ref[object]] = []
    # pytest keeps what is logged.
    monkeypatch.setattr(character_switch.logger, "warning", lambda *given, **more: None)

    def fail(self, motion):
        networks = type("Networks", (), {})()
        held.append(weakref.ref(networks))
        raise ModelError("NVIDIA failed", "close programs")

    monkeypatch.setattr(LivePortraitDouble, "render", fail)
    shown._is_redraw_due = True
    wait_until(lambda: shown.advance(None, False) and shown.renderer_name == "warp")
    gc.collect()
    assert shown.note[0].startswith("NVIDIA failed")
    assert [each() for each in held] == [None] * len(held)
    shown.close()


def test_a_gpu_that_fails_before_the_first_frame_leaves_it_to_the_warp(memory, library, preparation, monkeypatch):
    def fail(self, *given):
        raise ModelError("NVIDIA has no memory", "close other programs")

    monkeypatch.setattr(LivePortraitDouble, "prepare", fail)
    shown = animation_of(memory, library, preparation, [])
    assert shown.renderer_name == "warp"
    assert shown.error is None
    assert shown.note == ("NVIDIA has no memory, so the warp renderer draws for now", "close other programs")
    shown.close()


def test_a_gpu_that_was_lost_before_it_ever_drew_is_left_alone(memory, library, preparation, monkeypatch):
    def fail(self, *given):
        raise DeviceLostError("NVIDIA is gone", "update the driver")

    monkeypatch.setattr(LivePortraitDouble, "warm_up", fail)
    shown = animation_of(memory, library, preparation, [])
    assert shown.renderer_name == "warp", "a new process would only be lost again and again"
    assert shown.note == ("NVIDIA is gone, so the warp renderer draws for now", "update the driver")
    shown.close()


@pytest.mark.parametrize("fails_when", ["drawing", "preparing another"])
def test_a_gpu_that_is_lost_after_it_drew_is_the_end_of_the_thread(
    memory, library, preparation, monkeypatch, fails_when
):
    def fail(self, *given):
        raise DeviceLostError("NVIDIA is gone", "update the driver")

    shown = animation_of(memory, library, preparation, [])
    assert shown.renderer_name == "liveportrait"
    if fails_when == "preparing another":
        monkeypatch.setattr(LivePortraitDouble, "prepare", fail)
        save_character(library.directory, "new.png", (1, 2, 3))
        shown.requests.update(AnimationSettings("new.png"))
    else:
        monkeypatch.setattr(LivePortraitDouble, "render", fail)
        shown._is_redraw_due = True
    with pytest.raises(DeviceLostError):
        wait_until(lambda: shown.advance(None, False) and False)
    shown.close()


def test_the_thread_that_draws_is_warmed_up_as_well(memory, library, preparation, monkeypatch):
    threads: list[int] = []
    monkeypatch.setattr(QuietRenderer, "warm_up", lambda self: threads.append(threading.get_ident()))
    shown = animation_of(memory, library, preparation, [])
    assert threads[-1] == threading.get_ident()
    assert threads[:-1] == [preparation._thread.ident] * Config().ai_model.warmup_frames
    shown.close()


@pytest.mark.parametrize(("wanted", "drawn_by"), [("auto", "warp"), ("liveportrait", "liveportrait")])
def test_auto_never_shows_a_liveportrait_that_is_too_slow_here(
    memory, library, preparation, monkeypatch, wanted, drawn_by
):
    monkeypatch.setattr(LivePortraitDouble, "warm_up", lambda self: time.sleep(0.1))
    made: list[QuietRenderer] = []

    def create(name: str) -> QuietRenderer:
        made.append(QuietRenderer() if name == "warp" else LivePortraitDouble())
        return made[-1]

    settings = AnimationSettings("a.png", renderer=wanted)
    shown = make_animation(memory, make_services(library, preparation, create), settings)
    shown.restart()
    names = set()
    wait_until(lambda: (names.add(shown.renderer_name), shown.advance(None, False))[1])
    assert shown.renderer_name == drawn_by
    assert names <= {"", drawn_by}
    assert ("too slow" in shown.note[0]) == (drawn_by == "warp")
    shown.close()


@pytest.mark.parametrize("fails_when", ["loading", "preparing"])
def test_a_gpu_that_still_fails_when_it_is_tried_again_is_tried_later(
    memory, library, preparation, monkeypatch, fails_when
):
    made: list[QuietRenderer] = []
    shown = animation_of(memory, library, preparation, made)

    def fail(*given):
        raise ModelError("NVIDIA has no memory", "close other programs")

    with monkeypatch.context() as broken:
        broken.setattr(LivePortraitDouble, "render", fail)
        shown._is_redraw_due = True
        wait_until(lambda: shown.advance(None, False) and shown.renderer_name == "warp")
    with monkeypatch.context() as broken:
        broken.setattr(LivePortraitDouble, "__init__" if fails_when == "loading" else "prepare", fail)
        for second in range(100, 200):
            shown._load.quality.observe(Load(30, 0.1, 0.1), second * 1_000_000_000)
        assert not shown._load.rung.is_warp
        wait_until(lambda: (shown.advance(None, False), shown._load.rung.is_warp)[1])
    shown._is_redraw_due = True
    wait_until(lambda: shown.advance(None, False))
    assert shown.renderer_name == "warp"
    assert shown.error is None
    assert shown.note == ("NVIDIA has no memory, so the warp renderer draws for now", "close other programs")
    for second in range(200, 300):
        shown._load.quality.observe(Load(30, 0.1, 0.1), second * 1_000_000_000)
    wait_until(lambda: (shown.advance(None, False), shown.renderer_name == "liveportrait")[1])
    assert shown.note == ("", "")
    shown.close()


def test_where_the_warp_fails_there_is_nothing_to_give_way_to(memory, library, preparation, monkeypatch):
    settings = AnimationSettings("a.png", frame_rate=1000)
    shown = make_animation(memory, make_services(library, preparation), settings)
    shown.restart()
    wait_until(lambda: shown.advance(None, False))

    def fail(self, motion):
        raise ModelError("broken", "report this")

    monkeypatch.setattr(QuietRenderer, "render", fail)
    shown._is_redraw_due = True
    shown.switch.pipeline.reuse.forget()
    with pytest.raises(ModelError, match="broken"):
        wait_until(lambda: shown.advance(None, False))
    shown.close()


def test_at_half_the_size_a_quarter_of_the_pixels_is_drawn(memory, preparation, tmp_path, monkeypatch):
    monkeypatch.setattr(character_switch, "_LEAST_PIXELS", 1)
    save_character(tmp_path / "characters", "a.png", (10, 20, 30))
    library = CharacterLibrary(tmp_path / "characters", detect=lambda rgb: None)
    shown = animation_of(memory, library, preparation, [])
    reader = RingReader(memory)
    full = reader.poll()
    slow_down(shown, Rung(is_half_rate=True, is_small=True))
    wait_until(lambda: shown.advance(None, False) and reader.poll().width < full.width)
    small = reader.poll()
    assert 0.2 < small.width * small.height / (full.width * full.height) <= 0.25
    shown.close()


def test_a_reduced_picture_fits_a_ring_that_is_smaller_than_the_least_size(memory, library, preparation):
    shown = animation_of(memory, library, preparation, [])
    slow_down(shown, Rung(is_half_rate=True, is_small=True))
    assert shown.switch.max_pixels(is_small=True) * 4 == memory.capacity
    shown.close()


def test_a_hidden_filter_renders_nothing_and_shows_the_present_when_seen_again(memory, library, preparation):
    settings = AnimationSettings("a.png", frame_rate=1000)
    shown = make_animation(memory, make_services(library, preparation), settings)
    shown.restart()
    wait_until(lambda: shown.advance(None, False))
    shown.requests.act("hide")
    for _ in range(5):
        time.sleep(0.01)
        assert not shown.advance(None, False)
    assert shown.wait_s() >= 0.05
    shown.requests.act("show")
    wait_until(lambda: shown.advance(None, False))
    shown.close()


@pytest.mark.parametrize(("preload_all", "expected"), [(True, ["a", "b", "e", "c", "d"]), (False, ["a", "b", "e"])])
def test_the_other_characters_are_prepared_after_the_first_nearest_first(
    memory, library, preparation, preload_all, expected
):
    prepared: list[str] = []

    class Recording(QuietRenderer):
        def prepare(self, character):
            prepared.append(Path(character.name).stem)

    for name in ("d.png", "e.png"):
        save_character(library.directory, name, (1, 2, 3))
    config = Config(character=CharacterConfig(preload_all=preload_all))
    services = make_services(library, preparation, lambda name: Recording(), config)
    shown = make_animation(memory, services, AnimationSettings("a.png"))
    shown.restart()
    wait_until(lambda: shown.advance(None, False))
    is_done = threading.Event()
    preparation.submit(SOON, is_done.set)
    assert is_done.wait(10)
    assert prepared == expected
    shown.close()


def test_channel_passes_messages_both_ways_and_ends_with_the_input():
    there, back = os.pipe(), os.pipe()
    channel = MessageChannel(there[0], back[1])
    with pytest.raises(queue.Empty):
        channel.receive(0.01)
    os.write(there[1], b"noise\n" + encode(Shutdown()))
    assert channel.receive(10) == Shutdown()
    channel.send(Ready(1, 2))
    assert decode(os.read(back[0], 1000)) == Ready(1, 2)
    os.close(there[1])
    assert channel.receive(10) is None
    os.close(back[0])
    channel.send(Ready(1, 2))
    assert channel.is_broken
    os.close(back[1])
    os.close(there[0])


def test_parent_watch_notices_the_end_also_of_an_unreaped_parent():
    assert not ParentWatch(None).is_gone()
    assert not ParentWatch(os.getpid()).is_gone()
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    watch = ParentWatch(parent.pid)
    assert not watch.is_gone()
    parent.kill()
    wait_until(watch.is_gone)
    parent.wait()
    assert watch.is_gone()
    assert ParentWatch(parent.pid).is_gone()


def test_main_limits_the_threads_of_the_number_libraries():
    code = (
        "import os; from animator_core.worker.process import limit_threads\n"
        "os.environ.pop('OMP_NUM_THREADS', None); threads = limit_threads()\n"
        "assert os.environ['OMP_NUM_THREADS'] == os.environ['NUMBA_NUM_THREADS'] == str(threads)\n"
        "assert 1 <= threads <= 4"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


class CalibratedDriver(LandmarkDriver):
    """Knows the driver's neutral face from the beginning, or from another renderer."""

    @property
    def neutral(self):
        return {**super().neutral, "liveportrait_scale": np.ones((1, 1), np.float32)}

    def set_neutral(self, arrays):
        self._renderer.given_neutral = arrays


class CalibratedDouble(LivePortraitDouble):
    def create_driver(self, estimator):
        return CalibratedDriver(self, estimator)


def test_the_neutral_pose_survives_failures_other_renderers_and_other_sizes(memory, library, preparation, monkeypatch):
    monkeypatch.setattr(character_switch, "_LEAST_PIXELS", 1)
    made: list[QuietRenderer] = []

    def create(name: str) -> QuietRenderer:
        made.append(QuietRenderer() if name == "warp" else CalibratedDouble())
        return made[-1]

    settings = AnimationSettings("a.png", frame_rate=1000)
    shown = make_animation(memory, make_services(library, preparation, create), settings)
    shown.restart()
    tracker, number = TrackerDouble(), [0]

    def follow() -> bool:
        number[0] += 1
        frame = np.full((48, 64, 3), 128, np.uint8)
        return shown.advance(TrackedFrame(tracker.track(frame, number[0] * 33_333_333), frame), False)

    wait_until(lambda: (follow(), shown.switch.pipeline.is_calibrated)[1])
    wait_until(lambda: follow() and shown.neutral_text)
    text = shown.neutral_text
    assert {"rotation", "shape", "liveportrait_scale"} <= set(from_text(text))
    slow_down(shown, Rung(is_half_rate=True, is_small=True))
    count = len(made)
    wait_until(lambda: (follow(), len(made) > count and shown.switch.renderers.incoming is None)[1])
    assert made[-1].given_neutral["liveportrait_scale"] == 1, "the renderer of the smaller size"
    shown.restart()
    assert shown.switch.pipeline.is_calibrated, "after a failure"
    assert shown.neutral_text == text
    shown.requests.act("calibrate")
    wait_until(lambda: follow() and shown.neutral_text != text)
    shown.close()
