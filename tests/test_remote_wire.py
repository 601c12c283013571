"""The wire between two computers: messages, frames, and what neither side takes."""

from __future__ import annotations

import random
import struct

import cv2
import numpy as np
import pytest

pytest.importorskip("websockets", reason="install.py --remote installs it")

from animator_core.ipc.protocol import AnimationSettings, FilterStatus
from animator_core.remote import codecs, wire
from animator_core.rendering.srgb import premultiplied_bgra
from animator_core.tracking.face_model import face_model
from animator_core.tracking.observation import FaceObservation
from animator_core.tracking.observation_row import BLENDSHAPES, from_row, to_row

PICTURE = wire.Picture("a" * 64, ".png", "name: Ada")


@pytest.fixture
def drawn() -> np.ndarray:
    """A round, soft-edged picture as a renderer draws it, (160, 120, 4) uint8 premultiplied BGRA."""
    rows, columns = np.mgrid[:160, :120]
    distance = np.hypot(rows - 80, columns - 60)
    picture = np.zeros((160, 120, 4), np.uint8)
    picture[..., 0], picture[..., 1], picture[..., 2] = rows, 255 - rows, columns * 2
    picture[..., 3] = np.clip((55 - distance) * 12, 0, 255)
    return premultiplied_bgra(picture)


@pytest.mark.parametrize(
    "message",
    [
        wire.hello("0" * 32, wire.LANDMARKS),
        wire.Open(AnimationSettings("", "warp"), PICTURE, "neutral"),
        wire.act("freeze"),
        wire.Play("wink"),
    ],
)
def test_what_is_sent_to_the_host_arrives(message):
    assert wire.decode_to_host(wire.encode(message)) == message


@pytest.mark.parametrize(
    "message",
    [
        wire.Welcome(1),
        wire.Refused("full", "wait"),
        wire.NeedPicture("b" * 64),
        wire.Status(FilterStatus("a", "tracking", fps=30.0)),
        wire.Neutral("text"),
        wire.Beat(),
    ],
)
def test_what_the_host_sends_arrives(message):
    assert wire.decode_from_host(wire.encode(message)) == message


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        '{"type": "hello"}',
        '{"type": "shutdown"}',
        '{"type": "act", "action": "delete"}',
        '{"type": "act", "action": "show", "more": 1}',
        '{"type": "hello", "version": "1", "session": "x", "sends": "frames"}',
        wire.encode(wire.Open(AnimationSettings(), PICTURE)).replace("a" * 64, "../../etc/passwd"),
        wire.encode(wire.Open(AnimationSettings(), PICTURE)).replace(".png", ".exe"),
        wire.encode(wire.Open(AnimationSettings(), PICTURE)).replace("60.0", "1e9"),
        "[" * 100_000,
        " " * (wire.MAX_TEXT_BYTES + 1),
    ],
)
def test_a_text_that_is_no_message_is_refused(text):
    with pytest.raises(wire.WireError):
        wire.decode_to_host(text)


def test_no_damaged_text_does_more_than_be_refused():
    chance = random.Random(7)
    texts = [wire.encode(wire.Open(AnimationSettings(), PICTURE, "n")), wire.encode(wire.hello("1" * 32, wire.FRAMES))]
    for _ in range(3000):
        letters = list(chance.choice(texts))
        for _ in range(chance.randint(1, 8)):
            place = chance.randrange(len(letters))
            letters[place : place + chance.randint(0, 3)] = chance.choice(['"', "{", "9", "\\u0000", "é", "null", "-"])
        try:
            wire.decode_to_host("".join(letters))
        except wire.WireError:
            continue


def test_a_packet_arrives():
    packet = wire.Packet(wire.FRAME, wire.LZ4, 64, 48, number=7, captured_ns=123456789, payload=b"pixels")
    assert wire.parse_packet(packet.to_bytes()) == packet


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x01" * 10,
        wire.Packet(9).to_bytes(),
        wire.Packet(wire.FRAME, captured_ns=-1).to_bytes(),
        wire.Packet(wire.ACKNOWLEDGED, payload=b"more").to_bytes(),
        wire.Packet(wire.FRAME, payload=bytes(wire.MAX_FRAME_BYTES + 1)).to_bytes(),
        wire.Packet(wire.PICTURE, payload=bytes(wire.MAX_PICTURE_BYTES + 1)).to_bytes(),
    ],
)
def test_bytes_that_are_no_packet_are_refused(data):
    with pytest.raises(wire.WireError):
        wire.parse_packet(data)


def test_lz4_loses_nothing(drawn):
    assert np.array_equal(codecs.decode_lz4(codecs.encode_lz4(drawn), (120, 160)), drawn)


def test_jpeg_keeps_the_alpha_and_nearly_the_colours(drawn):
    shown = codecs.decode_jpeg_alpha(codecs.encode_jpeg_alpha(drawn), (120, 160))
    assert np.array_equal(shown[..., 3], drawn[..., 3])
    assert cv2.PSNR(shown[..., :3], drawn[..., :3]) > 34


def test_jpeg_never_shines_where_the_character_is_transparent(drawn):
    shown = codecs.decode_jpeg_alpha(codecs.encode_jpeg_alpha(drawn), (120, 160))
    assert not shown[drawn[..., 3] == 0].any()
    white = np.full_like(drawn, 255)
    white[..., 3] = drawn[..., 3]
    assert (shown[..., :3] <= premultiplied_bgra(white)[..., :3]).all()


def test_an_opaque_picture_needs_no_alpha(drawn):
    drawn[..., 3] = 255
    data = codecs.encode_jpeg_alpha(drawn)
    assert data[:4] == bytes(4) and (codecs.decode_jpeg_alpha(data, (120, 160))[..., 3] == 255).all()


def test_a_camera_frame_arrives_as_rgba():
    frame = np.zeros((90, 160, 3), np.uint8)
    frame[:] = (200, 40, 90)
    shown = codecs.decode_driving(codecs.encode_driving(frame), (160, 90))
    assert shown.shape == (90, 160, 4) and np.abs(shown[..., :3].astype(int) - frame).max() < 6


def jpeg_that_claims(width: int, height: int) -> bytes:
    """Return a small JPEG whose header says another size."""
    data = bytearray(codecs.encode_driving(np.zeros((16, 16, 3), np.uint8)))
    place = data.index(b"\xff\xc0") + 5
    data[place : place + 4] = struct.pack(">HH", height, width)
    return bytes(data)


@pytest.mark.parametrize(
    ("payload", "size"),
    [
        (b"", (16, 16)),
        (b"no picture at all", (16, 16)),
        (codecs.encode_driving(np.zeros((16, 16, 3), np.uint8)), (32, 16)),
        (codecs.encode_driving(np.zeros((16, 16, 3), np.uint8))[:40], (16, 16)),
        (jpeg_that_claims(60000, 60000), (16, 16)),
        (jpeg_that_claims(60000, 60000), (60000, 60000)),
        (cv2.imencode(".png", np.zeros((16, 16, 3), np.uint8))[1].tobytes(), (16, 16)),
    ],
)
def test_a_camera_frame_that_is_no_jpeg_of_its_size_is_refused(payload, size):
    with pytest.raises(wire.WireError):
        codecs.decode_driving(payload, size)


def test_a_frame_that_unpacks_to_another_size_is_refused(drawn):
    packed = codecs.encode_lz4(drawn)
    for size in ((120, 159), (120, 161), (0, 0), (60000, 60000)):
        with pytest.raises(wire.WireError):
            codecs.decode_lz4(packed, size)
    with pytest.raises(wire.WireError):
        codecs.decode_lz4(packed[: len(packed) // 2], (120, 160))
    for cut in (0, 3, 10):
        with pytest.raises(wire.WireError):
            codecs.decode_lz4(packed[:cut], (120, 160))
        with pytest.raises(wire.WireError):
            codecs.decode_jpeg_alpha(codecs.encode_jpeg_alpha(drawn)[:cut], (120, 160))


@pytest.fixture
def face() -> FaceObservation:
    landmarks = (face_model().mean * 100 + 320).astype(np.float32)
    scores = {name: round(place / 52, 4) for place, name in enumerate(BLENDSHAPES)}
    return FaceObservation(landmarks, 640, 360, 5, scores)


def test_a_face_arrives_as_it_was_tracked(face):
    row = codecs.decode_row(to_row(face, (640, 360)).tobytes())
    seen = from_row(row, 5)
    assert np.array_equal(seen.landmarks, face.landmarks)
    assert (seen.frame_width, seen.frame_height, seen.captured_ns) == (640, 360, 5)
    assert seen.blendshapes == pytest.approx(face.blendshapes)


def test_that_there_is_no_face_arrives_too(face):
    assert from_row(codecs.decode_row(to_row(None, (640, 360)).tobytes()), 5) is None


@pytest.mark.parametrize("value", [np.nan, np.inf, 1e30])
def test_landmarks_that_are_no_places_are_refused(face, value):
    row = to_row(face, (640, 360))
    row[700] = value
    with pytest.raises(ValueError, match="no row"):
        from_row(row, 5)
    with pytest.raises(wire.WireError):
        codecs.decode_row(row.tobytes()[:-4])
