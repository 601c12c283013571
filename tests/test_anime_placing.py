"""The anime networks' picture of a character, and the search for the head's place in it."""

from __future__ import annotations

import dataclasses
import re
from typing import Any, Callable

import cv2
import numpy as np
import pytest
import torch
from anime_wheel import WEIGHTS, unpacked_wheel
from PIL import Image

from animator_core.anime.background import without_background
from animator_core.anime.network_picture import network_picture
from animator_core.anime.networks.chain import AnimeNetworks
from animator_core.anime.networks.weights import load_networks
from animator_core.anime.placing import Fit, find_place
from animator_core.characters.character import Character
from animator_core.characters.head_place import HeadPlace
from animator_core.characters.library import CharacterLibrary
from animator_core.config import PROJECT_ROOT
from animator_core.rendering.srgb import decode_srgb
from tests.coloured_face import ColouredFaceNetworks, blank, character, draw_body, draw_face, landmarks_of


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


def looked_for(picture: np.ndarray, **given: Any) -> Fit:
    return find_place(character(picture, **given), ColouredFaceNetworks())  # type: ignore[arg-type]


def assert_eyes_at(fit: Fit, x: float, y: float, *, distance: float) -> None:
    """Check that the eyes are where the networks want them: 42 apart, 16 below the box's centre."""
    off = 1 + distance * 0.05  # of the drawing, whose middles are whole pixels, and of the networks' answer
    assert fit.place.scale == pytest.approx(42 / distance, rel=off / distance)
    assert fit.place.center == pytest.approx((x, y - 16 * distance / 42), abs=off)


@pytest.mark.parametrize("size", [0.3, 1.0, 2.5])
@pytest.mark.parametrize("is_detected", [True, False])
def test_a_head_of_any_size_is_found_with_and_without_landmarks(size: float, is_detected: bool) -> None:
    picture = blank(round(600 * size), round(500 * size))
    x, y = round(230 * size), round(150 * size)
    draw_body(picture, x, y, size)
    draw_face(picture, x, y, size=size)
    fit = looked_for(picture, landmarks=landmarks_of(x, y, size=size * 0.8) if is_detected else None)
    assert (fit.source, fit.fits, fit.prefers_anime) == ("landmarks" if is_detected else "networks", True, True)
    assert_eyes_at(fit, x + 0.5, y + 0.5, distance=50 * size)
    assert fit.reason == "its eyes close and its mouth opens"


def test_a_large_picture_is_searched_in_small_and_keeps_its_size() -> None:
    picture = blank(4000, 3000)
    draw_body(picture, 1500, 900, 6)
    draw_face(picture, 1500, 900, size=6)
    for landmarks in (landmarks_of(1500, 900, size=6), None):
        fit = looked_for(picture, landmarks=landmarks)
        assert fit.fits
        assert fit.picture is picture
        assert_eyes_at(fit, 1500.5, 900.5, distance=300)
    head = HeadPlace((1501.0, 790.0), 0.141)
    assert looked_for(picture, head=head).place == head


def test_a_small_head_on_a_tall_body_is_found() -> None:
    picture = blank(1000, 500)
    draw_body(picture, 240, 80)
    picture[150:, 150:330] = (200, 200, 200, 255)
    draw_face(picture, 240, 85)
    fit = looked_for(picture)
    assert (fit.source, fit.fits) == ("networks", True)
    assert_eyes_at(fit, 240.5, 85.5, distance=50)


def test_the_description_decides_and_is_not_changed() -> None:
    picture = blank()
    draw_body(picture, 230, 150)
    draw_face(picture, 230, 150)
    head = HeadPlace((235.0, 128.0), 0.8)
    fit = looked_for(picture, head=head, landmarks=landmarks_of(100, 400))
    assert (fit.place, fit.source, fit.fits, fit.prefers_anime) == (head, "yaml", True, True)
    nowhere = looked_for(picture, head=HeadPlace((230.0, 450.0), 0.8))
    assert (nowhere.source, nowhere.fits) == ("yaml", False)
    assert "the wrong place" in nowhere.reason


def test_a_mouth_that_does_not_move_is_left_to_the_warp() -> None:
    picture = blank()
    draw_body(picture, 230, 150)
    draw_face(picture, 230, 150, parts="lr")
    fit = looked_for(picture)
    assert (fit.fits, fit.prefers_anime) == (True, False)
    assert "its mouth does not open" in fit.reason


@pytest.mark.parametrize("parts", ["lm", "rm", "m", ""])
def test_a_covered_eye_or_a_face_that_is_none_does_not_fit(parts: str) -> None:
    picture = blank()
    draw_body(picture, 230, 150)
    draw_face(picture, 230, 150, parts=parts)
    seen = looked_for(picture, landmarks=landmarks_of(230, 150))
    assert (seen.source, seen.fits, seen.prefers_anime) == ("landmarks", False, False)
    assert "covered" in seen.reason
    unseen = looked_for(picture)
    assert (unseen.source, unseen.fits) == ("silhouette", False)
    assert "no head found" in unseen.reason
    # The silhouette has its neck at 230, and its top at 70.
    assert unseen.place.center == pytest.approx((230.5, 145), abs=15)


def test_landmarks_without_an_answer_cost_one_look() -> None:
    picture = blank()
    draw_body(picture, 230, 150)
    networks = ColouredFaceNetworks()
    find_place(character(picture, landmarks_of(230, 150)), networks)  # type: ignore[arg-type]
    assert networks.looks <= 4, "every photograph would be searched"


def test_two_heads_are_named_and_neither_is_taken() -> None:
    picture = blank(600, 1000)
    for x in (230, 700):
        draw_body(picture, x, 150)
        draw_face(picture, x, 150)
    fit = looked_for(picture, landmarks=landmarks_of(700, 150))
    assert (fit.fits, fit.prefers_anime) == (False, False)
    assert fit.reason == "there are two heads; choose one with `prepare --renderer anime --pick`"
    chosen = looked_for(picture, head=fit.place)
    assert (chosen.source, chosen.fits) == ("yaml", True)


@pytest.mark.parametrize(("tilt", "degrees"), [(30, 30), (-35, 35), (90, 90), (180, 180)])
def test_a_tilted_head_does_not_fit(tilt: float, degrees: int) -> None:
    picture = blank()
    draw_body(picture, 230, 150)
    draw_face(picture, 230, 150, tilt=tilt)
    fit = looked_for(picture, landmarks=landmarks_of(230, 150, tilt=tilt))
    assert not fit.fits
    told = re.fullmatch(r"the head is not upright but tilted by (\d+) degrees", fit.reason)
    assert told
    assert int(told[1]) == pytest.approx(degrees, abs=2)


@pytest.mark.parametrize("kind", ["noise", "disk", "specks"])
def test_what_is_no_character_gets_a_reason_and_a_place(kind: str) -> None:
    picture = blank(300, 300)
    if kind == "noise":
        picture[:] = noise(300, 300)
        picture[..., 3] = np.where(picture[..., 3] > 128, 255, 0)
    elif kind == "disk":
        cv2.circle(picture, (150, 150), 120, (240, 210, 190, 255), -1)
    else:
        picture[5, 7] = picture[290, 280] = (9, 9, 9, 20)
    fit = looked_for(picture)
    assert (fit.source, fit.fits, fit.prefers_anime) == ("silhouette", False, False)
    assert np.isfinite([*fit.place.center, fit.place.scale]).all()
    assert fit.place.scale > 0


def opaque(colour: tuple[int, int, int]) -> np.ndarray:
    """Return the drawn character over a plain colour."""
    picture = blank()
    draw_body(picture, 230, 150)
    draw_face(picture, 230, 150)
    alpha = picture[..., 3:] / 255
    picture[..., :3] = np.rint(picture[..., :3] * alpha + np.array(colour) * (1 - alpha))
    picture[..., 3] = 255
    return picture


def test_a_plain_background_is_removed() -> None:
    picture = opaque((255, 255, 255))
    fit = looked_for(picture)
    assert fit.fits
    assert (fit.picture[:60, :, 3] == 0).all()
    for rows, columns in ((slice(100, 200), slice(190, 270)), (slice(230, 460), slice(150, 310))):
        assert (fit.picture[rows, columns] == picture[rows, columns]).all()


def test_a_smoothed_outline_becomes_half_transparent_in_the_character_s_colour() -> None:
    share = np.zeros((400, 400), np.float32)
    cv2.circle(share, (200, 200), 120, 1.0, -1)
    share = cv2.GaussianBlur(share, (0, 0), 0.6)[..., None]
    picture = np.full((400, 400, 4), 255, np.uint8)
    picture[..., :3] = np.rint(np.array([180, 40, 60]) * share + 255 * (1 - share))
    cut = without_background(picture)
    rim = (cut[..., 3] > 40) & (cut[..., 3] < 215)
    assert rim.sum() > 300
    assert np.abs(cut[rim][:, :3].astype(int) - (180, 40, 60)).max() <= 6, "the old background shines through"
    assert np.abs(cut[..., 3] / 255 - share[..., 0]).max() < 0.12


@pytest.mark.parametrize("kind", ["gradient", "noise", "nothing", "filled", "runs in"])
def test_another_background_is_refused_with_the_remedy(kind: str) -> None:
    picture = opaque((255, 255, 255))
    if kind == "gradient":
        picture[..., 1] = np.minimum(picture[..., 1], np.linspace(0, 255, 600)[:, None])
    elif kind == "noise":
        picture[..., :3] = noise(600, 500)[..., :3]
    elif kind == "nothing":
        picture[:] = 255
    elif kind == "filled":
        picture[:, :] = (200, 200, 200, 255)
        draw_face(picture, 230, 150)
    else:
        # A shirt of nearly the background's colour, open to it.
        picture[230:480, 120:340, :3] = 230
    fit = looked_for(picture, landmarks=landmarks_of(230, 150))
    assert (fit.fits, fit.prefers_anime) == (False, False)
    assert re.search(
        "background (is not plain|runs into the character); save it with a transparent background", fit.reason
    )


@pytest.fixture(scope="module")
def networks() -> AnimeNetworks:
    unpacked_wheel()
    return load_networks(WEIGHTS)


@pytest.fixture(scope="module")
def sample() -> Callable[[str], Character]:
    library = CharacterLibrary(PROJECT_ROOT / "assets" / "characters")
    return lambda name: library.load(f"{name}.png")


def without_landmarks(picture: np.ndarray) -> Character:
    return character(np.ascontiguousarray(picture))


@pytest.mark.slow
def test_a_drawn_face_is_placed_the_same_with_and_without_landmarks(
    networks: AnimeNetworks, sample: Callable[[str], Character]
) -> None:
    mira = sample("mira")
    seen, unseen = find_place(mira, networks), find_place(without_landmarks(mira.picture), networks)
    for fit, source in ((seen, "landmarks"), (unseen, "networks")):
        assert (fit.source, fit.fits) == (source, True), fit.reason
        assert (fit.prefers_anime, "blurred" in fit.reason) == (False, True), "she fills the picture"
        # Her irises are at (430, 437) and (594, 437).
        assert_eyes_at(fit, 512.5, 437, distance=178)


@pytest.mark.slow
def test_a_muzzle_is_left_to_the_warp_and_a_photograph_does_not_fit(
    networks: AnimeNetworks, sample: Callable[[str], Character]
) -> None:
    amber, photograph = find_place(sample("amber"), networks), find_place(sample("astronaut"), networks)
    assert (amber.fits, amber.prefers_anime) == (True, False)
    assert (photograph.fits, photograph.prefers_anime) == (False, False)
    assert "a photograph" in photograph.reason


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["64 pixels", "white background"])
def test_a_drawn_face_is_found_in(kind: str, networks: AnimeNetworks, sample: Callable[[str], Character]) -> None:
    image = Image.fromarray(sample("mira").picture)
    if kind == "64 pixels":
        image = image.resize((64, 64))
    else:
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    fit = find_place(without_landmarks(np.asarray(image)), networks)
    assert (fit.source, fit.fits, fit.prefers_anime) == ("networks", True, kind == "64 pixels"), fit.reason
    factor = image.width / 1024
    assert_eyes_at(fit, 512.5 * factor, 437 * factor, distance=178 * factor)


@pytest.mark.slow
def test_two_drawn_heads_are_told_apart_from_one(networks: AnimeNetworks, sample: Callable[[str], Character]) -> None:
    picture = sample("mira").picture
    fit = find_place(without_landmarks(np.hstack([picture, picture])[::2, ::2]), networks)
    assert not fit.fits
    assert "two heads" in fit.reason


@pytest.mark.slow
def test_a_hand_over_an_eye_does_not_fit(networks: AnimeNetworks, sample: Callable[[str], Character]) -> None:
    mira = sample("mira")
    picture = mira.picture.copy()
    cv2.ellipse(picture, (435, 460), (65, 100), 0, 0, 360, color=(240, 200, 180, 255), thickness=-1)
    fit = find_place(dataclasses.replace(mira, picture=picture), networks)
    assert not fit.fits
    assert "covered" in fit.reason
