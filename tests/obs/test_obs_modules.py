"""The small modules of the OBS side, each by itself."""

from __future__ import annotations

import ast
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fake_libobs import FakeLibObs
from PIL import Image

from animator_core.ipc.protocol import CharacterEntry, FilterStatus
from obs_plugin import character_list, picture_header, properties, script_log, still_picture, worker_process
from obs_plugin.capture import tracking_size
from obs_plugin.drawing import fit_picture, framed
from obs_plugin.framing import Framing
from obs_plugin.problem import Problem
from obs_plugin.status_line import Condition, describe
from obs_plugin.thread_mailbox import Mailbox

CHECKOUT = Path(__file__).resolve().parents[2]
PLUGIN = CHECKOUT / "obs_plugin"


def test_the_obs_side_imports_the_standard_library_only() -> None:
    code = """
import sys, types
sys.path.insert(0, ROOT)
sys.modules["obspython"] = types.ModuleType("obspython")
before = set(sys.modules)
import importlib, pathlib
for path in pathlib.Path(ROOT, "obs_plugin").glob("*.py"):
    importlib.import_module("obs_plugin" if path.stem == "__init__" else f"obs_plugin.{path.stem}")
names = {name.split(".")[0] for name in set(sys.modules) - before}
ours = sorted(name for name in sys.modules if name.startswith("animator_core."))
foreign = names - set(sys.stdlib_module_names) - {"obs_plugin", "animator_core"}
print(ours, foreign)
names = ("character_names", "emote_names", "face_settings", "frame_ring", "protocol")
assert ours == ["animator_core.ipc", *("animator_core.ipc." + name for name in names)] and not foreign
""".replace("ROOT", repr(str(CHECKOUT)))
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted(PLUGIN.glob("*.py")), ids=lambda path: path.name)
def test_the_obs_side_is_python_3_8(path: Path) -> None:
    ast.parse(path.read_text(encoding="utf-8"), feature_version=(3, 8))


def test_the_script_leaves_the_import_path_as_it_was() -> None:
    code = """
import sys, types
sys.path.insert(0, PLUGIN)
sys.modules["obspython"] = types.ModuleType("obspython")
before = list(sys.path)
import stream_motion_animator
assert sys.path == before and "obs_plugin.registration" in sys.modules
""".replace("PLUGIN", repr(str(PLUGIN)))
    done = subprocess.run([sys.executable, "-I", "-c", code], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("size", "expected"),
    [((1920, 1080), (640, 360)), ((1080, 1920), (360, 640)), ((320, 240), (320, 240)), ((5000, 1), (640, 1))],
)
def test_tracking_frames_keep_the_aspect_and_are_never_enlarged(
    size: tuple[int, int], expected: tuple[int, int]
) -> None:
    assert tracking_size(*size) == expected


def test_place_frame_stands_on_the_bottom_edge_in_the_middle() -> None:
    blit = fit_picture("frame", (100, 200), (640, 360))
    assert (blit.x, blit.y, blit.width, blit.height) == (230, 0, 180, 360)
    blit = fit_picture("frame", (640, 100), (640, 360))
    assert (blit.x, blit.y, blit.width, blit.height) == (0, 260, 640, 100)


@pytest.mark.parametrize("size", [(100, 200), (640, 100), (7, 7), (1000, 999)])
def test_place_cover_fills_the_frame_from_inside_the_picture(size: tuple[int, int]) -> None:
    blit = fit_picture("cover", size, (640, 360))
    assert (blit.x, blit.y, blit.width, blit.height) == (0, 0, 640, 360)
    assert blit.cut_x + blit.cut_width <= size[0] and blit.cut_y + blit.cut_height <= size[1]
    assert blit.cut_y == 0, "the head stays in the picture"


def test_place_character_is_one_to_one() -> None:
    blit = fit_picture("character", (100, 200), (640, 360))
    assert (blit.x, blit.y, blit.width, blit.height) == (0, 0, 100, 200)


def test_a_closer_picture_keeps_its_top_and_a_smaller_one_its_bottom() -> None:
    blit = fit_picture("frame", (100, 200), (640, 360))
    closer = framed(blit, (640, 360), Framing(zoom=2.0))
    assert (closer.x, closer.y, closer.width, closer.height) == (140, 0, 360, 720)
    smaller = framed(blit, (640, 360), Framing(zoom=0.5, offset_x=0.1, offset_y=0.25))
    assert (smaller.x, smaller.y, smaller.width, smaller.height) == (339, 90, 90, 180)


def test_a_mailbox_keeps_the_newest_and_discards_the_rest() -> None:
    discarded: list[int] = []
    mailbox: Mailbox[int] = Mailbox(discarded.append)
    mailbox.put(1)
    mailbox.put(2)
    assert mailbox.take() == 2 and mailbox.take() is None
    mailbox.put(3)
    mailbox.close()
    mailbox.put(4)
    assert mailbox.take() is None and discarded == [1, 3, 4]


@pytest.mark.parametrize(
    ("name", "options"),
    [("a.png", {}), ("a.jpg", {}), ("a.webp", {}), ("b.webp", {"lossless": True}), ("c.jpg", {"progressive": True})],
)
def test_the_size_of_each_picture_format_is_read_from_its_header(
    tmp_path: Path, name: str, options: dict[str, Any]
) -> None:
    Image.new("RGB", (123, 45), "green").save(tmp_path / name, **options)
    assert picture_header.read_size(str(tmp_path / name)) == (123, 45)


def test_the_size_of_a_transparent_webp_is_read(tmp_path: Path) -> None:
    Image.new("RGBA", (123, 45), (1, 2, 3, 100)).save(tmp_path / "a.webp")
    assert picture_header.read_size(str(tmp_path / "a.webp")) == (123, 45)


@pytest.mark.parametrize(
    "data", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF1234WEBPVP8 ", b"text"]
)
def test_a_damaged_header_has_no_size(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "x").write_bytes(data)
    assert picture_header.read_size(str(tmp_path / "x")) is None


def test_stills_name_what_is_wrong_and_the_remedy(tmp_path: Path) -> None:
    lib: Any = FakeLibObs()
    Image.new("RGB", (4, 4)).save(tmp_path / "good.png")
    Image.new("RGB", (4, 4)).save(tmp_path / "bad.png")
    Image.new("1", (9000, 2)).save(tmp_path / "wide.png")
    (tmp_path / "text.png").write_bytes(b"text")

    def decode(name: str) -> still_picture.DecodedPicture:
        return still_picture.decode(lib, name, CharacterEntry(name, name, str(tmp_path / name)))

    assert decode("good.png").pixels and not decode("good.png").problem
    assert "damaged" in str(decode("bad.png").problem)
    assert "9000x2" in str(decode("wide.png").problem)
    assert "no PNG, JPEG or WebP" in str(decode("text.png").problem)
    assert "cannot be read" in str(decode("gone.png").problem)


def test_characters_are_the_pictures_of_the_folder_in_order(tmp_path: Path) -> None:
    for name in ("b.png", "A.JPG", "c.webp", "c.yaml", ".hidden.png", "my_cat-2.jpeg"):
        (tmp_path / name).write_bytes(b"")
    listed = character_list.list_pictures(str(tmp_path))
    assert [entry.file for entry in listed] == ["A.JPG", "b.png", "c.webp", "my_cat-2.jpeg"]
    assert listed[3].display_name == "my cat 2"
    assert character_list.list_pictures(str(tmp_path / "gone")) == ()


def test_characters_are_stepped_through_round_and_round() -> None:
    three = tuple(CharacterEntry(name, name, name) for name in "abc")
    assert character_list.neighbour(three, "c", 1) == three[0]
    assert character_list.neighbour(three, "a", -1) == three[2]
    assert character_list.neighbour(three, "", 1) == three[1]
    assert character_list.neighbour(three, "gone", 1) == three[0]
    assert character_list.neighbour((), "a", 1) is None


def test_settings_out_of_range_become_sound() -> None:
    lib: Any = FakeLibObs()
    assert properties.read_settings(lib, 1).fit == "frame"
    properties.set_defaults(lib, 1)
    assert properties.read_settings(lib, 1) == properties.FilterSettings()
    lib.settings.update(renderer="x", fit="y", on_problem="z", smoothing=7.0, sensitivity_pose=float("nan"))
    settings = properties.read_settings(lib, 1)
    assert (settings.renderer, settings.fit, settings.on_problem) == ("auto", "frame", "character")
    assert (settings.face.smoothing, settings.face.sensitivity_pose) == (1.0, 1.0)
    assert settings.animation(0.0).frame_rate == 1.0


def test_the_panel_line_names_the_most_important_thing_first() -> None:
    status = FilterStatus("1", "tracking", 29.6, 41.2, "warp", "CPU", "a.png")
    assert describe(Condition(status=status)).text == "Live · 30 fps · 41 ms\nRenderer: Warp · CPU"
    problem = Problem("The worker is gone", "Run install.py")
    damaged = Problem("a.png is damaged", "save it again as PNG")
    line = describe(Condition(problem=problem, status=status, still_problem=damaged))
    assert line.text == "Problem: The worker is gone. Run install.py." and line.is_problem
    assert "a.png is damaged" in describe(Condition(status=status, still_problem=damaged)).text
    assert not describe(Condition()).is_problem


def test_a_flood_of_log_lines_loses_the_oldest_and_says_so() -> None:
    handler = script_log.ScriptLogHandler()
    for number in range(500):
        handler.emit(logging.LogRecord("obs_plugin.worker", logging.INFO, "", 0, "line %d", (number,), None))
    written: list[tuple[int, str]] = []
    for _ in range(20):
        handler.flush_to(lambda level, line: written.append((level, line)))
    assert written[0] == (300, "300 lines were dropped here")
    assert written[-1] == (300, "worker: line 499") and len(written) == 201


def test_only_errors_bring_up_the_log_window() -> None:
    # OBS shows and raises it at its level 200, a warning, and at what is worse.
    handler = script_log.ScriptLogHandler()
    for level in (logging.DEBUG, logging.INFO, logging.WARNING, logging.ERROR):
        handler.emit(logging.LogRecord("obs_plugin.supervisor", level, "", 0, "it happened", (), None))
    written: list[tuple[int, str]] = []
    handler.flush_to(lambda level, line: written.append((level, line)))
    assert written == [
        (400, "it happened"),
        (300, "it happened"),
        (300, "Warning: it happened"),
        (100, "it happened"),
    ]


NATIVE_LINES = (
    "W0000 00:00:1795838400.123456   12345 inference_feedback_manager.cc:114] Feedback manager requires a model",
    "I0000 00:00:1795838400.123456   12345 gl_context.cc:369] GL version: 3.2",
    "I20261128 04:00:00.123456 12345 task_runner.cc:85] started",
    "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR",
    "INFO: Created TensorFlow Lite XNNPACK delegate for CPU.",
    "2026-11-28 04:00:00.1234567 [W:onnxruntime:, graph.cc:4285 Clean] Removing initializer",
    "[ WARN:0@1.234] global cap.cpp:480 open VIDEOIO(V4L2): backend is generally available",
    "libpng warning: iCCP: known incorrect sRGB profile",
)
OUR_LINES = (
    "INFO animator_core.worker.main: it is up",
    "WARNING animator_core.animation.prepared_renderer: no face found",
    "E0000 00:00:1795838400.123456   12345 graph.cc:12] it cannot go on",
    "F20261128 04:00:00.123456 12345 check.cc:85] Check failed",
    "2026-11-28 04:00:00.1234567 [E:onnxruntime:, session.cc:12] failed",
    "Traceback (most recent call last):",
)


@pytest.mark.parametrize("line", NATIVE_LINES)
def test_chatter_of_native_libraries_is_kept_out_of_the_log(line: str) -> None:
    assert worker_process._NATIVE_NOISE.match(line)


@pytest.mark.parametrize("line", OUR_LINES)
def test_our_own_lines_and_native_errors_reach_the_log(line: str) -> None:
    assert not worker_process._NATIVE_NOISE.match(line)


def test_the_worker_does_not_inherit_python_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    from obs_plugin.installation import find_installation

    monkeypatch.setenv("PYTHONHOME", "/nowhere")
    monkeypatch.delenv("STREAM_MOTION_ANIMATOR_PYTHON", raising=False)
    installation = find_installation()
    assert "PYTHONHOME" not in installation.worker_environment()
    assert installation.worker_environment()["PYTHONPATH"] == str(CHECKOUT)
    assert installation.worker_command[1:5] == ["-m", "animator_core", "worker", "--parent-pid"]
    assert installation.worker_command[5] == str(os.getpid())


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps file names that are no UTF-8")
def test_a_file_name_that_obs_cannot_keep_is_not_offered(tmp_path: Path) -> None:
    (tmp_path / "good.png").touch()
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png")).touch()
    assert [entry.file for entry in character_list.list_pictures(str(tmp_path))] == ["good.png"]
