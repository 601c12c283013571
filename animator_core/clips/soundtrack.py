"""Copies the sound of a driving clip into the written video; a fault in the sound never stops the video."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import av

from animator_core.clips.audio_timeline import LAYOUT, RATE, AudioTimeline
from animator_core.clips.media_file import find_stream, may_restart_clock, open_media, undecodable_codecs

_COPIED = {
    "mp4": ("aac", "mp3", "ac3", "eac3"),
    "mov": ("aac", "mp3", "ac3", "eac3", "alac", "pcm_s16le"),
    "webm": ("opus", "vorbis"),
}
_ENCODED = {"mp4": "aac", "mov": "aac", "webm": "libopus"}
_STEADY_CONTAINERS = ("mp4", "matroska")
"""Containers that describe a stream once; in others the audio format may change on the way."""


class Soundtrack:
    """The first decodable audio stream of a clip: copied if the new container can hold it, else encoded.

    notice: a fault for the user, or "".
    """

    def __init__(self, container: Any, first_time: Fraction) -> None:
        self.notice = ""
        self._source = container
        self._stream = find_stream(container, "audio")
        self._first_time = first_time
        self._target: Any = None
        self._out: Any = None
        self._packets: Iterator[Any] = iter(())
        self._pending: Any = None
        self._is_copied = False
        self._is_over = self._stream is None
        self._last_dts: int | None = None
        self._timeline = AudioTimeline(may_restart_clock(container))
        if self._stream is None:
            kinds = ", ".join(undecodable_codecs(container, "audio"))
            self.notice = f"its sound ({kinds}) cannot be decoded and was left out; convert it to AAC to keep it"

    @classmethod
    def of(cls, path: Path, first_time: Fraction) -> Soundtrack | None:
        """Return the sound of a clip, or None; first_time: of the clip's first frame, in seconds."""
        try:
            container = open_media(path)
        except (av.FFmpegError, OSError):
            return None
        if not container.streams.audio:
            container.close()
            return None
        return cls(container, first_time)

    def start(self, target: Any, container_name: str) -> None:
        """Add a sound stream to the file being written."""
        if self._is_over:
            return
        self._target = target
        self._is_copied = self._can_be_copied(container_name)
        if self._is_copied:
            self._out = target.add_stream_from_template(self._stream)
        else:
            self._out = target.add_stream(_ENCODED[container_name], rate=RATE)
            self._out.codec_context.layout = LAYOUT
        self._packets = self._source.demux(self._stream)
        self._pending = next(self._packets, None)

    def copy_until(self, time: Fraction) -> None:
        """Write the sound up to ``time``, in seconds after the first frame."""
        while not self._is_over and self._pending is not None and self._reached(self._pending) < time:
            self._carry(self._pending)
            try:
                self._pending = next(self._packets, None)
            except (av.FFmpegError, ValueError):
                self._end()

    def finish(self) -> None:
        """Write the encoder's last packets."""
        if self._out is not None and not self._is_copied:
            self._encode(self._timeline.flush())
            self._encode([None])
        self._source.close()

    def _can_be_copied(self, container_name: str) -> bool:
        is_steady = any(name in self._source.format.name for name in _STEADY_CONTAINERS)
        if not is_steady or self._stream.codec_context.name not in _COPIED[container_name]:
            return False
        try:
            # A stream that the container cannot hold would fail only at the first frame, and stop the video.
            with av.open(io.BytesIO(), "w", format=container_name) as trial:
                trial.add_stream_from_template(self._stream)
                trial.start_encoding()
        except (av.FFmpegError, ValueError):
            return False
        return True

    def _reached(self, packet: Any) -> Fraction:
        """Return the sound's position in the new file, in seconds, with ``packet`` the next one."""
        if not self._is_copied:
            return Fraction(self._timeline.position, RATE)
        if packet.pts is None:
            return Fraction(-1)
        return Fraction(packet.pts * packet.time_base - self._first_time)

    def _carry(self, packet: Any) -> None:
        if self._is_copied:
            self._copy(packet)
            return
        try:
            frames = packet.decode()
        except (av.FFmpegError, ValueError):
            return  # a damaged packet is skipped
        try:
            for frame in frames:
                start = None if frame.pts is None else frame.pts * frame.time_base - self._first_time
                self._encode(self._timeline.add(frame, start))
        except (av.FFmpegError, ValueError):
            self._end()

    def _copy(self, packet: Any) -> None:
        if packet.pts is None or self._reached(packet) < 0:
            return
        packet.pts -= round(self._first_time / packet.time_base)
        if self._last_dts is not None and packet.pts <= self._last_dts:
            return  # time stamps in a file must rise
        packet.dts = self._last_dts = packet.pts
        packet.stream = self._out
        self._target.mux(packet)

    def _encode(self, frames: Iterable[Any]) -> None:
        for frame in frames:
            try:
                packets = self._out.encode(frame)
            except (av.FFmpegError, ValueError):
                self._end()
                return
            self._target.mux(packets)

    def _end(self) -> None:
        """Drop the rest of the sound, with a notice."""
        if not self._is_over:
            self._is_over = True
            self.notice = f"its sound ends after {self._timeline.position / RATE:.1f} s; the rest cannot be converted"
