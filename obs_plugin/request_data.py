"""Checks the data of a request that came from another program."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import json
from typing import Any, Callable, Dict, Iterable, Mapping, NamedTuple

from animator_core.ipc.face_settings import Range

Content = Dict[str, Any]
"""A JSON object without null, and with arrays of objects only: OBS knows no others."""

_LONGEST_TEXT = 255
"""In characters; no file system has longer names."""
_LONGEST_SHOWN = 40


class RequestError(Exception):
    """A request cannot be carried out."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class Kind(NamedTuple):
    """The values that a key takes: in words, and as a test."""

    expected: str
    accepts: Callable[[Any], bool]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _LONGEST_TEXT


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value > 0


TEXT = Kind(f"a text of 1 to {_LONGEST_TEXT} characters", _is_text)
TEXT_OR_COUNT = Kind(f"{TEXT.expected}, or a number from 1", lambda value: _is_text(value) or _is_count(value))
FLAG = Kind("true or false", lambda value: isinstance(value, bool))


def choice(among: Iterable[str]) -> Kind:
    """Return the kind of one of the given texts."""
    values = tuple(among)
    return Kind(f"one of {', '.join(values)}", lambda value: isinstance(value, str) and value in values)


def number(limits: Range) -> Kind:
    """Return the kind of a number within the limits."""

    def accepts(value: Any) -> bool:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and limits.least <= value <= limits.most

    return Kind(f"a number from {limits}", accepts)


def check(data: Mapping[str, Any], kinds: Mapping[str, Kind]) -> None:
    """Raise `RequestError` for a key that is not in ``kinds``, or a value of another kind."""
    for key, value in data.items():
        if key not in kinds:
            raise RequestError(f"There is no key {shown(key)} in this request", f"It takes {', '.join(kinds)}")
        if not kinds[key].accepts(value):
            raise RequestError(f"{key} cannot be {shown(value)}", f"It takes {kinds[key].expected}")


def shown(value: Any) -> str:
    """Return a value as JSON, cut to the length of a line."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _LONGEST_SHOWN else f"{text[: _LONGEST_SHOWN - 1]}…"
