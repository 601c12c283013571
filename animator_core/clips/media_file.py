"""Opens video and sound files through PyAV, and chooses the stream in them that can be decoded."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import av.logging
from av.format import Flags
from av.stream import Disposition


def media_url(path: Path) -> str:
    """Return a file as FFmpeg takes it: without the prefix a colon in the name would end a protocol's name."""
    return f"file:{path}"


def find_stream(container: Any, kind: str) -> Any:
    """Return the stream of a ``kind`` ("video", "audio") that a player takes, or None.

    That is the first one with a decoder, of those that the file marks as its default if there are such; cover art is no
    video.
    """
    return next((each for each in _streams(container, kind) if each.codec_context is not None), None)


def undecodable_codecs(container: Any, kind: str) -> list[str]:
    """Return the names of the codecs of a ``kind`` ("video", "audio") for which there is no decoder."""
    return [_codec_name(container, each.index) for each in _streams(container, kind) if each.codec_context is None]


def may_restart_clock(container: Any) -> bool:
    """Return whether time stamps of this kind of file may jump, as in joined segments of a transport stream."""
    return bool(container.format.flags & Flags.ts_discont.value)


def _streams(container: Any, kind: str) -> list[Any]:
    is_cover = Disposition.attached_pic
    streams = [each for each in container.streams if each.type == kind and not each.disposition & is_cover]
    return sorted(streams, key=lambda each: not each.disposition & Disposition.default)


def _codec_name(container: Any, index: int) -> str:
    """Return what a codec is called that FFmpeg may not know: PyAV tells nothing of it but this text."""
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
