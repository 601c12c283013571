"""Render reuse: what is shown is never further from the truth than allowed, and a blink or a word is never late."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from stand_in_model import face_character

from animator_core.animation.reuse import RenderReuse
from animator_core.liveportrait.driver import signature as keypoint_signature
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.visible_change import HEAD_TOLERANCE, LID_AND_LIP_TOLERANCE, USUAL_FACE_PIXELS, signature
from animator_core.tracking.face_model import INNER_LIPS
from animator_core.tracking.pose import fit_pose, with_true_depth
from animator_core.warp.renderer import WarpRenderer

LID, CHEEK_KEYPOINT = 11, 9
PIXEL_OF_512 = 1 / 256


def opened(openness: float) -> DrivingMotion:
    return DrivingMotion(eye_openness=np.full(2, openness, np.float32))


def speaking(opening: float) -> DrivingMotion:
    """Return a motion with the lips' inner rims ``opening`` face sizes apart."""
    expression = np.zeros((478, 3), np.float32)
    expression[list(INNER_LIPS[11:]), 1] = opening
    return DrivingMotion(expression=expression)


def shown_by(motions: list[DrivingMotion]) -> list[int]:
    """Return the number of the motion that is shown in place of each."""
    reuse, shown, last = RenderReuse(), [], 0
    for number, motion in enumerate(motions):
        if reuse.needs_rendering(signature(motion)):
            last = number
        shown.append(last)
    return shown


@pytest.mark.parametrize("make", [opened, lambda amount: speaking(0.1 * (1 - amount))], ids=["blink", "word"])
def test_a_blink_or_a_word_begins_and_ends_in_the_very_frame_in_which_it_does(make):
    amounts = [1.0] * 10 + [0.93, 0.5, 0.05, 0.4, 0.8, 0.95] + [1.0] * 10
    shown = shown_by([make(amount) for amount in amounts])
    assert shown[:10] == [0] * 10, "a still face is drawn once"
    assert shown[10:17] == list(range(10, 17))
    assert shown[17:] == [16] * 9


def test_a_slow_blink_is_never_further_behind_than_the_tolerance():
    amounts = np.linspace(1, 0, 120)
    shown = shown_by([opened(amount) for amount in amounts])
    lag = np.abs(amounts - amounts[shown]).max()
    assert 0 < lag * 0.065 <= LID_AND_LIP_TOLERANCE
    assert len(set(shown)) < 60


def test_a_drifting_head_is_never_further_off_than_the_tolerance():
    steps = np.cumsum(np.random.default_rng(1).normal(0, HEAD_TOLERANCE / 4, (400, 2)), axis=0).astype(np.float32)
    shown = shown_by([DrivingMotion(translation=step) for step in steps])
    assert np.abs(steps - steps[shown]).max() <= HEAD_TOLERANCE * 1.001
    assert len(set(shown)) < 200


@pytest.mark.parametrize(("size", "tolerance"), [(0.5, 1.0), (1.0, 1.0), (2.0, 0.5), (5.0, 0.2)])
def test_a_large_face_is_drawn_again_for_as_many_pixels_as_a_usual_one(size, tolerance):
    for share, is_drawn in ((0.9, False), (1.1, True)):
        moved = DrivingMotion(translation=np.array([share * tolerance * HEAD_TOLERANCE, 0], np.float32))
        reuse = RenderReuse()
        reuse.needs_rendering(signature(DrivingMotion(), size * USUAL_FACE_PIXELS))
        assert reuse.needs_rendering(signature(moved, size * USUAL_FACE_PIXELS)) == is_drawn


def test_the_warp_knows_how_large_the_face_is_that_it_draws():
    moved, shifts = DrivingMotion(translation=np.array([0.1, 0], np.float32)), []
    for each in (face_character(side=160), face_character(side=800)):
        renderer = WarpRenderer()
        renderer.set_character(each)
        signatures = [renderer.place(motion).signature for motion in (DrivingMotion(), moved)]
        shifts.append(np.abs(signatures[1] - signatures[0]).max() * HEAD_TOLERANCE / 0.1)
        face_pixels = fit_pose(with_true_depth(each.landmarks)).scale
        assert shifts[-1] == pytest.approx(max(1, face_pixels / USUAL_FACE_PIXELS), rel=1e-3)
    assert shifts[1] > shifts[0]


def test_what_was_drawn_is_forgotten_when_asked():
    reuse = RenderReuse()
    assert reuse.needs_rendering(signature(DrivingMotion()))
    assert not reuse.needs_rendering(signature(DrivingMotion()))
    reuse.forget()
    assert reuse.needs_rendering(signature(DrivingMotion()))


def moved_keypoints(keypoint: int, pixels: float) -> torch.Tensor:
    keypoints = torch.zeros(1, 21, 3)
    keypoints[0, keypoint, 1] = pixels * PIXEL_OF_512
    return keypoints


@pytest.mark.parametrize(
    ("keypoint", "pixels", "is_drawn"),
    [(CHEEK_KEYPOINT, 0.5, False), (CHEEK_KEYPOINT, 0.7, True), (LID, 0.15, False), (LID, 0.25, True)],
)
def test_keypoints_of_lids_and_lips_are_watched_more_closely_than_the_others(keypoint, pixels, is_drawn):
    reuse, still = RenderReuse(), DrivingMotion()
    reuse.needs_rendering(keypoint_signature(torch.zeros(1, 21, 3), still))
    assert reuse.needs_rendering(keypoint_signature(moved_keypoints(keypoint, pixels), still)) == is_drawn


@pytest.mark.parametrize("begun", [opened(0.93), speaking(0.007)], ids=["blink", "word"])
def test_a_blink_or_a_word_that_the_keypoints_do_not_show_yet_is_drawn_all_the_same(begun):
    reuse, keypoints = RenderReuse(), torch.zeros(1, 21, 3)
    reuse.needs_rendering(keypoint_signature(keypoints, DrivingMotion()))
    assert reuse.needs_rendering(keypoint_signature(keypoints, begun))
