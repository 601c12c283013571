"""The character library: its order, where faces come from, and what is remembered."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from animator_core.characters.description import (
    CharacterDescription,
    read_description,
    write_description,
    write_head,
)
from animator_core.characters.face_search import FoundFace, PictureDetector, find_face
from animator_core.characters.head_place import HeadPlace
from animator_core.characters.landmark_cache import LandmarkCache
from animator_core.characters.library import CharacterLibrary
from animator_core.errors import CharacterError, NoFaceFound
from tests.conftest import shared_file

FACE = np.linspace(0.2, 0.8, 478 * 3, dtype=np.float32).reshape(478, 3)


class DetectorDouble:
    """Sees a face wherever the picture has red pixels, and counts how often it was asked."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, rgb: np.ndarray) -> np.ndarray | None:
        self.count += 1
        rows, columns = np.nonzero((rgb[..., 0] > 200) & (rgb[..., 1] < 50))
        if not len(rows):
            return None
        face = FACE.copy()
        face[:, :2] += (columns.mean(), rows.mean())
        return face


def save_picture(path: Path, size: tuple[int, int] = (200, 160), face_at: tuple[int, int] | None = (100, 80)) -> Path:
    image = Image.new("RGB", size, (30, 60, 90))
    if face_at:
        image.paste((255, 0, 0), (face_at[0] - 5, face_at[1] - 5, face_at[0] + 5, face_at[1] + 5))
    image.save(path)
    return path


@pytest.fixture
def detector() -> DetectorDouble:
    return DetectorDouble()


@pytest.fixture
def library(tmp_path, detector) -> CharacterLibrary:
    (tmp_path / "characters").mkdir()
    return CharacterLibrary(tmp_path / "characters", tmp_path / "cache", detect=detector)


def points_as_yaml(points: np.ndarray) -> str:
    return "landmarks:\n" + "".join(f"  - {[float(v) for v in point]}\n" for point in points)


def test_list_is_in_natural_order_and_holds_pictures_only(library):
    for name in ("b10.png", "b9.png", "A.JPG", "c.webp", "b9.jpeg"):
        save_picture(library.directory / name)
    for name in ("notes.txt", "b9.yaml", ".hidden.png", "._c.webp"):
        (library.directory / name).write_bytes(b"")
    (library.directory / "folder.png").mkdir()
    assert [entry.file for entry in library.list()] == ["A.JPG", "b9.jpeg", "b9.png", "b10.png", "c.webp"]


def test_display_name_comes_from_the_description_else_from_the_file_name(library):
    save_picture(library.directory / "ada.png")
    save_picture(library.directory / "bob.png")
    (library.directory / "ada.yaml").write_text("name: Ada Löwe\n", encoding="utf-8")
    ada, bob = library.list()
    assert (ada.display_name, bob.display_name) == ("Ada Löwe", "bob")
    assert ada.path == str(library.directory.resolve() / "ada.png")
    assert library.load("ada.png").display_name == "Ada Löwe"


def test_a_broken_description_hides_no_character_from_the_list(library):
    save_picture(library.directory / "ada.png")
    (library.directory / "ada.yaml").write_text("colour: red\n")
    assert [entry.display_name for entry in library.list()] == ["ada"]


def test_absent_folder_lists_nothing_and_says_so(tmp_path, caplog):
    assert CharacterLibrary(tmp_path / "absent").list() == ()
    assert "absent" in caplog.text


@pytest.mark.parametrize("name", ["../secret.png", "/etc/passwd", "..\\secret.png", "a/b.png", "", "x.txt", "C:a.png"])
def test_a_name_that_is_no_plain_file_name_is_refused(library, name):
    save_picture(library.directory.parent / "secret.png")
    with pytest.raises(CharacterError, match="there is no character"):
        library.load(name)


def test_unknown_character_error_names_the_known_ones(library):
    save_picture(library.directory / "ada.png")
    with pytest.raises(CharacterError, match=r"no character 'bob.png'.*there are: ada.png"):
        library.load("bob.png")


def test_detected_landmarks_are_in_pixels_of_the_picture(library):
    save_picture(library.directory / "a.png", (200, 160), (150, 120))
    character = library.load("a.png")
    assert character.picture.shape == (160, 200, 4)
    assert character.landmarks.shape == (478, 3)
    assert character.landmarks.dtype == np.float32
    assert np.allclose(character.landmarks[:, :2] - FACE[:, :2], (149.5, 119.5), atol=0.01)


def test_a_large_picture_is_reduced_and_its_landmarks_with_it(library):
    save_picture(library.directory / "a.png", (4000, 2000), (1000, 1000))
    character = library.load("a.png")
    assert character.picture.shape == (540, 1080, 4)
    red = np.argwhere((character.picture[..., 0] > 128) & (character.picture[..., 1] < 100))
    assert np.allclose(character.landmarks[:, :2].mean(0), red.mean(0)[::-1], atol=0.5)


def test_a_picture_is_reduced_to_what_the_ring_takes(library):
    save_picture(library.directory / "a.png", (400, 400))
    picture = library.load("a.png", max_pixels=10000).picture
    assert picture.shape == (100, 100, 4)


def test_crop_is_the_only_region_looked_at(library):
    image = Image.new("RGB", (300, 200), (30, 60, 90))
    image.paste((255, 0, 0), (20, 20, 30, 30))
    image.paste((255, 0, 0), (220, 120, 230, 130))
    image.save(library.directory / "a.png")
    (library.directory / "a.yaml").write_text("crop: [200, 100, 100, 100]\n")
    assert np.allclose(library.load("a.png").landmarks[:, 0] - FACE[:, 0], 224.5, atol=0.01)


def test_all_landmarks_in_the_description_need_no_detector(library, detector):
    save_picture(library.directory / "a.png", face_at=None)
    points = FACE * 100
    (library.directory / "a.yaml").write_text(points_as_yaml(points))
    assert np.allclose(library.load("a.png").landmarks, points, atol=1e-3)
    assert detector.count == 0


def test_named_points_are_fitted_to_a_whole_face(library):
    face_model = pytest.importorskip("animator_core.tracking.face_model")
    points = {"right_eye_outer": [60, 60], "right_eye_inner": [85, 60], "left_eye_inner": [115, 60]}
    points |= {"left_eye_outer": [140, 60], "mouth_right": [80, 110], "mouth_left": [120, 110], "chin": [100, 140]}
    save_picture(library.directory / "a.png", face_at=None)
    (library.directory / "a.yaml").write_text(f"landmarks: {points}\n")
    landmarks = library.load("a.png").landmarks
    assert np.allclose(landmarks[face_model.CHIN, :2], (100, 140), atol=0.01)
    assert landmarks[:, 2].std() > 1, "depth is fitted too"


def test_points_without_depth_get_the_depth_of_the_face_model(library):
    face_model = pytest.importorskip("animator_core.tracking.face_model")
    flat = face_model.face_model().mean[:, :2] * 40 + 90
    save_picture(library.directory / "a.png", face_at=None)
    (library.directory / "a.yaml").write_text(points_as_yaml(flat))
    landmarks = library.load("a.png").landmarks
    assert np.allclose(landmarks[:, :2], flat, atol=0.05)
    assert landmarks[:, 2].std() > 1


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("nmae: Ada", "nmae is not a known key; did you mean 'name'"),
        ("name: [5]", r"name is \[5\]"),
        ("name: ''", "name is ''"),
        ("crop: [1, 2, 3]", r"write \[x, y, width, height\]"),
        ("crop: [-1, 2, 3, 4]", "crop is"),
        ("crop: [500, 2, 30, 40]", "lies outside the picture of 200x160"),
        ("landmarks: 5", "neither named points nor a list of 478"),
        ("landmarks: [[1, 2]]", "neither named points nor a list of 478"),
        ("landmarks: {chin: [1]}", r"landmarks.chin is \[1\]; write \[x, y\] in pixels"),
        ("landmarks: {chin: [.nan, 1]}", "landmarks.chin"),
        ("landmarks: {elbow: [1, 2]}", "elbow"),
        (points_as_yaml(FACE + 1000), "outside the picture of 200x160"),
        ("anime: 5", r"anime is 5; write anime: {center: \[x, y\], scale: s}"),
        ("anime: {}", "anime.center is missing"),
        ("anime: {center: [10, 20]}", "anime.scale is missing"),
        ("anime: {centre: [10, 20], scale: 1}", "anime.centre is not a known key; did you mean 'center'"),
        ("anime: {center: [10], scale: 1}", r"anime.center is \[10\], expected \[x, y\] in pixels of the picture"),
        ("anime: {center: here, scale: 1}", "anime.center is 'here'"),
        ("anime: {center: [10, 20], scale: 0}", "anime.scale is 0, expected a number from 0.005 to 50"),
        ("anime: {center: [10, 20], scale: .inf}", "anime.scale is inf"),
        ("anime: {center: [200, 20], scale: 1}", r"anime.center \[200.0, 20.0\] lies outside the picture of 200x160"),
        ("renderer: gpu", "renderer is 'gpu'; write one of auto, liveportrait, anime, warp"),
        ("renderer: [warp]", "renderer is"),
        ("- a", "no lines of the form 'key: value'"),
        ("name: [", "a.yaml:1 is not valid YAML"),
        ("name:\tA", "a.yaml:1 is not valid YAML: found character .* that cannot start any token"),
        ("name: a\nname: b", "a.yaml:2 is not valid YAML: name is there twice"),
        ("landmarks: {1: [5, 5], 1: [6, 6]}", "1 is there twice"),
        ("name: !!python/object/apply:os.getcwd []", "not valid YAML"),
    ],
)
def test_a_wrong_description_is_an_error_that_names_file_and_key(library, text, says):
    save_picture(library.directory / "a.png")
    (library.directory / "a.yaml").write_text(text)
    with pytest.raises(CharacterError, match=says) as caught:
        library.load("a.png")
    assert "a.yaml" in str(caught.value)


def test_a_description_in_another_encoding_says_to_save_it_as_utf_8(library):
    save_picture(library.directory / "a.png")
    (library.directory / "a.yaml").write_bytes("name: Zo\u00eb".encode("latin-1"))
    with pytest.raises(CharacterError, match=r"a\.yaml is not UTF-8 text; save it as UTF-8"):
        library.load("a.png")


def test_picture_without_a_face_says_how_to_give_the_landmarks(library):
    save_picture(library.directory / "a.png", face_at=None)
    character = library.load("a.png")
    assert character.landmarks is None
    with pytest.raises(NoFaceFound, match=r"a\.png; use a front-facing portrait.*`prepare --pick a\.png`.* a\.yaml"):
        character.require_landmarks()


def test_a_head_is_placed_by_the_description_in_pixels_of_the_reduced_picture(library):
    path = save_picture(library.directory / "a.png", size=(2160, 2160))
    assert library.load("a.png").head is None
    assert library.load("a.png").renderer == "auto"
    path.with_suffix(".yaml").write_text("anime: {center: [1000, 500], scale: 0.1}\nrenderer: anime\n")
    character = library.load("a.png")
    assert character.head == HeadPlace((500.0, 250.0), 0.2)
    assert character.renderer == "anime"


def test_another_place_of_the_head_is_another_content(library):
    path = save_picture(library.directory / "a.png")
    hashes = set()
    for text in ("", "anime: {center: [90, 80], scale: 1}", "anime: {center: [90, 80], scale: 2}"):
        path.with_suffix(".yaml").write_text(text)
        hashes.add(library.load("a.png").content_hash)
    assert len(hashes) == 3


def test_writing_one_part_of_a_description_keeps_the_others(library):
    path = save_picture(library.directory / "a.png")
    path.with_suffix(".yaml").write_text("name: 'No'\nrenderer: anime\ncrop: [1, 2, 90, 80]\n")
    write_head(path, HeadPlace((50.04, 60.0), 0.123456))
    written = read_description(path)
    assert written == CharacterDescription(
        "No", crop=(1, 2, 90, 80), head=HeadPlace((50.0, 60.0), 0.1235), renderer="anime"
    )
    write_description(path, None, {"chin": (5, 6)})
    written = read_description(path)
    assert (written.name, written.crop, written.renderer) == ("No", None, "anime")
    assert written.head == HeadPlace((50.0, 60.0), 0.1235)
    assert written.key_points == {"chin": (5.0, 6.0)}


def test_a_face_that_is_only_seen_in_a_part_is_found_unless_auto_crop_is_off():
    def sees_only_small_pictures(rgb: np.ndarray) -> np.ndarray | None:
        return DetectorDouble()(rgb) if max(rgb.shape) <= 300 else None

    picture = np.full((400, 600, 4), 255, np.uint8)
    picture[300:310, 500:510] = (255, 0, 0, 255)
    detector = PictureDetector(sees_only_small_pictures)
    found = find_face(picture, detector)
    assert found is not None
    assert np.allclose((found.landmarks - FACE)[:, :2], (504.5, 304.5), atol=0.01)
    assert find_face(picture, detector, look_closer=False) is None


def test_colour_under_full_transparency_is_not_searched():
    picture = np.zeros((100, 100, 4), np.uint8)
    picture[..., 0] = 255
    assert find_face(picture, PictureDetector(DetectorDouble())) is None


def test_a_face_is_searched_once_and_then_remembered(library, detector, tmp_path):
    save_picture(library.directory / "a.png")
    first = library.load("a.png")
    count = detector.count
    again = CharacterLibrary(library.directory, tmp_path / "cache", detect=detector).load("a.png")
    assert detector.count == count
    assert np.array_equal(first.landmarks, again.landmarks)
    assert first.content_hash == again.content_hash


def test_a_changed_picture_is_searched_again(library, detector):
    path = save_picture(library.directory / "a.png")
    before, fingerprint = library.load("a.png"), library.fingerprint("a.png")
    save_picture(path, face_at=(60, 60))
    os.utime(path, ns=(1, 1))
    assert library.fingerprint("a.png") != fingerprint
    after = library.load("a.png")
    assert after.landmarks[0, 0] != before.landmarks[0, 0]
    assert after.content_hash != before.content_hash


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 nonsense", b"\x80\x04pickle"])
def test_a_damaged_cache_entry_is_made_again(library, detector, tmp_path, content):
    save_picture(library.directory / "a.png")
    expected = library.load("a.png").landmarks
    (entry,) = (tmp_path / "cache" / "landmarks").iterdir()
    entry.write_bytes(content)
    assert np.array_equal(library.load("a.png").landmarks, expected)
    assert np.load(entry)["landmarks"].shape == (478, 3)


def test_cache_refuses_entries_of_another_shape_and_pickles(tmp_path):
    cache = LandmarkCache(tmp_path)
    shifts = np.zeros(4, np.float32)
    np.savez(tmp_path / "aa.npz", landmarks=np.zeros((5, 3), np.float32), shifts=shifts)
    np.savez(tmp_path / "bb.npz", landmarks=np.array([{"a": 1}], dtype=object), shifts=shifts)
    np.savez(tmp_path / "cc.npz", landmarks=np.full((478, 3), np.nan, np.float32), shifts=shifts)
    np.savez(tmp_path / "ee.npz", landmarks=np.zeros((478, 3), np.float32))
    np.savez(tmp_path / "ff.npz", landmarks=np.zeros((478, 3), np.float32), shifts=np.zeros(4))
    with (tmp_path / "dd.npz").open("wb") as file:
        np.save(file, np.zeros((478, 3), np.float32))
    assert [cache.get(key) for key in ("aa", "bb", "cc", "dd", "ee", "ff", "absent")] == [None] * 7


def test_a_cache_that_takes_nothing_costs_one_warning_and_nothing_else(tmp_path, caplog, detector):
    blocked = tmp_path / "cache"
    blocked.write_bytes(b"a file where the folder should be")
    library = CharacterLibrary(tmp_path, blocked, detect=detector)
    for name in ("a.png", "b.png"):
        save_picture(tmp_path / name)
    with caplog.at_level(logging.WARNING):
        assert library.load("a.png").landmarks.shape == (478, 3)
        library.load("b.png")
    assert len([record for record in caplog.records if "cannot keep landmarks" in record.getMessage()]) == 1


def test_a_full_disk_while_caching_leaves_no_partial_file(tmp_path, monkeypatch, caplog):
    def full(file: object, **arrays: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    LandmarkCache(tmp_path).put("aa", FoundFace(FACE))
    assert list(tmp_path.iterdir()) == []
    assert "No space left on device" in caplog.text
    assert "free disk space" in caplog.text


@pytest.mark.parametrize("name", ["s0.jpg", "s1.jpg", "s9.jpg"])
def test_the_projects_detector_finds_real_faces(name, tmp_path):
    path = shared_file(f"faces/source/{name}")
    character = CharacterLibrary(path.parent).load(path.name)
    height, width = character.picture.shape[:2]
    assert height <= 1080
    assert (character.landmarks[:, 0] > 0).all()
    assert (character.landmarks[:, :2] < (width, height)).all()


@pytest.mark.parametrize("name", ["No", "13", "2026-11-28", "1.0", "on", "null", "0x1F", "1_000", "12:30:45", "Ada"])
def test_a_name_is_the_text_that_is_written(library, name):
    save_picture(library.directory / "ada.png")
    (library.directory / "ada.yaml").write_text(f"name: {name}\ncrop: [1, 2, 90, 80]\n")
    assert [entry.display_name for entry in library.list()] == [name]
    assert read_description(library.directory / "ada.png").crop == (1, 2, 90, 80)


@pytest.mark.parametrize("text", ["name:", "name: ~", "name:   # later"])
def test_an_empty_name_is_none(library, text):
    save_picture(library.directory / "ada.png")
    (library.directory / "ada.yaml").write_text(f"{text}\n")
    assert [entry.display_name for entry in library.list()] == ["ada"]


def test_a_description_may_end_in_yml_and_yaml_counts_more(library, caplog):
    save_picture(library.directory / "ada.png")
    (library.directory / "ada.yml").write_text("name: Countess\n")
    before = library.fingerprint("ada.png")
    assert [entry.display_name for entry in library.list()] == ["Countess"]
    assert caplog.text == ""
    (library.directory / "ada.yaml").write_text("name: Lovelace\n")
    assert [entry.display_name for entry in library.list()] == ["Lovelace"]
    assert "ada.yml is not read, because there is ada.yaml" in caplog.text
    assert library.fingerprint("ada.png") != before


def test_a_description_full_of_references_is_read_as_quickly_as_any(library):
    save_picture(library.directory / "ada.png")
    lines = ["a0: &a0 {name: x}", *(f"a{n}: &a{n} {{p: *a{n - 1}, q: *a{n - 1}}}" for n in range(1, 60))]
    (library.directory / "ada.yaml").write_text("\n".join(lines))
    with pytest.raises(CharacterError, match="a0 is not a known key"):
        read_description(library.directory / "ada.png")
