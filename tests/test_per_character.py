"""The renderer that chooses a renderer for each character, and its driver."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from stand_ins import FlatRenderer, ReplayingRenderer, character, face_landmarks

from animator_core.characters.character import Character
from animator_core.config import PROJECT_ROOT
from animator_core.errors import AnimatorError, CharacterError, ModelError, NoFaceFound, WeightsError
from animator_core.ipc.face_settings import FaceSettings
from animator_core.motion.estimator import MotionEstimator
from animator_core.rendering.per_character import PerCharacterRenderer
from animator_core.tracking.observation import FaceObservation, TrackedFrame


class Named(FlatRenderer):
    """A renderer with a name, that notes what it is told."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name  # type: ignore[misc]
        self.shown: list[str] = []
        self.closes = 0

    def prepare(self, character: Character) -> None:
        character.require_landmarks()
        super().prepare(character)

    def set_character(self, character: Character) -> None:
        character.require_landmarks()
        self.shown.append(character.name)
        super().set_character(character)

    def close(self) -> None:
        self.closes += 1


class Anime(Named):
    """An anime renderer whose basis is as far as a test says."""

    def __init__(self) -> None:
        super().__init__("anime")
        self.is_ready, self.is_computing, self.prefers_anime, self.fits = False, True, True, True
        self.progress: float | None = 0.0
        self.note: AnimatorError | None = None  # type: ignore[misc]
        self.error: AnimatorError | None = None
        self.settles = 0

    def prepare(self, character: Character) -> None:
        self.prepared.append(character.name)

    def set_character(self, character: Character) -> None:
        self.shown.append(character.name)
        FlatRenderer.set_character(self, character)

    def find_head(self, character: Character) -> bool:
        if self.error is not None:
            raise self.error
        return self.fits

    def settled(self, report: Any) -> Any:
        self.settles += 1
        report(1.0)
        self.is_ready, self.progress = True, 1.0
        return self


class Choice:
    """A renderer under test with its parts."""

    def __init__(self, **given: Any) -> None:
        self.usual, self.warp = Named(given.pop("usual", "liveportrait")), Named("warp")
        self.anime, self.makes, self.looks = Anime(), 0, 0
        self.make_error: AnimatorError | None = None
        self.renderer = PerCharacterRenderer(
            self.usual,
            self._make,  # type: ignore[arg-type]
            warp=self.warp,
            may_suit=self._may_suit,
            **given,
        )

    def _make(self) -> Anime:
        self.makes += 1
        if self.make_error is not None:
            raise self.make_error
        return self.anime

    def _may_suit(self, character: Character) -> bool:
        self.looks += 1
        return character.has_alpha

    def show(self, shown: Character) -> PerCharacterRenderer:
        self.renderer.prepare(shown)
        self.renderer.set_character(shown)
        return self.renderer


def drawing(renderer: str = "auto", **given: Any) -> Character:
    return dataclasses.replace(character(is_transparent=True), renderer=renderer, content_hash=renderer, **given)


def photograph(renderer: str = "auto") -> Character:
    return dataclasses.replace(character(), renderer=renderer, content_hash=f"photo {renderer}")


def seen(number: int) -> TrackedFrame:
    observation = FaceObservation(face_landmarks(0.02 * number), 320, 240, number * 33_000_000)
    # A face in the dark teaches nothing.
    return TrackedFrame(observation, np.full((240, 320, 3), 128, np.uint8))


@pytest.mark.parametrize(
    ("asked", "is_forced", "shown", "expected", "makes"),
    [
        ("auto", False, drawing, "anime", 1),
        ("auto", False, photograph, "liveportrait", 0),
        ("auto", True, photograph, "anime", 1),
        ("anime", False, photograph, "anime", 1),
        ("warp", False, drawing, "warp", 0),
        ("warp", True, drawing, "warp", 0),
        ("liveportrait", False, drawing, "liveportrait", 0),
        ("liveportrait", True, drawing, "liveportrait", 0),
    ],
)
def test_description_choice_and_picture_decide(
    asked: str, is_forced: bool, shown: Any, expected: str, makes: int
) -> None:
    choice = Choice(is_forced=is_forced)
    choice.anime.is_ready = True
    renderer = choice.show(shown(asked))
    assert (renderer.name, renderer.active.name, choice.makes) == (expected, expected, makes)
    assert renderer.note is None


def test_meanwhile_the_usual_renderer_draws_and_the_progress_is_told() -> None:
    choice = Choice()
    renderer = choice.show(drawing())
    told = []
    for progress in (0.0, 0.04, 0.449, 0.999):
        choice.anime.progress = progress
        told.append(renderer.device)
    assert told == [f"nowhere, motion basis {percent} %" for percent in (0, 0, 40, 95)]
    assert (renderer.name, renderer.is_computing) == ("liveportrait", True)
    choice.anime.is_ready = True
    assert (renderer.name, renderer.device) == ("anime", "nowhere, motion basis 95 %")
    choice.anime.progress = 1.0
    assert renderer.device == "nowhere"
    choice.show(photograph())
    assert (renderer.name, renderer.is_computing, renderer.device) == ("liveportrait", False, "nowhere")
    assert (choice.usual.shown, choice.anime.shown) == (["orange.png"] * 2, ["orange.png"])


def test_a_character_that_the_warp_suits_better_is_left_to_the_usual_renderer() -> None:
    choice = Choice()
    choice.anime.is_ready, choice.anime.prefers_anime = True, False
    choice.anime.note = CharacterError("it does not fit", "show its head")
    renderer = choice.show(drawing())
    assert (renderer.name, renderer.note, renderer.device) == ("liveportrait", None, "nowhere")
    assert choice.show(drawing("anime")).name == "anime"
    assert renderer.note is choice.anime.note


def test_a_description_that_asks_for_what_is_not_there_is_told() -> None:
    choice = Choice(usual="warp")
    note = choice.show(drawing("liveportrait")).note
    assert str(note).startswith("orange.png asks for LivePortrait, but the warp renderer draws; choose liveportrait")
    assert choice.show(drawing()).note is None
    choice.make_error = WeightsError("the weights of the anime networks are not in x", "run install.py to get them")
    without = Choice(usual="warp")
    without.make_error = choice.make_error
    renderer = without.show(drawing("anime"))
    assert (renderer.name, str(renderer.note)) == ("warp", str(choice.make_error))
    assert without.show(drawing()).note is None
    assert without.makes == 1, "it was tried again for each character"


def test_networks_that_cannot_be_had_keep_no_character_from_being_drawn() -> None:
    choice = Choice()
    choice.make_error = ModelError("the package torch does not load", "run install.py again")
    renderer = choice.show(drawing())
    assert (renderer.name, renderer.note, renderer.is_computing) == ("liveportrait", None, False)
    broken = Choice()
    broken.anime.error = WeightsError("editor.pt is damaged", "delete it")
    renderer = broken.show(drawing())
    assert renderer.settled(lambda progress: None) is broken.usual
    with pytest.raises(WeightsError, match="is damaged"):
        broken.show(drawing("anime")).settled(lambda progress: None)


def test_a_character_without_landmarks_is_drawn_by_the_networks_alone() -> None:
    choice = Choice()
    lone = drawing(landmarks=None)
    renderer = choice.show(lone)
    assert (renderer.name, choice.usual.shown, choice.usual.prepared) == ("anime", [], [])
    choice.anime.fits = False
    for call in (renderer.prepare, renderer.set_character):
        with pytest.raises(NoFaceFound):
            call(lone)
    choice.anime.error = WeightsError("editor.pt is missing", "run install.py")
    with pytest.raises(WeightsError):
        renderer.prepare(lone)
    with pytest.raises(NoFaceFound):
        renderer.prepare(dataclasses.replace(photograph(), landmarks=None))


def test_a_picture_is_looked_at_once() -> None:
    choice = Choice()
    for _ in range(3):
        choice.show(drawing())
        choice.show(photograph())
    assert choice.looks == 2


def test_frames_are_drawn_by_the_renderer_that_placed_them() -> None:
    choice = Choice()
    renderer = choice.show(drawing())
    driver = renderer.create_driver(MotionEstimator())
    early = driver.place(seen(1), 33_000_000)
    choice.anime.is_ready = True
    late = driver.place(seen(2), 66_000_000)
    renderer.draw(late)
    renderer.draw(early)
    assert (len(choice.usual.motions), len(choice.anime.motions)) == (1, 1)
    assert (early.captured_ns, late.captured_ns) == (33_000_000, 66_000_000)


def test_a_change_of_the_renderer_keeps_neutral_pose_and_settings() -> None:
    choice = Choice()
    estimator = MotionEstimator()
    follows: list[int] = []
    plain = estimator.follow

    def follow(tracked: Any, now_ns: int) -> Any:
        follows.append(now_ns)
        return plain(tracked, now_ns)

    estimator.follow = follow  # type: ignore[method-assign]
    renderer = choice.show(drawing())
    driver = renderer.create_driver(estimator)
    for number in range(1, 60):
        driver.place(seen(number), number * 33_000_000)
    neutral = {name: array.copy() for name, array in driver.neutral.items()}
    assert neutral
    assert driver.neutral is driver.neutral
    settings = FaceSettings(mirror=False, sensitivity_pose=0.3)
    driver.set_settings(settings)
    choice.anime.is_ready = True
    for number in range(60, 64):
        driver.place(seen(number), number * 33_000_000)
    assert estimator.settings == settings
    choice.show(photograph())
    driver.place_again()
    choice.show(drawing())
    driver.place(seen(64), 64 * 33_000_000)
    assert estimator.settings == settings
    assert follows == [number * 33_000_000 for number in range(1, 65)], "a frame was followed twice"
    assert driver.neutral.keys() == neutral.keys()
    for name, array in neutral.items():
        assert np.array_equal(driver.neutral[name], array), name


class Remembering:
    """A driver that knows a neutral pose of its own."""

    def __init__(self, name: str) -> None:
        self.neutral = {name: np.ones(1, np.float32)}
        self.given: list[set[str]] = []

    def set_neutral(self, arrays: Any) -> None:
        self.given.append(set(arrays))

    def set_settings(self, settings: FaceSettings) -> None:
        pass


def test_every_renderer_gets_what_another_run_knew() -> None:
    choice = Choice()
    made = {"liveportrait": Remembering("keypoints"), "anime": Remembering("lids")}
    for each in (choice.usual, choice.anime):
        each.create_driver = lambda estimator, name=each.name: made[name]  # type: ignore[method-assign]
    renderer = choice.show(drawing())
    driver = renderer.create_driver(MotionEstimator())
    driver.set_neutral({"keypoints": np.zeros(1, np.float32), "lids": np.zeros(1, np.float32)})
    choice.anime.is_ready = True
    assert driver.neutral.keys() == {"keypoints", "lids"}
    assert made["anime"].given == [{"keypoints", "lids"}]


def test_settled_is_the_renderer_that_draws_in_the_end() -> None:
    choice = Choice()
    reported: list[float] = []
    assert choice.show(drawing()).settled(reported.append) is choice.anime
    assert (choice.anime.settles, reported) == (1, [1.0])
    assert choice.show(photograph()).settled(reported.append) is choice.usual
    choice.anime.prefers_anime = False
    assert choice.show(drawing()).settled(reported.append) is choice.usual
    assert choice.anime.settles == 1


def test_what_can_replay_still_can_when_it_is_settled() -> None:
    usual = ReplayingRenderer()
    renderer = PerCharacterRenderer(
        usual,
        Anime,  # type: ignore[arg-type]
        warp=Named("warp"),
        may_suit=lambda character: False,
    )
    renderer.set_character(photograph())
    assert renderer.settled(lambda progress: None) is usual


@pytest.mark.parametrize("is_one", [True, False])
def test_all_renderers_are_closed_once(is_one: bool) -> None:
    usual, warp, anime = Named("warp"), Named("warp"), Anime()
    renderer = PerCharacterRenderer(
        usual,
        lambda: anime,  # type: ignore[arg-type, return-value]
        warp=usual if is_one else warp,
        may_suit=lambda character: True,
    )
    renderer.set_character(drawing())
    renderer.close()
    assert (usual.closes, warp.closes, anime.closes) == (1, 0 if is_one else 1, 1)


def test_photographs_never_load_torch(tmp_path: Path) -> None:
    script = f"""
import sys
from pathlib import Path
import numpy as np
from animator_core.characters.character import Character
from animator_core.installation.model_files import ANIME
from animator_core.renderers import RendererSettings, RendererSource
from animator_core.tracking.face_model import face_model
folder = Path({str(tmp_path)!r})
for model in ANIME:
    (folder / model.name).touch()
landmarks = (face_model().mean * 40 + np.array([100, 70, 0])).astype(np.float32)
picture = np.random.default_rng(1).integers(0, 256, (150, 200, 4), np.uint8)
picture[..., 3] = 255
noisy = Character("a.png", "A", picture, landmarks, "0")
renderer = RendererSource(RendererSettings(anime_dir=folder)).create("auto")
renderer.prepare(noisy)
renderer.set_character(noisy)
renderer.warm_up()
renderer.settled(print)
print(renderer.name, "torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT_ROOT, capture_output=True, text=True)
    assert (done.stdout.split(), done.returncode) == (["warp", "False"], 0), done.stderr
