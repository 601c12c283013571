"""Several pictures of one character: which files they are, when the face asks for one, and how they change over."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from animator_core.animation.crossfade import Crossfade
from animator_core.characters.library import CharacterLibrary
from animator_core.config import EMOTES_DIR
from animator_core.ipc.character_names import list_expressions, list_names
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.emotes.files import EmoteLibrary
from animator_core.motion.expression_watch import ExpressionWatch

NS = 1_000_000_000


def save(folder: Path, *names: str) -> None:
    for name in names:
        Image.new("RGB", (64, 64)).save(folder / name)


def test_expressions_are_no_characters_and_need_one(tmp_path: Path) -> None:
    save(tmp_path, "ada.png", "ada.Happy.jpg", "ada.sad.png", "bob.v2.png", "no.1.png")
    assert list_names(tmp_path) == ("ada.png", "bob.v2.png", "no.1.png")
    assert list_expressions(tmp_path) == {"ada.png": {"happy": "ada.Happy.jpg", "sad": "ada.sad.png"}}


def test_an_expression_is_loaded_with_its_characters_description(tmp_path: Path) -> None:
    save(tmp_path, "ada.png", "ada.happy.png")
    (tmp_path / "ada.yaml").write_text("name: Ada\nrenderer: warp\n", encoding="utf-8")
    library = CharacterLibrary(tmp_path, detect=lambda rgb: None)
    loaded = library.load("ada.happy.png")
    assert (loaded.name, loaded.display_name, loaded.renderer) == ("ada.happy.png", "Ada", "warp")
    before = library.fingerprint("ada.happy.png")
    (tmp_path / "ada.yaml").write_text("name: Ada L\n", encoding="utf-8")
    assert library.fingerprint("ada.happy.png") != before
    (tmp_path / "ada.happy.yaml").write_text("name: Happy\n", encoding="utf-8")
    assert library.load("ada.happy.png").display_name == "Happy"


def posed(emote: str, at: float) -> DrivingMotion:
    return EmoteLibrary(EMOTES_DIR).load(emote).moment(at, 1.0).alone


@pytest.mark.parametrize(
    ("emote", "at", "expression"), [("smile", 1.0, "happy"), ("shock", 0.5, "surprised"), ("angry", 1.0, "angry")]
)
def test_a_held_expression_is_recognised_and_a_short_one_is_not(emote: str, at: float, expression: str) -> None:
    watch, face = ExpressionWatch(), posed(emote, at)
    seen = [watch.observe(face if frame < 10 else DrivingMotion(), frame * NS // 30) for frame in range(30)]
    assert set(seen) == {""}, "a third of a second is a twitch"
    seen = [watch.observe(face, 2 * NS + frame * NS // 30) for frame in range(60)]
    assert seen[-1] == expression
    weaker = replace(face, expression=face.expression * np.float32(0.75))
    assert watch.observe(weaker, 5 * NS) == watch.observe(weaker, 7 * NS) == expression, "it stays while it fades a bit"
    assert watch.observe(None, 8 * NS) == expression
    assert watch.observe(None, 9 * NS) == ""


def test_the_old_picture_fades_over_the_new_one_within_a_fifth_of_a_second() -> None:
    fade, old, new = Crossfade(), np.zeros((4, 4, 4), np.uint8), np.full((4, 4, 4), 200, np.uint8)
    fade.begin(old)
    levels = [int(fade.over(new, frame * NS // 60).mean()) for frame in range(14)]
    assert levels[0] == 0 and levels[-1] == 200 and not fade.is_fading
    assert all(0 <= after - before <= 40 for before, after in zip(levels, levels[1:]))
    fade.begin(np.zeros((8, 8, 4), np.uint8))
    assert fade.over(new, NS) is new, "a picture of another size is not mixed"
