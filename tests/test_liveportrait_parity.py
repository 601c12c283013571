"""Parity of LivePortrait's networks with the official code, on weights and inputs made by the golden rule."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden import golden_vectors
from golden.golden_rule import FACES, face_image, image_tensor, input_noise, make_state_dict, state_dict_digest
from golden.golden_vectors import GoldenVector, golden

from animator_core.liveportrait.networks.build import NETWORKS, build_empty
from animator_core.liveportrait.networks.keypoints import (
    KeypointMotion,
    degrees_from_bins,
    rotation_matrix,
    transform_keypoints,
)

# The limits that come with the vectors; another CPU's convolutions alone use up most of the first.
NETWORK_RMS, NETWORK_MAX = 1e-4, 1e-3
CHAIN_RMS, CHAIN_MAX = 3e-4, 1e-2
KEYPOINT_MAX = 1e-5
DEGREES_MAX = 1e-4


def rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.square(values).mean()))


def assert_network_parity(actual: torch.Tensor, name: str) -> None:
    """Compare the samples, and mean and spread of the whole array, within fractions of its spread."""
    expected = golden(name)
    values = actual.numpy()
    differences = expected.differences(values)
    spread = expected.std or 1.0
    assert rms(differences) <= NETWORK_RMS * spread
    assert differences.max() <= NETWORK_MAX * spread
    assert values.mean(dtype=np.float64) == pytest.approx(expected.mean, abs=NETWORK_RMS * spread)
    assert values.std(dtype=np.float64) == pytest.approx(expected.std, abs=NETWORK_RMS * spread)


def assert_close(actual: torch.Tensor, expected: GoldenVector, limit: float) -> None:
    assert expected.differences(actual.numpy().reshape(expected.shape)).max() <= limit


def tensor(name: str) -> torch.Tensor:
    """Return a vector that is stored without gaps."""
    vector = golden(name)
    assert vector.stride == 1
    return torch.from_numpy(vector.samples).reshape(vector.shape)


def picture(name: str) -> torch.Tensor:
    return torch.from_numpy(image_tensor(face_image(name)))


def noise(name: str, shape: tuple[int, ...], scale: float = 1.0) -> torch.Tensor:
    return torch.from_numpy(input_noise(name, shape, scale))


@pytest.fixture(scope="module")
def warping(golden_networks):
    keypoints_source = noise("W.kp_source", (1, 21, 3), 0.4)
    keypoints_driving = keypoints_source + noise("W.kp_delta", (1, 21, 3), 0.15)
    features = noise("W.feature", (1, 32, 16, 64, 64))
    return golden_networks.warp(golden_networks.prepare_warp(features, keypoints_source), keypoints_driving)


@pytest.mark.parametrize("network", sorted(NETWORKS))
def test_a_network_has_the_official_checkpoints_keys_and_shapes(network):
    state = build_empty(network).state_dict()
    assert {key: list(value.shape) for key, value in state.items()} == golden_vectors.shapes()[network]


@pytest.mark.parametrize("network", ["appearance_feature_extractor", "stitching", "lip", "eye"])
def test_the_golden_rule_makes_the_weights_that_the_vectors_were_computed_with(network):
    state = make_state_dict(network, golden_vectors.shapes()[network])
    assert state_dict_digest(state) == golden_vectors.weight_digests()[network]


@pytest.mark.skipif(not golden_vectors.SHARED.exists(), reason="the complete vectors are not beside this checkout")
def test_the_extract_has_the_complete_vectors_values():
    for name in golden_vectors.extract_names():
        full, part = golden(name), golden_vectors.extracted(name)
        step = part.stride // full.stride
        assert np.array_equal(full.samples.ravel()[::step], part.samples.ravel()), name


def test_the_extract_is_the_committed_file():
    assert golden_vectors.extracted("G/out").samples.size > 1000


@pytest.mark.parametrize("source", ["src0", "src1"])
def test_appearance_features_match(golden_networks, source):
    assert_network_parity(golden_networks.extract_appearance(picture(source)), f"F/{source}")


@pytest.mark.parametrize("face", sorted(FACES))
def test_the_motion_extractors_heads_match(golden_networks, face):
    raw = golden_networks.motion_extractor.detector(picture(face))
    for head, values in raw.items():
        assert_network_parity(values, f"M/{face}/{head}")


@pytest.mark.parametrize("result", ["deformation", "occlusion_map", "mask"])
def test_the_deformation_matches(warping, result):
    assert_network_parity(getattr(warping, result), f"W/{result}")


def test_the_warped_features_match(warping):
    assert_network_parity(warping.warped, "W/out")


def test_the_generated_picture_matches(golden_networks):
    assert_network_parity(golden_networks.generate(noise("G.feature", (1, 256, 64, 64))), "G/out")


@pytest.mark.parametrize(("network", "size"), [("stitching", 126), ("lip", 65), ("eye", 66)])
def test_the_small_networks_match(golden_networks, network, size):
    assert_network_parity(getattr(golden_networks, network)(noise(f"S.{network}", (4, size), 0.4)), f"S/{network}")


def test_pose_bins_become_degrees():
    assert_close(degrees_from_bins(tensor("headpose/in")), golden("headpose/out"), DEGREES_MAX)


def test_rotations_match():
    pitch, yaw, roll = tensor("rot/in_pyr")
    assert_close(rotation_matrix(pitch, yaw, roll), golden("rot/out"), 1e-6)


def test_keypoints_are_transformed_alike():
    given = {name: tensor(f"transform/in/{name}") for name in ("pitch", "yaw", "roll", "t", "exp", "scale", "kp")}
    motion = KeypointMotion(*given.values())
    assert_close(transform_keypoints(motion), golden("transform/out"), KEYPOINT_MAX)


class TestChain:
    """From the cropped source to the picture, with the official code's driving keypoints."""

    SOURCES = ("src0", "src1")

    def source(self, name: str) -> torch.Tensor:
        if name != "src0" and not golden_vectors.SHARED.exists():
            pytest.skip("only the complete vectors, beside the checkout, have this crop")
        if name == "src0":
            crop = golden(f"chain/{name}/img_crop_256x256").samples
        else:
            with np.load(golden_vectors.SHARED / "golden_nets.npz", allow_pickle=False) as vectors:
                crop = vectors[f"chain/{name}/img_crop_256x256"]
        return torch.from_numpy(image_tensor(crop))

    @pytest.mark.parametrize("name", SOURCES)
    def test_the_sources_motion_matches(self, golden_networks, name):
        motion = golden_networks.extract_motion(self.source(name))
        for field, given in (("pitch", "pitch"), ("yaw", "yaw"), ("roll", "roll")):
            assert_close(getattr(motion, field), golden(f"chain/{name}/info/{given}"), DEGREES_MAX)
        for field, given in (("translation", "t"), ("expression", "exp"), ("scale", "scale")):
            assert_close(getattr(motion, field), golden(f"chain/{name}/info/{given}"), KEYPOINT_MAX)
        assert_close(motion.canonical_keypoints, golden(f"chain/{name}/info/kp"), KEYPOINT_MAX)
        assert_close(motion.rotation, golden(f"chain/{name}/R_s"), KEYPOINT_MAX)
        assert_close(transform_keypoints(motion), golden(f"chain/{name}/x_s"), KEYPOINT_MAX)

    @pytest.mark.slow
    @pytest.mark.parametrize(("name", "driving"), [("src0", "drv1"), ("src1", "drv2")])
    def test_the_picture_matches(self, golden_networks, name, driving):
        appearance = golden_networks.extract_appearance(self.source(name))
        assert_network_parity(appearance, f"chain/{name}/f_s")
        keypoints_driving = tensor(f"chain/{name}/{driving}/x_d")
        source = golden_networks.prepare_warp(appearance, tensor(f"chain/{name}/x_s"))
        result = golden_networks.warp(source, keypoints_driving)
        for part in ("occlusion_map", "deformation"):
            assert_network_parity(getattr(result, part), f"chain/{name}/{driving}/{part}")
        picture = golden_networks.generate(result.warped)
        differences = golden(f"chain/{name}/{driving}/out").differences(picture.numpy())
        assert rms(differences) <= CHAIN_RMS
        assert differences.max() <= CHAIN_MAX


class TestKeypointCorrections:
    """Applying the small networks' outputs to keypoints."""

    KEYPOINTS_SOURCE = torch.from_numpy(input_noise("corrections.source", (2, 21, 3), 0.4))
    KEYPOINTS_DRIVING = torch.from_numpy(input_noise("corrections.driving", (2, 21, 3), 0.4))

    def test_stitching_adds_a_delta_to_each_keypoint_and_moves_all_in_the_plane(self, golden_networks):
        both = torch.cat((self.KEYPOINTS_SOURCE.flatten(1), self.KEYPOINTS_DRIVING.flatten(1)), 1)
        raw = golden_networks.stitching(both)
        stitched = golden_networks.stitch(self.KEYPOINTS_SOURCE, self.KEYPOINTS_DRIVING)
        moved = stitched - self.KEYPOINTS_DRIVING - raw[:, :63].reshape(2, 21, 3)
        assert torch.allclose(moved[..., :2], raw[:, None, 63:].expand(2, 21, 2), atol=1e-6)
        assert moved[..., 2].abs().max() <= 1e-6

    @pytest.mark.parametrize(
        ("network", "retarget", "count"), [("lip", "retarget_lips", 2), ("eye", "retarget_eyes", 3)]
    )
    def test_retargeting_gives_a_delta_for_each_keypoint(self, golden_networks, network, retarget, count):
        ratios = torch.from_numpy(input_noise(f"corrections.{network}", (2, count), 0.1)) + 0.3
        raw = getattr(golden_networks, network)(torch.cat((self.KEYPOINTS_SOURCE.flatten(1), ratios), 1))
        delta = getattr(golden_networks, retarget)(self.KEYPOINTS_SOURCE, ratios)
        assert torch.equal(delta, raw.reshape(2, 21, 3))
