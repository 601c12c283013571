"""What kinds of picture file become which pixels, and what is said of those that cannot."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from animator_core.characters.picture import fit_within, load_picture
from animator_core.errors import CharacterError


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def colourful(width: int = 80, height: int = 100) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 3 % 256, y * 2 % 256, (x + y) % 256, 40 + y % 200], -1).astype(np.uint8)


def test_png_with_alpha_keeps_every_value(tmp_path):
    picture = colourful()
    assert np.array_equal(load_picture(save(tmp_path / "a.png", Image.fromarray(picture))), picture)


def test_lossless_webp_keeps_every_value(tmp_path):
    picture = colourful()
    path = save(tmp_path / "a.webp", Image.fromarray(picture), lossless=True, exact=True)
    assert np.array_equal(load_picture(path), picture)


def test_opaque_jpeg_becomes_rgba_with_full_alpha(tmp_path):
    picture = load_picture(save(tmp_path / "a.jpg", Image.new("RGB", (70, 90), (200, 30, 60))))
    assert picture.shape == (90, 70, 4)
    assert (picture[..., 3] == 255).all()
    assert np.abs(picture[..., :3].astype(int) - (200, 30, 60)).max() <= 3


def test_exif_orientation_turns_the_picture_upright(tmp_path):
    image = Image.new("RGB", (100, 70), (255, 255, 255))
    image.paste((255, 0, 0), (0, 0, 20, 20))
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = load_picture(save(tmp_path / "a.jpg", image, exif=exif, quality=95))
    assert picture.shape[:2] == (100, 70)
    assert picture[5, 65, 1] < 60, "the red corner is at the top right after a quarter turn"


def test_greyscale_palette_and_cmyk_pictures_have_their_colours(tmp_path):
    grey = load_picture(save(tmp_path / "grey.png", Image.new("L", (64, 64), 77)))
    assert (grey == (77, 77, 77, 255)).all()
    palette = Image.new("P", (64, 64), 1)
    palette.putpalette([9, 9, 9, 10, 200, 30])
    assert (load_picture(save(tmp_path / "p.png", palette)) == (10, 200, 30, 255)).all()
    cmyk = Image.new("RGB", (64, 64), (250, 20, 20)).convert("CMYK")
    picture = load_picture(save(tmp_path / "cmyk.jpg", cmyk, quality=95))
    assert picture[30, 30, 0] > 200
    assert picture[30, 30, 1] < 60


def test_palette_transparency_becomes_alpha(tmp_path):
    palette = Image.new("P", (64, 64), 0)
    palette.putpalette([255, 0, 0, 0, 255, 0])
    palette.paste(1, (32, 0, 64, 64))
    picture = load_picture(save(tmp_path / "p.png", palette, transparency=0))
    assert picture[10, 10, 3] == 0
    assert picture[10, 50].tolist() == [0, 255, 0, 255]


def test_16_bit_greyscale_is_scaled_and_not_clipped(tmp_path):
    image = Image.fromarray(np.full((64, 64), 0x8123, np.uint16))
    assert (load_picture(save(tmp_path / "a.png", image)) == (0x81, 0x81, 0x81, 255)).all()


def test_of_an_animation_the_first_frame_is_taken(tmp_path):
    frames = [Image.new("RGB", (64, 64), colour) for colour in ((255, 0, 0), (0, 0, 255))]
    path = save(tmp_path / "a.webp", frames[0], save_all=True, append_images=frames[1:], lossless=True)
    assert load_picture(path)[30, 30].tolist() == [255, 0, 0, 255]


def test_a_useless_colour_profile_is_ignored_and_a_real_one_is_applied(tmp_path):
    image = Image.new("RGB", (64, 64), (100, 150, 200))
    broken = load_picture(save(tmp_path / "broken.png", image, icc_profile=b"not a profile" * 20))
    assert (broken == (100, 150, 200, 255)).all()
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = load_picture(save(tmp_path / "srgb.png", image, icc_profile=srgb))
    assert np.abs(same.astype(int) - (100, 150, 200, 255)).max() <= 1
    xyz = ImageCms.ImageCmsProfile(ImageCms.createProfile("XYZ")).tobytes()
    assert load_picture(save(tmp_path / "xyz.png", image, icc_profile=xyz)).shape == (64, 64, 4)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"is empty \(0 bytes\); copy the picture again"),
        (b"this is text", "cannot be read as a picture"),
        (b"\x89PNG\r\n\x1a\n" + bytes(100), "cannot be read as a picture"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "cannot be read as a picture"),
        (b"RIFF\x10\x00\x00\x00WEBPVP8 " + bytes(20), "cannot be read as a picture"),
    ],
)
def test_a_file_that_is_no_picture_is_named_with_the_remedy(tmp_path, content, says):
    path = tmp_path / "broken.png"
    path.write_bytes(content)
    with pytest.raises(CharacterError, match=says) as caught:
        load_picture(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
def test_a_picture_cut_off_anywhere_is_an_error_and_never_a_crash(tmp_path, suffix):
    noise = np.random.default_rng(1).integers(0, 256, (100, 100, 3), np.uint8)
    whole = save(tmp_path / f"whole.{suffix}", Image.fromarray(noise)).read_bytes()
    for share in (0.1, 0.5, 0.9):
        path = tmp_path / f"cut.{suffix}"
        path.write_bytes(whole[: int(len(whole) * share)])
        with pytest.raises(CharacterError, match="cannot be read"):
            load_picture(path)


def test_other_formats_are_refused_whatever_their_name(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (64, 64)).save(path, format="GIF")
    with pytest.raises(CharacterError, match="save it again as PNG, JPEG or WebP"):
        load_picture(path)


@pytest.mark.parametrize(("width", "height"), [(30000, 30000), (9000, 100), (12000, 9000)])
def test_a_pixel_bomb_is_refused_before_it_is_decoded(tmp_path, width, height):
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    path = tmp_path / "bomb.png"
    # No pixels follow: reading them would fail with another message.
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with pytest.raises(CharacterError, match=r"bomb|at most 8192 on a side"):
        load_picture(path)


def test_tiny_transparent_and_absent_pictures_are_refused(tmp_path):
    with pytest.raises(CharacterError, match="at least 64 on a side"):
        load_picture(save(tmp_path / "tiny.png", Image.new("RGB", (63, 200))))
    with pytest.raises(CharacterError, match="completely transparent"):
        load_picture(save(tmp_path / "clear.png", Image.new("RGBA", (64, 64))))
    with pytest.raises(CharacterError, match="is no file"):
        load_picture(tmp_path / "absent.png")
    with pytest.raises(CharacterError, match="is no file"):
        load_picture(tmp_path)


def test_fit_within_keeps_small_pictures_and_the_proportions_of_large_ones():
    small = colourful(80, 100)
    assert fit_within(small, (100, 100)) is small
    assert fit_within(np.zeros((400, 200, 4), np.uint8), (100, 100)).shape == (100, 50, 4)
    reduced = fit_within(np.zeros((400, 200, 4), np.uint8), (400, 400), max_pixels=5000)
    assert reduced.shape[0] * reduced.shape[1] <= 5000
    assert reduced.shape[:2] == (100, 50)


def test_fit_within_does_not_mix_hidden_colour_into_the_edge():
    picture = np.zeros((200, 200, 4), np.uint8)
    picture[:, :100] = (255, 0, 0, 255)
    picture[:, 100:] = (0, 255, 0, 0)
    edge = fit_within(picture, (66, 66))
    visible = edge[edge[..., 3] > 16]
    assert visible[:, 1].max() <= 8
