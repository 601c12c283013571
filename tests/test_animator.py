"""AIAnimator: pictures and camera frames in, animated pictures out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from stand_in_model import StandInModel, face_character, shown
from stand_ins import FRAME_HEIGHT, FRAME_WIDTH, PixelTracker

from animator_core import api as animator_module
from animator_core.api import AIAnimator
from animator_core.errors import AnimatorError, CharacterError, WeightsError
from animator_core.liveportrait import engine


@pytest.fixture
def tracker(monkeypatch: pytest.MonkeyPatch) -> PixelTracker:
    made = PixelTracker()
    monkeypatch.setattr(animator_module, "create_tracker", lambda folder: made)
    return made


@pytest.fixture
def model(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> StandInModel:
    made = StandInModel()
    monkeypatch.setattr(engine.PortraitModel, "load", lambda *given, **more: made)
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / "spade_generator.pth").write_bytes(b"")
    return made


@pytest.fixture
def animator(tracker: PixelTracker, model: StandInModel, tmp_path: Path) -> AIAnimator:
    return AIAnimator(tmp_path / "weights", "liveportrait", "cpu", enable_optimizer=True, cache_dir=tmp_path / "cache")


def frame(red: int = 128) -> np.ndarray:
    made = np.full((FRAME_HEIGHT, FRAME_WIDTH, 3), 128, np.uint8)
    made[..., 0] = red
    return made


def test_a_frame_in_gives_the_character_out_as_an_array_of_its_own(animator):
    animator.preprocess_character("ada", face_character(red=200))
    first = animator.animate_frame(frame())
    assert (first.shape, first.dtype) == ((160, 160, 4), np.uint8)
    kept = first.copy()
    animator.animate_frame(frame(red=200))
    assert np.array_equal(first, kept)
    assert shown(first)[0] == 200


def test_frames_name_the_character_and_the_last_one_stays(animator):
    animator.preprocess_character("ada", face_character("ada.png", red=200))
    animator.preprocess_character("bob", face_character("bob.png", red=80))
    assert shown(animator.animate_frame(frame()))[0] == 200, "without a name the first one"
    assert shown(animator.animate_frame(frame(), character_id="bob"))[0] == 80
    assert shown(animator.animate_frame(frame()))[0] == 80
    animator.preprocess_character("bob", face_character("bob.png", red=40))
    assert shown(animator.animate_frame(frame()))[0] == 40, "a name may be given to another picture"


def test_features_are_kept_in_the_cache_folder_for_the_next_animator(animator, model, tracker, tmp_path):
    animator.preprocess_character("ada", face_character())
    animator.close()
    again = AIAnimator(tmp_path / "weights", "liveportrait", "cpu", cache_dir=tmp_path / "cache")
    again.preprocess_character("ada", face_character())
    assert model.extracted == 1
    assert again.get_info()["optimizer"]["features_loaded"] == 1


def test_the_info_says_what_runs_where_and_what_was_saved(animator):
    animator.preprocess_character("ada", face_character())
    for _ in range(3):
        animator.animate_frame(frame())
    info = animator.get_info()
    assert (info["renderer"], info["characters"]) == ("liveportrait", ["ada"])
    assert info["device"].startswith("CPU")
    assert info["note"] == ""
    assert info["rendered"] + info["reused"] == 3
    assert info["optimizer"]["features_computed"] == 1
    assert 0 <= info["optimizer"]["cache_hit_rate"] <= 1


def test_without_the_optimizer_nothing_is_reused(tracker, model, tmp_path):
    with AIAnimator(tmp_path / "weights", "liveportrait", "cpu", enable_optimizer=False) as animator:
        animator.preprocess_character("ada", face_character())
        for _ in range(3):
            animator.animate_frame(frame())
        info = animator.get_info()
    assert (info["rendered"], info["reused"]) == (3, 0)
    assert info["optimizer"]["cache_hit_rate"] == 0
    assert model.motions == 3


def test_it_closes_its_parts_at_the_end_of_the_block_and_only_once(animator, tracker):
    with animator as entered:
        assert entered is animator
        animator.preprocess_character("ada", face_character())
    assert tracker.is_closed
    animator.close()
    for use in (lambda: animator.animate_frame(frame()), lambda: animator.preprocess_character("b", face_character())):
        with pytest.raises(CharacterError, match="the animator is closed; make another"):
            use()
    assert animator.get_info()["characters"] == []


def test_an_error_in_the_block_closes_it_and_comes_out(animator, tracker):
    with pytest.raises(ZeroDivisionError), animator:
        raise ZeroDivisionError
    assert tracker.is_closed


def test_a_character_that_nobody_prepared_is_named(animator):
    with pytest.raises(CharacterError, match="no character '' is prepared; call preprocess_character first"):
        animator.animate_frame(frame())
    animator.preprocess_character("ada", face_character())
    with pytest.raises(CharacterError, match="no character 'bob' is prepared"):
        animator.animate_frame(frame(), character_id="bob")


def test_a_bad_picture_is_an_error_and_the_character_before_goes_on(animator, tmp_path):
    animator.preprocess_character("ada", face_character(red=200))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    Image.new("RGB", (1, 1)).save(tmp_path / "dot.png")
    for path, says in (
        (tmp_path / "broken.png", r"broken\.png cannot be read as a picture"),
        (tmp_path / "dot.png", "use a picture of at least 64 on a side"),
        (tmp_path / "absent.png", "is no file"),
        (face_character("tiny.png", side=12), "use a larger picture"),
    ):
        with pytest.raises(CharacterError, match=says):
            animator.preprocess_character("bad", path)
    assert shown(animator.animate_frame(frame()))[0] == 200
    assert animator.get_info()["characters"] == ["ada"]


@pytest.mark.parametrize("bad", [np.zeros((20, 20), np.uint8), np.zeros((20, 20, 3)), np.zeros((0, 20, 3), np.uint8)])
def test_an_array_that_is_no_frame_is_refused(animator, bad):
    animator.preprocess_character("ada", face_character())
    with pytest.raises(AnimatorError, match=r"the frame is .*; give \(H, W, 3\) uint8 RGB"):
        animator.animate_frame(bad)


def test_frames_without_a_face_and_of_other_sizes_are_animated_too(animator):
    animator.preprocess_character("ada", face_character())
    for size in ((FRAME_HEIGHT, FRAME_WIDTH), (480, 640), (1, 1)):
        assert animator.animate_frame(np.zeros((*size, 3), np.uint8)).shape == (160, 160, 4)


def test_missing_weights_are_an_error_for_liveportrait_and_the_warp_otherwise(tracker, tmp_path):
    with pytest.raises(WeightsError, match="run install"):
        AIAnimator(tmp_path, "liveportrait")
    with AIAnimator(tmp_path, "auto") as animator:
        assert animator.get_info()["renderer"] == "warp"
        animator.preprocess_character("ada", face_character())
        assert animator.animate_frame(frame()).shape == (160, 160, 4)
        assert animator.get_info()["optimizer"] == {}


def test_device_and_precision_are_passed_on(tracker, model, monkeypatch, tmp_path):
    from animator_core.liveportrait.execution import device

    asked = []

    def choose(wanted, fp16):
        asked.append((wanted, fp16))
        return device.DeviceChoice("cpu", torch.float32, "CPU")

    monkeypatch.setattr(device, "choose_device", choose)
    AIAnimator(tmp_path / "weights", "liveportrait", "cuda:1", fp16=False).close()
    assert asked == [("cuda:1", False)]
