"""The anime networks' picture of a character, and the search for the head's place in it."""

from __future__ import annotations

import numpy as np
import torch

from animator_core.anime.network_picture import network_picture
from animator_core.characters.head_place import HeadPlace
from animator_core.rendering.srgb import decode_srgb


def noise(height: int, width: int) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (height, width, 4), np.uint8)


def as_linear(picture: np.ndarray) -> np.ndarray:
    """Return (4, H, W) premultiplied linear light of a straight-alpha sRGB picture, 0 to 1."""
    alpha = picture[..., 3:] / 255
    colour = decode_srgb(picture[..., :3] / 255) * alpha
    return np.concatenate([colour, alpha], axis=2).transpose(2, 0, 1)


def seen(picture: np.ndarray, place: HeadPlace) -> np.ndarray:
    """Return the networks' picture, (4, 512, 512), 0 to 1."""
    tensor = network_picture(picture, place)
    assert (tensor.shape, tensor.dtype) == ((1, 4, 512, 512), torch.float32)
    return (tensor[0].numpy() + 1) / 2


def test_at_full_size_every_pixel_is_kept_exactly():
    picture = noise(512, 512)
    assert np.abs(seen(picture, HeadPlace((256, 128), 1.0)) - as_linear(picture)).max() < 1e-6


def test_the_centre_comes_to_the_middle_of_the_box():
    picture = noise(300, 200)
    whole = seen(picture, HeadPlace((80, 40), 1.0))
    assert np.abs(whole[:, 88 : 88 + 300, 176 : 176 + 200] - as_linear(picture)).max() < 1e-6
    whole[:, 88 : 88 + 300, 176 : 176 + 200] = 0
    assert not whole.any(), "something is drawn outside of the character's picture"


def test_a_reduced_picture_is_averaged_in_premultiplied_linear_light():
    picture = noise(512, 512)
    half = seen(picture, HeadPlace((256, 256), 0.5))
    averages = as_linear(picture).reshape(4, 256, 2, 256, 2).mean(axis=(2, 4))
    assert np.abs(half[:, :256, 128:384] - averages).max() < 1e-6
    # Half a pixel of the networks aside, the same averages are of other pixels.
    shifted = seen(picture, HeadPlace((257, 257), 0.5))
    averages = as_linear(picture)[:, 1:511, 1:511].reshape(4, 255, 2, 255, 2).mean(axis=(2, 4))
    assert np.abs(shifted[:, :255, 128:383] - averages).max() < 1e-6


def test_the_average_over_parts_of_pixels_keeps_the_sum():
    picture = np.zeros((90, 90, 4), np.uint8)
    picture[30:60, 40:70] = noise(30, 30)
    reduced = seen(picture, HeadPlace((41.3, 52.9), 0.37))
    assert np.allclose(reduced.sum(axis=(1, 2)), as_linear(picture).sum(axis=(1, 2)) * 0.37**2, rtol=1e-5)


def test_an_enlarged_picture_is_interpolated_linearly():
    picture = np.zeros((64, 64, 4), np.uint8)
    picture[:, 32:] = 255
    row = seen(picture, HeadPlace((32, 32), 4.0))[3, 128, 250:262]
    assert np.allclose(row, [0, 0, 0, 0, 0.125, 0.375, 0.625, 0.875, 1, 1, 1, 1])
