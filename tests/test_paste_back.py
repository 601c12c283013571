"""Paste-back and the moving matte."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from animator_core.liveportrait.cropping import paste_mask
from animator_core.render.liveportrait.matte import MovingMatte
from animator_core.render.paste_back import PasteBack

CROP = np.array([[2.0, 0.3, -120.0], [-0.3, 2.0, -60.0], [0, 0, 1]])


def picture(alpha: int = 255) -> np.ndarray:
    made = np.random.default_rng(0).integers(0, 256, (300, 400, 4), np.uint8)
    made[..., 3] = alpha
    return made


def test_outside_the_square_an_opaque_picture_keeps_its_bytes():
    made = picture()
    frame = PasteBack(made, CROP, "cpu").paste(torch.rand(1, 3, 512, 512))
    outside = paste_mask(np.linalg.inv(CROP), 400, 300) == 0
    assert outside.any()
    assert np.array_equal(frame[outside], made[..., [2, 1, 0, 3]][outside])


def test_inside_the_square_the_generated_colour_shows():
    frame = PasteBack(picture(), CROP, "cpu").paste(torch.full((1, 3, 512, 512), 200 / 255))
    inside = paste_mask(np.linalg.inv(CROP), 400, 300) == 1
    assert (frame[inside][:, :3] == 200).all()


def test_the_edge_of_a_cut_out_square_is_transparent_and_nothing_hidden_shows():
    alpha = torch.zeros(1, 1, 512, 512)
    alpha[..., 128:384, 128:384] = 1
    frame = PasteBack(picture(0), CROP, "cpu").paste(torch.ones(1, 3, 512, 512), alpha)
    assert (frame[..., :3] <= 255).all()
    assert frame[frame[..., 3] == 0][:, :3].max() == 0
    assert frame[..., 3].max() == 255


def test_a_square_beside_the_picture_changes_nothing():
    made = picture()
    beside = np.array([[1.0, 0, -9000], [0, 1, 0], [0, 0, 1]])
    frame = PasteBack(made, beside, "cpu").paste(torch.rand(1, 3, 512, 512))
    assert np.array_equal(frame, made[..., [2, 1, 0, 3]])


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
