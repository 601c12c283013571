"""Promises of animator_core.clips.compositing."""

from __future__ import annotations

import numpy as np
import pytest

from animator_core.clips.compositing import OverColour, StraightAlpha, parse_colour
from animator_core.errors import AnimatorError


def _linear(value: float) -> float:
    encoded = value / 255
    return encoded / 12.92 if encoded <= 0.04045 else ((encoded + 0.055) / 1.055) ** 2.4


def _srgb(light: float) -> float:
    return 255 * (light * 12.92 if light <= 0.0031308 else 1.055 * light ** (1 / 2.4) - 0.055)


def _premultiplied(rgb: tuple[int, int, int], alpha: int) -> list[int]:
    """The definition, pixel by pixel: BGRA multiplied in linear light, sRGB-encoded."""
    red, green, blue = (round(_srgb(_linear(value) * alpha / 255)) for value in rgb)
    return [blue, green, red, alpha]


def test_straight_alpha_gives_back_the_colour_before_premultiplication() -> None:
    colours = [(200, 60, 30), (12, 240, 128), (255, 255, 255), (90, 90, 90)]
    for alpha in (255, 220, 128, 64):
        frame = np.array([[_premultiplied(colour, alpha) for colour in colours]], np.uint8)
        straight = StraightAlpha()(frame)
        assert (straight[..., 3] == alpha).all()
        # eight bits of a quarter of the light leave a little less than eight bits of colour
        np.testing.assert_allclose(straight[0, :, :3].astype(int), colours, atol=2)


def test_nothing_is_invented_where_the_picture_is_fully_transparent() -> None:
    frame = np.array([[[9, 9, 9, 0]]], np.uint8)
    np.testing.assert_array_equal(StraightAlpha()(frame), [[[0, 0, 0, 0]]])


def test_an_opaque_frame_is_only_reordered() -> None:
    frame = np.random.default_rng(1).integers(0, 256, (8, 8, 4), np.uint8)
    frame[..., 3] = 255
    np.testing.assert_array_equal(StraightAlpha()(frame), frame[..., [2, 1, 0, 3]])
    np.testing.assert_array_equal(OverColour((1, 2, 3))(frame), frame[..., 2::-1])


def test_the_background_is_mixed_in_linear_light() -> None:
    frame = np.array([[_premultiplied((255, 255, 255), 128), [0, 0, 0, 0]]], np.uint8)
    over = OverColour((0, 40, 200))(frame)
    half = 128 / 255
    expected = [_srgb(half + _linear(value) * (1 - half)) for value in (0, 40, 200)]
    np.testing.assert_allclose(over[0, 0].astype(float), expected, atol=1.5)
    np.testing.assert_array_equal(over[0, 1], (0, 40, 200))


def test_the_frame_given_is_left_as_it_was() -> None:
    frame = np.full((4, 4, 4), 77, np.uint8)
    OverColour((0, 0, 0))(frame)
    StraightAlpha()(frame)
    assert (frame == 77).all()


@pytest.mark.parametrize(
    ("text", "colour"),
    [("#ff8000", (255, 128, 0)), ("#fff", (255, 255, 255)), ("000", (0, 0, 0)), ("GREEN", (0, 177, 64))],
)
def test_colours_are_read(text: str, colour: tuple[int, int, int]) -> None:
    assert parse_colour(text) == colour


@pytest.mark.parametrize("text", ["", "#12", "#ggg", "mauve", "#1234567"])
def test_anything_else_is_no_colour_and_says_what_is(text: str) -> None:
    with pytest.raises(AnimatorError, match="#rrggbb"):
        parse_colour(text)
