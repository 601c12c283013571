"""Every kind of picture file on its way to LivePortrait's frame: right colours and alpha, or an error that helps."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image
from stand_in_model import StandInModel

from animator_core.characters.library import CharacterLibrary
from animator_core.errors import CharacterError
from animator_core.liveportrait.renderer import LivePortraitRenderer
from animator_core.motion.estimator import MotionEstimator
from animator_core.tracking.face_model import face_model

SIDE = 300
SEEN = (200, 100, 50)
"""The colour of the picture's right half; its left half is transparent where the format can."""


def in_the_middle(rgb: np.ndarray) -> np.ndarray:
    """Return the mean face in the middle of a picture, as a detector would."""
    height, width = rgb.shape[:2]
    side = min(height, width)
    return (face_model().mean * side * 0.2 + np.array([width / 2, height / 2, 0])).astype(np.float32)


def rendered(path: Path) -> np.ndarray:
    """Return what LivePortrait's renderer makes of a file, (H, W, 4) uint8 BGRA."""
    character = CharacterLibrary(path.parent, detect=in_the_middle).load_file(path)
    renderer = LivePortraitRenderer(StandInModel())
    renderer.set_character(character)
    return renderer.draw(renderer.create_driver(MotionEstimator()).place_again())


def rgba(mode: str = "RGBA") -> Image.Image:
    picture = np.zeros((SIDE, SIDE, 4), np.uint8)
    picture[:] = (*SEEN, 255)
    picture[:, : SIDE // 2, 3] = 0
    return Image.fromarray(picture).convert(mode)


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def png_of_16_bits(path: Path, channels: int) -> Path:
    colour = [value * 257 for value in (*SEEN[::-1], 65535 // 257)]
    picture = np.zeros((SIDE, SIDE, channels), np.uint16)
    picture[:] = colour[:channels] if channels > 1 else 100 * 257
    if channels == 4:
        picture[:, : SIDE // 2, 3] = 0
    assert cv2.imwrite(str(path), picture)
    return path


def palette_with_transparency(path: Path) -> Path:
    image = Image.new("P", (SIDE, SIDE), 0)
    image.putpalette([9, 9, 9, *SEEN])
    image.paste(1, (SIDE // 2, 0, SIDE, SIDE))
    return save(path, image, transparency=0)


def animated(path: Path, **options: object) -> Path:
    second = Image.new("RGBA", (SIDE, SIDE), (0, 0, 255, 255))
    return save(path, rgba(), save_all=True, append_images=[second], **options)


def turned_by_exif(path: Path) -> Path:
    image = Image.new("RGB", (SIDE, SIDE + 60), SEEN)
    exif = Image.Exif()
    exif[0x0112] = 6
    return save(path, image, exif=exif, quality=95)


def profile_of_cmyk(path: Path) -> Path:
    return save(path, Image.new("RGB", (SIDE, SIDE), SEEN).convert("CMYK"), quality=95)


GREY = (100, 100, 100)
GREY_OF_SEEN = (124, 124, 124)
KINDS = {
    "rgba.png": (lambda path: save(path, rgba()), SEEN, True),
    "rgba.webp": (lambda path: save(path, rgba(), lossless=True, exact=True), SEEN, True),
    "rgb.jpg": (lambda path: save(path, rgba("RGB"), quality=95), SEEN, False),
    "cmyk.jpg": (profile_of_cmyk, SEEN, False),
    "grey.png": (lambda path: save(path, Image.new("L", (SIDE, SIDE), 100)), GREY, False),
    "grey_alpha.png": (lambda path: save(path, rgba("LA")), GREY_OF_SEEN, True),
    "black_white.png": (lambda path: save(path, Image.new("1", (SIDE, SIDE), 1)), (255, 255, 255), False),
    "palette.png": (palette_with_transparency, SEEN, True),
    "grey_16.png": (lambda path: png_of_16_bits(path, 1), GREY, False),
    "rgb_16.png": (lambda path: png_of_16_bits(path, 3), SEEN, False),
    "rgba_16.png": (lambda path: png_of_16_bits(path, 4), SEEN, True),
    "animated.png": (animated, SEEN, True),
    "animated.webp": (lambda path: animated(path, lossless=True, exact=True), SEEN, True),
    "turned.jpg": (turned_by_exif, SEEN, False),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_picture_of_any_kind_keeps_its_colour_and_alpha(name, tmp_path):
    make, colour, has_alpha = KINDS[name]
    frame = rendered(make(tmp_path / name))
    assert np.abs(frame[5, -5, 2::-1].astype(int) - colour).max() <= 6
    assert frame[5, -5, 3] == 255
    assert frame[5, 5, 3] == (0 if has_alpha else 255)
    height, width = frame.shape[:2]
    assert frame[height // 2, width // 2 + 40, 1] == 127, "the stand-in painted the face's square"


def test_a_picture_that_lies_on_its_side_is_turned_before_anything_else(tmp_path):
    assert rendered(turned_by_exif(tmp_path / "a.jpg")).shape == (SIDE, SIDE + 60, 4)


@pytest.mark.slow
def test_8000_by_8000_pixels_are_reduced_to_what_the_settings_allow(tmp_path):
    frame = rendered(save(tmp_path / "huge.png", Image.new("L", (8000, 8000), 100), compress_level=1))
    assert frame.shape == (1080, 1080, 4)
    assert frame[5, -5].tolist() == [100, 100, 100, 255]


@pytest.mark.parametrize(
    ("size", "says"),
    [
        ((1, 1), "has 1x1 pixels; use a picture of at least 64 on a side"),
        ((1, 8000), "has 1x8000 pixels; use a picture of at least 64"),
        ((8000, 1), "has 8000x1 pixels; use a picture of at least 64"),
        ((8193, 64), "has 8193x64 pixels; save it with at most 8192 on a side"),
    ],
)
def test_a_picture_of_no_usable_size_is_an_error_that_says_which_is(size, says, tmp_path):
    path = save(tmp_path / "a.png", Image.new("RGB", size))
    with pytest.raises(CharacterError, match=says) as caught:
        rendered(path)
    assert str(path) in str(caught.value)


def test_a_strip_in_which_the_face_is_tiny_is_an_error(tmp_path):
    path = save(tmp_path / "strip.png", Image.new("RGB", (64, 8000)))
    with pytest.raises(CharacterError, match="less than 8 pixels large; use a larger picture"):
        rendered(path)


@pytest.mark.parametrize("name", ["animated.gif", "named.png"])
def test_a_gif_is_refused_whatever_its_name(name, tmp_path):
    path = tmp_path / name
    rgba().save(path, format="GIF", save_all=True, append_images=[rgba()])
    with pytest.raises(CharacterError, match=r"cannot be read as a picture .*; save it again as PNG, JPEG or WebP"):
        rendered(path)


@pytest.mark.parametrize("name", ["rgba.png", "rgba.webp", "rgb.jpg", "animated.webp"])
def test_a_file_that_was_cut_off_is_an_error_that_names_it(name, tmp_path):
    path = KINDS[name][0](tmp_path / name)
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3), np.uint8)
    save(path, Image.fromarray(noise))
    path.write_bytes(path.read_bytes()[:-3000])
    with pytest.raises(CharacterError, match=f"{name} cannot be read"):
        rendered(path)


def test_a_picture_in_which_nobody_is_seen_is_an_error_with_the_remedy(tmp_path):
    path = save(tmp_path / "empty.png", rgba())
    with pytest.raises(CharacterError, match=r"no face found in .*empty.png; use a front-facing portrait"):
        CharacterLibrary(tmp_path, detect=lambda rgb: None).load_file(path).require_landmarks()


def test_a_completely_transparent_picture_is_an_error(tmp_path):
    with pytest.raises(CharacterError, match="completely transparent; save it with the character visible"):
        rendered(save(tmp_path / "clear.png", Image.new("RGBA", (SIDE, SIDE))))
