"""A worker process with real rings and pipes: what it serves, what it survives, and that it leaves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from animator_core.ipc.frame_ring import FILE_PREFIX, RingAddress, now_ns
from animator_core.ipc.protocol import (
    PROTOCOL_VERSION,
    AddCharacter,
    AnimationSettings,
    CharacterAdded,
    CharacterList,
    CloseFilter,
    CutOutCharacter,
    FilterAction,
    FilterOpened,
    FilterStatus,
    NeutralPose,
    OpenFilter,
    Ready,
    RefreshCharacters,
    Shutdown,
    UpdateFilter,
    WorkerProblem,
)
from animator_core.worker import process_end
from tests.conftest import shared_file
from tests.worker_harness import BLACK, GREY, WorkerHarness, save_character, write_config

pytestmark = pytest.mark.slow

COLOURS = {"red.png": (220, 20, 20), "green.png": (20, 220, 20), "blue.png": (20, 20, 220)}
MAGENTA = np.full((48, 64, 4), (255, 0, 255, 255), np.uint8)


def is_colour(name: str):
    expected = (*COLOURS[name][::-1], 255)
    return lambda frame: frame[5, 5].tolist() == list(expected)


@pytest.fixture
def folder(tmp_path) -> Path:
    for name, colour in COLOURS.items():
        save_character(tmp_path / "characters", name, colour)
    return tmp_path


def start(folder: Path, *arguments: str, extra: str = "") -> WorkerHarness:
    """Start a worker with doubles for tracker and renderer."""
    config = write_config(folder, extra)
    return WorkerHarness(folder, str(config), *arguments, command=("-m", "tests.worker_with_doubles"))


def ring_files(folder: Path) -> list[str]:
    return [name for name in os.listdir(folder) if name.startswith(FILE_PREFIX)]


def test_worker_says_ready_and_lists_the_characters(folder):
    with start(folder) as worker:
        ready = worker.wait_for(Ready)
        assert (ready.version, ready.pid) == (PROTOCOL_VERSION, worker.process.pid)
        characters = worker.wait_for(CharacterList).characters
        assert [entry.file for entry in characters] == ["blue.png", "green.png", "red.png"]
        assert Path(characters[0].path).is_file()


def test_an_empty_library_is_a_problem_with_a_remedy(tmp_path):
    (tmp_path / "characters").mkdir()
    with start(tmp_path) as worker:
        assert worker.wait_for(CharacterList).characters == ()
        assert "put a PNG" in worker.wait_for(WorkerProblem).remedy
        worker.open()
        assert "no picture in" in worker.wait_for_state("error").message


def test_pictures_that_cannot_be_shown_are_marked_and_the_default_passes_over_them(folder):
    (folder / "characters" / "a broken.png").write_bytes(b"no picture")
    with start(folder) as worker:
        worker.open()
        listed = worker.wait_for(CharacterList, lambda message: message.characters[0].problem)
        assert "a broken.png" in listed.characters[0].problem and not any(e.problem for e in listed.characters[1:])
        worker.next_frame(matches=is_colour("blue.png"))
        assert worker.wait_for_state("tracking").character == "blue.png"
        save_character(folder / "characters", "a broken.png", COLOURS["red.png"])
        worker.send(RefreshCharacters())
        assert (
            not worker.wait_for(CharacterList, lambda message: not message.characters[0].problem).characters[0].problem
        )
        worker.next_frame(matches=is_colour("red.png"))


def test_what_will_look_wrong_of_a_character_is_told_with_the_list(folder):
    with start(folder) as worker:
        worker.open()
        blue = worker.wait_for(CharacterList, lambda message: message.characters[0].warning).characters[0]
        assert "the eyes are covered" in blue.warning and "uncovered" in blue.advice
        assert blue.problem == ""


def test_two_filters_show_their_own_characters(folder):
    with start(folder) as worker:
        worker.open("a", character="red.png")
        worker.open("b", character="green.png")
        worker.next_frame("a", is_colour("red.png"))
        worker.next_frame("b", is_colour("green.png"))
        status = worker.wait_for_state("tracking", "b")
        assert (status.character, status.renderer, status.device) == ("green.png", "warp", "CPU")
        assert status.message == ""


def test_the_frames_of_a_followed_face_carry_the_capture_time(folder):
    with start(folder) as worker:
        end = worker.open(character="red.png")
        worker.wait_for_state("tracking")
        assert worker.wait_for(FilterStatus, lambda status: status.fps > 0).latency_ms > 0
        worker.next_frame()
        assert 0 < now_ns() - end.last_info.captured_ns < 10e9


def test_a_face_that_is_seen_badly_is_told_with_a_remedy_until_it_is_seen_well(folder):
    with start(folder) as worker:
        end = worker.open(character="red.png")
        end.frame = np.full((48, 64, 4), 20, np.uint8)
        status = worker.wait_for(FilterStatus, lambda status: "too dark" in status.message)
        assert "more light" in status.remedy
        end.frame = GREY
        worker.wait_for(FilterStatus, lambda status: status.state == "tracking" and not status.message)


def test_nothing_but_messages_comes_out_although_libraries_print(folder):
    with start(folder) as worker:
        worker.open(character="red.png")
        worker.wait_for_state("tracking")
        assert worker.rejected == []
    assert "written in C++" in worker.log_path.read_text()


def test_no_character_named_means_the_configured_one_else_the_first(folder):
    with start(folder) as worker:
        worker.open()
        worker.next_frame(matches=is_colour("blue.png"))
    config = folder / "config.yaml"
    write_config(folder)
    config.write_text(config.read_text().replace("character: {", "character: {current_character: green.png, "))
    with WorkerHarness(folder, str(config), command=("-m", "tests.worker_with_doubles")) as worker:
        worker.open()
        worker.next_frame(matches=is_colour("green.png"))


def test_switching_shows_the_new_character_and_never_a_gap(folder):
    with start(folder) as worker:
        worker.open(character="red.png")
        worker.next_frame(matches=is_colour("red.png"))
        worker.send(UpdateFilter("a", AnimationSettings("green.png")))
        is_red, is_green = is_colour("red.png"), is_colour("green.png")
        for frame in worker.frames():
            if is_green(frame):
                break
            assert is_red(frame)
        else:
            pytest.fail("the character never changed")


def test_the_old_character_goes_on_while_an_unprepared_one_is_loaded(folder):
    with start(folder, extra="ai_model: {warmup_frames: 0}\n") as worker:
        worker.open(character="red.png")
        worker.next_frame(matches=is_colour("red.png"))
        # Added after the start, so nothing has prepared it.
        save_character(folder / "characters", "slow.png", (9, 9, 200))
        worker.send(UpdateFilter("a", AnimationSettings("slow.png")))
        is_red, count = is_colour("red.png"), 0
        for frame in worker.frames():
            if not is_red(frame):
                break
            count += 1
        assert count > 10, "it takes two seconds to prepare"
        assert frame[5, 5].tolist() == [200, 9, 9, 255]


def test_a_bad_character_is_an_error_with_a_remedy_and_the_old_one_goes_on(folder):
    (folder / "characters" / "broken.png").write_bytes(b"no picture")
    with start(folder) as worker:
        worker.open(character="red.png")
        worker.next_frame(matches=is_colour("red.png"))
        worker.send(UpdateFilter("a", AnimationSettings("broken.png")))
        status = worker.wait_for_state("error")
        assert "broken.png cannot be read as a picture" in status.message
        assert "save it again as PNG" in status.remedy
        worker.ends["a"].take()
        worker.next_frame(matches=is_colour("red.png"))
        assert worker.wait_for(FilterStatus, lambda status: status.fps > 0).character == "red.png"


@pytest.mark.parametrize("name", ["absent.png", "../secret.png", "refused.png"])
def test_other_unusable_characters_are_errors_too(folder, name):
    save_character(folder / "characters", "refused.png", (1, 1, 1))
    save_character(folder, "secret.png", (1, 1, 1))
    with start(folder) as worker:
        worker.open(character="red.png")
        worker.next_frame()
        worker.send(UpdateFilter("a", AnimationSettings(name)))
        assert worker.wait_for_state("error").remedy
        worker.next_frame(matches=is_colour("red.png"))
        worker.send(UpdateFilter("a", AnimationSettings("red.png")))
        worker.wait_for_state("tracking")


def test_a_picture_is_added_to_the_library_and_another_file_is_refused_with_the_reason(folder, tmp_path):
    picture = save_character(tmp_path, "teal.png", (10, 120, 120))
    with start(folder) as worker:
        worker.open(character="red.png")
        worker.send(AddCharacter("a", str(picture)))
        assert "teal.png" in [
            each.file for each in worker.wait_for(CharacterList, lambda it: len(it.characters) > 3).characters
        ]
        assert worker.wait_for(CharacterAdded).file == "teal.png"
        worker.send(AddCharacter("a", str(tmp_path / "none.png")))
        refused = worker.wait_for(CharacterAdded)
        assert (refused.file, "is no file" in refused.message) == ("", True) and refused.remedy
        worker.send(CutOutCharacter("a", "teal.png"))
        refused = worker.wait_for(CharacterAdded)
        assert refused.file == "" and refused.message and refused.remedy, "a plain colour shows nobody"


def test_a_mended_picture_is_used_after_a_refresh(folder):
    broken = folder / "characters" / "broken.png"
    broken.write_bytes(b"no picture")
    with start(folder) as worker:
        worker.open(character="broken.png")
        worker.wait_for_state("error")
        save_character(folder / "characters", "broken.png", (7, 8, 9))
        worker.send(RefreshCharacters())
        worker.next_frame(matches=lambda frame: frame[5, 5].tolist() == [9, 8, 7, 255])
        worker.wait_for_state("tracking")


@pytest.mark.parametrize("warmup_frames", [0, 3])
def test_a_crash_in_one_filter_spares_the_other_and_brings_back_the_character_before(folder, warmup_frames):
    save_character(folder / "characters", "crash.png", (1, 2, 3))
    with start(folder, extra=f"ai_model: {{warmup_frames: {warmup_frames}}}\n") as worker:
        worker.open("a", character="red.png")
        worker.open("b", character="green.png")
        worker.next_frame("a")
        worker.next_frame("b")
        worker.send(UpdateFilter("a", AnimationSettings("crash.png")))
        worker.wait_for(FilterStatus, lambda status: "the renderer broke" in status.message)
        assert sum(1 for _ in worker.frames("b", 1.0)) > 5
        status = worker.wait_for(FilterStatus, lambda status: status.character == "red.png" and status.state == "error")
        assert "crash.png cannot be drawn" in status.message
        assert status.remedy
        worker.ends["a"].take()
        worker.next_frame("a", is_colour("red.png"))
        worker.send(UpdateFilter("a", AnimationSettings("blue.png")))
        worker.next_frame("a", is_colour("blue.png"))
        worker.wait_for_state("tracking", "a")


def test_a_failing_tracker_is_an_error_the_character_idles_and_tracking_is_taken_up_again(folder):
    with start(folder) as worker:
        end = worker.open(character="red.png")
        worker.wait_for_state("tracking")
        end.frame = MAGENTA
        assert "the tracker broke" in worker.wait_for_state("error").message
        assert sum(1 for _ in worker.frames("a", 4.0)) > 2
        end.frame = GREY
        worker.wait_for_state("tracking")


def test_without_a_face_the_character_idles_and_says_so(folder):
    with start(folder) as worker:
        end = worker.open(character="red.png")
        end.frame = BLACK
        worker.wait_for_state("no_face")
        assert sum(1 for _ in worker.frames("a", 1.0)) > 5
        end.frame = GREY
        worker.wait_for_state("tracking")


def test_a_camera_that_stops_is_reported_the_character_idles_and_the_camera_may_come_back(folder):
    with start(folder) as worker:
        end = worker.open(character="red.png")
        worker.wait_for_state("tracking")
        end.frame = None
        worker.wait_for_state("no_camera")
        assert sum(1 for _ in worker.frames("a", 1.0)) > 5
        end.frame = GREY
        worker.wait_for_state("tracking")


def test_freeze_holds_the_motion_but_not_the_choice_of_character(folder):
    with start(folder) as worker:
        worker.open(character="red.png")
        worker.next_frame(matches=is_colour("red.png"))
        worker.send(FilterAction("a", "freeze"))
        worker.wait_for_state("frozen")
        assert sum(1 for _ in worker.frames("a", 2.0)) < 12, "only signs of life"
        worker.send(UpdateFilter("a", AnimationSettings("green.png")))
        worker.next_frame(matches=is_colour("green.png"))
        worker.send(FilterAction("a", "unfreeze"))
        worker.wait_for_state("tracking")


def test_no_more_frames_are_rendered_than_obs_shows(folder):
    with start(folder) as worker:
        end = worker.open(character="red.png", frame_rate=10.0)
        end.frame = BLACK
        worker.wait_for_state("no_face")
        assert sum(1 for _ in worker.frames("a", 2.0)) <= 23


def test_a_picture_that_does_not_fit_the_ring_is_reduced(folder):
    with start(folder) as worker:
        worker.open(character="red.png", animated_bytes=64 * 64 * 4)
        frame = worker.next_frame()
        assert frame.shape[0] * frame.shape[1] <= 64 * 64
        assert abs(frame.shape[1] / frame.shape[0] - 240 / 280) < 0.03


def test_the_heart_beats_during_a_slow_preparation_and_while_frozen(folder):
    save_character(folder / "characters", "slow.png", (9, 9, 200))
    with start(folder) as worker:
        end = worker.open(character="slow.png")
        worker.wait_for(FilterOpened)
        ages = []
        for _ in range(15):
            time.sleep(0.1)
            ages.append(end.reader.heartbeat_age_ns / 1e9)
        assert sorted(ages)[len(ages) // 2] < 0.5


def test_a_hung_renderer_stops_the_heart_of_its_filter_only_and_does_not_keep_the_worker_alive(folder):
    save_character(folder / "characters", "hang.png", (9, 9, 200))
    with start(folder, extra="ai_model: {warmup_frames: 0}\n") as worker:
        hung, well = worker.open("a", character="red.png"), worker.open("b", character="green.png")
        worker.next_frame("a")
        worker.next_frame("b")
        worker.send(UpdateFilter("a", AnimationSettings("hang.png")))
        for _ in worker.frames("b"):
            if hung.reader.heartbeat_age_ns > 2e9:
                break
        assert hung.reader.heartbeat_age_ns > 2e9
        assert well.reader.heartbeat_age_ns < 1e9
        worker.end_input()
        assert worker.exit_code() == 0


def test_the_heart_beats_while_liveportrait_on_a_cpu_takes_its_time(folder):
    save_character(folder / "characters", "lazy.png", (9, 9, 200))
    with start(folder, extra="ai_model: {warmup_frames: 0}\n") as worker:
        end = worker.open(character="lazy.png")
        worker.wait_for(FilterOpened)
        worker.next_frame()
        ages = []
        for _ in range(30):
            end.drive()
            time.sleep(0.1)
            ages.append(end.reader.heartbeat_age_ns / 1e9)
        assert max(ages) < 2.0


def test_the_heart_beats_while_the_render_thread_is_warmed_up(folder):
    save_character(folder / "characters", "cold.png", (9, 9, 200))
    with start(folder, extra="ai_model: {warmup_frames: 1}\n") as worker:
        end = worker.open(character="cold.png")
        worker.wait_for(FilterOpened)
        ages = []
        for _ in worker.frames():
            break
        else:
            pytest.fail("it never drew")
        worker.send(UpdateFilter("a", AnimationSettings("cold.png", renderer="warp")))
        for _ in range(25):
            end.drive()
            time.sleep(0.1)
            ages.append(end.reader.heartbeat_age_ns / 1e9)
        assert max(ages) < 2.0


def test_a_gpu_that_is_lost_ends_the_worker_so_that_another_one_starts(folder):
    save_character(folder / "characters", "lost.png", (9, 9, 200))
    with start(folder, extra="ai_model: {warmup_frames: 0}\n") as worker:
        worker.open("b", character="green.png")
        worker.next_frame("b")
        worker.open("a", character="lost.png", frame_rate=30.0)
        worker.next_frame("a")
        worker.ends["a"].frame = GREY
        until = time.monotonic() + 20
        while worker.process.poll() is None and time.monotonic() < until:
            worker.ends["a"].drive()
            time.sleep(0.01)
        assert worker.exit_code() == process_end.DEVICE_LOST
        assert "Traceback" in worker.log_path.read_text()


def test_the_neutral_pose_goes_to_the_plugin_and_comes_back_with_the_next_run(folder):
    with start(folder) as worker:
        worker.open(character="red.png")
        kept = worker.wait_for(NeutralPose).neutral
        assert len(kept) > 1000
        assert worker.wait_for_state("tracking")
    with start(folder) as worker:
        end = worker.open(character="red.png", neutral=kept)
        worker.wait_for_state("tracking")
        end.frame = GREY
        list(worker.frames("a", 0.5))
        assert not [each for each in worker.messages if isinstance(each, NeutralPose)], "it knows it already"
        assert "calibrating" not in {each.state for each in worker.messages if isinstance(each, FilterStatus)}
        end.frame = BLACK
        worker.wait_for_state("no_face")
        list(worker.frames("a", 1.2))
        worker.send(FilterAction("a", "calibrate"))
        worker.wait_for(NeutralPose, lambda message: message.neutral != kept)


def test_the_neutral_pose_of_a_camera_is_there_after_a_restart_of_everything(folder):
    camera, other = "0123456789abcdef" * 2, "f" * 32
    with start(folder) as worker:
        worker.open(character="red.png", camera_id=camera)
        kept = worker.wait_for(NeutralPose).neutral
        worker.wait_for_state("tracking")
    (file,) = (folder / "cache" / "neutral").iterdir()
    if sys.platform != "win32":
        assert file.stat().st_mode & 0o777 == 0o600
    with start(folder) as worker:
        worker.open("a", character="red.png", camera_id=camera)
        assert len(worker.wait_for(NeutralPose).neutral) > len(kept) / 2, (
            "the plugin has it for the worker's next start"
        )
        worker.wait_for_state("tracking")
        worker.open("b", character="red.png", camera_id=other)
        worker.wait_for_state("calibrating", "b")
        states = [each.state for each in worker.messages if isinstance(each, FilterStatus) and each.filter_id == "a"]
        assert "calibrating" not in states
        worker.send(FilterAction("a", "forget_calibration"))
        worker.wait_for(NeutralPose, lambda message: message.filter_id == "a" and not message.neutral)
    with start(folder) as worker:
        worker.open(character="red.png", camera_id=camera)
        worker.wait_for_state("calibrating")


def test_a_damaged_neutral_pose_costs_nothing_but_a_calibration(folder):
    with start(folder) as worker:
        worker.open(character="red.png", neutral="UEsDBBQ=")
        worker.wait_for_state("calibrating")
        worker.wait_for_state("tracking")


def test_missing_weights_mean_the_warp_renderer_and_a_word_about_it(folder):
    with start(folder) as worker:
        worker.open(character="red.png", renderer="liveportrait")
        status = worker.wait_for_state("tracking")
        assert status.renderer == "warp"
        assert "weights are missing" in status.message
        assert "install.py" in status.remedy
        worker.send(UpdateFilter("a", AnimationSettings("red.png", renderer="warp")))
        worker.wait_for(FilterStatus, lambda status: status.state == "tracking" and not status.message)


def test_tracking_in_the_render_thread_works_as_well(folder):
    config = write_config(folder)
    config.write_text(config.read_text().replace("performance: {", "performance: {async_pipeline: false, "))
    with WorkerHarness(folder, str(config), command=("-m", "tests.worker_with_doubles")) as worker:
        worker.open(character="red.png")
        worker.wait_for_state("tracking")
        worker.next_frame(matches=is_colour("red.png"))


def test_a_face_is_not_looked_for_where_the_configuration_says_so(folder):
    with start(folder, extra="tracking: {face_enabled: false}\n") as worker:
        worker.open(character="red.png")
        worker.wait_for_state("no_face")
        assert sum(1 for _ in worker.frames("a", 1.0)) > 5


def test_lines_that_are_no_message_cost_nothing(folder):
    with start(folder) as worker:
        worker.wait_for(Ready)
        worker.send_bytes(b'nonsense\n{"type": "explode"}\n\xff\xfe\n' + b"[" * 3000 + b"\n")
        worker.open(character="red.png")
        worker.next_frame(matches=is_colour("red.png"))
    assert "no message" in worker.log_path.read_text()


def test_a_ring_that_cannot_be_opened_is_that_filters_error(folder):
    with start(folder) as worker:
        worker.wait_for(Ready)
        nowhere = RingAddress(str(folder / "nowhere"), 65536)
        worker.send(OpenFilter("x", nowhere, nowhere, AnimationSettings()))
        assert worker.wait_for_state("error", "x").remedy
        worker.send(UpdateFilter("x", AnimationSettings()))
        worker.send(CloseFilter("x"))
        worker.open("a", character="red.png")
        worker.next_frame("a")


def test_a_closed_filter_is_let_go_and_can_be_opened_again(folder):
    with start(folder) as worker:
        end = worker.open(character="red.png")
        worker.next_frame()
        worker.send(CloseFilter("a"))
        until = time.monotonic() + 10
        while not end.reader.is_closed and time.monotonic() < until:
            time.sleep(0.01)
        assert end.reader.is_closed
        end.close()
        worker.open(character="green.png")
        worker.next_frame(matches=is_colour("green.png"))


@pytest.mark.parametrize("how", ["end of input", "shutdown"])
def test_worker_leaves_by_itself_with_status_0_and_leaves_no_file(folder, how):
    with start(folder) as worker:
        worker.open(character="red.png")
        worker.next_frame()
        if how == "end of input":
            worker.end_input()
        else:
            worker.send(Shutdown())
        assert worker.exit_code() == 0
        worker.end()
    assert ring_files(folder) == []


def test_worker_leaves_when_its_parent_is_killed_although_its_input_stays_open(folder):
    parent = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    try:
        with start(folder, str(parent.pid)) as worker:
            worker.open(character="red.png")
            worker.next_frame()
            parent.kill()
            parent.wait()
            assert worker.exit_code() == 0
    finally:
        parent.kill()
        parent.wait()


def test_an_opening_worker_removes_the_rings_of_dead_processes(folder):
    corpse = subprocess.Popen([sys.executable, "-c", ""])
    corpse.wait()
    stale = folder / f"{FILE_PREFIX}{corpse.pid}-0123456789abcdef"
    stale.write_bytes(bytes(4096))
    with WorkerHarness(folder, "--config", str(write_config(folder))) as worker:
        worker.wait_for(Ready)
        assert not stale.exists()


def test_the_real_worker_moves_a_drawn_character(folder):
    with WorkerHarness(folder, "--config", str(write_config(folder)), "--parent-pid", str(os.getpid())) as worker:
        end = worker.open(character="red.png")
        end.frame = BLACK
        frame = worker.next_frame()
        assert frame.shape == (280, 240, 4)
        worker.wait_for_state("no_face")
        worker.end_input()
        assert worker.exit_code() == 0
        assert worker.rejected == []
        worker.end()
    assert ring_files(folder) == []


def test_the_real_worker_follows_a_real_face(folder):
    picture = cv2.imread(str(shared_file("faces/source/s0.jpg")))
    picture = cv2.cvtColor(cv2.resize(picture, None, fx=0.5, fy=0.5), cv2.COLOR_BGR2RGBA)
    with WorkerHarness(folder, "--config", str(write_config(folder))) as worker:
        end = worker.open(character="red.png")
        end.frame = picture
        status = worker.wait_for(FilterStatus, lambda status: status.state in ("calibrating", "tracking"))
        assert status.message == ""


def test_the_real_worker_goes_on_with_the_defaults_when_the_configuration_is_wrong(folder):
    config = folder / "wrong.yaml"
    config.write_text("video: {widht: 1}\n")
    with WorkerHarness(folder, "--config", str(config)) as worker:
        assert "video.widht" in worker.wait_for(WorkerProblem).message
        worker.wait_for(Ready)


def test_the_real_worker_ends_on_sigterm_with_status_0(folder):
    if sys.platform == "win32":
        pytest.skip("Windows has no such signal")
    with WorkerHarness(folder, "--config", str(write_config(folder))) as worker:
        worker.wait_for(Ready)
        worker.process.send_signal(signal.SIGTERM)
        assert worker.exit_code() == 0


def broken_package(folder: Path, name: str, error: str) -> tuple[str, ...]:
    """Return the command of a real worker in whose Python a package raises ``error`` when it is imported."""
    package = folder / "packages" / name
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"raise {error}\n")
    path = str(folder / "packages")
    return ("-c", f"import sys; sys.path.insert(0, {path!r}); from animator_core.worker.main import main; main()")


def test_the_real_worker_says_once_that_numba_does_not_load_and_goes_on(folder):
    command = broken_package(folder, "numba", "ImportError('Numba needs NumPy 2.0 or less. Got NumPy 2.3.')")
    with WorkerHarness(folder, "--config", str(write_config(folder)), command=command) as worker:
        worker.open(character="red.png")
        status = worker.wait_for_state("error")
        assert status.message == (
            "the package numba does not load (ImportError: Numba needs NumPy 2.0 or less. Got NumPy 2.3.)"
        )
        assert status.remedy == "run install.py again"
        list(worker.frames("a", 3.0))
        worker.send(Shutdown())
        assert worker.exit_code() == 0
        assert worker.log_path.read_text().count("numba does not load") == 1


@pytest.mark.parametrize("renderer", ["auto", "liveportrait"])
def test_the_real_worker_draws_by_the_warp_where_torch_does_not_load(folder, renderer):
    (folder / "models").mkdir()
    (folder / "models" / "spade_generator.pth").write_bytes(b"weights")
    config = write_config(folder, f"ai_model: {{model_path: '{folder / 'models'}'}}\n")
    command = broken_package(folder, "torch", "OSError('[WinError 126] c10.dll')")
    with WorkerHarness(folder, "--config", str(config), command=command) as worker:
        worker.open(character="red.png", renderer=renderer)
        worker.next_frame()
        status = worker.wait_for(FilterStatus, lambda status: bool(status.renderer))
        assert status.renderer == "warp"
        assert status.remedy.startswith("install Microsoft's Visual C++ Redistributable")
        assert status.message == "the package torch does not load (OSError: [WinError 126] c10.dll)"


@pytest.mark.parametrize("error", ["OSError('cannot load libGL')", "AttributeError('_ARRAY_API not found')"])
def test_the_real_worker_says_what_to_do_where_a_package_does_not_fit(folder, error):
    with WorkerHarness(folder, command=broken_package(folder, "cv2", error)) as worker:
        problem = worker.wait_for(WorkerProblem)
        assert error.split("'")[1] in problem.message
        assert "install.py" in problem.remedy
        assert worker.exit_code() == process_end.INCOMPLETE


@pytest.mark.parametrize("module", ["cv2", "psutil", "yaml", "numpy"])
def test_the_real_worker_says_what_to_do_when_a_package_is_missing(tmp_path, module):
    code = f"import sys; sys.modules['{module}'] = None; from animator_core.worker.main import main; main([])"
    with WorkerHarness(tmp_path, command=("-c", code)) as worker:
        problem = worker.wait_for(WorkerProblem)
        assert module in problem.message
        assert "install.py" in problem.remedy
        assert worker.exit_code() == 1
