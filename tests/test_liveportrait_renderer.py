"""The LivePortrait renderer with a stand-in for the networks: what it follows, keeps, shares and says."""

from __future__ import annotations

import gc

import numpy as np
import pytest
import torch
from stand_in_model import StandInModel, face_character, shown
from stand_ins import FRAME_HEIGHT, FRAME_WIDTH, face_landmarks

from animator_core.errors import CharacterError, ModelError
from animator_core.ipc.face_settings import FaceSettings
from animator_core.liveportrait.driver import LivePortraitDriver
from animator_core.liveportrait.engine import Engine
from animator_core.liveportrait.execution.device import DeviceChoice
from animator_core.liveportrait.motion import neutral_face as kept
from animator_core.liveportrait.motion.face_motion import FaceMotion, rotation_from_vector
from animator_core.liveportrait.renderer import LivePortraitRenderer
from animator_core.liveportrait.source.scene_cache import SceneCache
from animator_core.motion.estimator import MotionEstimator
from animator_core.motion.kept_neutral import from_text, to_text
from animator_core.tracking.observation import FaceObservation, TrackedFrame

pytestmark = pytest.mark.slow

FRAME_NS = 33_333_333
STILL = 127


def make_engine(model: StandInModel | None = None) -> Engine:
    model = model or StandInModel()
    choice = DeviceChoice("cpu", torch.float32, "CPU")
    return Engine(model, choice, SceneCache(model))


def make_renderer(character=None, engine: Engine | None = None) -> LivePortraitRenderer:
    renderer = (engine or make_engine()).make_renderer()
    renderer.set_character(character or face_character())
    return renderer


def at_rest(renderer: LivePortraitRenderer) -> np.ndarray:
    """Render the character in its neutral pose."""
    return renderer.draw(renderer.create_driver(MotionEstimator()).place_again())


class Driver:
    """Somebody before the camera; red: what the stand-in reads the yaw from, 128 straight ahead."""

    def __init__(self) -> None:
        self.number = 0
        self.estimator = MotionEstimator(FaceSettings(smoothing=0.0))
        self.drivers: dict[LivePortraitRenderer, LivePortraitDriver] = {}

    def of(self, renderer: LivePortraitRenderer) -> LivePortraitDriver:
        """Return the renderer's driver for this person."""
        if renderer not in self.drivers:
            self.drivers[renderer] = renderer.create_driver(self.estimator)
        return self.drivers[renderer]

    def show(self, renderer: LivePortraitRenderer, red: int = 128, is_mirrored: bool = False, split: int = 0):
        """Render one frame; split: how much redder than that the frame's right half is."""
        self.number += 1
        if is_mirrored != self.estimator.settings.mirror:
            self.of(renderer).set_settings(FaceSettings(mirror=is_mirrored, smoothing=0.0))
        frame = np.full((FRAME_HEIGHT, FRAME_WIDTH, 3), 128, np.uint8)
        frame[..., 0] = red
        frame[:, FRAME_WIDTH // 2 :, 0] += split
        now = self.number * FRAME_NS
        seen = FaceObservation(face_landmarks(), FRAME_WIDTH, FRAME_HEIGHT, now)
        return renderer.draw(self.of(renderer).place(TrackedFrame(seen, frame), now)).copy()

    def hold(self, renderer: LivePortraitRenderer, red: int = 128, frames: int = 40):
        """Render frames until everything is calibrated and eased, and return the last one."""
        for _ in range(frames):
            frame = self.show(renderer, red)
        return frame

    def leave(self, renderer: LivePortraitRenderer, frames: int = 40) -> list[np.ndarray]:
        """Render frames without a face."""
        shots = []
        for _ in range(frames):
            self.number += 1
            now = self.number * FRAME_NS
            shots.append(renderer.draw(self.of(renderer).place(TrackedFrame(None, None), now)).copy())
        return shots


def test_the_character_follows_the_driver_and_keeps_the_picture_around_the_face():
    renderer, driver = make_renderer(face_character(side=300)), Driver()
    character = face_character(side=300)
    rested = driver.hold(renderer)
    assert shown(rested) == (200, pytest.approx(STILL, abs=2))
    turned = driver.hold(renderer, red=158, frames=20)
    other = driver.hold(renderer, red=98, frames=20)
    assert abs(shown(turned)[1] - STILL) > 20
    assert abs(shown(other)[1] - STILL) > 20
    assert (shown(turned)[1] - STILL) * (shown(other)[1] - STILL) < 0
    assert rested.shape == (300, 300, 4)
    assert np.array_equal(rested[0, 0], character.picture[0, 0][[2, 1, 0, 3]])


def test_a_frame_that_was_seen_already_is_not_looked_at_again():
    model = StandInModel()
    renderer, driver = make_renderer(engine=make_engine(model)), Driver()
    driver.show(renderer)
    driver.number -= 1
    driver.show(renderer)
    assert model.motions == 1


def test_another_character_is_moved_at_once_and_the_neutral_face_is_kept():
    engine = make_engine()
    renderer, driver = make_renderer(face_character(red=200), engine), Driver()
    # The driver's own neutral face is turned aside.
    driver.hold(renderer, red=140)
    renderer.set_character(face_character("bob.png", red=80))
    first = driver.show(renderer, red=140)
    assert shown(first) == (80, pytest.approx(STILL, abs=2)), "measured against the same neutral face"
    assert abs(shown(driver.hold(renderer, red=170, frames=10))[1] - STILL) > 20


def test_calibrating_makes_the_present_face_the_neutral_one():
    renderer, driver = make_renderer(), Driver()
    driver.hold(renderer)
    assert abs(shown(driver.hold(renderer, red=150, frames=20))[1] - STILL) > 10
    driver.of(renderer).calibrate()
    assert shown(driver.hold(renderer, red=150, frames=20))[1] == pytest.approx(STILL, abs=2)


def test_a_mirrored_face_is_looked_at_in_the_mirror():
    model, driver = StandInModel(), Driver()
    seen = []
    extract = model.extract_motion
    model.extract_motion = lambda driving: seen.append(driving[0, 0]) or extract(driving)
    renderer = make_renderer(engine=make_engine(model))
    for is_mirrored in (False, True):
        driver.show(renderer, is_mirrored=is_mirrored, split=60)
    straight, mirrored = seen
    assert straight[128, -20:].mean() > straight[128, :20].mean() + 0.1
    assert mirrored[128, :20].mean() > mirrored[128, -20:].mean() + 0.1


class SidedModel(StandInModel):
    """Reads the yaw from how much redder the right half of the crop is: the other way round in the mirror."""

    def extract_motion(self, driving_tensor):
        self.motions += 1
        red = driving_tensor[:, 0]
        return self._motion(driving_tensor * 0 + 0.5 + (red[..., 128:].mean() - red[..., :128].mean()))


def test_mirroring_keeps_the_neutral_face_whatever_face_is_shown_then():
    model = SidedModel()
    renderer, driver = make_renderer(engine=make_engine(model)), Driver()

    def hold(split: int, is_mirrored: bool, frames: int = 25) -> int:
        for _ in range(frames):
            frame = driver.show(renderer, is_mirrored=is_mirrored, split=split)
        return shown(frame)[1] - STILL

    hold(20, False, frames=40)
    turned = hold(60, False)
    assert abs(turned) > 10
    assert hold(60, True) == pytest.approx(-turned, abs=2), "not on the pose that was held"
    assert hold(20, True) == pytest.approx(0, abs=2)
    assert hold(60, False) == pytest.approx(turned, abs=2), "and back"


def test_a_neutral_face_of_which_there_is_no_picture_is_found_anew_in_the_mirror():
    engine = make_engine()
    renderer, driver = make_renderer(engine=engine), Driver()
    driver.hold(renderer)
    other = engine.make_renderer()
    other.set_character(face_character())
    another = Driver()
    another.of(other).set_neutral(driver.of(renderer).neutral)
    another.show(other, is_mirrored=True)
    assert not another.of(other)._live.is_calibrated
    assert another.of(other).neutral == {}


def test_pose_and_lids_of_a_neutral_face_are_mirrored_and_its_keypoints_seen_in_the_mirror():
    seen_crops = []

    def look(pixels: np.ndarray) -> FaceMotion:
        seen_crops.append(pixels)
        return neutral_face(expression=0.25)

    pixels = np.arange(256 * 256 * 3, dtype=np.uint8).reshape(256, 256, 3)
    before = neutral_face(expression=0.5, yaw=0.3, shift=0.1, lids=(0.2, 0.4))
    after = kept.mirrored(before, pixels, look)
    assert np.array_equal(seen_crops[0], pixels[:, ::-1])
    assert torch.allclose(after.rotation, neutral_face(yaw=-0.3).rotation, atol=1e-6)
    assert after.translation[0].tolist() == pytest.approx([-0.1, 0.05, 0.0])
    assert after.eye_ratios[0].tolist() == pytest.approx([0.4, 0.2])
    assert torch.equal(after.expression, torch.full((1, 21, 3), 0.25))
    assert torch.equal(after.scale, before.scale)


def test_the_neutral_face_goes_to_another_renderer():
    engine = make_engine()
    renderer, driver = make_renderer(engine=engine), Driver()
    assert driver.of(renderer).neutral == {}
    driver.hold(renderer, red=140)
    arrays = from_text(to_text(driver.of(renderer).neutral))
    other = engine.make_renderer()
    driver.of(other).set_neutral(arrays)
    other.set_character(face_character())
    given = driver.of(other).neutral
    assert given.keys() == arrays.keys()
    assert all(np.array_equal(given[name], array) for name, array in arrays.items())
    first = driver.show(other, red=140)
    assert shown(first) == (200, pytest.approx(STILL, abs=2)), "measured against the same neutral face at once"
    assert abs(shown(driver.hold(other, red=170, frames=20))[1] - STILL) > 20
    driver.of(other).calibrate()
    driver.show(other, red=170)
    taken = driver.of(other).neutral
    assert not np.array_equal(taken["liveportrait_rotation"], arrays["liveportrait_rotation"])


@pytest.mark.parametrize("arrays", [{}, {"liveportrait_scale": np.ones((1, 1), np.float32)}])
def test_what_is_no_neutral_face_is_not_taken(arrays):
    driver = make_renderer().create_driver(MotionEstimator())
    driver.set_neutral(arrays)
    assert not driver._live.is_calibrated


def neutral_face(expression: float = 0.0, yaw: float = 0.0, shift: float = 0.0, lids=(0.3, 0.3)) -> FaceMotion:
    return FaceMotion(
        rotation_from_vector(torch.tensor([[0.0, yaw, 0.0]])),
        torch.full((1, 21, 3), expression),
        torch.full((1, 1), 1.2),
        torch.tensor([[shift, 0.05, 0.0]]),
        torch.zeros(1, 21, 3),
        torch.tensor([lids]),
        torch.zeros(1, 1),
    )


def test_a_lost_face_eases_back_and_a_found_one_eases_in_without_a_jump():
    renderer, driver = make_renderer(), Driver()
    driver.hold(renderer)
    shots = [driver.hold(renderer, red=158, frames=20), *driver.leave(renderer)]
    assert shown(shots[-1])[1] == pytest.approx(STILL, abs=3)
    shots += [driver.show(renderer, red=158) for _ in range(30)]
    greens = [shown(shot)[1] for shot in shots]
    assert abs(greens[-1] - greens[0]) < 4
    assert max(abs(b - a) for a, b in zip(greens, greens[1:])) <= abs(greens[0] - STILL) / 3


def test_a_transparent_character_stays_transparent_where_its_picture_is():
    frame = Driver().show(make_renderer(face_character(side=300, alpha=0)))
    assert frame[5, 150].tolist() == [0, 0, 0, 0]
    assert frame[150, 150, 3] == 255


def test_no_character_and_a_closed_renderer_say_so():
    renderer = make_engine().make_renderer()
    driver = renderer.create_driver(MotionEstimator())
    with pytest.raises(CharacterError, match="no character is set; choose one"):
        driver.place_again()
    renderer.set_character(face_character())
    renderer.close()
    renderer.close()
    with pytest.raises(CharacterError, match="no character is set"):
        driver.place_again()
    with pytest.raises(CharacterError, match="the renderer is closed; make another"):
        renderer.set_character(face_character())


def test_what_the_model_cannot_see_in_a_picture_is_an_error_that_names_it():
    model = StandInModel()
    extract = model.extract_features

    def broken(source):
        features = extract(source)
        features.appearance_features[0, 0, 0, 0, 0] = float("nan")
        return features

    model.extract_features = broken
    renderer = make_engine(model).make_renderer()
    with pytest.raises(ModelError, match=r"ada\.png cannot be used .*appearance_features is not finite.*install\.py"):
        renderer.prepare(face_character())


def test_a_character_that_cannot_be_drawn_leaves_the_one_before_on_screen():
    renderer, driver = make_renderer(face_character(red=200)), Driver()
    tiny = face_character("tiny.png", side=12)
    with pytest.raises(CharacterError, match="use a larger picture"):
        renderer.set_character(tiny)
    assert shown(driver.show(renderer))[0] == 200


def test_three_filters_show_three_characters_from_one_model_and_switch_between_frames():
    model = StandInModel()
    engine = make_engine(model)
    reds = (200, 120, 40)
    characters = [face_character(f"{red}.png", red) for red in reds]
    renderers = [make_renderer(character, engine) for character in characters]
    drivers = [Driver() for _ in reds]
    for renderer, driver in zip(renderers, drivers):
        driver.hold(renderer)
    for turn in range(3):
        shots = [driver.show(renderer, red=158) for renderer, driver in zip(renderers, drivers)]
        assert [shown(shot)[0] for shot in shots] == [reds[(index + turn) % 3] for index in range(3)]
        for index, renderer in enumerate(renderers):
            renderer.set_character(characters[(index + turn + 1) % 3])
    assert model.extracted == 3, "each character went through the networks once, for all filters"


def test_filters_that_show_one_character_share_it_but_not_their_frames():
    engine = make_engine()
    one, other = (make_renderer(face_character(), engine) for _ in range(2))
    driver = Driver()
    driver.hold(one)
    turned = driver.hold(one, red=158, frames=20)
    still = at_rest(other)
    assert shown(still)[1] == pytest.approx(STILL, abs=2)
    kept = still.copy()
    driver.show(one, red=98)
    assert np.array_equal(still, kept), "one filter drew into the other's frame"
    assert abs(shown(turned)[1] - STILL) > 20
    assert engine.scenes.statistics.entries == 1


def device_bytes(*roots: object) -> int:
    """Return what all tensors reachable from ``roots`` take, each memory counted once."""
    seen, storages, waiting = set(), {}, list(roots)
    while waiting:
        each = waiting.pop()
        if id(each) in seen or isinstance(each, (type, type(gc))):
            continue
        seen.add(id(each))
        if isinstance(each, torch.Tensor):
            storage = each.untyped_storage()
            storages[storage.data_ptr()] = storage.nbytes()
        elif not callable(each) or hasattr(each, "__self__"):
            waiting += gc.get_referents(each)
    return sum(storages.values())


@pytest.mark.parametrize("alpha", [255, 0])
def test_ten_characters_of_512_pixels_in_three_filters_take_less_than_300_mb(alpha):
    engine = make_engine()
    characters = [face_character(f"{number}.png", 10 * number, 512, alpha) for number in range(10)]
    renderers = [make_renderer(characters[0], engine) for _ in range(3)]
    for renderer in renderers:
        for character in characters:
            renderer.prepare(character)
    assert engine.scenes.statistics.entries == 10, "all of them are ready to be shown"
    assert device_bytes(engine.scenes, *renderers) < 300e6
    assert engine.scenes.statistics.size < 150e6


def test_the_bound_holds_for_the_process_and_not_for_each_filter():
    model = StandInModel()
    size = SceneCache(model).scene(face_character()).nbytes
    scenes = SceneCache(model, max_bytes=3 * size)
    engine = Engine(model, DeviceChoice("cpu", torch.float32, "CPU"), scenes)
    renderers = [make_renderer(face_character(f"{number}.png", 20 * number), engine) for number in range(8)]
    assert scenes.statistics.entries == 3
    assert scenes.statistics.size <= 3 * size
    # Those whose scene had to go still draw.
    assert shown(at_rest(renderers[0]))[0] == 0
    extracted = model.extracted
    renderers[7].set_character(face_character("0.png", 0))
    assert model.extracted == extracted + 1


def test_a_scene_says_how_much_memory_it_takes():
    model = StandInModel()
    scene = SceneCache(model).scene(face_character(alpha=0))
    assert scene.nbytes == pytest.approx(device_bytes(scene), abs=2000)


@pytest.mark.parametrize("method", ["extract_motion", "paint", "extract_features"])
def test_a_device_that_fails_is_named_with_the_remedy(monkeypatch, method):
    model = StandInModel()
    renderer = make_renderer(engine=make_engine(model))

    def fail(*given):
        raise torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.\nDetails")

    monkeypatch.setattr(model, method, fail)
    expected = r"^CPU failed while LivePortrait used it \(CUDA out of memory.*\); close other programs that use it$"
    with pytest.raises(ModelError, match=expected):
        Driver().show(renderer)
        renderer.set_character(face_character("other"))
