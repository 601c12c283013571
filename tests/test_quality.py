"""Adaptive quality: when less is animated, when all of it again, and that it never flutters."""

from __future__ import annotations

import logging

import pytest

from animator_core.animation.quality import Load, LoadMonitor, Pace, QualityLadder, Rung
from animator_core.animation.statistics import FrameStatistics
from animator_core.config import PerformanceConfig

SECOND = 1_000_000_000
MOST_SHARE = 0.9


class Machine:
    """A simulated machine under a simulated clock: what a frame costs there decides what comes out."""

    def __init__(self, is_liveportrait: bool = False, least_fps: float = 20) -> None:
        self.ladder = QualityLadder(least_fps, MOST_SHARE)
        self.ladder.use(is_liveportrait)
        self.now_s = 0
        self.camera_fps = 30.0
        self.tracking_ms = 10.0
        self.liveportrait_ms, self.warp_ms = (15.0 if is_liveportrait else None), 5.0
        self.size_matters = True
        self.seen: list[Rung] = []

    def load(self) -> Load:
        rung = self.ladder.rung
        wanted = self.camera_fps / 2 if rung.is_half_rate else self.camera_fps
        tracked = min(wanted, 1000 / self.tracking_ms)
        frame_ms = self.warp_ms if rung.is_warp or self.liveportrait_ms is None else self.liveportrait_ms
        frame_ms = frame_ms / 4 if rung.is_small and self.size_matters else frame_ms
        shown = min(tracked, MOST_SHARE * 1000 / frame_ms)
        return Load(shown, tracked * self.tracking_ms / 1000, shown * frame_ms / 1000)

    def run(self, seconds: int) -> Rung:
        for _ in range(seconds):
            self.now_s += 1
            self.ladder.observe(self.load(), self.now_s * SECOND)
            self.seen.append(self.ladder.rung)
        return self.ladder.rung

    @property
    def steps(self) -> int:
        return sum(one is not other for one, other in zip(self.seen, self.seen[1:]))


def test_a_machine_that_keeps_up_animates_all():
    assert Machine().run(1000) == Rung()
    assert Machine(is_liveportrait=True).run(1000) == Rung()


def test_a_machine_that_is_a_little_too_slow_only_shows_fewer_frames():
    machine = Machine()
    machine.warp_ms = 40
    assert machine.run(600) == Rung()
    assert machine.load().shown_fps == pytest.approx(22.5)


def test_a_slow_camera_is_no_slow_machine():
    machine = Machine()
    machine.camera_fps = 8
    assert machine.run(600) == Rung()


def test_a_moment_of_load_changes_nothing():
    machine = Machine()
    machine.run(10)
    machine.warp_ms = 200
    machine.run(3)
    machine.warp_ms = 5
    assert machine.run(60) == Rung()
    assert machine.steps == 0


def test_rungs_are_gone_down_one_by_one_until_enough_frames_come():
    machine = Machine()
    machine.warp_ms = 70
    assert machine.run(5) == Rung(is_half_rate=True)
    machine.warp_ms = 200
    assert machine.run(5) == Rung(is_half_rate=True, is_small=True)
    machine.warp_ms = 2000
    assert machine.run(60) == Rung(is_half_rate=True, is_small=True), "there is nothing below"


def test_liveportrait_gives_way_to_the_warp_in_full_rate_and_size_last():
    machine = Machine(is_liveportrait=True)
    machine.liveportrait_ms, machine.size_matters = 300, False
    assert machine.run(14) == Rung(is_warp=True)
    assert list(dict.fromkeys(machine.seen)) == [
        Rung(),
        Rung(is_half_rate=True),
        Rung(is_half_rate=True, is_small=True),
        Rung(is_warp=True),
    ]


def test_when_the_load_is_over_all_is_animated_again_within_a_minute():
    machine = Machine(is_liveportrait=True)
    machine.liveportrait_ms, machine.size_matters = 300, False
    machine.run(30)
    machine.liveportrait_ms = 15
    assert machine.run(60) == Rung()


def test_a_rung_is_left_only_where_there_is_room_for_the_next():
    machine = Machine()
    machine.warp_ms = 55
    assert machine.run(600) == Rung(is_half_rate=True)
    assert machine.steps == 1


def test_an_attempt_that_fails_is_made_later_and_later():
    machine = Machine(is_liveportrait=True)
    machine.liveportrait_ms, machine.size_matters = 300, False
    machine.run(3600)
    attempts = [i for i in range(1, 3600) if machine.seen[i - 1].is_warp and not machine.seen[i].is_warp]
    gaps = [later - earlier for earlier, later in zip(attempts, attempts[1:])]
    assert 3 <= len(attempts) <= 15
    assert all(later >= earlier for earlier, later in zip(gaps, gaps[1:]))
    assert gaps[-1] > 300
    assert sum(not rung.is_warp for rung in machine.seen[30:]) < 3600 * 0.02


def test_after_a_success_the_next_attempt_is_early_again():
    machine = Machine(is_liveportrait=True)
    machine.liveportrait_ms, machine.size_matters = 300, False
    machine.run(600)
    machine.liveportrait_ms = 15
    assert machine.run(500) == Rung()
    machine.liveportrait_ms = 300
    machine.run(30)
    machine.liveportrait_ms = 15
    assert machine.run(60) == Rung()


def test_frames_that_were_too_slow_while_they_were_prepared_are_never_shown():
    machine = Machine(is_liveportrait=True)
    assert not machine.ladder.refuses(9.0), "nothing was tried"
    machine.liveportrait_ms, machine.size_matters = 300, False
    machine.run(30)
    while machine.ladder.rung.is_warp:
        machine.run(1)
    assert machine.ladder.refuses(0.3)
    assert machine.ladder.rung == Rung(is_warp=True)


def test_liveportrait_that_is_too_slow_for_every_second_frame_is_refused_before_it_is_shown():
    ladder = QualityLadder(20, MOST_SHARE)
    assert not ladder.refuses_liveportrait(0.0), "nothing was measured"
    assert not ladder.refuses_liveportrait(0.09), "ten frames a second in nine tenths of the time"
    assert ladder.refuses_liveportrait(0.1)
    assert ladder.rung == Rung(is_warp=True)
    seconds = 0
    while ladder.rung.is_warp:
        seconds += 1
        ladder.observe(Load(30, 0.1, 0.1), seconds * SECOND)
    assert seconds > 300, "loading it again and again would cost more than it is worth"
    assert ladder.refuses(1.0)
    assert ladder.rung.is_warp


def test_a_threshold_of_0_refuses_nothing():
    assert not QualityLadder(0, MOST_SHARE).refuses_liveportrait(60.0)


def test_what_failed_and_was_not_slow_is_tried_again_in_full():
    machine = Machine(is_liveportrait=True)
    assert machine.ladder.fall_back()
    machine.warp_ms = 300
    assert machine.run(4) == Rung(is_half_rate=True, is_warp=True), "meanwhile the warp was too slow as well"
    machine.warp_ms = 5
    machine.run(120)
    assert machine.ladder.rung == Rung()
    shown = list(dict.fromkeys(machine.seen))
    assert shown == [Rung(is_warp=True), Rung(is_half_rate=True, is_warp=True), Rung()]


def test_what_is_prepared_beside_counts_neither_as_slow_nor_as_proof():
    machine = Machine()
    for second in range(100):
        machine.ladder.observe(Load(1, 0.1, 0.9), second * SECOND)
        machine.ladder.pause(second * SECOND)
    assert machine.ladder.rung == Rung()


def test_a_slow_tracker_does_not_cost_size_or_renderer():
    machine = Machine(is_liveportrait=True)
    machine.tracking_ms = 150
    assert machine.run(600) == Rung(is_half_rate=True)


def test_a_threshold_of_0_never_leaves_the_top():
    machine = Machine(least_fps=0)
    machine.warp_ms = 1000
    assert machine.run(600) == Rung()


def test_another_renderer_begins_at_the_top():
    machine = Machine()
    machine.warp_ms = 1000
    machine.run(60)
    machine.ladder.use(is_liveportrait=True)
    assert machine.ladder.rung == Rung()


@pytest.mark.parametrize(("work_ms", "most_share", "fps"), [(10, 0.25, 25), (10, 1.0, 60), (40, 0.5, 12.5)])
def test_rendering_takes_no_more_than_its_share_of_the_time(work_ms, most_share, fps):
    pace, now, shown = Pace(60), 0, 0
    pace.set_most_share(most_share)
    while now < 20 * SECOND:
        if pace.wait_s(now) == 0:
            pace.count(now)
            pace.rest(now, now + work_ms * 1_000_000)
            now += work_ms * 1_000_000
            shown += 1
        else:
            now += 100_000
    assert shown / 20 == pytest.approx(fps, rel=0.03)


def test_the_monitor_reads_the_load_from_the_statistics_and_logs_the_stages_when_asked(caplog):
    statistics = FrameStatistics()
    monitor = LoadMonitor(PerformanceConfig(enable_profiling=True), statistics, 0)
    with caplog.at_level(logging.INFO):
        for second in range(1, 7):
            for frame in range(8):
                statistics.add("render", 120_000_000)
                statistics.shown(1, (second - 1) * SECOND + frame * SECOND // 8)
            monitor.observe(second * SECOND, is_disturbed=False)
    assert monitor.rung == Rung(is_half_rate=True)
    assert "render 120.0" in caplog.text
    assert "every second frame only" in caplog.text
