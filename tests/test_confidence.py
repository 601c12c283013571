"""Faces that are seen badly: what is doubted, how it calms, and what the streamer is told."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import cv2
import numpy as np
import pytest

from animator_core.animation.pipeline import CharacterPipeline
from animator_core.config import MODELS_DIR
from animator_core.motion.confidence import Confidence
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.estimator import MotionEstimator
from animator_core.motion.lip_colour import LipColour
from animator_core.motion.regions import Region, region_weights
from animator_core.motion.trouble import NO_TROUBLE, TroubleReport
from animator_core.motion.trust import Trust
from animator_core.tracking.face_model import face_model
from animator_core.tracking.observation import FaceObservation, TrackedFrame
from animator_core.tracking.trackers import create_tracker
from tests.conftest import shared_file
from tests.spoiled_faces import FRAME_NS, HAND, LIPS, SKIN, noisy, observed, painted, with_hand

MOUTH_PLACE = (320.0, 290.0)
CLIPS = ("d3", "d10", "d18", "d19")


def talking() -> DrivingMotion:
    """Return a motion that moves every region."""
    return DrivingMotion(
        expression=np.tile(np.array([0, 0.05, 0.05], np.float32), (478, 1)),
        eye_openness=np.full(2, 0.5, np.float32),
        gaze=np.full((2, 2), 0.1, np.float32),
    )


def watched(tracked: Iterable[TrackedFrame], confidence: Confidence | None = None) -> Iterator[Confidence]:
    """Yield the confidence after each frame."""
    confidence = confidence or Confidence()
    for number, each in enumerate(tracked, 1):
        confidence.observe(each, number * FRAME_NS)
        yield confidence


def frames_of_a_hand(before: int, hidden: int, after: int) -> Iterator[TrackedFrame]:
    for number in range(1, before + hidden + after + 1):
        observation = observed(number)
        frame = painted(observation)
        if before < number <= before + hidden:
            frame = noisy(with_hand(frame, MOUTH_PLACE, 200, HAND))
        yield TrackedFrame(observation, frame)


def test_a_hand_before_the_mouth_calms_the_mouth_alone() -> None:
    *_, confidence = watched(frames_of_a_hand(60, 30, 0))
    assert not confidence.is_trusted(Region.MOUTH)
    assert confidence.is_trusted(Region.HEAD, Region.BROWS, Region.RIGHT_EYE, Region.LEFT_EYE)
    assert not confidence.is_trusted()
    motion = confidence.ease(talking(), False)
    lips, brows = motion.expression[[0, 17, 61, 291]], motion.expression[[105, 334]]
    np.testing.assert_allclose(lips, 0, atol=1e-6)
    np.testing.assert_allclose(brows, talking().expression[[105, 334]], atol=1e-6)
    np.testing.assert_allclose(motion.eye_openness, 0.5, atol=1e-6)


def test_a_mouth_that_is_seen_again_moves_again() -> None:
    *_, confidence = watched(frames_of_a_hand(60, 30, 40))
    assert confidence.is_trusted()
    np.testing.assert_allclose(confidence.ease(talking(), False).expression, talking().expression, atol=1e-6)


def test_doubt_is_quick_and_trust_is_slow_and_neither_jumps() -> None:
    moved = [
        float(each.ease(talking(), False).expression[17, 1]) / 0.05 for each in watched(frames_of_a_hand(60, 30, 45))
    ]
    fall = next(n for n, each in enumerate(moved) if each < 0.5) - 60
    rise = next(n for n, each in enumerate(moved[90:]) if each > 0.5)
    assert fall * FRAME_NS < 0.3e9
    assert fall < rise < 0.8e9 / FRAME_NS
    assert np.abs(np.diff(moved)).max() < 0.25


def test_confidence_near_the_threshold_does_not_flicker() -> None:
    trust, rng = Trust(1), np.random.default_rng(0)
    changes, last = 0, True
    for _ in range(300):
        trust.observe(np.array([rng.uniform(0.35, 0.65)], np.float32), 1 / 30)
        changes, last = changes + (bool(trust.is_trusted[0]) != last), bool(trust.is_trusted[0])
    assert changes <= 1


def test_coloured_light_is_no_hand() -> None:
    lips = LipColour()
    for number in range(120):
        frame = painted(observed(number)).astype(np.float32)
        light = 1 + 0.35 * np.sin(number / 4) * np.array([1.0, 0.6, -0.4])
        seen = lips.visibility(np.clip(frame * light, 0, 255).astype(np.uint8), observed(number).landmarks, number)
        assert seen > 0.9, number


@pytest.mark.parametrize("colour", [SKIN, tuple(int(level * 0.8) for level in SKIN)], ids=["skin", "grey"])
def test_lips_without_a_colour_of_their_own_are_never_judged(colour: tuple[int, int, int]) -> None:
    lips = LipColour()
    for number in range(80):
        frame = painted(observed(number), lips=colour)
        if number > 60:
            frame = noisy(with_hand(frame, MOUTH_PLACE, 200, HAND))
        assert lips.visibility(frame, observed(number).landmarks, number) == 1.0


def test_a_start_with_the_hand_before_the_mouth_does_not_hide_it_later() -> None:
    *_, confidence = watched(frames_of_a_hand(0, 60, 60))
    assert confidence.is_trusted(Region.MOUTH)


def test_another_look_of_the_mouth_is_learnt_in_the_end() -> None:
    lips = LipColour()
    seen = []
    for second in range(80):
        observation = observed(second)
        frame = painted(observation, lips=SKIN if second >= 30 else LIPS)
        seen.append(lips.visibility(frame, observation.landmarks, second * 10**9))
    assert seen[29] == 1.0
    assert seen[31] < 0.2
    assert seen[79] == 1.0


def test_a_face_whose_chin_is_outside_the_frame_calms_the_mouth_alone() -> None:
    *_, confidence = watched(TrackedFrame(observed(n, middle=(320, 420)), None) for n in range(1, 40))
    motion = confidence.ease(talking(), False)
    np.testing.assert_allclose(motion.expression[[0, 17]], 0, atol=1e-6)
    np.testing.assert_allclose(motion.expression[[105, 334]], talking().expression[[105, 334]], atol=1e-6)
    np.testing.assert_allclose(motion.eye_openness, 0.5, atol=1e-6)


def test_mirroring_doubts_the_eye_on_the_same_side_of_the_picture() -> None:
    *_, confidence = watched(TrackedFrame(observed(n, middle=(10, 210)), None) for n in range(1, 40))
    winking = DrivingMotion(eye_openness=np.array([0.6, 1.4], np.float32))
    np.testing.assert_allclose(confidence.ease(winking, False).eye_openness, 1.4, atol=2e-3)
    np.testing.assert_allclose(confidence.ease(winking, True).eye_openness, 0.6, atol=2e-3)


def test_noise_of_a_far_face_is_calmed() -> None:
    rng = np.random.default_rng(0)

    def shaking(width: float) -> float:
        confidence, seen = Confidence(), []
        for number in range(1, 90):
            confidence.observe(TrackedFrame(observed(number, width), None), number * FRAME_NS)
            noise = rng.normal(0, 0.01, (478, 3)).astype(np.float32)
            motion = DrivingMotion(expression=noise, captured_ns=number * FRAME_NS)
            seen.append(confidence.ease(motion, False).expression[:, 2])
        return float(np.abs(np.diff(seen, axis=0)).mean())

    assert shaking(60) < 0.5 * shaking(200)


def told(tracked: Iterable[TrackedFrame]) -> list[str]:
    return [each.trouble[0] for each in watched(tracked)]


@pytest.mark.parametrize(
    ("width", "middle", "level", "word"),
    [
        (60, (320, 240), 1.0, "far away"),
        (200, (320, 240), 0.08, "dark"),
        (200, (320, 470), 1.0, "outside"),
        (200, (320, 240), 1.0, ""),
    ],
)
def test_a_trouble_is_told_after_a_second(width: float, middle: tuple[int, int], level: float, word: str) -> None:
    frames = []
    for number in range(1, 60):
        observation = observed(number, width, middle)
        frames.append(TrackedFrame(observation, (painted(observation) * level).astype(np.uint8)))
    texts = told(frames)
    assert set(texts[:28]) == {""}
    assert word in texts[40] and bool(texts[40]) == bool(word)


def test_a_trouble_that_is_over_is_told_no_more() -> None:
    texts = told(frames_of_a_hand(60, 60, 60))
    assert "mouth is hidden" in texts[110]
    assert texts[-1] == ""
    assert sum(one != other for one, other in zip(texts, texts[1:])) == 2


def test_the_pipeline_tells_the_trouble() -> None:
    pipeline = CharacterPipeline()
    assert pipeline.trouble == NO_TROUBLE
    for number in range(1, 60):
        pipeline.estimator.follow(TrackedFrame(observed(number, 60), None), number * FRAME_NS)
    assert "far away" in pipeline.trouble[0] and pipeline.trouble[1]


def test_a_dark_picture_without_a_face_is_told() -> None:
    black = np.full((480, 640, 3), 5, np.uint8)
    assert "dark" in told([TrackedFrame(None, black)] * 60)[-1]
    assert told([TrackedFrame(None, black + 120)] * 60)[-1] == ""


def test_of_a_silent_camera_nothing_is_told() -> None:
    confidence = Confidence()
    *_, _ = watched([TrackedFrame(observed(number, 60), None) for number in range(1, 60)], confidence)
    confidence.observe(None, 60 * FRAME_NS + 10**9)
    assert "far away" in confidence.trouble[0]
    confidence.observe(None, 60 * FRAME_NS + 2 * 10**9)
    assert confidence.trouble == NO_TROUBLE


def test_the_summary_of_a_clip_counts_the_frames_of_each_trouble() -> None:
    report = TroubleReport()
    for number in range(200):
        report.note("far" if 100 <= number < 180 else "dark" if number < 10 else "", number * FRAME_NS)
    (sentence,) = report.summary()
    # The first second of it is not told yet, and half a second after it still is.
    assert "too far away" in sentence and "in 32%" in sentence
    assert TroubleReport().summary() == ()


def test_every_landmark_belongs_to_the_regions_in_whole() -> None:
    weights = region_weights()
    np.testing.assert_allclose(weights.sum(1), 1, atol=1e-6)
    assert weights.min() >= 0
    mirror = face_model().mirror
    swapped = weights[mirror][:, [Region.HEAD, Region.BROWS, Region.LEFT_EYE, Region.RIGHT_EYE, Region.MOUTH]]
    np.testing.assert_allclose(weights, swapped, atol=0.02)


def test_the_first_frames_of_a_live_track_ease_in() -> None:
    live, still = MotionEstimator(), face_model().mean.copy()
    still[:, 1] += 0.05
    first = FaceObservation(still * 300 + (320, 240, 0), 640, 480, FRAME_NS)
    steps = [live.update(first, FRAME_NS)]
    steps += [live.update(observed(number, 250), number * FRAME_NS) for number in range(2, 30)]
    turns = [float(np.abs(each.expression).max()) for each in steps]
    assert turns[0] == 0
    assert np.abs(np.diff(turns)).max() < 0.3 * max(turns)


def tracked_clip(name: str, before: int, hidden: int) -> Iterator[TrackedFrame]:
    """Yield a clip's beginning as it is tracked; ``hidden`` frames have a hand before the mouth."""
    path = shared_file(f"faces/driving/{name}.mp4")
    if not (MODELS_DIR / "face_landmarker.task").exists():
        pytest.skip("the landmarker's model is not installed")
    capture, tracker = cv2.VideoCapture(str(path)), create_tracker(MODELS_DIR)
    observation: FaceObservation | None = None
    for number in range(1, before + hidden + 1):
        frame = np.ascontiguousarray(capture.read()[1][..., ::-1])
        if number > before:
            if number == before + 1:
                assert observation is not None
                points = observation.landmarks[:, :2]
                cheeks = points[[205, 425]].astype(int)
                mouth, width = tuple(points[[13, 14]].mean(0)), float(np.ptp(points[:468, 0]))
                colour = tuple(np.median(frame[cheeks[:, 1], cheeks[:, 0]], axis=0))
            frame = with_hand(frame, mouth, width, colour)
        observation = tracker.track(frame, number * FRAME_NS)
        yield TrackedFrame(observation, frame)
    tracker.close()
    capture.release()


@pytest.mark.parametrize("name", CLIPS)
def test_a_face_in_a_clip_is_doubted_only_behind_a_hand(name: str) -> None:
    mouth, rest = [], []
    for confidence in watched(tracked_clip(name, 60, 30)):
        mouth.append(confidence.is_trusted(Region.MOUTH))
        rest.append(confidence.is_trusted(Region.HEAD, Region.BROWS, Region.RIGHT_EYE, Region.LEFT_EYE))
    assert all(rest)
    assert all(mouth[:60])
    assert not any(mouth[70:])


def test_an_eye_that_is_not_seen_does_as_the_other() -> None:
    *_, confidence = watched(TrackedFrame(observed(n, middle=(10, 210)), None) for n in range(1, 40))
    winking = DrivingMotion(
        eye_openness=np.array([1.4, 0.1], np.float32), gaze=np.array([[-0.2, 0.1], [0.1, 0.05]], np.float32)
    )
    motion = confidence.ease(winking, False)
    np.testing.assert_allclose(motion.eye_openness, 0, atol=1e-6)
    np.testing.assert_allclose(motion.gaze, [winking.gaze[1]] * 2, atol=1e-6)


def test_words_of_a_far_face_pass() -> None:
    confidence, opened = Confidence(), []
    for number in range(1, 120):
        confidence.observe(TrackedFrame(observed(number, 60), None), number * FRAME_NS)
        opening = 0.03 * (1 + np.sin(2 * np.pi * 3 * number / 30))
        motion = DrivingMotion(expression=np.full((478, 3), opening, np.float32), captured_ns=number * FRAME_NS)
        opened.append(confidence.ease(motion, False).expression[17, 1])
    assert np.ptp(opened[60:]) > 0.7 * 0.06


def test_lips_in_the_dark_are_not_taken_for_hidden() -> None:
    bright = [TrackedFrame(observed(number), painted(observed(number))) for number in range(1, 40)]
    dim = [noisy((each.frame * 0.15).astype(np.uint8), 5.0) for each in bright if each.frame is not None]
    *_, confidence = watched([*bright, *(TrackedFrame(observed(n), frame) for n, frame in enumerate(dim, 40))])
    assert confidence.is_trusted(Region.MOUTH)
