"""Carries the sound of a driving clip over into the video that is written."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

_COPIED = {
    "mp4": ("aac", "mp3", "ac3", "eac3"),
    "mov": ("aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le"),
    "webm": ("opus", "vorbis"),
}
_ENCODED = {"mp4": "aac", "mov": "aac", "webm": "libopus"}
_RATE = 48000


class Soundtrack:
    """The first sound stream of a clip: copied as it is where the new file can hold it, else encoded anew."""

    def __init__(self, container: Any, first_time: Fraction) -> None:
        self._source = container
        self._first_time = first_time
        self._target: Any = None
        self._out: Any = None
        self._packets: Iterator[Any] = iter(())
        self._pending: Any = None
        self._is_copied = False

    @classmethod
    def of(cls, path: Path, first_time: Fraction) -> Soundtrack | None:
        """Return the sound of a clip whose first frame has the time ``first_time``, or None where it has none."""
        try:
            container = av.open(str(path))
        except (av.FFmpegError, OSError):
            return None
        if not container.streams.audio:
            container.close()
            return None
        return cls(container, first_time)

    def start(self, target: Any, container_name: str) -> None:
        """Add a sound stream to the file being written."""
        stream = self._source.streams.audio[0]
        self._target = target
        self._is_copied = stream.codec_context.name in _COPIED[container_name]
        if self._is_copied:
            self._out = target.add_stream_from_template(stream)
        else:
            self._out = target.add_stream(_ENCODED[container_name], rate=_RATE)
            self._out.codec_context.layout = "stereo"
        self._packets = self._source.demux(stream)
        self._pending = next(self._packets, None)

    def copy_until(self, time: Fraction) -> None:
        """Write the sound that starts before ``time``, in seconds after the first frame."""
        while self._pending is not None and self._time_of(self._pending) < time:
            self._carry(self._pending)
            self._pending = next(self._packets, None)

    def finish(self) -> None:
        """Write what the encoder still holds."""
        if not self._is_copied:
            self._target.mux(self._out.encode(None))
        self._source.close()

    def _time_of(self, packet: Any) -> Fraction:
        if packet.pts is None:
            return Fraction(-1)
        return Fraction(packet.pts * packet.time_base - self._first_time)

    def _carry(self, packet: Any) -> None:
        if packet.pts is None or self._time_of(packet) < 0:
            return
        shift = round(self._first_time / packet.time_base)
        if self._is_copied:
            packet.pts -= shift
            packet.dts = packet.pts
            packet.stream = self._out
            self._target.mux(packet)
            return
        try:
            frames = packet.decode()
        except av.FFmpegError:
            return  # a damaged spot in the sound costs that spot, not the video
        for frame in frames:
            if frame.pts is not None:
                frame.pts -= shift
            self._target.mux(self._out.encode(frame))
