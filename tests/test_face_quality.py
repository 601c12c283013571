"""What is said of a character's face before it is animated, and which faces are none."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from animator_core.characters.face_quality import SMALL_FACE_PIXELS, face_warnings
from animator_core.characters.face_search import FoundFace, PictureDetector, find_face
from animator_core.characters.library import CharacterLibrary, project_detector
from animator_core.config import PROJECT_ROOT
from animator_core.tracking.face_model import LEFT_EYE, OUTER_LIPS, RIGHT_EYE, face_model, fit_landmarks
from tests.conftest import shared_file
from tests.drawn_face import POINTS

CHARACTERS = PROJECT_ROOT / "assets" / "characters"
STEADY = np.array([0.002, 0.003, 0.004, 0.006], np.float32)


@pytest.fixture(scope="module")
def detector() -> Iterator[PictureDetector]:
    with project_detector() as detector:
        yield detector


@pytest.fixture(scope="module")
def astronaut() -> np.ndarray:
    return np.asarray(Image.open(CHARACTERS / "astronaut.png").convert("RGBA"))


@pytest.fixture(scope="module")
def found(astronaut: np.ndarray, detector: PictureDetector) -> FoundFace:
    face = find_face(astronaut, detector)
    assert face is not None
    return face


def told(picture: np.ndarray, face: FoundFace | None) -> str:
    assert face is not None
    return " / ".join(str(warning) for warning in face_warnings(picture, face, "ada.png"))


def _square(points: np.ndarray, share: float) -> np.ndarray:
    """Return the box of some points, larger by a share of its width on each side, as a polygon."""
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    margin = share * (high[0] - low[0])
    (left, top), (right, bottom) = low - margin, high + margin
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)]).astype(np.int32)


def _covered(picture: np.ndarray, points: np.ndarray, colour: tuple[int, int, int]) -> np.ndarray:
    painted = picture.copy()
    cv2.fillPoly(painted, [_square(points, 0.1)], (*colour, 255))
    return painted


def _front(scale: float = 300.0, turn_deg: float = 0.0, roll_deg: float = 0.0) -> np.ndarray:
    """Return the mean face in a picture of 800×800, turned to the side and then tilted."""
    yaw, roll = np.radians([turn_deg, roll_deg])
    turned = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    tilted = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return np.asarray(face_model().mean @ (tilted @ turned).T * scale + (400, 350, 0), np.float32)


@pytest.fixture
def noise() -> np.ndarray:
    """Return a picture with contrast everywhere, so that nothing seems covered."""
    levels = np.random.default_rng(4).integers(0, 2, (100, 100, 3), np.uint8) * 200 + 20
    return np.dstack(
        [cv2.resize(levels, (800, 800), interpolation=cv2.INTER_NEAREST), np.full((800, 800), 255)]
    ).astype(np.uint8)


@pytest.mark.parametrize("name", ["amber.png", "astronaut.png", "mira.png", "mira_anime.png"])
def test_nothing_is_said_of_our_own_characters(name: str) -> None:
    assert CharacterLibrary(CHARACTERS).load(name).warnings == ()


@pytest.mark.parametrize("name", ["s0.jpg", "s1.jpg", "s5.jpg", "s6.jpg", "s9.jpg", "s22.jpg"])
def test_nothing_is_said_of_good_portraits(name: str) -> None:
    path = shared_file(f"faces/source/{name}")
    assert CharacterLibrary(path.parent).load(name).warnings == ()


def test_a_photographed_face_is_found_again_at_its_place(found: FoundFace) -> None:
    assert found.shifts.shape == (4,)
    assert (np.diff(found.shifts) >= 0).all()
    assert found.shifts[-1] < 0.02
    assert found.is_steady


def test_a_face_far_away_is_small(astronaut: np.ndarray, detector: PictureDetector) -> None:
    scene = np.full((480, 640, 4), (90, 110, 130, 255), np.uint8)
    person = cv2.resize(np.ascontiguousarray(astronaut[..., :3]), (150, 150), interpolation=cv2.INTER_AREA)
    scene[200:350, 250:400, :3] = person
    text = told(scene, find_face(scene, detector))
    assert "px high and will look blurred" in text and f"has {SMALL_FACE_PIXELS} px or more" in text


@pytest.mark.parametrize("colour", [(12, 10, 14), (90, 60, 40), (235, 200, 180)])
def test_covered_eyes_are_told(astronaut: np.ndarray, found: FoundFace, colour: tuple[int, int, int]) -> None:
    landmarks = found.landmarks
    both = _covered(astronaut, landmarks[[*RIGHT_EYE, *LEFT_EYE]], colour)
    assert "the eyes are covered" in told(both, found)
    assert "an eye is covered" in told(_covered(astronaut, landmarks[list(LEFT_EYE)], colour), found)


def test_a_covered_mouth_is_told(astronaut: np.ndarray, found: FoundFace) -> None:
    masked = _covered(astronaut, found.landmarks[list(OUTER_LIPS)], (170, 200, 220))
    assert told(masked, found).startswith("the mouth is covered")


def test_closed_eyes_are_told(noise: np.ndarray) -> None:
    landmarks = _front()
    for ring in (RIGHT_EYE, LEFT_EYE):
        upper, lower = list(ring[1:8]), list(ring[:8:-1])
        landmarks[upper, 1] = landmarks[lower, 1] - 1
    assert "the eyes are closed and cannot open" in told(noise, FoundFace(landmarks, STEADY))


@pytest.mark.parametrize(("turn_deg", "is_told"), [(-20, False), (20, False), (-40, True), (40, True)])
def test_a_profile_is_told(noise: np.ndarray, turn_deg: float, is_told: bool) -> None:
    text = told(noise, FoundFace(_front(turn_deg=turn_deg), STEADY))
    assert ("to the side, so that its far half is not seen" in text) == is_told


@pytest.mark.parametrize(("roll_deg", "is_told"), [(-30, False), (30, False), (-90, True), (90, True)])
def test_a_face_on_its_side_is_told(noise: np.ndarray, roll_deg: float, is_told: bool) -> None:
    text = told(noise, FoundFace(_front(roll_deg=roll_deg), STEADY))
    assert ("tilted by 90 degrees; turn the picture upright" in text) == is_told


@pytest.mark.parametrize(("low", "words"), [(-150, "the picture's edge cuts the face"), (4, "little room around")])
def test_a_face_at_the_edge_is_told(noise: np.ndarray, low: float, words: str) -> None:
    landmarks = _front()
    landmarks[:, 0] += low - landmarks[:, 0].min()
    assert words in told(noise, FoundFace(landmarks, STEADY))


@pytest.mark.parametrize("exchanged", [("right", "left"), ("chin", "right_eye_outer"), ("mouth_right", "mouth_left")])
def test_marked_points_that_are_no_face_are_told(noise: np.ndarray, exchanged: tuple[str, str]) -> None:
    assert told(noise, FoundFace(fit_landmarks(POINTS))) == ""
    one, other = exchanged
    swapped = {name.replace(one, "?").replace(other, one).replace("?", other): at for name, at in POINTS.items()}
    text = told(noise, FoundFace(fit_landmarks(swapped)))
    assert text.startswith("its eyes, mouth and chin do not lie as in a face; ")
    assert "`prepare --pick ada.png`" in text


def test_landmarks_that_move_between_looks_are_doubtful(noise: np.ndarray) -> None:
    moved = FoundFace(_front(), np.array([0.01, 0.04, 0.05, np.inf], np.float32))
    text = told(noise, moved)
    assert text.startswith("it is doubtful whether that is a face") and "`prepare --pick ada.png`" in text


def test_a_face_that_nobody_sees_again_is_none_and_the_search_goes_on() -> None:
    picture = np.full((200, 200, 4), 255, np.uint8)
    looked_at: list[int] = []

    def detect(rgb: np.ndarray) -> np.ndarray:
        looked_at.append(rgb.shape[0])
        return _front(scale=rgb.shape[0] / 4)

    def again(shifts: tuple[float, ...]) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
        return lambda rgb, landmarks: np.array(shifts, np.float32)

    assert find_face(picture, PictureDetector(detect, again((0.02, np.inf, np.inf, np.inf)))) is None
    assert len(looked_at) > 1
    face = find_face(picture, PictureDetector(detect, again((0.02, 0.04, 0.09, np.inf))))
    assert face is not None and not face.is_steady


def test_an_eye_alone_is_no_face(detector: PictureDetector) -> None:
    path = shared_file("faces/source/s1.jpg")
    portrait = np.asarray(Image.open(path).convert("RGBA"))
    face = find_face(portrait, detector)
    assert face is not None
    eye = face.landmarks[list(RIGHT_EYE), :2]
    left, top, right, bottom = (int(value) for value in (*(eye.min(0) - 30), *(eye.max(0) + 30)))
    enlarged = cv2.resize(portrait[top:bottom, left:right], (400, 300), interpolation=cv2.INTER_CUBIC)
    assert find_face(enlarged, detector) is None


@pytest.mark.parametrize("name", ["chelsea.png", "coffee.png", "gravel.png", "coins.png"])
def test_no_face_is_seen_in_a_cat_or_a_pattern(name: str, detector: PictureDetector) -> None:
    data = pytest.importorskip("skimage.data")
    picture = np.asarray(Image.open(Path(data.__file__).with_name(name)).convert("RGBA"))
    # Without the check, the detector takes the cat's eye, a spoon, pebbles and a coin for faces.
    assert find_face(picture, PictureDetector(detector.detect)) is not None
    assert find_face(picture, detector) is None
