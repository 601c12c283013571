"""From driving motion to the 45 parameters of anime characters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from animator_core.anime.driver import AnimeDriver
from animator_core.anime.face_parameters import face_parameters, head_parameters
from animator_core.anime.lids import Lids
from animator_core.anime.parameters import INDEX, NAMES, SIGNED
from animator_core.arrays import FloatArray
from animator_core.ipc.face_settings import FaceSettings
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.estimator import MotionEstimator
from animator_core.motion.kept_neutral import neutral_of_arrays
from animator_core.motion.rotation import rotation_from_euler
from animator_core.rendering.contract import Driver, Placement
from animator_core.tracking.face_model import LEFT_EYE, LEFT_IRIS, RIGHT_EYE, RIGHT_IRIS, face_model
from animator_core.tracking.observation import FaceObservation, TrackedFrame
from animator_core.tracking.pose import DEPTH_SCALE, HeadPose, with_true_depth
from tests.conftest import shared_file

FRAME_NS = 33_333_333
MOUTH_WIDTH = 0.28
BREATHING = INDEX["breathing"]
OPEN = np.zeros(2, np.float32)
SMILE_RIGHT = {61: (-0.03, -0.05)}
SMILE_LEFT = {291: (0.03, -0.05)}
FROWN_RIGHT = {61: (0.0, 0.03)}
JAW = {14: (0.0, 0.1), 17: (0.0, 0.1), 61: (0.0, 0.035), 291: (0.0, 0.035)}
"""An opening jaw takes the corners of the mouth along by a third of the way."""
ROUND = {**JAW, 61: (0.04, 0.035), 291: (-0.04, 0.035)}
PUCKER = {61: (0.04, 0.03), 291: (-0.04, 0.03), 13: (0.0, 0.03), 14: (0.0, 0.03)}
WIDE = {61: (-0.03, 0.0), 291: (0.03, 0.0)}


def brows(side: str, inner: float, outer: float) -> dict[int, tuple[float, float]]:
    """Return shifts of a brow's ends, upwards in face sizes."""
    inner_points, outer_points = ((55, 107), (46, 70)) if side == "right" else ((285, 336), (276, 300))
    return {**dict.fromkeys(inner_points, (0.0, -inner)), **dict.fromkeys(outer_points, (0.0, -outer))}


def motion_of(
    shifts: Mapping[int, tuple[float, float]] | None = None,
    eyes: tuple[float, float] = (1.0, 1.0),
    gaze: tuple[float, float] = (0.0, 0.0),
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0),
) -> DrivingMotion:
    expression = np.zeros((478, 3), np.float32)
    for point, shift in (shifts or {}).items():
        expression[point, :2] = shift
    return DrivingMotion(
        rotation=rotation_from_euler(*angles),
        expression=expression,
        eye_openness=np.array(eyes, np.float32),
        gaze=np.array([gaze, gaze], np.float32),
        mouth_width=MOUTH_WIDTH,
    )


def named(vector: FloatArray, least: float = 0.02) -> dict[str, float]:
    """Return the parameters that differ from 0, without the breathing."""
    return {name: float(value) for name, value in zip(NAMES, vector) if abs(value) > least and INDEX[name] != BREATHING}


def parameters_of(motion: DrivingMotion, closing: FloatArray = OPEN) -> dict[str, float]:
    return named(face_parameters(motion, closing))


def seen(
    number: int,
    shifts: Mapping[int, tuple[float, float]] | None = None,
    eyes: tuple[float, float] = (1.0, 1.0),
    gaze: tuple[float, float] = (0.0, 0.0),
    angles: tuple[float, float, float] = (0.0, 0.0, 0.0),
    blendshapes: Mapping[str, float] | None = None,
) -> FaceObservation:
    """Return what a tracker would see of the mean face, changed in its own axes; eyes: right and left."""
    shape = with_true_depth(face_model().mean).copy()
    for point, shift in (shifts or {}).items():
        shape[point, :2] += shift
    for ring, iris, openness in ((RIGHT_EYE, RIGHT_IRIS, eyes[0]), (LEFT_EYE, LEFT_IRIS, eyes[1])):
        for upper, lower in zip(ring[1:8], ring[:8:-1]):
            shape[upper] = shape[lower] + openness * (shape[upper] - shape[lower])
        width = abs(shape[ring[0], 0] - shape[ring[8], 0])
        shape[iris : iris + 5, :2] += np.array(gaze) * width
    pose = HeadPose(rotation_from_euler(*angles), np.array([320, 240, 0], np.float32), 200.0)
    points = pose.to_frame(shape)
    points[:, 2] /= DEPTH_SCALE
    return FaceObservation(points.astype(np.float32), 640, 480, number * FRAME_NS, blendshapes)


class Recorder:
    """A renderer whose placements hold the parameters."""

    def place(self, parameters: FloatArray, captured_ns: int) -> Placement:
        return Placement(parameters, parameters, captured_ns)


class Person:
    """Somebody before the camera of a driver, calibrated on ``rest``."""

    def __init__(self, settings: FaceSettings | None = None, **rest: object) -> None:
        self.estimator = MotionEstimator(settings or FaceSettings(smoothing=0.0))
        self.driver: Driver = AnimeDriver(Recorder(), self.estimator)
        self.number = 0
        self.rest = rest
        self.show(40, **rest)
        assert self.estimator.is_calibrated
        self.show(20, **rest)

    def show(self, frames: int = 30, **face: object) -> FloatArray:
        """Show a face for some frames and return the last parameters."""
        for _ in range(frames):
            vector = self.step(**face)
        return vector

    def step(self, **face: object) -> FloatArray:
        self.number += 1
        tracked = TrackedFrame(seen(self.number, **face), None)  # type: ignore[arg-type]
        return self.placed(tracked)

    def leave(self, frames: int) -> list[FloatArray]:
        vectors = []
        for _ in range(frames):
            self.number += 1
            vectors.append(self.placed(TrackedFrame(None, None)))
        return vectors

    def placed(self, tracked: TrackedFrame | None) -> FloatArray:
        content: FloatArray = self.driver.place(tracked, self.number * FRAME_NS).content
        return content


def mirror_of(values: Mapping[str, float]) -> dict[str, float]:
    """Return parameters by name as the mirrored frame would give them."""
    swapped = {}
    for name, value in values.items():
        base, _, side = name.rpartition("_")
        if side in ("left", "right"):
            swapped[f"{base}_{'right' if side == 'left' else 'left'}"] = value
        else:
            swapped[name] = -value if name in ("head_y", "neck_z", "body_y", "body_z", "iris_rotation_y") else value
    return swapped


def test_the_neutral_face_is_the_neutral_picture_but_for_the_breath() -> None:
    assert parameters_of(DrivingMotion()) == {}
    person = Person()
    breaths = []
    for _ in range(150):
        vector = person.step()
        breaths.append(float(vector[BREATHING]))
        assert not named(vector, least=5e-3)
    assert min(breaths) == pytest.approx(0, abs=0.01) and max(breaths) == pytest.approx(1, abs=0.01)
    assert np.abs(np.diff(breaths)).max() < 0.03


def test_before_the_first_frame_the_character_is_neutral() -> None:
    driver = AnimeDriver(Recorder(), MotionEstimator())
    np.testing.assert_array_equal(driver.place_again().content, np.zeros(45, np.float32))


def test_jitter_of_a_resting_face_changes_no_expression() -> None:
    noise = np.random.default_rng(1).normal(0, 0.0008, (478, 3)).astype(np.float32)
    motion = DrivingMotion(expression=noise, gaze=noise[:2, :2], eye_openness=1 + 20 * noise[:2, 0])
    assert parameters_of(motion) == {}


@pytest.mark.parametrize(
    ("shifts", "expected", "absent"),
    [
        (SMILE_RIGHT, {"mouth_raised_corner_right": 0.8}, ("mouth_raised_corner_left",)),
        (SMILE_LEFT, {"mouth_raised_corner_left": 0.8}, ("mouth_raised_corner_right", "mouth_lowered_corner_right")),
        (FROWN_RIGHT, {"mouth_lowered_corner_right": 0.8}, ("mouth_raised_corner_right", "mouth_lowered_corner_left")),
        (JAW, {"mouth_aaa": 0.5}, ("mouth_ooo", "mouth_uuu", "mouth_iii", "mouth_raised_corner_left")),
        (
            ROUND,
            {"mouth_ooo": 0.5},
            ("mouth_aaa", "mouth_iii", "mouth_lowered_corner_left", "mouth_raised_corner_left"),
        ),
        (
            PUCKER,
            {"mouth_uuu": 0.9},
            ("mouth_aaa", "mouth_ooo", "mouth_raised_corner_left", "mouth_lowered_corner_left"),
        ),
        ({**WIDE, 14: (0.0, 0.03)}, {"mouth_iii": 0.4}, ("mouth_ooo", "mouth_uuu")),
        ({**WIDE, 14: (0.0, 0.065)}, {"mouth_eee": 0.3}, ("mouth_iii", "mouth_ooo")),
        (
            {**JAW, 61: (0.0, 0.07), 291: (0.0, 0.07)},
            {"mouth_delta": 0.3, "mouth_lowered_corner_left": 0.5},
            ("mouth_raised_corner_left",),
        ),
        ({**SMILE_LEFT, 61: (0.0, 0.02)}, {"mouth_smirk": 0.3}, ("mouth_raised_corner_right",)),
        (brows("left", 0.02, 0.02), {"eyebrow_raised_left": 0.7}, ("eyebrow_raised_right", "eyebrow_troubled_left")),
        (brows("right", -0.02, -0.02), {"eyebrow_angry_right": 0.8}, ("eyebrow_angry_left", "eyebrow_lowered_right")),
        (brows("left", -0.011, -0.011), {"eyebrow_serious_left": 0.3}, ("eyebrow_angry_left",)),
        (brows("left", -0.01, -0.024), {"eyebrow_lowered_left": 0.5}, ("eyebrow_angry_left", "eyebrow_serious_left")),
        (brows("right", 0.012, -0.018), {"eyebrow_troubled_right": 0.7}, ("eyebrow_troubled_left",)),
        ({**SMILE_LEFT, **SMILE_RIGHT}, {"eyebrow_happy_left": 0.4, "eyebrow_happy_right": 0.4}, ("mouth_smirk",)),
    ],
)
def test_each_expression_moves_its_parameters_on_its_side(
    shifts: dict[int, tuple[float, float]], expected: dict[str, float], absent: tuple[str, ...]
) -> None:
    found = parameters_of(motion_of(shifts))
    assert {name: found.get(name, 0.0) >= least for name, least in expected.items()} == dict.fromkeys(expected, True)
    assert not set(absent) & set(found), found
    through_tracker = named(Person().show(shifts=shifts))
    assert all(through_tracker.get(name, 0.0) > 0.6 * least for name, least in expected.items()), through_tracker


def test_brows_lowered_by_a_smile_are_no_frown() -> None:
    shifts = {**SMILE_LEFT, **SMILE_RIGHT, **brows("left", -0.02, -0.02), **brows("right", -0.02, -0.02)}
    frowning = sum(value for name, value in parameters_of(motion_of(shifts)).items() if "angry" in name)
    assert frowning < 0.2


@pytest.mark.parametrize(
    ("angles", "name", "sign"),
    [((10, 0, 0), "head_y", 1), ((0, 10, 0), "head_x", -1), ((0, 0, 10), "neck_z", -1)],
)
def test_the_head_turns_nods_and_tilts_as_the_networks_name_it(
    angles: tuple[float, float, float], name: str, sign: int
) -> None:
    found = parameters_of(motion_of(angles=angles))
    assert 0.5 < sign * found[name] < 0.8
    far = parameters_of(motion_of(angles=(4 * angles[0], 4 * angles[1], 4 * angles[2])))
    assert 0.97 < sign * far[name] <= 1
    others = {"head_x", "head_y", "neck_z"} - {name}
    assert not others & set(found)


def test_the_body_leans_to_where_the_head_goes() -> None:
    right = DrivingMotion(translation=np.array([0.2, 0.0], np.float32))
    assert parameters_of(right)["body_z"] < -0.2


@pytest.mark.parametrize(
    ("gaze", "name", "sign"),
    [((-0.15, 0), "iris_rotation_y", 1), ((0.15, 0), "iris_rotation_y", -1), ((0, -0.07), "iris_rotation_x", 1)],
)
def test_irises_follow_the_gaze(gaze: tuple[float, float], name: str, sign: int) -> None:
    found = parameters_of(motion_of(gaze=gaze))
    assert set(found) == {name} and 0.5 < sign * found[name] < 1
    through_tracker = Person().show(gaze=gaze)
    assert sign * through_tracker[INDEX[name]] > 0.4


def test_wide_eyes_are_surprised_with_small_irises() -> None:
    found = parameters_of(motion_of(eyes=(1.36, 1.36)))
    assert found["eye_surprised_left"] > 0.9 and 0.2 < found["iris_small_right"] < 0.4


def test_a_blink_that_the_camera_sees_in_part_closes_both_lids() -> None:
    lids, shown = Lids(), []
    for number, openness in enumerate((1.0, 0.97, 0.75, 0.44, 0.38, 0.41, 0.5, 0.56, 0.72, 0.95, 1.0), start=1):
        shown.append(lids(np.array([openness, openness + 0.05], np.float32), number * FRAME_NS))
    right, left = np.transpose(shown)
    np.testing.assert_allclose(right, left, atol=0.02)
    assert (right[:2] == 0).all() and (right[4:6] == 1).all() and (left[4:6] == 1).all() and right[-1] == 0


def test_a_lid_at_the_threshold_does_not_flicker() -> None:
    lids = Lids()
    noise = np.random.default_rng(3).uniform(-0.04, 0.04, 100)
    shown = [
        float(lids(np.full(2, 0.46 + each, np.float32), number * FRAME_NS)[0])
        for number, each in enumerate(noise, start=1)
    ]
    assert set(shown[20:]) == {1.0}


def test_lids_move_without_a_step_at_high_frame_rates() -> None:
    lids = Lids()
    shown = [float(lids(np.full(2, 0.3, np.float32), number * 4_000_000)[0]) for number in range(1, 40)]
    assert np.diff(shown).max() < 0.1 and shown[-1] == 1


def test_one_eye_winks_alone() -> None:
    person = Person()
    found = named(person.show(eyes=(1.0, 0.1)))
    assert found["eye_wink_left"] == pytest.approx(1) and "eye_wink_right" not in found


def test_lids_that_close_in_a_smile_close_happily() -> None:
    found = named(Person().show(shifts={**SMILE_LEFT, **SMILE_RIGHT}, eyes=(0.1, 0.1)))
    assert found["eye_happy_wink_left"] > 0.9 and found.get("eye_wink_left", 0.0) < 0.1


def test_half_closed_lids_are_stern_below_a_frown_and_tired_else() -> None:
    half = np.full(2, 0.5, np.float32)
    angry = {**brows("left", -0.025, -0.025), **brows("right", -0.025, -0.025)}
    stern = parameters_of(motion_of(angry, eyes=(0.6, 0.6)), half)
    tired = parameters_of(motion_of(eyes=(0.6, 0.6)), half)
    assert stern["eye_unimpressed_left"] > 0.5 and "eye_relaxed_left" not in stern
    assert tired["eye_relaxed_left"] + tired["eye_wink_left"] == pytest.approx(0.5) and (
        "eye_unimpressed_left" not in tired
    )


def test_a_face_that_rests_with_raised_brows_and_narrow_eyes_is_neutral_too() -> None:
    rest = {**brows("left", 0.01, 0.01), **brows("right", 0.01, 0.01), 61: (-0.01, -0.01)}
    person = Person(shifts=rest, eyes=(0.8, 0.75), gaze=(0.05, 0.02))
    found = named(person.show(shifts=rest, eyes=(0.8, 0.75), gaze=(0.05, 0.02)))
    assert found == {}


def test_blendshapes_are_not_needed_for_an_expression() -> None:
    scores = {"jawOpen": 1.0, "eyeBlinkLeft": 1.0, "browInnerUp": 0.9}
    without, with_scores = Person(), Person()
    told = with_scores.show(shifts=JAW, blendshapes=scores)
    np.testing.assert_allclose(without.show(shifts=JAW), told, atol=0.02)


def test_the_mirror_gives_what_the_mirrored_frame_would() -> None:
    face = {"shifts": {**SMILE_LEFT, **brows("left", 0.02, 0.02), **JAW}, "eyes": (0.1, 1.0), "gaze": (0.1, 0.0)}
    turned = {**face, "angles": (8.0, 3.0, 5.0)}
    plain = named(Person().show(**turned))
    mirrored = named(Person(FaceSettings(mirror=True, smoothing=0.0)).show(**turned))
    assert mirrored == pytest.approx(mirror_of(plain), abs=0.03)
    switched = Person()
    switched.driver.set_settings(FaceSettings(mirror=True, smoothing=0.0))
    assert named(switched.show(**turned)) == pytest.approx(mirrored, abs=0.03)


def test_all_parameters_stay_in_their_ranges_whatever_the_motion() -> None:
    random = np.random.default_rng(5)
    least = np.array([-1.0 if name in SIGNED else 0.0 for name in NAMES])
    for _ in range(200):
        motion = DrivingMotion(
            rotation=rotation_from_euler(*random.uniform(-80, 80, 3)),
            translation=random.uniform(-3, 3, 2).astype(np.float32),
            expression=random.normal(0, 0.3, (478, 3)).astype(np.float32),
            eye_openness=random.uniform(0, 1.5, 2).astype(np.float32),
            gaze=random.normal(0, 1, (2, 2)).astype(np.float32),
        )
        vector = face_parameters(motion, random.uniform(0, 1, 2).astype(np.float32))
        assert vector.dtype == np.float32 and vector.shape == (45,)
        assert (vector >= least).all() and (vector <= 1).all()


@pytest.mark.parametrize("is_back", [False, True])
def test_a_lost_face_eases_to_the_idle_sway_and_back_without_a_jump(is_back: bool) -> None:
    person = Person()
    face = {"shifts": {**JAW, **SMILE_LEFT}, "eyes": (1.3, 1.3), "angles": (15.0, 8.0, -10.0)}
    vectors = [person.show(**face)]
    vectors += person.leave(60)
    if is_back:
        vectors += [person.step(**face) for _ in range(30)]
        assert named(vectors[-1]) == pytest.approx(named(vectors[0]), abs=0.03)
    lids = [INDEX[f"eye_{name}_{side}"] for name in ("wink", "relaxed") for side in ("left", "right")]
    steps = np.abs(np.diff(vectors, axis=0))
    steps[:, lids] = 0  # a blink of the idle motion is quick
    assert steps.max() < 0.25
    assert "mouth_aaa" in named(vectors[0]) and "mouth_aaa" not in named(vectors[60])


def test_still_shoulders_take_no_share_of_a_turn() -> None:
    turned = DrivingMotion(rotation=rotation_from_euler(10, 5, 8), translation=np.array([0.1, 0.0], np.float32))
    usual, still = head_parameters(turned), head_parameters(replace(turned, torso=0.0))
    assert usual["body_y"] and usual["body_z"]
    assert still == {**usual, "body_y": 0.0, "body_z": 0.0}


def test_nobody_on_camera_sways_breathes_and_blinks() -> None:
    driver = AnimeDriver(Recorder(), MotionEstimator())
    vectors = np.array([driver.place(None, number * FRAME_NS).content for number in range(1, 600)])
    for name, least in (("body_y", 0.2), ("body_z", 0.2), ("breathing", 0.95), ("eye_wink_left", 0.95)):
        assert np.ptp(vectors[:, INDEX[name]]) > least, name
    assert not np.ptp(vectors[:, INDEX["mouth_aaa"]])


def test_strengths_scale_expression_and_pose() -> None:
    face = {"shifts": {**JAW, **SMILE_LEFT}, "gaze": (0.05, 0.0), "angles": (6.0, 0.0, 0.0)}
    plain = named(Person().show(**face))
    still_face = named(Person(FaceSettings(sensitivity_expression=0.0, smoothing=0.0)).show(**face))
    assert set(still_face) <= {"head_x", "head_y", "neck_z", "body_y", "body_z"} and still_face["head_y"] > 0.3
    still_head = named(Person(FaceSettings(sensitivity_pose=0.0, smoothing=0.0)).show(**face))
    assert "head_y" not in still_head and "mouth_aaa" in still_head
    strong = named(Person(FaceSettings(sensitivity_expression=2.0, sensitivity_pose=2.0, smoothing=0.0)).show(**face))
    assert all(abs(strong[name]) > 1.2 * abs(plain[name]) for name in ("mouth_aaa", "iris_rotation_y", "head_y"))


def test_the_neutral_pose_goes_to_another_driver_of_the_same_person() -> None:
    rest = {"shifts": brows("left", 0.01, 0.01), "eyes": (0.8, 0.8)}
    first = Person(**rest)
    arrays = first.driver.neutral
    assert arrays and first.driver.neutral is arrays, "the same object until it changes"
    neutral = neutral_of_arrays(arrays)
    assert neutral is not None
    estimator = MotionEstimator(FaceSettings(smoothing=0.0))
    estimator.set_neutral(neutral)
    second = AnimeDriver(Recorder(), estimator)
    second.set_neutral(arrays)
    for number in range(1, 30):
        vector = second.place(TrackedFrame(seen(number, **rest), None), number * FRAME_NS).content  # type: ignore[arg-type]
    assert named(vector) == {}


def test_the_button_makes_the_present_face_neutral() -> None:
    person = Person()
    face = {"shifts": SMILE_LEFT, "angles": (6.0, 0.0, 0.0)}
    assert "mouth_raised_corner_left" in named(person.show(**face))
    person.driver.calibrate()
    assert named(person.show(**face), least=0.05) == {}


@pytest.mark.slow
def test_a_real_face_blinks_fully_and_opens_the_mouth_as_far_as_its_lips() -> None:
    cv2 = pytest.importorskip("cv2")
    from animator_core.config import MODELS_DIR
    from animator_core.tracking.trackers import create_tracker

    clip = shared_file("faces/driving/d18.mp4")
    tracker = create_tracker(MODELS_DIR)
    video, seen_faces = cv2.VideoCapture(str(clip)), []
    while (read := video.read())[0]:
        frame = np.ascontiguousarray(read[1][:, :, ::-1])
        seen_faces.append(tracker.track(frame, 1 + len(seen_faces) * FRAME_NS))
    tracker.close()
    observations = [face for face in seen_faces if face is not None]
    driver = AnimeDriver(Recorder(), MotionEstimator())
    # The face rests in these frames.
    driver.calibrate_from([TrackedFrame(each, None) for each in observations[46:56]])
    vectors = np.array([driver.place(TrackedFrame(each, None), each.captured_ns).content for each in observations])
    winks = vectors[:, [INDEX["eye_wink_left"], INDEX["eye_wink_right"]]]
    blinks = (winks == 1).all(1)
    assert blinks[90:102].any() and blinks[184:192].any()
    assert not blinks[40:90].any() and not blinks[110:180].any()
    points = np.array([each.landmarks for each in observations])
    gaps = np.linalg.norm(points[:, 14, :2] - points[:, 13, :2], axis=1)
    vowels = vectors[:, [INDEX[f"mouth_{name}"] for name in ("aaa", "ooo", "delta")]].sum(1)
    assert np.corrcoef(gaps, vowels)[0, 1] > 0.95
    assert vowels[46:56].max() < 0.05 and vowels[120:150].min() > 0.8
    assert vectors[78:92, INDEX["mouth_ooo"]].min() > 0.3, "he says O"
    assert vectors[22:36, INDEX["mouth_uuu"]].min() > 0.85, "he purses his lips"
    corners = vectors[:, [INDEX[f"mouth_{way}_corner_right"] for way in ("raised", "lowered")]]
    assert corners[118:150, 0].min() > 0.5 and corners[172:184, 1].min() > 0.5, "he laughs, then pouts"
