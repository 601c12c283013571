"""Paste-back and the moving matte."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from golden.golden_rule import face_image
from golden.golden_vectors import golden
from official_crop import paste_mask

from animator_core.liveportrait.source.matte import MovingMatte
from animator_core.liveportrait.source.paste_back import PasteBack

CROP = np.array([[2.0, 0.3, -120.0], [-0.3, 2.0, -60.0], [0, 0, 1]])


def picture(alpha: int = 255) -> np.ndarray:
    made = np.random.default_rng(0).integers(0, 256, (300, 400, 4), np.uint8)
    made[..., 3] = alpha
    return made


def pasted(made: np.ndarray, crop: np.ndarray, square: torch.Tensor, alpha: torch.Tensor | None = None) -> np.ndarray:
    paste_back = PasteBack(made, crop, "cpu")
    frame = paste_back.new_frame()
    paste_back.start(square, alpha).put_into(frame)
    return frame


def test_outside_the_square_an_opaque_picture_keeps_its_bytes():
    made = picture()
    frame = pasted(made, CROP, torch.rand(1, 3, 512, 512))
    outside = paste_mask(np.linalg.inv(CROP), 400, 300) == 0
    assert outside.any()
    assert np.array_equal(frame[outside], made[..., [2, 1, 0, 3]][outside])


def test_inside_the_square_the_generated_colour_shows():
    frame = pasted(picture(), CROP, torch.full((1, 3, 512, 512), 200 / 255))
    inside = paste_mask(np.linalg.inv(CROP), 400, 300) == 1
    assert (frame[inside][:, :3] == 200).all()


def test_the_edge_of_a_cut_out_square_is_transparent_and_nothing_hidden_shows():
    alpha = torch.zeros(1, 1, 512, 512)
    alpha[..., 128:384, 128:384] = 1
    frame = pasted(picture(0), CROP, torch.ones(1, 3, 512, 512), alpha)
    assert frame[frame[..., 3] == 0][:, :3].max() == 0
    assert frame[..., 3].max() == 255


def test_a_square_beside_the_picture_changes_nothing():
    made = picture()
    beside = np.array([[1.0, 0, -9000], [0, 1, 0], [0, 0, 1]])
    assert np.array_equal(pasted(made, beside, torch.rand(1, 3, 512, 512)), made[..., [2, 1, 0, 3]])


@pytest.mark.slow
def test_the_pasted_picture_is_the_official_one(golden_painting):
    """From the picture that the networks generate to what the official code makes of the whole picture."""
    whole = np.dstack((face_image("src0", 400), np.full((400, 400), 255, np.uint8)))
    image_from_crop = golden("chain/src0/M_c2o").samples.reshape(3, 3)
    ours = pasted(whole, np.linalg.inv(image_from_crop), golden_painting)[..., 2::-1]
    differences = golden("chain/src0/drv1/paste_u8").differences(ours)
    # What comes with the vectors: other versions of OpenCV differ as much among themselves.
    assert differences.max() <= 3
    assert differences.mean() <= 0.3


@pytest.mark.parametrize(("width", "height"), [(64, 64), (65, 1080), (1081, 777), (3840, 2160), (2160, 3840)])
def test_pictures_up_to_4k_are_pasted_into_like_small_ones(width, height):
    """A square that covers the middle of the picture, painted in one colour, is that colour there."""
    made = np.full((height, width, 4), (10, 20, 30, 255), np.uint8)
    # One transparent corner has everything go the way of transparent pictures.
    made[0, 0, 3] = 128 * (width < height)
    side = min(width, height)
    scale = 512 / side
    crop = np.array(
        [[scale, 0, -scale * (width - side) / 2], [0, scale, -scale * (height - side) / 2], [0, 0, 1]], np.float64
    )
    frame = pasted(made, crop, torch.full((1, 3, 512, 512), 200 / 255))
    assert frame.shape == (height, width, 4)
    assert frame[height // 2, width // 2].tolist() == [200, 200, 200, 255]
    half = side // 2 - max(1, side // 20)
    inner = frame[height // 2 - half : height // 2 + half, width // 2 - half : width // 2 + half]
    assert (inner == 200)[..., :3].all()
    if width != height:
        assert np.array_equal(frame[0, 0], PasteBack(made, crop, "cpu").new_frame()[0, 0])


def test_what_is_computed_in_strips_is_what_is_computed_at_once(monkeypatch):
    square, alpha = torch.rand(1, 3, 512, 512), torch.rand(1, 1, 512, 512)
    at_once = [pasted(picture(value), CROP, square, cover) for value, cover in ((255, None), (90, alpha))]
    monkeypatch.setattr("animator_core.liveportrait.source.paste_back._STRIP_PIXELS", 7000)
    in_strips = [pasted(picture(value), CROP, square, cover) for value, cover in ((255, None), (90, alpha))]
    for one, other in zip(at_once, in_strips):
        assert np.array_equal(one, other)


def test_a_4k_picture_takes_five_bytes_of_the_device_for_each_pixel_under_the_square():
    made = np.full((2160, 3840, 4), 255, np.uint8)
    crop = np.array([[512 / 2160, 0, -512 / 2160 * 840], [0, 512 / 2160, 0], [0, 0, 1]])
    assert PasteBack(made, crop, "cpu").nbytes < 5.1 * 2161 * 2161


def test_only_what_is_under_the_square_is_written():
    made = picture()
    small = CROP.copy()
    small[:2] *= 8
    paste_back = PasteBack(made, small, "cpu")
    frame = paste_back.new_frame()
    frame[:] = 7
    paste_back.start(torch.rand(1, 3, 512, 512), None).put_into(frame)
    outside = paste_mask(np.linalg.inv(small), 400, 300) == 0
    # The square is turned: its upright surroundings are written too, with what is there.
    assert (frame == 7).all(-1)[outside].mean() > 0.9


def deformation(shift: float = 0.0) -> torch.Tensor:
    steps = torch.arange(64) * 2 / 63 - 1
    y, x = torch.meshgrid(steps, steps, indexing="ij")
    flat = torch.stack((x + shift, y, torch.zeros_like(x)), -1)
    return flat.expand(1, 16, 64, 64, 3)


@pytest.mark.parametrize("shift_pixels", [0, 16])
def test_the_matte_moves_with_the_deformation(shift_pixels):
    alpha = np.zeros((512, 512), np.uint8)
    alpha[100:400, 100:400] = 255
    moved = MovingMatte(alpha, np.zeros(3), "cpu").moved(deformation(shift_pixels / 256))[0, 0].numpy()
    expected = np.roll(alpha, -shift_pixels, axis=1) / 255
    assert np.abs(moved - expected).max() < 0.02


@pytest.mark.parametrize("error_pixels", [0, 4])
def test_the_cut_finds_the_painted_edge_even_where_the_deformation_is_wrong(error_pixels):
    alpha = np.zeros((512, 512), np.uint8)
    alpha[100:400, 100:400] = 255
    cover = torch.from_numpy(alpha / 255).float()[None, None]
    colour = torch.tensor([0.8, 0.5, 0.3]).reshape(1, 3, 1, 1)
    plain = np.array([0.0, 0.0, 1.0], np.float32)
    painted = cover * colour + (1 - cover) * torch.from_numpy(plain).reshape(1, 3, 1, 1)
    straight, found = MovingMatte(alpha, plain, "cpu").cut(painted, deformation(error_pixels / 256))
    assert float((found - cover).abs().mean()) < 0.002
    assert float(((straight - colour).abs() * (found > 0.5)).max()) < 0.1


def test_two_pictures_may_be_under_way_at_once():
    paste_back = PasteBack(picture(), CROP, "cpu")
    squares = [torch.full((1, 3, 512, 512), level / 255) for level in (50, 200)]
    expected = [pasted(picture(), CROP, square) for square in squares]
    under_way = [paste_back.start(square, None) for square in squares]
    for each, whole in zip(under_way, expected):
        frame = paste_back.new_frame()
        each.put_into(frame)
        assert np.array_equal(frame, whole)


@pytest.mark.requires_cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
@pytest.mark.parametrize("alpha", [255, 128])
def test_a_gpu_pastes_as_the_cpu_does(alpha):
    made, square = picture(alpha), torch.rand(1, 3, 512, 512)
    paste_back = PasteBack(made, CROP, "cuda")
    under_way = [paste_back.start(each.cuda(), None) for each in (square, 1 - square)]
    for each, sent in zip(under_way, (square, 1 - square)):
        frame = paste_back.new_frame()
        each.put_into(frame)
        assert np.abs(frame.astype(int) - pasted(made, CROP, sent)).max() <= 1
