"""The sample characters and the sample motion: what a first run needs them to be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from animator_core.characters.description import read_description
from animator_core.characters.library import CharacterLibrary
from animator_core.characters.picture import load_picture
from animator_core.clips.track_file import MotionTrack, read_track
from animator_core.motion.face_state import FaceState, face_state
from animator_core.motion.rotation import euler_angles
from obs_plugin.character_list import list_pictures

ASSETS = Path(__file__).resolve().parents[1] / "assets"
CHARACTERS = sorted((ASSETS / "characters").glob("*.png"))
DRAWN = [path for path in CHARACTERS if read_description(path).key_points]
MOTION = ASSETS / "motions" / "sample.npz"

each_character = pytest.mark.parametrize("path", CHARACTERS, ids=lambda path: path.stem)
each_drawn_character = pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.stem)


def run_script(name: str, output: Path) -> None:
    subprocess.run(
        [sys.executable, str(ASSETS / "sources" / name), "--output", str(output)],
        check=True,
        cwd=output.parent,
        timeout=300,
    )


def test_there_are_a_photographic_and_a_drawn_character() -> None:
    assert {"astronaut", "mira"} <= {path.stem for path in CHARACTERS}
    assert "mira" in {path.stem for path in DRAWN}


def test_the_character_that_a_new_user_sees_first_is_a_drawn_one() -> None:
    # The photograph's mouth, opened from a smile, is the hardest of them to animate.
    in_obs = list_pictures(str(ASSETS / "characters"))
    assert ASSETS / "characters" / in_obs[0].file in DRAWN
    assert CharacterLibrary(ASSETS / "characters").list()[0].file == in_obs[0].file


@each_character
def test_character_stands_free_with_room_to_move(path: Path) -> None:
    picture = load_picture(path)
    height, width = picture.shape[:2]
    rows, columns = np.nonzero(picture[..., 3] > 25)
    assert min(height, width) >= 640
    assert rows.min() >= 0.08 * height, "room above the hair"
    assert columns.min() >= 0.08 * width and width - 1 - columns.max() >= 0.08 * width, "room at the sides"
    assert rows.max() == height - 1, "the bust reaches the bottom edge"
    assert not picture[[0, 0], [0, -1], 3].any(), "transparent corners"


@each_character
def test_character_has_a_soft_edge_and_a_solid_body(path: Path) -> None:
    alpha = load_picture(path)[..., 3]
    assert (alpha == 255).mean() > 0.25
    assert 0.0005 < ((alpha > 20) & (alpha < 235)).mean() < 0.03


@each_character
def test_character_file_is_small_enough_for_the_repository(path: Path) -> None:
    assert path.stat().st_size <= 1_000_000


@each_character
def test_character_has_a_display_name(path: Path) -> None:
    assert read_description(path).name


@each_character
def test_face_of_character_is_found_on_its_solid_part(path: Path) -> None:
    character = CharacterLibrary(path.parent, target_size=(4096, 4096)).load(path.name)
    columns, rows = character.landmarks[:, :2].round().astype(int).T
    # A cheek against the background may put a landmark on the soft edge.
    assert (character.picture[rows, columns, 3] > 200).mean() > 0.97
    head_height = character.landmarks[152, 1] - character.landmarks[10, 1]
    assert head_height >= 180, "pixels of face to animate"


@each_drawn_character
def test_key_points_of_drawing_are_in_order(path: Path) -> None:
    points = {int(name): point for name, point in read_description(path).key_points.items()}
    down_the_face = [points[number][1] for number in (10, 159, 145, 1, 0, 17, 152)]
    assert down_the_face == sorted(down_the_face)
    across = [points[number][0] for number in (33, 133, 362, 263)]
    assert across == sorted(across), "the character's right eye is left in the picture"
    for upper, lower in ((159, 145), (386, 374)):
        assert points[lower][1] - points[upper][1] >= 30, "eyes open"
    assert abs(points[13][1] - points[14][1]) <= 2, "mouth closed"


@each_drawn_character
def test_irises_of_drawing_lie_where_the_key_points_say(path: Path) -> None:
    picture = load_picture(path).astype(int)
    for number in (468, 473):
        x, y = (round(value) for value in read_description(path).key_points[str(number)])
        assert picture[y, x, :3].max() < 90, "the pupil is dark"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("script", "name"), [("draw_mira.py", "mira"), ("draw_mira_anime.py", "mira_anime"), ("draw_fox.py", "amber")]
)
def test_script_reproduces_the_committed_drawing(script: str, name: str, tmp_path: Path) -> None:
    picture, committed_picture = tmp_path / f"{name}.png", ASSETS / "characters" / f"{name}.png"
    run_script(script, picture)
    committed = load_picture(committed_picture).astype(int)
    drawn = load_picture(picture).astype(int)
    assert drawn.shape == committed.shape
    assert np.abs(drawn - committed).mean() < 0.5
    assert picture.with_suffix(".yaml").read_text() == committed_picture.with_suffix(".yaml").read_text()


@pytest.mark.slow
def test_script_reproduces_the_committed_astronaut(tmp_path: Path) -> None:
    for module in ("skimage", "scipy"):
        pytest.importorskip(module, reason=f"{module} is needed only to make the astronaut again")
    pytest.importorskip("mediapipe.python.solutions", reason="the segmentation needs MediaPipe's older interface")
    run_script("make_astronaut.py", tmp_path / "astronaut.png")
    committed = load_picture(ASSETS / "characters" / "astronaut.png").astype(int)
    assert np.abs(load_picture(tmp_path / "astronaut.png").astype(int) - committed).mean() < 1.0


@pytest.fixture(scope="module")
def motion() -> MotionTrack:
    return read_track(MOTION)


@pytest.fixture(scope="module")
def states(motion: MotionTrack) -> list[FaceState]:
    observations = [motion.observation(index) for index in range(len(motion))]
    assert all(seen is not None for seen in observations)
    return [face_state(seen) for seen in observations if seen is not None]


def test_motion_is_long_enough_and_inside_its_frame(motion: MotionTrack) -> None:
    assert motion.fps == 30
    assert len(motion) / motion.fps >= 10
    assert (motion.landmarks[..., :2] > 0).all()
    assert (motion.landmarks[..., :2] < (motion.frame_width, motion.frame_height)).all()


def test_motion_begins_with_more_than_a_second_of_neutral_and_ends_there(motion: MotionTrack) -> None:
    still = motion.landmarks[: round(1.2 * motion.fps)]
    assert np.abs(still - still[0]).max() < 0.5
    assert np.abs(motion.landmarks[-1] - still[0]).max() < 0.5


def test_motion_turns_nods_and_tilts_both_ways(states: list[FaceState]) -> None:
    angles = np.array([euler_angles(state.pose.rotation) for state in states]) - euler_angles(states[0].pose.rotation)
    yaw, pitch, roll = angles.T
    assert yaw.max() > 15 and yaw.min() < -15
    assert pitch.max() > 8 and pitch.min() < -6
    assert roll.max() > 7 and roll.min() < -7


def test_motion_blinks_several_times_and_winks(states: list[FaceState]) -> None:
    openness = np.array([state.eye_ratio for state in states]) / states[0].eye_ratio
    is_shut = openness < 0.25
    both = is_shut.all(1)
    assert np.count_nonzero(both[1:] & ~both[:-1]) >= 5
    assert (is_shut[:, 1] & ~is_shut[:, 0]).any()


def test_motion_looks_to_both_sides_and_up_and_down(states: list[FaceState]) -> None:
    gaze = np.array([state.gaze.mean(0) for state in states]) - states[0].gaze.mean(0)
    assert gaze[:, 0].max() > 0.12 and gaze[:, 0].min() < -0.12
    assert gaze[:, 1].max() > 0.05 and gaze[:, 1].min() < -0.05


def test_motion_speaks(states: list[FaceState]) -> None:
    shapes = np.array([state.shape for state in states])
    opening = np.linalg.norm(shapes[:, 14] - shapes[:, 13], axis=1)
    width = np.linalg.norm(shapes[:, 291] - shapes[:, 61], axis=1)
    is_open = opening > 0.05
    assert opening[0] < 0.01
    assert np.count_nonzero(is_open[1:] & ~is_open[:-1]) >= 10, "syllables"
    assert width.max() > 1.15 * width[0] and width.min() < 0.85 * width[0], "wide and round sounds"


@pytest.mark.slow
def test_script_reproduces_the_committed_motion(motion: MotionTrack, tmp_path: Path) -> None:
    run_script("make_motion.py", tmp_path / "sample.npz")
    made = read_track(tmp_path / "sample.npz")
    assert made.landmarks.shape == motion.landmarks.shape
    assert np.abs(made.landmarks - motion.landmarks).max() < 1.0
