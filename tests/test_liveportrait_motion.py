"""LivePortrait's motion and geometry against the official code's results, and what they promise beyond them.

golden/motion.npz: all option cases and crop cases of ../shared's vectors, whole, and the faces that they start from as
the motion extractor with golden weights sees them (the source drv2 cropped with OpenCV 5.0.0, as the vectors were).
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import official_crop
import pytest
import torch
from golden.golden_rule import landmarks203, landmarks_random
from liveportrait_weights import golden_state

from animator_core.errors import CharacterError, ConfigError, MotionError
from animator_core.liveportrait.motion import crop as cropping
from animator_core.liveportrait.motion.clip_transfer import hull_volume, smooth_clip, template_keypoints, transfer_clip
from animator_core.liveportrait.motion.editing import brow_expression, gaze_expression
from animator_core.liveportrait.motion.face_motion import (
    FaceMotion,
    close_ratios,
    joined,
    motion_from_arrays,
    motion_to_arrays,
    rotation_from_vector,
    vector_from_rotation,
)
from animator_core.liveportrait.motion.landmark_motion import LandmarkMotion
from animator_core.liveportrait.motion.retargeting import LIP_KEYPOINTS
from animator_core.liveportrait.motion.template import read_template, template_from_arrays, write_template
from animator_core.liveportrait.motion.transfer import MotionTransfer
from animator_core.liveportrait.networks.stitching import EyeRetargeting, LipRetargeting, StitchingNetwork
from animator_core.liveportrait.source.paste_back import feather_mask
from animator_core.liveportrait.source.square import source_crop
from animator_core.motion.options import MotionOptions, options_from

ARCHIVE = Path(__file__).parent / "golden" / "motion.npz"
DIGEST = "0ff8e7999771ce25ecc1a315a120856bf6bd971dbd85dc6d1d0d26bd5cd6a773"
VECTORS = np.load(ARCHIVE, allow_pickle=False)
CASES = json.loads(str(VECTORS["cases"]))
KEYPOINT_MAX = 1e-5
REGIONS = {"all": "all", "exp": "expression", "pose": "pose", "lip": "lips", "eyes": "eyes"}
OPTION_NAMES = {
    "flag_relative_motion": "is_relative",
    "animation_region": "region",
    "flag_stitching": "stitching",
    "flag_normalize_lip": "normalize_lips",
    "flag_eye_retargeting": "eye_retargeting",
    "flag_lip_retargeting": "lip_retargeting",
    "flag_source_video_eye_retargeting": "source_video_eye_retargeting",
}


class SmallNetworks:
    """The three small networks with golden weights."""

    def __init__(self) -> None:
        networks = {"stitching": StitchingNetwork(), "lip": LipRetargeting(), "eye": EyeRetargeting()}
        for name, network in networks.items():
            network.load_state_dict(golden_state(name))
            network.requires_grad_(False)
        self.stitch = networks["stitching"].stitch
        self.retarget_lips = networks["lip"].retarget
        self.retarget_eyes = networks["eye"].retarget


@pytest.fixture(scope="module")
def networks() -> SmallNetworks:
    return SmallNetworks()


def face(name: str) -> FaceMotion:
    arrays = {each.name: VECTORS[f"faces/{name}/{each.name}"] for each in fields(FaceMotion)}
    return FaceMotion(**{key: torch.from_numpy(value) for key, value in arrays.items()})


def faces(kind: str, names: list[str]) -> FaceMotion:
    return joined([face(f"{kind}/{name}") for name in names])


def official_options(options: dict) -> MotionOptions:
    values = {OPTION_NAMES.get(name, name): value for name, value in options.items()}
    if "region" in values:
        values["region"] = REGIONS[values["region"]]
    return options_from({**values, "retargeting_keeps_motion": False})


def case_landmarks(text: str) -> np.ndarray:
    rule, first, second = re.fullmatch(r"(\w+)\((\w+),\s*(\d+)\)", text).groups()
    return landmarks203(first, int(second)) if rule == "landmarks203" else landmarks_random(int(first), int(second))


def test_the_vectors_are_those_that_were_committed():
    assert hashlib.sha256(ARCHIVE.read_bytes()).hexdigest() == DIGEST


@pytest.mark.parametrize("case", CASES["options"], ids=lambda case: f"{case['id']}-{case['name']}")
def test_every_option_case_gives_the_official_keypoints(case, networks):
    clip = transfer_clip(
        faces("source", case["source"]),
        faces("driving", case["driving"]),
        networks,
        official_options(case["options"]),
    )
    for actual, name in ((clip.keypoints_source, "x_s"), (clip.keypoints_driving, "x_d")):
        expected = VECTORS[f"opt/{case['id']:03d}/{name}"]
        assert actual.shape == expected.shape
        assert np.abs(actual.numpy() - expected).max() <= KEYPOINT_MAX


def test_every_crop_case_gives_the_official_square_and_transforms():
    for case, expected in zip(CASES["crops"], VECTORS["crop"]):
        landmarks = case_landmarks(case["lmk"])
        axis = official_crop.face_axis(landmarks, case["use_lip"])
        square = cropping.face_square(landmarks, axis, case["scale"], case["vx_ratio"], case["vy_ratio"])
        there = cropping.crop_transform(square, case["dsize"], case["flag_do_rot"])
        back = official_crop.inverse_transform(there)
        numbers = [*square.centre, square.size, square.size, square.angle_rad, *there[:2].ravel(), *back[:2].ravel()]
        assert np.allclose(numbers, expected, rtol=0, atol=1e-9), case


def test_driving_boxes_equal_the_official_ones():
    boxes = []
    for name, expected in zip(("drv0", "drv1", "drv2"), VECTORS["bbox/out"]):
        landmarks = landmarks203(name, 480)
        square = cropping.face_square(landmarks, official_crop.face_axis(landmarks), 2.2, 0.0, -0.1)
        corners = np.concatenate([official_crop.square_corners(square, turned) for turned in (False, True)]).ravel()
        assert np.allclose(corners, expected, rtol=0, atol=1e-4)
        boxes.append(official_crop.box_square(square))
    box = np.mean(boxes, axis=0)
    assert np.allclose(box, VECTORS["bbox/global"], rtol=0, atol=1e-4)
    transform = cropping.crop_transform(official_crop.square_of_box(box), 512)
    assert np.allclose(transform, VECTORS["bbox/M_o2c"], rtol=0, atol=1e-4)
    moved = landmarks203("drv1", 480) @ transform[:2, :2].T + transform[:2, 2]
    assert np.allclose(moved, VECTORS["bbox/lmk_crop"], rtol=0, atol=1e-4)


def test_paste_masks_equal_the_official_ones():
    assert np.array_equal(feather_mask()[:24, :24], VECTORS["mask/template_row0_64"])
    for name in ("src0", "src1"):
        mask = official_crop.paste_mask(VECTORS[f"image_from_crop/{name}"], 400, 400)
        samples = np.repeat(mask[..., None], 3, axis=2).ravel()[::13][::7]
        assert np.abs(samples - VECTORS[f"mask/{name}"]).max() <= 1.01 / 255


@pytest.mark.parametrize("name", ["src0", "src1", "drv0", "drv1", "drv2"])
def test_ratios_equal_the_official_ones(name):
    assert np.allclose(close_ratios(landmarks203(name)), VECTORS[f"ratio/{name}"], rtol=0, atol=1e-12)


@pytest.mark.parametrize("variance", ["3e-7", "1e-4"])
def test_clip_smoothing_equals_the_official_one(variance):
    values = torch.from_numpy(VECTORS["smooth/in"].astype(np.float32))
    smoothed = smooth_clip(values, float(variance)).reshape(24, 2, 3)
    assert np.abs(smoothed.numpy() - VECTORS[f"smooth/out_{variance}"]).max() <= 1e-7


def test_size_ratios_equal_the_official_ones():
    volumes = [math.sqrt(hull_volume(points)) for points in VECTORS["transform/in/kp"]]
    assert np.allclose([a / b for a, b in zip(volumes, volumes[1:])], VECTORS["multiplier/out"], rtol=1e-6)


def test_the_hull_of_a_cube_is_the_cube():
    corners = np.array([[x, y, z] for x in (0, 1, 0.5) for y in (0, 2) for z in (0, 3)], float)
    assert hull_volume(corners) == pytest.approx(6)


def test_rotation_vectors_come_back():
    vectors = torch.tensor([[0.0, 0.0, 0.0], [0.3, -0.2, 0.5], [1e-5, 0, 0], [0, 2.5, 0]])
    assert torch.allclose(vector_from_rotation(rotation_from_vector(vectors)), vectors, atol=1e-5)


@pytest.mark.parametrize("is_relative", [True, False])
def test_retargeting_keeps_the_driving_motion(networks, is_relative):
    source, driving = face("source/src0"), face("driving/drv1")
    values = {"is_relative": is_relative, "stitching": False}
    plain, kept = MotionOptions(**values), MotionOptions(eye_retargeting=True, lip_retargeting=True, **values)
    neutral = face("driving/drv0")
    without = MotionTransfer(source, networks, plain).keypoints_driving(driving, neutral)
    corrected = MotionTransfer(source, networks, kept).keypoints_driving(driving, neutral)
    still = source.keypoints
    assert not torch.allclose(corrected, without)
    assert (corrected - without).norm() < 0.5 * (without - still).norm()


def test_a_driver_in_the_neutral_pose_leaves_the_source_as_it_is(networks):
    source, neutral = face("source/src0"), face("driving/drv0")
    options = MotionOptions(eye_retargeting=True, stitching=False)
    moved = MotionTransfer(source, networks, options).keypoints_driving(neutral, neutral)
    assert torch.allclose(moved, source.keypoints, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "keypoints"),
    [
        ("sensitivity_brows", (1, 2)),
        ("sensitivity_eyes", (11, 13, 15, 16, 18)),
        ("sensitivity_mouth", (6, 12, 14, 17, 19, 20)),
    ],
)
def test_each_sensitivity_stills_its_own_part_only(networks, name, keypoints):
    source, driving, neutral = face("source/src0"), face("driving/drv1"), face("driving/drv0")
    expressions = [
        MotionTransfer(source, networks, options).combine(driving, neutral).expression
        for options in (MotionOptions(), MotionOptions(**{name: 0.0}))
    ]
    differs = (expressions[0] != expressions[1]).any(2)[0]
    assert differs.nonzero().ravel().tolist() == sorted(keypoints)
    assert torch.equal(expressions[1][:, keypoints], source.expression[:, keypoints])


def test_pose_sensitivity_halves_the_turn(networks):
    source, driving, neutral = face("source/src0"), face("driving/drv1"), face("driving/drv0")
    turns = []
    for strength in (1.0, 0.5):
        transfer = MotionTransfer(source, networks, MotionOptions(sensitivity_pose=strength))
        turned = transfer.combine(driving, neutral).rotation
        turns.append(vector_from_rotation(turned @ source.rotation.transpose(1, 2)))
    assert torch.allclose(turns[1], turns[0] / 2, atol=1e-5)


def test_gaze_moves_the_eyes_only_and_to_the_asked_side():
    right, left, up = gaze_expression(10, 0), gaze_expression(-10, 0), gaze_expression(0, 10)
    assert right[11, 0] > 0 > left[11, 0]
    assert up[11, 1] < 0
    assert {int(index) for index in right.abs().sum(1).nonzero()} == {11, 15}


@pytest.mark.parametrize(
    "values",
    [
        {"region": "nose"},
        {"region": []},
        {"driving_multiplier": 3.5},
        {"driving_multiplier": float("nan")},
        {"smoothing": True},
        {"stitching": 1},
        {"sensitivity_eyes": "1"},
        {"regoin": "all"},
    ],
)
def test_options_out_of_range_are_refused_by_name(values):
    with pytest.raises(ConfigError, match=next(iter(values))):
        options_from(values)


def test_a_face_of_no_size_is_refused():
    with pytest.raises(CharacterError, match="larger picture"):
        source_crop(np.zeros((1, 1, 3), np.uint8), np.zeros((478, 3), np.float32))


def test_a_recorded_template_moves_the_source_as_the_driver_did(networks, tmp_path):
    source, driving = face("source/src1"), faces("driving", ["drv0", "drv1", "drv2"])
    write_template(tmp_path / "clip.npz", template_from_arrays(25.0, motion_to_arrays(driving)))
    replayed = motion_from_arrays(read_template(tmp_path / "clip.npz").arrays())
    options = MotionOptions(eye_retargeting=True, lip_retargeting=True)
    clips = [transfer_clip(source, each, networks, options).keypoints_driving for each in (driving, replayed)]
    assert torch.equal(*clips)


def test_a_template_is_measured_against_its_own_neutral_face(networks):
    source, driving, neutral = face("source/src0"), faces("driving", ["drv0", "drv1", "drv2"]), face("driving/drv2")
    options = MotionOptions(eye_retargeting=True, lip_retargeting=True)
    template = template_from_arrays(25.0, motion_to_arrays(driving))
    official = template_keypoints(template, source, networks, options)
    assert torch.equal(official, transfer_clip(source, driving, networks, options).keypoints_driving)
    known = replace(template, neutral=template_from_arrays(25.0, motion_to_arrays(neutral)))
    measured = template_keypoints(known, source, networks, options)
    transfer = MotionTransfer(source, networks, options)
    assert torch.allclose(measured, transfer.keypoints_driving(driving, neutral), atol=1e-6)
    assert not torch.allclose(measured, official, atol=1e-3)


def test_a_template_without_ratios_says_what_to_turn_off(networks):
    driving = face("driving/drv0")
    arrays = motion_to_arrays(driving)
    template = template_from_arrays(25.0, {name: arrays[name] for name in arrays if not name.endswith("ratio")})
    with pytest.raises(MotionError, match=r"liveportrait\.lip_retargeting off"):
        template_keypoints(template, face("source/src0"), networks, MotionOptions(lip_retargeting=True))


def posed(networks, options: MotionOptions | None = None, **motion) -> torch.Tensor:
    """Return how far a landmark motion moves each keypoint, (21, 3)."""
    options = options or MotionOptions(stitching=False)
    transfer = MotionTransfer(face("source/src0"), networks, options)
    return (transfer.posed(LandmarkMotion(**motion)) - transfer.keypoints_source)[0]


def test_landmarks_at_rest_leave_the_source_as_it_is(networks):
    assert float(posed(networks).abs().max()) <= 1e-6


@pytest.mark.parametrize(
    "motion",
    [
        {"eye_openness": torch.zeros(2)},
        {"lip_opening": 0.3},
        {"widening": 0.3, "lifting": 0.06},
        {"gaze": (0.2, 0.0)},
        {"gaze": (0.0, 0.2)},
        {"brows": 0.04},
        {"turn": rotation_from_vector(torch.tensor([[0.0, 0.2, 0.0]]))[0]},
        {"shift": torch.tensor([0.1, 0.0])},
    ],
    ids=lambda motion: "-".join(motion),
)
def test_each_motion_of_landmarks_moves_the_source(networks, motion):
    assert float(posed(networks, **motion).abs().max()) > 1e-3


def test_lips_that_open_by_landmarks_open_as_the_lip_network_says(networks):
    source = face("source/src0")
    wanted = torch.cat((source.lip_ratio, source.lip_ratio + 0.3), 1)
    here = torch.cat((source.lip_ratio, source.lip_ratio), 1)
    expected = networks.retarget_lips(source.keypoints, wanted) - networks.retarget_lips(source.keypoints, here)
    assert torch.allclose(posed(networks, lip_opening=0.3), expected[0], atol=1e-6)


def test_lips_that_were_closed_at_first_open_from_there(networks):
    source, options = face("source/src0"), MotionOptions(stitching=False, normalize_lips=True)
    assert float(source.lip_ratio) >= options.lip_normalize_threshold
    wanted = torch.cat((source.lip_ratio, torch.full((1, 1), 0.3)), 1)
    expected = networks.retarget_lips(source.keypoints, wanted)
    assert torch.allclose(posed(networks, options, lip_opening=0.3), expected[0], atol=1e-6)


def test_brows_and_gaze_move_to_the_side_that_the_editor_moves_them_to(networks):
    scale = float(face("source/src0").scale)
    moved = posed(networks, brows=0.04, gaze=(0.1, 0.1))
    expected = scale * (brow_expression(20) + gaze_expression(10, 10, moves_lids=False))
    assert torch.allclose(moved, expected, atol=1e-6)


@pytest.mark.parametrize(("region", "stills"), [("lips", (11, 13, 15, 16, 18)), ("eyes", LIP_KEYPOINTS)])
def test_a_region_keeps_the_rest_still_for_landmarks_too(networks, region, stills):
    motion = {"gaze": (0.2, 0.2), "brows": 0.04, "widening": 0.3, "lifting": 0.06, "shift": torch.tensor([0.1, 0.0])}
    moved = posed(networks, MotionOptions(stitching=False, region=region), **motion)
    assert float(moved[list(stills)].abs().max()) <= 1e-6
    assert float(moved.abs().max()) > 1e-3


def test_a_multiplier_of_0_stills_what_landmarks_move(networks):
    options = MotionOptions(stitching=False, driving_multiplier=0.0)
    assert float(posed(networks, options, brows=0.04, lip_opening=0.3).abs().max()) <= 1e-6


@pytest.mark.parametrize("name", ["sensitivity_brows", "sensitivity_eyes", "sensitivity_mouth", "sensitivity_gaze"])
def test_the_strengths_in_the_motion_of_landmarks_are_not_applied_again(networks, name):
    motion = {"brows": 0.04, "lip_opening": 0.3, "gaze": (0.2, 0.0), "eye_openness": torch.zeros(2)}
    plain, weak = (
        posed(networks, MotionOptions(stitching=False, **{name: strength}), **motion) for strength in (1.0, 0.0)
    )
    assert torch.equal(plain, weak)


def test_retargeting_without_ratios_says_what_to_turn_off(networks):
    source, driving = face("source/src0"), face("driving/drv0")
    blind = FaceMotion(driving.rotation, driving.expression, driving.scale, driving.translation)
    with pytest.raises(ValueError, match="eye_retargeting off"):
        MotionTransfer(source, networks, MotionOptions(eye_retargeting=True)).keypoints_driving(blind, blind)
