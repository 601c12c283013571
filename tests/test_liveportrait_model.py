"""LivePortraitModel on golden weights: every way to a picture gives the same one."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from golden.golden_rule import face_image, image_tensor
from stand_ins import face_landmarks

from animator_core.api import InferenceOptimizer, LivePortraitModel, driving_tensor
from animator_core.liveportrait.execution.painter import Painting
from animator_core.liveportrait.model import to_bytes, to_tensor
from animator_core.liveportrait.motion.crop import crop_driving, driving_square
from animator_core.liveportrait.networks.keypoints import transform_keypoints


def tensor(name: str) -> torch.Tensor:
    return torch.from_numpy(image_tensor(face_image(name)))


class Recorder:
    """Paints a grey square and remembers where the keypoints were."""

    name = "recorder"

    def __init__(self) -> None:
        self.keypoints: list[torch.Tensor] = []

    def paint(self, source, keypoints_driving):
        self.keypoints.append(keypoints_driving.clone())
        return Painting(torch.full((1, 3, 512, 512), 0.5), torch.zeros(1, 16, 64, 64, 3))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def model(golden_networks, recorder) -> LivePortraitModel:
    return LivePortraitModel(golden_networks, painter=recorder)


@pytest.fixture(scope="module")
def source(golden_networks):
    return LivePortraitModel(golden_networks).extract_features(tensor("src0"))


def test_features_have_the_shapes_that_are_promised(source):
    assert source.appearance_features.shape == (1, 32, 16, 64, 64)
    assert source.keypoints_source.shape == (1, 21, 3)
    assert torch.equal(source.keypoints_source, transform_keypoints(source.motion))


def test_every_way_puts_the_keypoints_in_the_same_places(model, recorder, source):
    """Nothing precomputed, features, features and motion, and the frame as an array."""
    driving = tensor("drv1")
    pictures = [
        model.inference(tensor("src0"), driving),
        model.inference_with_features(source, driving),
        model.inference_with_features(source, torch.full_like(driving, 9), cached_motion=model.extract_motion(driving)),
    ]
    shown = model.animate_optimized(source, face_image("drv1"))
    assert all(picture.shape == (1, 3, 512, 512) for picture in pictures)
    assert (shown.shape, shown.dtype) == ((512, 512, 3), np.uint8)
    first, *others = recorder.keypoints
    assert len(others) == 3
    for other in others:
        assert torch.allclose(first, other, atol=1e-6)
    assert (first - source.keypoints_source).abs().max() > 0.05, "the driver moved them"


def test_the_optimiser_puts_them_there_too_and_asks_the_motion_extractor_once(model, recorder, source, monkeypatch):
    optimizer, frame, landmarks = InferenceOptimizer(), np.zeros((240, 320, 3), np.uint8), face_landmarks()
    frame[:] = cv2.resize(face_image("drv1"), (320, 240))
    features = optimizer.preprocess_character("src0", face_image("src0"), model)
    asked = []
    extract = model.extract_motion
    monkeypatch.setattr(model, "extract_motion", lambda driving: asked.append(1) or extract(driving))
    for _ in range(2):
        optimizer.optimize_inference(features, frame, landmarks, model)
    assert len(asked) == 1
    model.animate_optimized(features.features, frame, landmarks)
    plain = recorder.keypoints[2]
    for each in recorder.keypoints[:2]:
        assert torch.allclose(each, plain, atol=1e-6)


def test_relative_motion_of_the_neutral_face_leaves_the_source_where_it_is(model, recorder, source):
    neutral = model.extract_motion(tensor("drv1"))
    model.inference_with_features(source, tensor("drv1"), neutral_motion=neutral)
    model.inference_with_features(source, tensor("drv2"), neutral_motion=neutral)
    stitched = model.networks.stitch(source.keypoints_source, source.keypoints_source)
    assert torch.allclose(recorder.keypoints[0], stitched, atol=1e-5)
    assert (recorder.keypoints[1] - stitched).abs().max() > 0.01


def test_a_picture_from_kept_features_and_motion_is_the_one_from_nothing(golden_networks):
    model = LivePortraitModel(golden_networks)
    # A quarter of the pixels, a quarter of the time.
    source, driving = (tensor(name)[..., ::2, ::2] for name in ("src0", "drv1"))
    plain = model.inference(source, driving)
    kept = model.inference_with_features(
        model.extract_features(source), driving, cached_motion=model.extract_motion(driving)
    )
    # Bit for bit but for threads that add up in another order.
    assert (plain - kept).abs().max() < 1e-3
    assert plain.std() > 0.05


def test_features_of_other_weights_or_another_precision_are_told_apart(golden_networks):
    from dataclasses import replace

    versions = {
        LivePortraitModel(networks).version
        for networks in (
            golden_networks,
            replace(golden_networks, dtype=torch.float16),
            replace(golden_networks, version="others"),
        )
    }
    assert len(versions) == 3


def test_a_driving_frame_is_cropped_around_its_face_or_taken_whole():
    frame = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    cropped = crop_driving(frame, driving_square(face_landmarks()))
    assert torch.equal(driving_tensor(frame, face_landmarks()), to_tensor(cropped))
    assert driving_tensor(frame).shape == (1, 3, 256, 256)


def test_bytes_are_cut_off_as_officially():
    values = torch.tensor([-1.0, 0.0, 0.4999, 0.9999, 1.0, 2.0]).reshape(1, 1, 1, 6).expand(1, 3, 1, 6)
    assert to_bytes(values)[0, 0, :, 0].tolist() == [0, 0, 127, 254, 255, 255]
