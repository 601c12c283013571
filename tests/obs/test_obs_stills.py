"""The still picture as a real libobs decodes it, beside the animated one: every kind of file the same on both sides."""

from __future__ import annotations

import ctypes
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from animator_core.characters.picture import load_picture
from animator_core.ipc.protocol import CharacterEntry
from obs_plugin import libobs, still_picture
from tests.made_pictures import exif, is_upright, save_turned, upright, write_png

pytestmark = [pytest.mark.requires_obs, pytest.mark.skipif(os.name == "nt", reason="libobs is in OBS's folder there")]


class Decoder:
    """The two functions of libobs that decoding needs; they work without a running OBS."""

    def __init__(self, library: Any) -> None:
        for name in ("gs_create_texture_file_data3", "bfree"):
            result, *arguments = libobs._PROTOTYPES[name]
            function = getattr(library, name)
            function.restype, function.argtypes = result, list(arguments)
            setattr(self, name, function)


@pytest.fixture(scope="module")
def decoder() -> Any:
    for name in ("libobs.so.30", "libobs.so.0", "libobs.so"):
        try:
            return Decoder(ctypes.CDLL(name))
        except OSError:
            continue
    pytest.skip("libobs is not installed")


def still(decoder: Any, path: Path) -> np.ndarray:
    """Return the plugin's still picture, (H, W, 4) uint8 RGBA."""
    picture = still_picture.decode(decoder, path.name, CharacterEntry(path.name, path.name, str(path)))
    assert not picture.problem
    assert picture.format in (libobs.GS_RGBA, libobs.GS_BGRA, libobs.GS_BGRX)
    data = ctypes.string_at(picture.pixels, picture.width * picture.height * 4)
    pixels = np.frombuffer(data, np.uint8).reshape(picture.height, picture.width, 4)
    picture.free()
    return pixels if picture.format == libobs.GS_RGBA else pixels[..., [2, 1, 0, 3]]


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.png", "a.webp", "a.jpg"])
def test_every_orientation_is_upright(tmp_path: Path, decoder: Any, name: str, orientation: int) -> None:
    options: dict[str, Any] = {"quality": 95} if name == "a.jpg" else {}
    assert is_upright(still(decoder, save_turned(tmp_path / name, orientation, **options)))


@pytest.mark.parametrize(
    "name", ["100% a.png", "a%03d.jpg", "a:b.webp", "-.png", "Яна ☕.png", "a\nb.png", "a.jfif", "a.jpe"]
)
def test_a_picture_may_have_any_name(tmp_path: Path, decoder: Any, name: str) -> None:
    stored = {"jpg": "JPEG", "jpe": "JPEG", "jfif": "JPEG", "webp": "WEBP"}.get(name.rpartition(".")[2], "PNG")
    upright().save(tmp_path / name, format=stored, quality=95)
    before = sorted(tmp_path.iterdir())
    assert is_upright(still(decoder, tmp_path / name))
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("name", ["a.png", "a.webp"])
def test_an_animation_has_its_first_picture_as_still(tmp_path: Path, decoder: Any, name: str) -> None:
    first = upright().transpose(Image.Transpose.ROTATE_90)
    others = [Image.new("RGB", first.size, "white")]
    first.save(tmp_path / name, save_all=True, append_images=others, exif=exif(6), quality=95)
    assert is_upright(still(decoder, tmp_path / name))


def test_an_animation_without_its_edges_is_whole(tmp_path: Path, decoder: Any) -> None:
    image = Image.new("RGBA", (96, 80))
    image.paste((40, 200, 40, 120), (30, 30, 60, 60))
    image.save(tmp_path / "a.webp", save_all=True, append_images=[Image.new("RGBA", image.size, "red")])
    assert np.array_equal(still(decoder, tmp_path / "a.webp")[..., 3], load_picture(tmp_path / "a.webp")[..., 3])


@pytest.mark.parametrize("depth", [8, 16])
def test_a_transparent_grey_is_transparent(tmp_path: Path, decoder: Any, depth: int) -> None:
    samples = np.full((64, 80), (1 << depth) - 1)
    samples[:, :20] = 100
    path = write_png(tmp_path / "a.png", samples, depth, (100).to_bytes(2, "big"))
    assert np.array_equal(still(decoder, path), load_picture(path) * (load_picture(path)[..., 3:] > 0))


def test_the_copy_that_is_decoded_is_deleted(tmp_path: Path, decoder: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "scratch").mkdir()
    monkeypatch.setattr(still_picture.tempfile, "tempdir", str(tmp_path / "scratch"))
    path = save_turned(tmp_path / "a.png", 6)
    assert is_upright(still(decoder, path))
    shutil.copy(path, tmp_path / "b.png")
    (tmp_path / "b.png").write_bytes(path.read_bytes()[:200])
    damaged = still_picture.decode(decoder, "b.png", CharacterEntry("b.png", "b", str(tmp_path / "b.png")))
    assert "is damaged" in str(damaged.problem) or damaged.pixels
    assert list((tmp_path / "scratch").iterdir()) == []
