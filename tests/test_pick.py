"""`prepare --pick`: what is clicked in the window is where the face is, in the yaml beside the picture."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Callable

import cv2
import numpy as np
import pytest
import yaml
from drawn_face import POINTS, write_drawn_face

from animator_core.__main__ import main
from animator_core.characters.description import read_description
from animator_core.characters.face_picker import FacePicker, Step
from animator_core.characters.library import CharacterLibrary
from animator_core.cli.picker import window as pick_window
from animator_core.cli.picker.controller import HEIGHT, WIDTH
from animator_core.cli.picker.face_controller import FacePickController
from animator_core.cli.picker.view import PickView
from animator_core.errors import NoFaceFound
from animator_core.tracking.face_model import NAMED_POINTS, REQUIRED_POINTS, face_model

SIZE = (600, 640)
BAR = HEIGHT - 616


def controller(
    detect: Callable[..., np.ndarray | None] | None = None, size: tuple[int, int] = SIZE
) -> FacePickController:
    picture = np.full((size[1], size[0], 3), 90, np.uint8)
    return FacePickController(picture, FacePicker(*size, detect or (lambda crop: None)))


def window(point: tuple[float, float], size: tuple[int, int] = SIZE) -> tuple[int, int]:
    """Return where a point of the picture is in the window that shows all of it."""
    scale = min(WIDTH / size[0], (HEIGHT - BAR) / size[1])
    x, y = (np.array(point) - np.array(size) / 2) * scale + np.array((WIDTH, HEIGHT - BAR)) / 2
    return round(x), round(y) + BAR


def click(shown: FacePickController, *points: tuple[float, float], event: int = cv2.EVENT_LBUTTONDOWN) -> None:
    for point in points:
        shown.on_mouse(event, window(point), 0)
        shown.on_mouse(cv2.EVENT_LBUTTONUP, window(point), 0)


def drag(shown: FacePickController, start: tuple[float, float], end: tuple[float, float]) -> None:
    for event, point in ((cv2.EVENT_LBUTTONDOWN, start), (cv2.EVENT_MOUSEMOVE, end), (cv2.EVENT_LBUTTONUP, end)):
        shown.on_mouse(event, window(point), 0)


def press(shown: FacePickController, *keys: str) -> None:
    for key in keys:
        shown.on_key(key)


def test_clicked_points_are_the_faces_points() -> None:
    shown = controller()
    press(shown, "space")
    click(shown, *POINTS.values())
    press(shown, "enter")
    assert shown.result is not None
    assert shown.result.key_points.keys() == POINTS.keys()
    # A pixel of the window is one of the picture here, and cannot be hit more exactly.
    for name, point in POINTS.items():
        assert shown.result.key_points[name] == pytest.approx(point, abs=0.7)


def test_a_pixel_keeps_its_place_while_the_view_is_zoomed_and_moved() -> None:
    view = PickView((4000, 3000), (1000, 600))
    mark = np.array([[1234.0, 987.0]])
    x, y = view.to_window(mark)[0]
    view.zoom(1.3, x, y)
    assert np.allclose(view.to_window(mark), [[x, y]])
    view.move(40, -30)
    assert np.allclose(view.to_window(mark), [[x + 40, y - 30]])
    assert np.allclose(view.to_picture(x + 40, y - 30), mark[0])


@pytest.mark.parametrize("zooms", [0, 3, 9])
def test_what_is_seen_at_a_pixel_is_what_is_clicked_there(zooms: int) -> None:
    picture = np.zeros((900, 1200, 3), np.uint8)
    picture[440:460, 700:720] = 255
    view = PickView((1200, 900), (1000, 600))
    for _ in range(zooms):
        view.zoom(1.3, *view.to_window(np.array([[710.0, 450.0]]))[0])
    rows, columns = np.nonzero(view.show(picture)[..., 0] > 127)
    assert np.allclose(view.to_picture(columns.mean() + 0.5, rows.mean() + 0.5), (710, 450), atol=1.0)


def test_zooming_by_keys_and_wheel_makes_clicks_finer() -> None:
    shown = controller(size=(4000, 4000))
    press(shown, "space")
    shown.on_mouse(cv2.EVENT_MOUSEMOVE, (500, 392), 0)
    press(shown, "+", "+", "+", "-")
    shown.on_mouse(cv2.EVENT_MOUSEWHEEL, (500, 392), 1)
    for x in (500, 501):
        shown.on_mouse(cv2.EVENT_LBUTTONDOWN, (x, 392), 0)
    (first, _), (second, _) = shown._picker.points.values()
    assert first == pytest.approx(2000, abs=1)
    assert second - first == pytest.approx(4000 / 616 / 1.3**3, rel=0.05)


def test_the_right_button_and_the_arrows_move_the_view() -> None:
    shown = controller()
    press(shown, "space", "+", "right", "left")
    for event, x in ((cv2.EVENT_RBUTTONDOWN, 500), (cv2.EVENT_MOUSEMOVE, 526), (cv2.EVENT_RBUTTONUP, 526)):
        shown.on_mouse(event, (x, 392), 0)
    shown.on_mouse(cv2.EVENT_LBUTTONDOWN, (526, 392), 0)
    assert next(iter(shown._picker.points.values())) == pytest.approx((300, 320), abs=1)


def test_undo_takes_the_last_answer_back_and_at_last_the_box() -> None:
    shown = controller()
    press(shown, "space")
    click(shown, (10, 10), POINTS["right_eye_inner"])
    press(shown, "u", "backspace")
    assert shown._picker.points == {}
    press(shown, "u")
    assert shown._picker.step is Step.BOX


def test_points_that_are_needed_cannot_be_skipped_and_others_can() -> None:
    shown = controller()
    press(shown, "space", "space")
    assert shown._picker.message == "This point is needed."
    click(shown, *(POINTS[name] for name in list(POINTS)[:7]))
    press(shown, "space")
    assert shown._picker.message == ""
    click(shown, POINTS["right_eye_bottom"])
    press(shown, "enter")
    assert shown.result is not None
    assert set(shown.result.key_points) == {*REQUIRED_POINTS, "right_eye_bottom"}


@pytest.mark.parametrize(
    ("points", "said"),
    [
        (list(POINTS.values())[:4], "3 points are still needed"),
        ([(600 - x, y) for x, y in list(POINTS.values())[:7]], "Left and right are mixed up"),
        ([(300.0, 300.0)] * 7, "too small"),
    ],
    ids=["too few", "mirrored", "one place"],
)
def test_what_is_no_face_is_not_saved(points: list[tuple[float, float]], said: str) -> None:
    shown = controller()
    press(shown, "space")
    click(shown, *points)
    press(shown, "enter")
    assert shown.result is None
    assert said in shown._picker.message
    assert shown.frame().shape == (HEIGHT, WIDTH, 3)


def test_closed_lips_are_two_quick_clicks_at_one_place() -> None:
    shown = controller()
    press(shown, "space")
    click(shown, *list(POINTS.values())[:7])
    press(shown, *["space"] * 7)
    click(shown, (300, 438))
    click(shown, (300, 438), event=cv2.EVENT_LBUTTONDBLCLK)
    press(shown, "enter")
    assert shown.result is not None
    assert shown.result.key_points["upper_lip_bottom"] == shown.result.key_points["lower_lip_top"]


def test_clicks_beside_the_picture_and_on_the_text_are_no_answers() -> None:
    shown = controller()
    press(shown, "space")
    shown.on_mouse(cv2.EVENT_LBUTTONDOWN, (5, 300), 0)
    assert shown._picker.message == "That is outside of the picture."
    shown.on_mouse(cv2.EVENT_LBUTTONDOWN, (500, 10), 0)
    assert shown._picker.points == {}


def test_a_face_that_is_seen_in_the_box_is_saved_as_the_box() -> None:
    asked = []

    def detect(crop: tuple[int, int, int, int]) -> np.ndarray:
        asked.append(crop)
        return (face_model().mean * 200 + np.array([300, 300, 0])).astype(np.float32)

    shown = controller(detect)
    before = shown.frame()
    drag(shown, (450, 500), (100, 50))
    press(shown, "enter")
    assert shown.result is None
    assert not np.array_equal(shown.frame(), before)
    press(shown, "enter")
    assert shown.result is not None
    assert shown.result.crop == pytest.approx((100, 50, 350, 450), abs=2)
    assert asked == [shown.result.crop]
    assert shown.result.key_points == {}


def test_without_a_box_nothing_is_looked_for() -> None:
    shown = controller()
    press(shown, "enter")
    assert "Drag a box first" in shown._picker.message
    assert shown._picker.step is Step.BOX


def test_where_no_face_is_seen_in_the_box_its_points_are_asked_for() -> None:
    shown = controller()
    drag(shown, (100, 100), (500, 550))
    press(shown, "enter")
    assert shown._picker.step is Step.POINTS
    assert "No face is seen there" in shown._picker.message
    assert "outer corner of the eye on the left" in shown._picker.question


def test_the_preview_shows_the_face_as_soon_as_it_can_be_told() -> None:
    shown = controller()
    press(shown, "space")
    needed = list(POINTS.values())[:7]
    click(shown, *needed[:6])
    assert shown._picker.landmarks is None
    click(shown, needed[6])
    landmarks = shown._picker.landmarks
    assert landmarks is not None
    for name in REQUIRED_POINTS:
        assert landmarks[NAMED_POINTS[name], :2] == pytest.approx(POINTS[name], abs=1)


def answers(monkeypatch: pytest.MonkeyPatch, *keys: str, clicks: bool = True) -> None:
    """Have the window answered by clicks on the drawn face's points, then by ``keys``."""

    def pick(shown: FacePickController) -> object:
        press(shown, "space")
        click(shown, *POINTS.values() if clicks else ())
        press(shown, *keys)
        return shown.result

    monkeypatch.setattr(pick_window, "pick", pick)


@pytest.fixture
def robot(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(f"performance: {{cache_dir: {tmp_path / 'cache'}}}")
    return write_drawn_face(tmp_path / "robot.png")


def prepare(robot: Path, *more: str) -> int:
    return main(["prepare", "--renderer", "warp", "--config", str(robot.with_name("config.yaml")), *more])


def test_a_face_that_no_detector_sees_moves_after_it_was_picked(
    robot: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NoFaceFound, match="prepare --pick"):
        CharacterLibrary(robot.parent).load("robot.png").require_landmarks()
    answers(monkeypatch, "enter")
    assert prepare(robot, "--pick", str(robot)) == 0
    said = capsys.readouterr().out
    assert "robot.yaml" in said
    assert "prepared robot.png" in said
    landmarks = CharacterLibrary(robot.parent).load("robot.png").landmarks
    for name, point in POINTS.items():
        assert landmarks[NAMED_POINTS[name], :2] == pytest.approx(point, abs=1)
    output, motion = robot.with_name("out.mp4"), Path(__file__).parents[1] / "assets" / "motions" / "sample.npz"
    arguments = ["animate", "--renderer", "warp", "--character", str(robot), "--driving", str(motion)]
    assert main([*arguments, "--output", str(output), "--max-frames", "3", "--no-progress"]) == 0
    assert output.exists()


def test_the_name_is_kept_and_the_old_description_too(robot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = "name: Röbi  # the robot\ncrop: [1, 2, 300, 400]\n"
    robot.with_suffix(".yaml").write_text(old, encoding="utf-8")
    answers(monkeypatch, "enter")
    assert prepare(robot, "--pick", str(robot)) == 0
    description = read_description(robot)
    assert (description.name, description.crop) == ("Röbi", None)
    assert description.key_points.keys() == POINTS.keys()
    assert robot.with_name("robot.yaml.bak").read_text(encoding="utf-8") == old


def test_escape_changes_nothing(
    robot: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers(monkeypatch, "escape")
    assert prepare(robot, "--pick", str(robot)) == 1
    assert "nothing was changed" in capsys.readouterr().out
    assert not robot.with_suffix(".yaml").exists()


def test_what_was_written_is_plain_yaml(robot: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(monkeypatch, "enter")
    assert prepare(robot, "--pick", str(robot)) == 0
    content = yaml.safe_load(robot.with_suffix(".yaml").read_text())
    assert list(content) == ["landmarks"]
    assert content["landmarks"]["chin"] == pytest.approx(POINTS["chin"], abs=0.7)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="only Linux can be without a screen like this")
def test_without_a_screen_there_is_a_remedy(
    robot: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    assert prepare(robot, "--pick", str(robot)) == 1
    assert "write crop, landmarks or anime" in capsys.readouterr().err
    assert not robot.with_suffix(".yaml").exists()


def test_a_picture_that_is_not_there_is_named(robot: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert prepare(robot, "--pick", "nobody.png") == 1
    assert "nobody.png" in capsys.readouterr().err
