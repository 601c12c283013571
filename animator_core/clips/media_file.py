"""Selects the decodable video and audio streams of files opened with PyAV."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import av.logging
from av.container import InputContainer
from av.format import Flags
from av.stream import Disposition


def media_url(path: Path) -> str:
    """Return a file's URL for FFmpeg; without the prefix, a name with a colon would be read as a protocol."""
    return f"file:{path}"


def open_media(path: Path) -> InputContainer:
    """Return a file opened for reading; raises av.FFmpegError or OSError.

    Titles and comments need not be UTF-8: those of older programs are in the computer's own encoding.
    """
    return av.open(media_url(path), metadata_errors="replace")


def find_stream(container: Any, kind: str) -> Any:
    """Return the stream of a ``kind`` ("video", "audio") that a player would choose, or None.

    It is the first stream with a decoder; streams that the file marks as default come first, cover art is left out.
    """
    return next((each for each in _streams(container, kind) if each.codec_context is not None), None)


def undecodable_codecs(container: Any, kind: str) -> list[str]:
    """Return the names of the codecs of a ``kind`` ("video", "audio") that have no decoder."""
    return [_codec_name(container, each.index) for each in _streams(container, kind) if each.codec_context is None]


def may_restart_clock(container: Any) -> bool:
    """Return whether time stamps of this kind of file may jump, as in joined segments of a transport stream."""
    return bool(container.format.flags & Flags.ts_discont.value)


def _streams(container: Any, kind: str) -> list[Any]:
    is_cover = Disposition.attached_pic
    streams = [each for each in container.streams if each.type == kind and not each.disposition & is_cover]
    return sorted(streams, key=lambda each: not each.disposition & Disposition.default)


def _codec_name(container: Any, index: int) -> str:
    """Return the name of a codec that FFmpeg may not know, from the file's dump: PyAV has no other source for it."""
    with _log_level(av.logging.INFO):
        text = container.dumps_format()
    found = re.search(rf"Stream #0:{index}\b[^\n]*?: (?:Video|Audio): (\S+)(?:[^,\n]*?\((\S+) / 0x)?", text)
    if found is None:
        return "unknown"
    name, tag = found.groups()
    return str(tag if name.rstrip(",") in ("none", "unknown") and tag else name.rstrip(","))


@contextmanager
def _log_level(level: int) -> Iterator[None]:
    before = av.logging.get_level()
    av.logging.set_level(level)
    try:
        yield
    finally:
        av.logging.set_level(before)
