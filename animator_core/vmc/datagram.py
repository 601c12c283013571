"""OSC datagrams from anybody, as messages."""

from __future__ import annotations

import struct
from collections.abc import Iterator

from pythonosc.osc_message import OscMessage, ParseError

_BUNDLE = b"#bundle\0"
_HEADER_BYTES = len(_BUNDLE) + 8
_DEEPEST = 4
"""Bundles in bundles; senders of VMC use one."""


class MalformedDatagram(Exception):
    """It is not OSC."""


def messages_of(datagram: bytes, depth: int = 0) -> Iterator[OscMessage]:
    """Yield the messages of a datagram, those of bundles included; raises MalformedDatagram where it is not OSC.

    python-osc parses the messages only: a negative size in a bundle keeps its bundle parser for ever.
    """
    if not datagram.startswith(_BUNDLE):
        try:
            yield OscMessage(datagram)
        except (ParseError, ValueError, IndexError, struct.error, OverflowError) as exc:
            raise MalformedDatagram(str(exc)) from exc
        return
    if depth == _DEEPEST or len(datagram) < _HEADER_BYTES:
        raise MalformedDatagram("a bundle is too deep or too short")
    index = _HEADER_BYTES
    while index < len(datagram):
        if index + 4 > len(datagram):
            raise MalformedDatagram("a bundle ends within a size")
        (size,) = struct.unpack_from(">i", datagram, index)
        start, index = index + 4, index + 4 + size
        if size <= 0 or index > len(datagram):
            raise MalformedDatagram(f"a bundle has an element of {size} bytes")
        yield from messages_of(datagram[start:index], depth + 1)
