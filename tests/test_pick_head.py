"""`prepare --renderer anime --pick`: the circle in the window is the head's place, in the yaml beside the picture."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, Callable

import cv2
import numpy as np
import pytest
import yaml
from PIL import Image

from animator_core import assembly
from animator_core.__main__ import main
from animator_core.characters.description import read_description
from animator_core.characters.head_picker import HeadPicker, Preview
from animator_core.characters.head_place import HeadPlace
from animator_core.cli import anime_fit
from animator_core.cli.picker import window as pick_window
from animator_core.cli.picker.controller import BAR, HEIGHT, WIDTH
from animator_core.cli.picker.head_controller import HeadPickController
from tests import stand_ins
from tests.coloured_face import ColouredFaceNetworks, blank, draw_body, draw_face

SIZE = (600, 500)
VIEW = (792, 616)
FIRST = HeadPlace((300.0, 250.0), 1.0)


class Waiting(Executor):
    """Does work when it is told to."""

    def __init__(self) -> None:
        self.work: list[tuple[Future[Any], Callable[[], Any]]] = []

    def submit(self, call: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.work.append((future, call))
        return future

    def run(self) -> None:
        for future, call in self.work:
            try:
                future.set_result(call())
            except Exception as exc:
                future.set_exception(exc)
        self.work.clear()


class Previews:
    """Previews of one colour; better is the place given."""

    def __init__(self, better: HeadPlace | None = None) -> None:
        self.better = better
        self.asked: list[HeadPlace] = []

    def at(self, place: HeadPlace) -> Preview:
        self.asked.append(place)
        if place.center[0] < 100:
            raise RuntimeError("no memory")
        return Preview(place, np.full((576, 192, 3), (200, 0, 100), np.uint8), "Both eyes close, the mouth opens.")

    def improved(self, place: HeadPlace) -> HeadPlace | None:
        return self.better


def shown(previews: Previews | None = None) -> tuple[HeadPickController, HeadPicker, Waiting]:
    executor = Waiting()
    picker = HeadPicker(FIRST, previews or Previews(), executor)
    return HeadPickController(np.full((SIZE[1], SIZE[0], 3), 90, np.uint8), picker), picker, executor


def window(point: tuple[float, float], size: tuple[int, int] = SIZE) -> tuple[int, int]:
    """Return the window's pixel of a point of the picture that is shown whole."""
    scale = min(VIEW[0] / size[0], VIEW[1] / size[1])
    x, y = (np.array(point) - np.array(size) / 2) * scale + np.array(VIEW) / 2
    return round(x), round(y) + BAR


def drag(controller: HeadPickController, start: tuple[float, float], end: tuple[float, float]) -> None:
    for event, point in ((cv2.EVENT_LBUTTONDOWN, start), (cv2.EVENT_MOUSEMOVE, end), (cv2.EVENT_LBUTTONUP, end)):
        controller.on_mouse(event, window(point), 0)


def test_a_circle_round_the_head_is_its_place() -> None:
    controller, picker, _ = shown()
    drag(controller, (200, 150), (200, 182))
    controller.on_key("enter")
    assert controller.result is not None
    assert controller.result.center == pytest.approx((200, 150), abs=0.7)
    # The head is 64 of the networks' pixels from its middle to its edge.
    assert controller.result.scale == pytest.approx(64 / 32, rel=0.05)
    assert picker.radius == pytest.approx(32, rel=0.05)


def test_the_preview_is_of_the_newest_place_and_only_while_the_mouse_rests() -> None:
    previews = Previews()
    controller, _, executor = shown(previews)
    controller.frame()
    controller.on_mouse(cv2.EVENT_LBUTTONDOWN, window((200, 150)), 0)
    for x in range(210, 260, 10):
        controller.on_mouse(cv2.EVENT_MOUSEMOVE, window((x, 150)), 0)
        controller.frame()
    executor.run()
    assert previews.asked == [FIRST]
    controller.on_mouse(cv2.EVENT_LBUTTONUP, window((250, 150)), 0)
    for _ in range(5):
        controller.frame()
    executor.run()
    assert len(previews.asked) == 2
    assert previews.asked[1].scale == pytest.approx(64 / 50, rel=0.05)
    controller.frame()
    assert not executor.work, "a preview that is there is drawn again"


def test_the_preview_is_shown_beside_the_picture() -> None:
    controller, _, executor = shown()
    before = controller.frame()
    executor.run()
    after = controller.frame()
    assert after.shape == (HEIGHT, WIDTH, 3)
    assert not before[BAR:, VIEW[0] :].any()
    assert (after[BAR : BAR + 576, VIEW[0] + 20 : WIDTH - 20] == (100, 0, 200)).all()
    assert (after[BAR:, : VIEW[0]] == before[BAR:, : VIEW[0]]).all()


def test_space_snaps_to_the_eyes() -> None:
    better = HeadPlace((310.0, 240.0), 1.1)
    controller, picker, executor = shown(Previews(better))
    controller.frame()
    executor.run()
    controller.on_key("space")
    executor.run()
    controller.frame()
    assert picker.place == better
    controller.on_key("u")
    assert picker.place == FIRST


def test_without_eyes_near_the_circle_it_stays_and_says_so() -> None:
    controller, picker, executor = shown()
    controller.on_key("space")
    executor.run()
    controller.frame()
    assert picker.place == FIRST
    assert picker.message == "The networks find no eyes near the circle."
    drag(controller, (200, 150), (200, 182))
    assert picker.message == ""


def test_a_preview_that_fails_is_told_and_not_tried_again_until_the_circle_moves() -> None:
    previews = Previews()
    controller, picker, executor = shown(previews)
    drag(controller, (50, 150), (50, 182))
    for _ in range(4):
        controller.frame()
        executor.run()
    assert picker.message == "RuntimeError: no memory"
    assert len(previews.asked) == 1
    drag(controller, (250, 150), (250, 182))
    controller.frame()
    executor.run()
    assert len(previews.asked) == 2


def test_zooming_and_moving_the_view_leaves_the_circle() -> None:
    controller, picker, _ = shown()
    for key in ("+", "+", "left", "-"):
        controller.on_key(key)
    controller.on_mouse(cv2.EVENT_MOUSEWHEEL, (300, 300), 1)
    assert picker.place == FIRST


def test_a_middle_beside_the_picture_is_not_saved() -> None:
    controller, picker, _ = shown()
    picker.shift(400, 0)
    controller.on_key("enter")
    assert controller.result is None
    assert picker.message == "The circle's middle is outside of the picture."
    controller.on_key("escape")
    assert controller.is_over and controller.result is None


@pytest.fixture
def drawing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    stand_ins.put_in_place(monkeypatch)
    monkeypatch.setattr(assembly, "load_anime_networks", lambda config: ColouredFaceNetworks())
    monkeypatch.setattr(anime_fit, "SHEETS", tmp_path / "output")
    picture = blank(1200, 1000)
    draw_body(picture, 460, 300, 2)
    draw_face(picture, 460, 300, size=2)
    path = tmp_path / "robot.png"
    Image.fromarray(picture).save(path)
    return path


def answered(monkeypatch: pytest.MonkeyPatch, *keys: str) -> None:
    def pick(controller: HeadPickController) -> HeadPlace | None:
        controller.frame()
        drag(controller, (276, 150), (276, 170))
        for key in keys:
            controller.on_key(key)
        return controller.result

    monkeypatch.setattr(pick_window, "pick", pick)


def prepare(path: Path, *more: str) -> int:
    return main(["prepare", "--renderer", "anime", "--pick", str(path), *more])


def test_the_place_is_written_in_the_picture_s_own_pixels_and_used(
    drawing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:

    def pick(controller: HeadPickController) -> HeadPlace | None:
        # The networks have found the head already.
        controller.on_key("enter")
        return controller.result

    monkeypatch.setattr(pick_window, "pick", pick)
    monkeypatch.setattr(assembly, "load_character", lambda text, config: stand_ins.character())
    drawing.with_suffix(".yaml").write_text("name: Röbi\n", encoding="utf-8")
    assert prepare(drawing) == 0
    assert "robot.yaml" in capsys.readouterr().out
    written = read_description(drawing)
    assert written.name == "Röbi"
    assert written.head is not None
    # The eyes are 100 apart and 16 of the networks' pixels below the middle.
    assert written.head.scale == pytest.approx(0.42, rel=0.05)
    assert written.head.center == pytest.approx((460.5, 300.5 - 16 / 0.42), abs=4)
    assert set(yaml.safe_load(drawing.with_suffix(".yaml").read_text(encoding="utf-8"))) == {"name", "anime"}


def test_escape_writes_nothing(drawing: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answered(monkeypatch, "escape")
    assert prepare(drawing) == 1
    assert not drawing.with_suffix(".yaml").exists()


def test_without_weights_there_is_a_remedy(
    drawing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(assembly, "load_anime_networks", lambda config: None)
    assert prepare(drawing) == 1
    assert "the weights of the anime networks are not there; run install.py to get them" in capsys.readouterr().err


def test_a_picture_whose_background_cannot_be_removed_is_refused_before_the_window(
    drawing: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.random.default_rng(2).integers(0, 256, (300, 300, 3), np.uint8)).save(drawing)
    answered(monkeypatch, "enter")
    assert prepare(drawing) == 1
    assert "save it with a transparent background" in capsys.readouterr().err
    assert not drawing.with_suffix(".yaml").exists()
