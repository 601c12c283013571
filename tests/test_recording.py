"""Recording what drives: even pace, faces that go missing, batches, and a replay that is the recording."""

from __future__ import annotations

from dataclasses import fields
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
import torch
from stand_in_model import StandInModel, face_character
from stand_ins import FRAME_HEIGHT, FRAME_WIDTH, face_landmarks

from animator_core.animation.timing import StageTimes
from animator_core.clips.driving_clip import DrivingMoment, TemplateClip
from animator_core.clips.offline import animate_moments, replay_moments
from animator_core.clips.recording import LandmarkRecorder, TemplateRecorder, measured_rate, resampled
from animator_core.clips.track_file import read_track
from animator_core.errors import MotionError, WeightsError
from animator_core.ipc.face_settings import FaceSettings
from animator_core.liveportrait.motion.template import MotionTemplate, is_template, read_template
from animator_core.liveportrait.networks.build import load_motion_extractor
from animator_core.liveportrait.networks.keypoints import KeypointMotion
from animator_core.liveportrait.renderer import LivePortraitRenderer
from animator_core.motion.estimator import MotionEstimator
from animator_core.tracking.observation import FaceObservation, TrackedFrame

FRAME_NS = 40_000_000
SIZE = (FRAME_WIDTH, FRAME_HEIGHT)


def brightness(crops: torch.Tensor) -> KeypointMotion:
    """Stand for the motion extractor: the yaw is how red a crop is."""
    count = len(crops)
    red = crops[:, 0].mean((1, 2))
    still = torch.zeros(count, 21, 3)
    zero = torch.zeros(count)
    return KeypointMotion(zero, 60 * (red - 0.5), zero, still[:, 0], still, torch.ones(count, 1), still)


def picture(red: int) -> np.ndarray:
    frame = np.full((FRAME_HEIGHT, FRAME_WIDTH, 3), 128, np.uint8)
    frame[..., 0] = red
    return frame


def observed(captured_ns: int, shift: float = 0.0) -> FaceObservation:
    return FaceObservation(face_landmarks(shift), *SIZE, captured_ns)


def record(recorder: TemplateRecorder, reds: list[int | None]) -> None:
    """Show one frame after the other; None: nobody is there."""
    for number, red in enumerate(reds):
        moment = 1 + number * FRAME_NS
        recorder.add(picture(red or 0), None if red is None else observed(moment), moment)
        recorder.work()


def turns(template: MotionTemplate) -> list[float]:
    """Return how far the head is turned in every frame, as the sine."""
    return [round(float(each), 3) for each in template.rotation[:, 2, 0]]


def test_an_even_pace_keeps_every_frame():
    times = [5 + round(number * 1001e9 / 30000) for number in range(300)]
    assert resampled(times, 30000 / 1001) == list(range(300))


def test_an_uneven_pace_repeats_and_leaves_out_by_time():
    times = [0, 100, 140, 150, 300, 400]
    assert resampled([each * 1_000_000 for each in times], 10.0) == [0, 1, 3, 4, 5]


@pytest.mark.parametrize(
    ("steps", "fps"), [([40] * 9, 25.0), ([33, 33, 34, 500, 33], 30.3), ([0, 0], 30.0), ([], 30.0)]
)
def test_the_usual_pace_is_measured(steps: list[int], fps: float):
    times = np.cumsum([1, *steps]) * 1_000_000
    assert measured_rate(times.tolist()) == fps


def test_a_template_has_what_was_seen_frame_by_frame(tmp_path: Path):
    recorder = TemplateRecorder(brightness)
    record(recorder, [128, 158, 98])
    assert recorder.write(tmp_path / "t.npz", 25.0) == 3
    template = read_template(tmp_path / "t.npz")
    assert (len(template), template.fps) == (3, 25.0)
    first, second, third = turns(template)
    assert first == pytest.approx(0, abs=0.01)
    assert abs(second) > 0.05
    assert abs(third) > 0.05
    assert second * third < 0
    assert template.lip_ratio is not None
    assert template.eye_ratios is not None


def test_a_frame_without_a_face_repeats_the_one_before_and_the_first_ones_the_first(tmp_path: Path):
    recorder = TemplateRecorder(brightness, batch_size=4)
    record(recorder, [None, None, 128, 158, None, None, 98])
    recorder.write(tmp_path / "t.npz", 25.0)
    found = turns(read_template(tmp_path / "t.npz"))
    assert found[0] == found[1] == found[2]
    assert found[3] == found[4] == found[5]
    assert len({found[2], found[3], found[6]}) == 3


def test_the_neutral_face_is_that_of_the_first_second(tmp_path: Path):
    recorder = TemplateRecorder(brightness)
    record(recorder, [158] + [128] * 20 + [98] * 40)
    recorder.write(tmp_path / "t.npz", 25.0)
    neutral = read_template(tmp_path / "t.npz").neutral
    assert neutral is not None
    assert turns(neutral)[0] == pytest.approx(0, abs=0.01)


def test_mirrored_frames_give_the_mirrored_motion(tmp_path: Path):
    frame = picture(128)
    frame[:, : FRAME_WIDTH // 2, 0] = 40
    templates = []
    for is_mirrored, shown, shift in ((True, frame, 10.0), (False, frame[:, ::-1], -10.0)):
        recorder = TemplateRecorder(brightness, is_mirrored=is_mirrored)
        recorder.add(np.ascontiguousarray(shown), observed(1, shift), 1)
        recorder.write(tmp_path / "t.npz", 25.0)
        templates.append(read_template(tmp_path / "t.npz"))
    assert turns(templates[0])[0] == pytest.approx(turns(templates[1])[0], abs=0.02)
    assert turns(templates[0])[0] != 0


def test_a_recording_that_is_full_keeps_what_it_has(tmp_path: Path):
    recorder = TemplateRecorder(brightness, most_waiting=3)
    for number in range(5):
        recorder.add(picture(128), observed(1 + number * FRAME_NS), 1 + number * FRAME_NS)
    assert recorder.is_full
    assert recorder.waiting_count == 3
    assert recorder.write(tmp_path / "t.npz") == 3


def test_nothing_is_written_where_nobody_was_seen(tmp_path: Path):
    template, landmarks = TemplateRecorder(brightness), LandmarkRecorder()
    record(template, [None, None])
    landmarks.add(None, 1)
    for recorder in (template, landmarks):
        with pytest.raises(MotionError, match="no face was seen"):
            recorder.write(tmp_path / "t.npz", 25.0)
    assert list(tmp_path.iterdir()) == []


def test_a_recorded_motion_has_no_pictures_for_a_template():
    with pytest.raises(MotionError, match="from a video or camera"):
        TemplateRecorder(brightness).add(None, observed(1), 1)


def test_landmarks_keep_their_gaps_and_are_no_template(tmp_path: Path):
    recorder = LandmarkRecorder()
    for number in range(4):
        moment = 1 + number * FRAME_NS
        recorder.add(None if number == 2 else observed(moment), moment)
    assert recorder.write(tmp_path / "m.npz") == 4
    track = read_track(tmp_path / "m.npz")
    assert track.fps == 25.0
    assert [track.observation(index) is None for index in range(4)] == [False, False, True, False]
    assert not is_template(tmp_path / "m.npz")


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_a_replay_shows_the_recording_whatever_the_batch(tmp_path: Path, batch_size: int):
    recorder = TemplateRecorder(brightness)
    record(recorder, [128] * 3 + [158, 98])
    recorder.write(tmp_path / "t.npz", 25.0)
    model = StandInModel()
    renderer = LivePortraitRenderer(model)
    renderer.set_character(face_character())
    clip = TemplateClip(read_template(tmp_path / "t.npz"))
    shown = replay_moments(clip, renderer, times=StageTimes(), batch_size=batch_size)
    greens = [int(frame[80, 80, 1]) for _, frame in shown]
    assert model.painted == -(-5 // batch_size)
    assert greens[0] == greens[1] == greens[2]
    assert (greens[3] - greens[0]) * (greens[4] - greens[0]) < 0


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_a_video_is_drawn_the_same_whatever_the_batch(batch_size: int):
    """The last batch is not full."""
    model = StandInModel()
    renderer = LivePortraitRenderer(model)
    renderer.set_character(face_character())
    moments = [
        DrivingMoment(Fraction(number, 25), moment, observed(moment), picture(128 + 4 * number), SIZE)
        for number, moment in enumerate(range(1, 7 * FRAME_NS, FRAME_NS))
    ]
    drawn = animate_moments(iter(moments), MotionEstimator(), renderer, times=StageTimes(), batch_size=batch_size)
    greens = [int(frame[80, 80, 1]) for _, frame in drawn]
    assert model.painted == -(-7 // batch_size)
    assert len(set(greens)) == 7
    assert greens in (sorted(greens), sorted(greens, reverse=True))


@pytest.mark.parametrize("is_known", [True, False])
def test_a_clips_first_frame_is_measured_against_its_neutral_face_where_that_is_known(is_known: bool):
    renderer = LivePortraitRenderer(StandInModel())
    renderer.set_character(face_character())
    clip = [
        TrackedFrame(observed(moment), picture(158 if number < 5 else 128))
        for number, moment in enumerate(range(1, 30 * FRAME_NS, FRAME_NS))
    ]
    driver = renderer.create_driver(MotionEstimator(FaceSettings(smoothing=0.0)))
    if is_known:
        driver.calibrate_from(clip)
    greens = []
    for each in (clip[0], clip[20]):
        greens.append(int(renderer.draw(driver.place(each, each.observation.captured_ns))[80, 80, 1]))
    turned, resting = (abs(green - 127) > 20 for green in greens)
    assert (turned, resting) == (is_known, not is_known)


def test_the_motion_extractor_alone_sees_what_it_sees_among_the_others_in_any_batch(
    golden_weights_dir: Path, golden_networks
):
    crops = torch.rand(3, 3, 256, 256, generator=torch.Generator().manual_seed(0))
    alone = load_motion_extractor(golden_weights_dir)
    one_by_one = [alone(crops[index : index + 1]) for index in range(3)]
    for name in (each.name for each in fields(KeypointMotion)):
        together = getattr(alone(crops), name)
        assert torch.allclose(together, torch.cat([getattr(each, name) for each in one_by_one]), atol=2e-5)
        assert torch.allclose(together, getattr(golden_networks.extract_motion(crops), name), atol=2e-5)


def test_without_weights_a_template_cannot_be_recorded(tmp_path: Path):
    with pytest.raises(WeightsError, match=r"run install\.py"):
        load_motion_extractor(tmp_path)
