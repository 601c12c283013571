"""The messages between the computer with OBS and the host: JSON as text, frames and pictures as binary.

One WebSocket is one session. Frames go both ways, at most one under way in each: the next one follows the
acknowledgement, and is then the newest there is.
"""

from __future__ import annotations

import contextlib
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Literal, Union

import msgspec
from msgspec import Meta, Struct

from animator_core.ipc.protocol import MAX_LINE_BYTES, AnimationSettings, FilterStatus, MessageError

WIRE_VERSION = 1
DEFAULT_PORT = 7907
SESSION_PATH = "/session"
PAIR_PATH = "/pair"
FRAMES, LANDMARKS = "frames", "landmarks"
"""What leaves the computer with OBS: camera frames, or the landmarks that it tracked in them and no picture."""

MAX_PICTURE_BYTES = 32 << 20
MAX_DESCRIPTION_BYTES = 1 << 16
MAX_TEXT_BYTES = 1 << 18
MAX_FRAME_BYTES = 2048 * 2048 * 4 + 4096
SUFFIXES = (".png", ".jpg", ".jpeg", ".jpe", ".jfif", ".webp")

_Sha256 = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]
_Line = Annotated[str, Meta(max_length=2000)]


class WireError(Exception):
    """A message is none of this wire, or breaks one of its limits."""


class Picture(Struct, frozen=True, forbid_unknown_fields=True):
    """A character's picture, named by the sha256 of its bytes followed by its description's.

    suffix: of its file. description: the text of the yaml file beside it, or "".
    """

    sha256: _Sha256
    suffix: Annotated[str, Meta(pattern=rf"^(?:{'|'.join(map(re.escape, SUFFIXES))})\Z")]
    description: Annotated[str, Meta(max_length=MAX_DESCRIPTION_BYTES)] = ""


class Hello(Struct, frozen=True, forbid_unknown_fields=True, tag="hello"):
    """The first message of a session; sends: FRAMES or LANDMARKS.

    session: chosen at random by the computer with OBS, the same when it connects again: the former one ends.
    """

    version: int
    session: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    sends: Literal["frames", "landmarks"]


class Open(Struct, frozen=True, forbid_unknown_fields=True, tag="open"):
    """Animate this picture; also sent when settings or picture change. neutral: see `protocol.NeutralPose`."""

    settings: AnimationSettings
    picture: Picture
    neutral: Annotated[str, Meta(max_length=MAX_TEXT_BYTES // 2)] = ""


class Act(Struct, frozen=True, forbid_unknown_fields=True, tag="act"):
    """One of `protocol.ACTIONS`."""

    action: Literal["calibrate", "forget_calibration", "freeze", "unfreeze", "hide", "show"]


class Play(Struct, frozen=True, forbid_unknown_fields=True, tag="play"):
    """Play the host's emote of this name over the live motion."""

    emote: Annotated[str, Meta(max_length=200)]


class Welcome(Struct, frozen=True, forbid_unknown_fields=True, tag="welcome"):
    """The host has room for the session."""

    version: int


class Refused(Struct, frozen=True, forbid_unknown_fields=True, tag="refused"):
    """The host ends the session, and why; the remedy may be ""."""

    message: _Line
    remedy: _Line = ""


class NeedPicture(Struct, frozen=True, forbid_unknown_fields=True, tag="need_picture"):
    """The host does not have this picture: send its bytes."""

    sha256: _Sha256


class Status(Struct, frozen=True, forbid_unknown_fields=True, tag="status"):
    """The worker's status of the session."""

    status: FilterStatus


class Neutral(Struct, frozen=True, forbid_unknown_fields=True, tag="neutral"):
    """The worker found the person's neutral pose, or forgot it."""

    neutral: Annotated[str, Meta(max_length=MAX_TEXT_BYTES // 2)]


class Beat(Struct, frozen=True, forbid_unknown_fields=True, tag="beat"):
    """The worker of the session is alive; several a second, with or without frames."""


def hello(session: str, sends: str) -> Hello:
    """Return the hello of this release."""
    return msgspec.convert({"type": "hello", "version": WIRE_VERSION, "session": session, "sends": sends}, Hello)


def act(action: str) -> Act:
    """Return the message of an action; raises msgspec.ValidationError for an unknown one."""
    return msgspec.convert({"type": "act", "action": action}, Act)


ToHost = Union[Hello, Open, Act, Play]
FromHost = Union[Welcome, Refused, NeedPicture, Status, Neutral, Beat]
_ENCODER = msgspec.json.Encoder()
_TO_HOST, _FROM_HOST = msgspec.json.Decoder(ToHost), msgspec.json.Decoder(FromHost)


def encode(message: ToHost | FromHost) -> str:
    """Return a message as text."""
    return _ENCODER.encode(message).decode()


def decode_to_host(text: str) -> ToHost:
    """Return a message of the computer with OBS; raises WireError."""
    with _checked(text):
        message: ToHost = _TO_HOST.decode(text)
    return message


def decode_from_host(text: str) -> FromHost:
    """Return a message of the host; raises WireError."""
    with _checked(text):
        message: FromHost = _FROM_HOST.decode(text)
    return message


@contextlib.contextmanager
def _checked(text: str) -> Iterator[None]:
    """Turn whatever decoding raises into WireError."""
    if len(text) > MAX_TEXT_BYTES:
        raise WireError(f"a message of {len(text)} characters")
    try:
        yield
    except (msgspec.MsgspecError, MessageError, ValueError, RecursionError) as exc:
        raise WireError(f"no message: {text[:80]!r} ({exc})") from exc


# --- binary messages ---

FRAME, ACKNOWLEDGED, PICTURE = 1, 2, 3
JPEG, LANDMARK_ROW, LZ4, JPEG_ALPHA = 1, 2, 3, 4
_HEADER = struct.Struct("<BBHHxxIq")


@dataclass(frozen=True)
class Packet:
    """A binary message.

    kind: FRAME, ACKNOWLEDGED or PICTURE. codec: of a frame: JPEG, LANDMARK_ROW (up), LZ4, JPEG_ALPHA (down). width,
    height: of its picture in pixels. number: counted from 1 in each direction; an acknowledgement repeats it.
    captured_ns: the camera frame's capture time on the clock of the computer with OBS, 0 for none.
    """

    kind: int
    codec: int = 0
    width: int = 0
    height: int = 0
    number: int = 0
    captured_ns: int = 0
    payload: bytes | memoryview = b""

    def to_bytes(self) -> bytes:
        """Return the message."""
        header = _HEADER.pack(self.kind, self.codec, self.width, self.height, self.number, self.captured_ns)
        return b"".join((header, self.payload))


def parse_packet(data: bytes) -> Packet:
    """Return the packet in a binary message; raises WireError."""
    try:
        kind, codec, width, height, number, captured_ns = _HEADER.unpack_from(data)
    except struct.error as exc:
        raise WireError(f"a packet of {len(data)} bytes") from exc
    limit = {FRAME: MAX_FRAME_BYTES, ACKNOWLEDGED: 0, PICTURE: MAX_PICTURE_BYTES}.get(kind, -1)
    payload = memoryview(data)[_HEADER.size :]
    if len(payload) > limit or captured_ns < 0:
        raise WireError(f"a packet of kind {kind} with {len(payload)} bytes")
    return Packet(kind, codec, width=width, height=height, number=number, captured_ns=captured_ns, payload=payload)


MAX_MESSAGE_BYTES = max(MAX_PICTURE_BYTES, MAX_FRAME_BYTES, MAX_LINE_BYTES) + _HEADER.size
