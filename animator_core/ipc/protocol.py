"""Control messages between the OBS process and the worker: one JSON object a line.

Standard library only (the OBS process imports this file). The plugin writes to the worker's standard input and reads
its standard output; frames never travel here, only through `frame_ring`.
"""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass, field
from typing import Any, ClassVar, Dict, List, Tuple, Type, Union

from animator_core.ipc.face_settings import FaceSettings
from animator_core.ipc.frame_ring import RingAddress

PROTOCOL_VERSION = 8
MAX_LINE_BYTES = 1 << 20
_MAX_DIGITS = 20
"""Of a whole number: those of 64 bits and a sign. Python before 3.11 takes seconds for a million digits."""
_LONGEST_REASON = 300
_MAX_REJECTED = 20
"""Rejected lines that are remembered until somebody takes them."""

RENDERERS = ("auto", "liveportrait", "anime", "warp")
ACTIONS = ("calibrate", "forget_calibration", "freeze", "unfreeze", "hide", "show")
BY_FACE = "auto"
"""In place of an expression: the one that the driver's face has."""
STATES = ("loading", "calibrating", "tracking", "no_face", "no_camera", "frozen", "error")


class MessageError(Exception):
    """A line is no message of this protocol; the text is cut to the length of a log line."""

    def __init__(self, text: str) -> None:
        super().__init__(text if len(text) <= _LONGEST_REASON else f"{text[: _LONGEST_REASON - 1]}…")


@dataclass(frozen=True)
class AnimationSettings:
    """One filter's settings for the worker. Raises MessageError for a value out of its range.

    character: file name in the character library, "" for the first one. renderer: one of `RENDERERS`.
    frame_rate: OBS's frames a second, 1 to 1000; the worker never renders more. expression: of the character's pictures
    (`character_names.list_expressions`), "" for its own one, `BY_FACE` for that of the driver's face. most_share: the
    share of the time that rendering may take, 0.05 to 1; the configuration may allow less.
    """

    character: str = ""
    renderer: str = "auto"
    face: FaceSettings = field(default_factory=FaceSettings)
    frame_rate: float = 60.0
    expression: str = ""
    most_share: float = 1.0

    def __post_init__(self) -> None:
        if self.renderer not in RENDERERS:
            raise MessageError(f"renderer is {self.renderer!r}, expected one of {', '.join(RENDERERS)}")
        if not 1.0 <= self.frame_rate <= 1000.0:
            raise MessageError(f"frame_rate is {self.frame_rate}, expected 1 to 1000")
        if not 0.05 <= self.most_share <= 1.0:
            raise MessageError(f"most_share is {self.most_share}, expected 0.05 to 1")


@dataclass(frozen=True)
class CharacterEntry:
    """A character of the library: its file name, the name to show, and the absolute path of its picture.

    problem, remedy: why it cannot be shown, if that is known, and the remedy; or "".
    warning, advice: what will look wrong of one that can be shown, if that is known, and what helps; or "".
    """

    file: str
    display_name: str
    path: str
    problem: str = ""
    remedy: str = ""
    warning: str = ""
    advice: str = ""


# --- from the plugin to the worker ---


@dataclass(frozen=True)
class OpenFilter:
    """A filter exists: read driving frames from one ring, write animated frames to the other.

    neutral: from the last `NeutralPose` of the filter, so that a new worker need not calibrate; or "".
    camera_id: 32 hex digits, under which the neutral pose is kept for the next start of OBS; or "" to keep none.
    """

    type: ClassVar[str] = "open_filter"
    filter_id: str
    driving: RingAddress
    animated: RingAddress
    settings: AnimationSettings
    neutral: str = ""
    camera_id: str = ""


@dataclass(frozen=True)
class UpdateFilter:
    """A filter's settings changed; the rings stay."""

    type: ClassVar[str] = "update_filter"
    filter_id: str
    settings: AnimationSettings


@dataclass(frozen=True)
class CloseFilter:
    """A filter is gone: let go of its rings."""

    type: ClassVar[str] = "close_filter"
    filter_id: str


@dataclass(frozen=True)
class FilterAction:
    """A button or hotkey of one filter, or whether anybody sees it: one of `ACTIONS`.

    A hidden filter stays ready, but nothing is rendered for it.
    """

    type: ClassVar[str] = "filter_action"
    filter_id: str
    action: str

    def __post_init__(self) -> None:
        if self.action not in ACTIONS:
            raise MessageError(f"action is {self.action!r}, expected one of {', '.join(ACTIONS)}")


@dataclass(frozen=True)
class PlayEmote:
    """A filter's character plays the emote of that name, see `emote_names`, over the live motion."""

    type: ClassVar[str] = "play_emote"
    filter_id: str
    emote: str


@dataclass(frozen=True)
class AddCharacter:
    """Copy the picture at this absolute path into the library, and answer with `CharacterAdded`."""

    type: ClassVar[str] = "add_character"
    filter_id: str
    path: str


@dataclass(frozen=True)
class CutOutCharacter:
    """Write a character's picture without its background into the library, and answer with `CharacterAdded`."""

    type: ClassVar[str] = "cut_out_character"
    filter_id: str
    file: str


@dataclass(frozen=True)
class RefreshCharacters:
    """Look at the character folder again and answer with a `CharacterList`."""

    type: ClassVar[str] = "refresh_characters"


@dataclass(frozen=True)
class Shutdown:
    """Finish and leave; the end of standard input means the same."""

    type: ClassVar[str] = "shutdown"


# --- from the worker to the plugin ---


@dataclass(frozen=True)
class Ready:
    """The worker is up and speaks this protocol version."""

    type: ClassVar[str] = "ready"
    version: int
    pid: int


@dataclass(frozen=True)
class FilterOpened:
    """The worker has mapped both rings of a filter: their names can be removed."""

    type: ClassVar[str] = "filter_opened"
    filter_id: str


@dataclass(frozen=True)
class CharacterList:
    """The characters of the library, in the order of the panel and the hotkeys."""

    type: ClassVar[str] = "character_list"
    characters: Tuple[CharacterEntry, ...]  # noqa: UP006 - read at run time by Python 3.8


@dataclass(frozen=True)
class CharacterAdded:
    """A picture was added, after the `CharacterList` that has it; file: "" with the reason and the remedy if not."""

    type: ClassVar[str] = "character_added"
    filter_id: str
    file: str = ""
    message: str = ""
    remedy: str = ""


@dataclass(frozen=True)
class FilterStatus:
    """How one filter is doing, about once a second and at every change of state.

    state: one of `STATES`. fps: animated frames a second. latency_ms: capture to published, median of the last second.
    renderer, device: those in use ("warp" on "CPU"). message, remedy: of the present problem, or "".
    """

    type: ClassVar[str] = "filter_status"
    filter_id: str
    state: str
    fps: float = 0.0
    latency_ms: float = 0.0
    renderer: str = ""
    device: str = ""
    character: str = ""
    message: str = ""
    remedy: str = ""

    def __post_init__(self) -> None:
        if self.state not in STATES:
            raise MessageError(f"state is {self.state!r}, expected one of {', '.join(STATES)}")


@dataclass(frozen=True)
class NeutralPose:
    """A filter's calibration was found, or forgotten.

    neutral: ten kilobytes of text that mean something to the worker alone, for `OpenFilter`; "" for none.
    """

    type: ClassVar[str] = "neutral_pose"
    filter_id: str
    neutral: str


def may_be_slow(renderer: str, device: str) -> bool:
    """Return whether a frame may take longer than a worker may be silent: LivePortrait without a GPU."""
    return renderer == "liveportrait" and device.startswith("CPU")


@dataclass(frozen=True)
class WorkerProblem:
    """A problem of no single filter; the worker goes on as far as it can."""

    type: ClassVar[str] = "worker_problem"
    message: str
    remedy: str = ""


Message = Union[
    OpenFilter,
    UpdateFilter,
    CloseFilter,
    FilterAction,
    PlayEmote,
    AddCharacter,
    CutOutCharacter,
    RefreshCharacters,
    Shutdown,
    Ready,
    FilterOpened,
    CharacterList,
    CharacterAdded,
    FilterStatus,
    NeutralPose,
    WorkerProblem,
]
_TYPES: Dict[str, Type[Any]] = {  # noqa: UP006
    cls.type: cls
    for cls in (
        OpenFilter,
        UpdateFilter,
        CloseFilter,
        FilterAction,
        PlayEmote,
        AddCharacter,
        CutOutCharacter,
        RefreshCharacters,
        Shutdown,
        Ready,
        FilterOpened,
        CharacterList,
        CharacterAdded,
        FilterStatus,
        NeutralPose,
        WorkerProblem,
    )
}


def encode(message: Message) -> bytes:
    """Return a message as one line of UTF-8 JSON, ending in a newline."""
    return (json.dumps({"type": message.type, **dataclasses.asdict(message)}) + "\n").encode()


def decode(line: bytes) -> Message:
    """Return the message in one line; raises MessageError for any other line."""
    if len(line) > MAX_LINE_BYTES:
        raise MessageError(f"a line of over {MAX_LINE_BYTES} bytes")
    try:
        fields = json.loads(line, parse_int=_whole)
        kind = _TYPES[fields.pop("type")]
        message: Message = _build(kind, fields)
        return message
    except MessageError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as exc:
        raise MessageError(f"not a message: {line[:80]!r} ({exc})") from exc


def _whole(digits: str) -> int:
    if len(digits) > _MAX_DIGITS:
        raise MessageError(f"a whole number of {len(digits)} digits")
    return int(digits)


_NESTED: Dict[str, Any] = {  # noqa: UP006
    "driving": RingAddress,
    "animated": RingAddress,
    "settings": AnimationSettings,
    "face": FaceSettings,
}
_SCALARS: Dict[str, Any] = {"str": str, "bool": bool, "int": int, "float": (int, float)}  # noqa: UP006


def _build(cls: Type[Any], fields: Dict[str, Any]) -> Any:  # noqa: UP006
    values: Dict[str, Any] = {}  # noqa: UP006
    declared = {f.name: f for f in dataclasses.fields(cls)}
    for name, value in fields.items():
        if name not in declared:
            raise MessageError(f"{cls.__name__} has no field {name!r}")
        if name in _NESTED:
            value = _build(_NESTED[name], value)
        elif name == "characters":
            value = tuple(_build(CharacterEntry, entry) for entry in value)
        else:
            expected = _SCALARS[str(declared[name].type)]
            is_right = isinstance(value, expected) and (expected is bool or not isinstance(value, bool))
            if not is_right or (isinstance(value, float) and not math.isfinite(value)):
                raise MessageError(f"{cls.__name__}.{name} is {value!r}, expected {declared[name].type}")
        values[name] = value
    return cls(**values)


@dataclass
class LineDecoder:
    """Cuts a stream of bytes into messages, and skips lines that are none.

    rejected: what is wrong with the first of them since it was last cleared.
    """

    rejected: List[str] = field(default_factory=list)  # noqa: UP006
    _line: bytearray = field(default_factory=bytearray)
    _is_too_long: bool = False

    def feed(self, data: bytes) -> List[Message]:  # noqa: UP006
        """Return the messages that ``data`` completes, in order."""
        messages: List[Message] = []  # noqa: UP006
        first, *others = data.split(b"\n")
        self._extend(first)
        for part in others:
            self._end_line(messages)
            self._extend(part)
        return messages

    def _extend(self, part: bytes) -> None:
        if self._is_too_long:
            return
        if len(self._line) + len(part) > MAX_LINE_BYTES:
            self._is_too_long = True
            self._reject(f"a line of over {MAX_LINE_BYTES} bytes")
            self._line = bytearray()
        else:
            self._line += part

    def _end_line(self, messages: List[Message]) -> None:  # noqa: UP006
        line, self._line, self._is_too_long = bytes(self._line), bytearray(), False
        if line.strip():
            try:
                messages.append(decode(line))
            except MessageError as exc:
                self._reject(str(exc))

    def _reject(self, reason: str) -> None:
        if len(self.rejected) < _MAX_REJECTED:
            self.rejected.append(reason)
