"""Rare pictures: the animated picture (worker) and the still one (plugin) are of one mind about each."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from made_pictures import STORED, chunk, exif, is_upright, save_turned, upright, write_png
from PIL import Image, ImageCms

from animator_core.characters.picture import load_picture
from obs_plugin.plain_copy import read_plain_copy, turn


def still(path: Path) -> np.ndarray:
    """Return the plugin's picture, decoded by Pillow in place of libobs: (H, W, 4) uint8 RGBA."""
    copy, written = read_plain_copy(str(path)), io.BytesIO()
    copy.write(str(path), written)
    with Image.open(io.BytesIO(written.getvalue())) as image:
        assert not getattr(image, "is_animated", False)
        assert "exif" not in image.info
        image.load()
        assert "exif" not in image.info
        rgba = image.convert("RGBA")
    pixels, width, height = copy.upright(memoryview(rgba.tobytes()), rgba.width, 4)
    return np.frombuffer(pixels, np.uint8).reshape(height, width, 4)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("a.png", {}),
        ("a.webp", {"lossless": True}),
        ("b.webp", {"quality": 95}),
        ("a.jpg", {"quality": 95, "subsampling": 0}),
        ("b.jfif", {"quality": 95, "progressive": True, "format": "JPEG"}),
    ],
)
@pytest.mark.parametrize("order", ["MM", "II"])
def test_every_orientation_of_every_format_is_upright_on_both_sides(
    tmp_path: Path, name: str, options: dict[str, Any], orientation: int, order: str
) -> None:
    path = save_turned(tmp_path / name, orientation, order, **options)
    assert is_upright(load_picture(path))
    assert is_upright(still(path))


def test_exif_after_the_pixels_counts(tmp_path: Path) -> None:
    path = save_turned(tmp_path / "a.png", 6)
    data = path.read_bytes()
    at = data.index(b"eXIf") - 4
    chunk = data[at : at + 12 + struct.unpack(">I", data[at : at + 4])[0]]
    end = data.index(b"IEND") - 4
    path.write_bytes(data[:at] + data[at + len(chunk) : end] + chunk + data[end:])
    assert is_upright(load_picture(path))
    assert is_upright(still(path))


@pytest.mark.parametrize(
    "block",
    [b"", b"MM\0*", b"II*\0\xff\xff\xff\xff", b"junk" * 9, exif(6)[:20], exif(6).replace(b"\x01\x12", b"\x01\x13")],
)
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_turns_nothing(tmp_path: Path, block: bytes) -> None:
    for name in ("a.png", "a.webp", "a.jpg"):
        upright().save(tmp_path / name, exif=b"Exif\0\0" + block)
        assert load_picture(tmp_path / name).shape[:2] == (80, 96)
        assert read_plain_copy(str(tmp_path / name)).orientation == 1


def test_what_only_xmp_says_turns_neither(tmp_path: Path) -> None:
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6"/></x:xmpmeta>'
    for name in ("a.webp", "a.jpg"):
        upright().save(tmp_path / name, xmp=xmp)
        assert is_upright(load_picture(tmp_path / name))
        assert not read_plain_copy(str(tmp_path / name)).is_needed


@pytest.mark.parametrize("name", ["a.png", "a.webp", "b.webp"])
@pytest.mark.parametrize("orientation", [1, 6])
def test_of_an_animation_both_show_the_first_picture_and_it_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, name: str, orientation: int
) -> None:
    first = upright() if orientation == 1 else upright().transpose(STORED[orientation])
    frames = [Image.new("RGB", first.size, colour) for colour in ("black", "white")]
    options: dict[str, Any] = {"quality": 95} if name == "b.webp" else {"lossless": True}
    path = tmp_path / name
    first.save(path, save_all=True, append_images=frames, exif=exif(orientation), **options)
    assert is_upright(load_picture(path))
    assert "is animated; its first picture is used" in caplog.text
    assert read_plain_copy(str(path)).is_animated
    assert is_upright(still(path))


@pytest.mark.parametrize(("alpha", "around"), [(120, 0), (255, 255)])
def test_a_first_picture_without_its_edges_is_whole_in_the_still(tmp_path: Path, alpha: int, around: int) -> None:
    image = Image.new("RGBA", (96, 80), (200, 40, 40, 0))
    image.paste((40, 200, 40, alpha), (30, 30, 60, 60))
    image.save(tmp_path / "a.webp", save_all=True, append_images=[Image.new("RGBA", image.size, "red")], quality=90)
    shown, animated = still(tmp_path / "a.webp"), load_picture(tmp_path / "a.webp")
    assert shown.shape == animated.shape == (80, 96, 4)
    for picture in (shown, animated):
        assert picture[[5, 45, 75], [5, 45, 90], 3].tolist() == [around, alpha, around]
        assert picture[5, 5, :3].max() == 0 or around == 0
        assert np.abs(picture[45, 45, :3].astype(int) - (40, 200, 40)).max() < 20


def test_a_usual_picture_needs_no_copy(tmp_path: Path) -> None:
    for name in ("a.png", "a.webp", "a.jpg"):
        upright().save(tmp_path / name, exif=exif(1))
        assert not read_plain_copy(str(tmp_path / name)).is_needed


@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.jpg"])
def test_a_picture_cut_off_anywhere_is_no_crash(tmp_path: Path, name: str) -> None:
    data = save_turned(tmp_path / name, 6).read_bytes()
    for length in (*range(0, min(len(data), 400), 7), len(data) // 2, len(data) - 3):
        (tmp_path / name).write_bytes(data[:length])
        read_plain_copy(str(tmp_path / name)).write(str(tmp_path / name), io.BytesIO())


@pytest.mark.parametrize(("pixel_bytes", "kind"), [(1, np.uint8), (4, np.uint32), (8, np.uint64)])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_of_every_size_are_turned(pixel_bytes: int, kind: type[Any], orientation: int) -> None:
    stored = np.arange(15, dtype=kind).reshape(3, 5)
    wanted = {
        1: stored,
        2: stored[:, ::-1],
        3: stored[::-1, ::-1],
        4: stored[::-1],
        5: stored.T,
        6: np.rot90(stored, -1),
        7: stored[::-1, ::-1].T,
        8: np.rot90(stored),
    }[orientation]
    pixels, width, height = turn(memoryview(stored.tobytes()), 5, pixel_bytes, orientation=orientation)
    assert np.array_equal(np.frombuffer(pixels, kind).reshape(height, width), wanted)


# --- transparency by one colour ---


@pytest.mark.parametrize("depth", [1, 2, 4, 8, 16])
def test_a_transparent_grey_is_transparent_at_every_depth(tmp_path: Path, depth: int) -> None:
    most = (1 << depth) - 1
    key = {1: 1, 2: 1, 4: 6, 8: 100, 16: 0x1234}[depth]
    samples = np.zeros((64, 80), np.int64)
    samples[:, :20] = key
    if depth > 1:
        samples[:, 20:40] = key + 1  # the next grey is another one
        samples[:, 40:] = most
    alpha = load_picture(write_png(tmp_path / "a.png", samples, depth, struct.pack(">H", key)))[..., 3]
    assert (alpha[:, :20] == 0).all()
    assert (alpha[:, 20:] == 255).all()


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_colour_is_transparent_at_every_depth(tmp_path: Path, depth: int) -> None:
    key = (10, 20, 30) if depth == 8 else (0x1234, 0x5678, 0x9ABC)
    samples = np.full((64, 80, 3), (1 << depth) - 1, np.int64)
    samples[:, :20] = key
    samples[:, 20:40] = (key[0], key[1], key[2] + 1)
    path = write_png(tmp_path / "a.png", samples, depth, struct.pack(">HHH", *key))
    picture = load_picture(path)
    assert (picture[:, :20, 3] == 0).all()
    assert (picture[:, 20:, 3] == 255).all()
    assert picture[5, 60].tolist() == [255] * 4


def test_a_transparent_colour_is_turned_with_its_picture(tmp_path: Path) -> None:
    samples = np.full((64, 80, 3), 65535, np.int64)
    samples[:, :20] = (0x1234, 0x5678, 0x9ABC)
    turn = chunk(b"eXIf", exif(6)[6:])
    path = write_png(tmp_path / "a.png", samples, 16, struct.pack(">HHH", 0x1234, 0x5678, 0x9ABC), turn)
    alpha = load_picture(path)[..., 3]
    assert alpha.shape == (80, 64)
    assert (alpha[:20] == 0).all()
    assert (alpha[20:] == 255).all()


# --- colour profiles ---


def s15(number: float) -> bytes:
    return struct.pack(">i", round(number * 65536))


def linear_grey_profile() -> bytes:
    white = b"XYZ " + bytes(4) + s15(0.9642) + s15(1) + s15(0.8249)
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, 256) + bytes(2)
    text = b"mluc" + bytes(4) + struct.pack(">II", 1, 12) + b"enUS" + struct.pack(">II", 2, 28) + b"\0g" + bytes(2)
    tags = [(b"desc", text), (b"cprt", text), (b"wtpt", white), (b"kTRC", curve)]
    table, body, start = b"", b"", 132 + 12 * len(tags)
    for name, data in tags:
        table += name + struct.pack(">II", start + len(body), len(data))
        body += data
    head = struct.pack(
        ">I4sI4s4s4s12s4s", start + len(body), b"none", 0x04000000, b"mntr", b"GRAY", b"XYZ ", bytes(12), b"acsp"
    )
    head = (head.ljust(68, b"\0") + s15(0.9642) + s15(1) + s15(0.8249)).ljust(128, b"\0")
    return head + struct.pack(">I", len(tags)) + table + body


GREY = linear_grey_profile()
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@pytest.mark.parametrize(
    ("mode", "colour", "profile", "wanted"),
    [
        ("L", 128, GREY, (188, 188, 188, 255)),
        ("LA", (128, 255), GREY, (188, 188, 188, 255)),
        ("LA", (128, 90), GREY, (188, 188, 188, 90)),
        ("I;16", 128 * 257, GREY, (188, 188, 188, 255)),
        ("L", 128, SRGB, (128, 128, 128, 255)),
        ("RGB", (128, 20, 30), GREY, (128, 20, 30, 255)),
        ("RGBA", (128, 20, 30, 40), SRGB, (128, 20, 30, 40)),
        ("LA", (128, 70), None, (128, 128, 128, 70)),
    ],
)
def test_a_grey_profile_is_applied_to_grey_pictures_only(
    tmp_path: Path, mode: str, colour: Any, profile: bytes | None, wanted: tuple[int, ...]
) -> None:
    Image.new(mode, (64, 64), colour).save(tmp_path / "a.png", icc_profile=profile)
    assert np.abs(load_picture(tmp_path / "a.png")[5, 5].astype(int) - wanted).max() <= 1


def test_a_palettes_profile_is_applied(tmp_path: Path) -> None:
    profile = ImageCms.ImageCmsProfile(io.BytesIO(SRGB))
    assert profile.profile.xcolor_space.strip() == "RGB"
    swapped = SRGB.replace(b"rXYZ", b"qXYZ").replace(b"gXYZ", b"rXYZ").replace(b"qXYZ", b"gXYZ")
    palette = Image.new("P", (64, 64), 0)
    palette.putpalette([200, 30, 30, 0, 0, 0])
    palette.save(tmp_path / "a.png", icc_profile=swapped)
    picture = load_picture(tmp_path / "a.png")[5, 5].astype(int)
    assert picture[1] > picture[0] + 50, "red and green change places in this profile"
