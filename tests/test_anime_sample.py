"""The anime sample, Mira (anime), as the networks with their real weights see her."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from anime_wheel import WEIGHTS, unpacked_wheel

from animator_core.anime import parameters
from animator_core.anime.network_picture import CENTER, network_picture
from animator_core.anime.networks.chain import AnimeNetworks, Layers
from animator_core.anime.networks.weights import load_networks
from animator_core.arrays import UInt8Array
from animator_core.characters.description import read_description
from animator_core.characters.picture import load_picture
from animator_core.rendering.srgb import encode_srgb

PATH = Path(__file__).resolve().parents[1] / "assets" / "characters" / "mira_anime.png"
DESCRIPTION = read_description(PATH)
EYES = ((33, 159, 133, 145), (362, 386, 263, 374))
"""Landmarks of each eye: left, top, right and bottom in the picture."""
MOUTH = (78, 0, 308, 17)
LOWEST_MOUTH_PX = 14
"""How far down of the closed mouth an open one is looked for."""

Sample = tuple[AnimeNetworks, torch.Tensor, Layers]


def seen(number: int) -> tuple[float, float]:
    """Return where in the networks' picture a landmark is."""
    place = DESCRIPTION.head
    assert place is not None
    point = DESCRIPTION.key_points[str(number)]
    x, y = ((value - centre) * place.scale + at for value, centre, at in zip(point, place.center, CENTER))
    return x, y


def box(left: int, top: int, right: int, bottom: int) -> tuple[slice, slice]:
    """Return rows and columns of the networks' picture between four landmarks."""
    rows = slice(round(seen(top)[1]), round(seen(bottom)[1]) + 1)
    return rows, slice(round(seen(left)[0]), round(seen(right)[0]) + 1)


def test_the_yaml_puts_her_head_where_the_networks_expect_one() -> None:
    middles = [np.mean([seen(number)[0] for number in numbers]) for numbers in ((33, 263), (61, 291), (10, 152))]
    assert middles == pytest.approx([CENTER[0]] * 3, abs=2)
    eyes = [(seen(left)[0], seen(right)[0]) for left, _, right, _ in EYES]
    assert all(20 <= right - left <= 30 for left, right in eyes), "large eyes"
    assert CENTER[1] < seen(159)[1] < seen(145)[1] < 164
    assert 168 < seen(13)[1] < 180 and 184 < seen(152)[1] < 196, "mouth and chin"
    assert 12 <= seen(291)[0] - seen(61)[0] <= 20, "a small mouth"


def test_her_head_has_the_size_that_the_networks_expect() -> None:
    place = DESCRIPTION.head
    assert place is not None
    alpha = network_picture(load_picture(PATH), place)[0, 3].numpy()
    rows, columns = np.nonzero(alpha[: round(seen(152)[1])] > 0)
    assert 56 <= rows.min() <= 68, "the hair begins where the box does"
    assert 120 <= columns.max() - columns.min() <= 160
    assert (alpha[:, :160] < 0).all() and (alpha[:, 352:] < 0).all(), "arms down, hands away from the face"


@pytest.fixture(scope="module")
def sample() -> Sample:
    unpacked_wheel()
    networks = load_networks(WEIGHTS)
    place = DESCRIPTION.head
    assert place is not None
    picture = network_picture(load_picture(PATH), place)
    with torch.inference_mode():
        return networks, picture, networks.decompose(picture)


def drawn(sample: Sample, **values: float) -> UInt8Array:
    """Return her face in a pose, (512, 512, 3) uint8 RGB over black."""
    networks, picture, layers = sample
    with torch.inference_mode():
        shown = networks.with_expression(picture, layers, torch.from_numpy(parameters.pose(values))[None])
    light = ((shown[0, :3].numpy().transpose(1, 2, 0) + 1) / 2).clip(0, 1)
    return np.rint(encode_srgb(light.astype(np.float64)) * 255).astype(np.uint8)


def teal(pixels: UInt8Array) -> int:
    """Return how many pixels have the colour of her irises."""
    red, green, blue = pixels.astype(int).reshape(-1, 3).T
    return int(((green > red + 40) & (blue > red + 40)).sum())


def reddish(pixels: UInt8Array) -> int:
    """Return how many pixels are those of an open mouth, not of skin."""
    red, green, _ = pixels.astype(int).reshape(-1, 3).T
    return int(((red > green + 45) & (green < 170)).sum())


@pytest.mark.slow
def test_her_lids_cover_the_irises_and_leave_a_line(sample: Sample) -> None:
    neutral = drawn(sample)
    for shape in ("eye_wink", "eye_happy_wink"):
        closed = drawn(sample, **{f"{shape}_left": 1, f"{shape}_right": 1})
        for numbers in EYES:
            eye = box(*numbers)
            assert teal(neutral[eye]) > 100
            assert teal(closed[eye]) <= 2, shape
            assert (closed[eye].min(axis=(0, 2)) < 120).mean() > 0.6, "a dark line from corner to corner"


@pytest.mark.slow
@pytest.mark.parametrize("side", ["left", "right"])
def test_one_eye_winks_by_itself(sample: Sample, side: str) -> None:
    winking = drawn(sample, **{f"eye_wink_{side}": 1})
    counts = [teal(winking[box(*numbers)]) for numbers in EYES]
    # Her left eye is at the right in the picture.
    shut, open_ = counts if side == "right" else counts[::-1]
    assert shut <= 2 and open_ > 100


@pytest.mark.slow
def test_her_mouth_opens_below_the_line_that_it_is(sample: Sample) -> None:
    rows, columns = box(*MOUTH)
    region = slice(rows.start, rows.stop + LOWEST_MOUTH_PX), columns
    closed = reddish(drawn(sample)[region])
    opened = {vowel: reddish(drawn(sample, **{f"mouth_{vowel}": 1})[region]) for vowel in ("aaa", "ooo", "eee", "uuu")}
    assert opened["aaa"] >= closed + 50
    assert opened["aaa"] > opened["eee"] and opened["ooo"] > opened["uuu"]
    assert opened["ooo"] >= closed + 20


@pytest.mark.slow
def test_her_brows_rise_below_the_fringe(sample: Sample) -> None:
    def height(pixels: UInt8Array) -> float:
        rows = slice(round(seen(63)[1]) - 9, round(seen(159)[1]) - 5)
        darkness = np.clip(
            200 - pixels[rows, round(seen(105)[0]) : round(seen(107)[0])].astype(float).mean(-1), 0, None
        )
        return float((darkness.sum(1) * np.arange(len(darkness))).sum() / darkness.sum())

    assert height(drawn(sample, eyebrow_raised_left=1, eyebrow_raised_right=1)) < height(drawn(sample)) - 1
