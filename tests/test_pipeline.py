"""The hot path: what is handed on, what is not rendered again, and what its figures say."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from animator_core.animation.character_switch import nearest_first
from animator_core.animation.pipeline import CharacterPipeline, RenderReuse
from animator_core.animation.quality import Pace
from animator_core.animation.statistics import FrameStatistics
from animator_core.characters.character import Character
from animator_core.errors import CharacterError
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.estimator import MotionEstimator
from animator_core.motion.visible_change import signature
from animator_core.rendering.contract import Placement
from animator_core.tracking.observation import FaceObservation, TrackedFrame
from animator_core.warp.driver import LandmarkDriver

OBSERVATION = FaceObservation(np.zeros((478, 3), np.float32), 64, 48, 5)
TRACKED = TrackedFrame(OBSERVATION, None)


class EstimatorDouble(MotionEstimator):
    """Answers with the motion that the test puts in."""

    def __init__(self) -> None:
        super().__init__()
        self.motion = DrivingMotion(captured_ns=5)
        self.seen: list[tuple[FaceObservation | None, int]] = []

    def update(self, observation: FaceObservation | None, now_ns: int) -> DrivingMotion:
        self.seen.append((observation, now_ns))
        return self.motion


class DriverDouble(LandmarkDriver):
    """Hands the driving frame on to the renderer."""

    def place(self, tracked: TrackedFrame | None, now_ns: int) -> Placement:
        self._renderer.driving_frame = tracked and tracked.frame
        return super().place(tracked, now_ns)


class RendererDouble:
    name, device, note = "warp", "CPU", None
    is_computing = False

    def __init__(self) -> None:
        self.driving_frame: np.ndarray | None = None
        self.rendered: list[tuple[DrivingMotion, np.ndarray | None]] = []
        self.error: Exception | None = None
        self.picture = np.zeros((4, 4, 4), np.uint8)

    def create_driver(self, estimator: MotionEstimator) -> DriverDouble:
        return DriverDouble(self, estimator)

    def set_character(self, character: Character) -> None:
        if character.name == "bad.png":
            raise CharacterError("bad.png cannot be drawn", "use another")

    def place(self, motion: DrivingMotion) -> Placement:
        return Placement(signature(motion), (motion, self.driving_frame), motion.captured_ns)

    def draw(self, placement: Placement) -> np.ndarray:
        if self.error:
            raise self.error
        self.rendered.append(placement.content)
        return self.picture


def character(name: str = "a.png") -> Character:
    return Character(name, name, np.zeros((8, 8, 4), np.uint8), np.zeros((478, 3), np.float32), name)


def pipeline(**options: object) -> CharacterPipeline:
    made = CharacterPipeline(EstimatorDouble(), **options)
    made.use(RendererDouble())
    made.set_character(character())
    return made


def test_observation_becomes_motion_becomes_picture():
    made, frame = pipeline(), np.ones((2, 2, 3), np.uint8)
    animated = made.animate(TrackedFrame(OBSERVATION, frame), 77)
    assert made.estimator.seen == [(OBSERVATION, 77)]
    (motion, driving_frame) = made.renderer.rendered[0]
    assert motion is made.estimator.motion
    assert driving_frame is frame
    assert animated.picture is made.renderer.picture
    assert animated.captured_ns == 5


def test_a_refused_character_leaves_the_old_one():
    made = pipeline()
    with pytest.raises(CharacterError):
        made.set_character(character("bad.png"))
    assert made.character.name == "a.png"


def test_redraw_repeats_the_last_motion_and_is_neutral_before_the_first():
    made = pipeline()
    made.redraw()
    assert np.array_equal(made.renderer.rendered[0][0].rotation, np.eye(3))
    made.animate(None, 1)
    made.redraw()
    assert made.renderer.rendered[-1][0] is made.estimator.motion


CHANGES = [
    {"rotation": np.eye(3, dtype=np.float32) + np.float32(0.01)},
    {"translation": np.full(2, 0.01, np.float32)},
    {"scale": 1.01},
    {"expression": np.full((478, 3), 0.01, np.float32)},
    {"eye_openness": np.full(2, 0.9, np.float32)},
    {"gaze": np.full((2, 2), 0.05, np.float32)},
    {"breath": 0.5},
]


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: next(iter(change)))
def test_every_visible_change_of_the_motion_is_rendered(change):
    made = pipeline(reuse=RenderReuse())
    made.animate(TRACKED, 1)
    made.estimator.motion = DrivingMotion(**change)
    made.animate(TRACKED, 2)
    assert len(made.renderer.rendered) == 2


def test_an_unchanged_motion_is_not_rendered_again_but_its_time_goes_on():
    made = pipeline(reuse=RenderReuse())
    first = made.animate(TRACKED, 1)
    made.estimator.motion = DrivingMotion(translation=np.full(2, 1e-5, np.float32), captured_ns=99)
    again = made.animate(TRACKED, 2)
    assert len(made.renderer.rendered) == 1
    assert again.picture is first.picture
    assert again.captured_ns == 99
    info = made.reuse.get_info()
    assert (info.rendered, info.reused, info.hit_rate) == (1, 1, 0.5)


def test_many_tiny_changes_add_up_to_a_rendered_one():
    made = pipeline(reuse=RenderReuse())
    for step in range(100):
        made.estimator.motion = DrivingMotion(translation=np.full(2, step * 1e-3, np.float32))
        made.animate(TRACKED, step)
    assert 20 < len(made.renderer.rendered) < 50


def test_another_character_is_rendered_although_the_motion_is_the_same():
    made = pipeline(reuse=RenderReuse())
    made.animate(TRACKED, 1)
    made.set_character(character("b.png"))
    made.animate(TRACKED, 2)
    assert len(made.renderer.rendered) == 2


def test_without_the_optimizer_every_frame_is_rendered():
    made = pipeline()
    for moment in range(3):
        made.animate(TRACKED, moment)
    assert len(made.renderer.rendered) == 3


def test_after_a_failed_rendering_the_same_motion_is_tried_again():
    made = pipeline(reuse=RenderReuse())
    made.renderer.error = RuntimeError("broken")
    with pytest.raises(RuntimeError):
        made.animate(TRACKED, 1)
    made.renderer.error = None
    made.animate(TRACKED, 2)
    assert len(made.renderer.rendered) == 1


def test_slow_rendering_is_warned_of_once_in_a_while(caplog):
    made = pipeline(max_inference_time_ms=1e-6)
    with caplog.at_level(logging.WARNING):
        for moment in range(5):
            made.animate(TRACKED, moment)
    assert len(caplog.records) == 1
    assert "max_inference_time_ms" in caplog.text


def test_statistics_count_the_last_second_and_the_stages():
    statistics, second = FrameStatistics(), 1_000_000_000
    for index in range(61):
        shown_ns = 10 * second + index * second // 30
        statistics.shown(shown_ns - 20_000_000, shown_ns)
    assert statistics.fps(12 * second) == pytest.approx(30, rel=0.05)
    assert statistics.latency_ms(12 * second) == pytest.approx(20)
    assert statistics.latency_ms(20 * second) == 0
    assert statistics.fps(20 * second) == 0
    for duration in range(1, 101):
        statistics.add("render", duration * 1_000_000)
    assert statistics.stage_ms("render") == pytest.approx(50.5)
    assert statistics.stages()["render"].p95_ms == pytest.approx(95.05)
    assert statistics.stage_ms("absent") == 0


def test_idle_frames_count_for_the_rate_and_not_for_the_latency():
    statistics = FrameStatistics()
    for index in range(10):
        statistics.shown(0, 1_000_000_000 + index * 50_000_000)
    assert statistics.fps(1_500_000_000) == pytest.approx(20)
    assert statistics.latency_ms(1_500_000_000) == 0


def test_statistics_of_a_long_stream_stay_small():
    statistics = FrameStatistics()
    for index in range(10_000):
        statistics.add("render", index)
        statistics.shown(1, index)
    assert len(statistics._stages["render"].times_ns) < 1000
    assert len(statistics._latencies) < 1000


@pytest.mark.parametrize("jitter", [0, 7_000_000])
def test_pace_lets_through_the_frame_rate_on_average_whatever_the_jitter(jitter):
    pace, shown = Pace(50), 0
    for millisecond in range(10_000):
        now = millisecond * 1_000_000
        if now % 20_000_000 == (jitter if (now // 20_000_000) % 2 else 0) and pace.wait_s(now) == 0:
            pace.count(now)
            shown += 1
    assert shown == 500


def test_pace_never_lets_through_more_than_the_frame_rate():
    pace, shown = Pace(60), 0
    for tenth in range(100_000):
        now = tenth * 100_000
        if pace.wait_s(now) == 0:
            pace.count(now)
            shown += 1
    assert shown <= 602


def test_the_neighbours_of_a_character_are_prepared_first():
    names = ["a", "b", "c", "d", "e"]
    assert nearest_first(names, "a") == ["b", "e", "c", "d"]
    assert nearest_first(names, "c") == ["d", "b", "e", "a"]
    assert nearest_first(["a", "b"], "b") == ["a"]
    assert nearest_first(["a"], "a") == []
    assert nearest_first(names, "elsewhere") == names
