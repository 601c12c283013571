"""Animals whose faces are marked: no human teeth, and lids of fur."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from animator_core.characters.character import Character
from animator_core.characters.face_search import over_grey
from animator_core.characters.library import CharacterLibrary
from animator_core.config import PROJECT_ROOT
from animator_core.motion.driving import DrivingMotion
from animator_core.tracking.face_model import RIGHT_EYE, face_model, fit_landmarks
from animator_core.tracking.pose import fit_pose, with_true_depth
from animator_core.warp import eye_patch
from animator_core.warp.likeness import human_likeness
from animator_core.warp.mouth_colours import mouth_colours
from animator_core.warp.renderer import WarpRenderer

CAT = {
    "right_eye_outer": (134.0, 115.0),
    "right_eye_inner": (207.0, 132.0),
    "left_eye_inner": (294.0, 145.0),
    "left_eye_outer": (344.0, 117.0),
    "mouth_right": (194.0, 273.0),
    "mouth_left": (299.0, 273.0),
    "chin": (255.0, 304.0),
    "right_eye_top": (172.0, 87.0),
    "right_eye_bottom": (176.0, 145.0),
    "left_eye_top": (322.0, 110.0),
    "left_eye_bottom": (315.0, 163.0),
    "nose_tip": (264.0, 238.0),
    "upper_lip_bottom": (255.0, 270.0),
    "lower_lip_bottom": (253.0, 282.0),
    "cheek_right": (57.0, 176.0),
    "cheek_left": (366.0, 154.0),
    "forehead": (247.0, 26.0),
}
"""The cat of scikit-image, 451×300 pixels."""


@pytest.fixture(scope="module")
def cat() -> Character:
    data = pytest.importorskip("skimage.data")
    picture = np.asarray(Image.open(Path(data.__file__).with_name("chelsea.png")).convert("RGBA"))
    return Character("chelsea.png", "Chelsea", picture, fit_landmarks(CAT), "cat")


@pytest.fixture(scope="module")
def astronaut() -> Character:
    return CharacterLibrary(PROJECT_ROOT / "assets" / "characters").load("astronaut.png")


def test_people_are_told_from_animals_by_their_features(cat: Character, astronaut: Character) -> None:
    shares = []
    for landmarks in (face_model().mean * 200, astronaut.require_landmarks(), cat.require_landmarks()):
        shape = with_true_depth(landmarks)
        shares.append(human_likeness(shape, fit_pose(shape)))
    assert shares == pytest.approx([1, 1, 0], abs=0.05)


@pytest.mark.parametrize("is_grey", [False, True])
def test_a_cat_has_no_human_teeth_and_people_have(cat: Character, astronaut: Character, is_grey: bool) -> None:
    shares = []
    for character in (cat, astronaut):
        bgr = np.ascontiguousarray(over_grey(character.picture)[..., ::-1])
        if is_grey:
            bgr = cv2.cvtColor(cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR)
        shares.append(mouth_colours(np.asarray(bgr, np.uint8), with_true_depth(character.require_landmarks())).lips)
    assert shares[0] < 0.1
    assert shares[1] > 0.9


def strands_on_the_lid(character: Character) -> float:
    """Return the fine contrast of the closed right eye's lid, in grey levels."""
    renderer = WarpRenderer()
    renderer.set_character(character)
    frame = renderer.render(DrivingMotion(eye_openness=np.zeros(2, np.float32)))
    grey = cv2.cvtColor(np.ascontiguousarray(frame[..., :3]), cv2.COLOR_BGR2GRAY).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 3)
    eye = character.require_landmarks()[list(RIGHT_EYE), :2]
    (left, top), (right, bottom) = eye.min(0), eye.max(0)
    lid = np.s_[int(top + 0.2 * (bottom - top)) : int(bottom - 0.45 * (bottom - top)), int(left + 15) : int(right - 15)]
    return float(fine[lid].std())


def test_a_closed_lid_of_a_cat_has_fur(cat: Character, monkeypatch: pytest.MonkeyPatch) -> None:
    furry = strands_on_the_lid(cat)
    monkeypatch.setattr(eye_patch, "furred", lambda patch, bare, eye: bare)
    bare = strands_on_the_lid(replace(cat, content_hash="bare"))
    assert furry > 2 * bare
    assert furry > 2


def test_lids_of_people_and_drawings_are_bare(astronaut: Character, monkeypatch: pytest.MonkeyPatch) -> None:
    def unexpected(*_: object) -> None:
        raise AssertionError("fur on bare skin")

    monkeypatch.setattr(eye_patch, "furred", unexpected)
    mira = CharacterLibrary(PROJECT_ROOT / "assets" / "characters").load("mira.png")
    for character in (astronaut, mira):
        WarpRenderer().set_character(character)
