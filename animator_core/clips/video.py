"""Reads and writes video files frame by frame, with exact times.

Uses PyAV, the only candidate that gives every frame's time stamp (variable frame rates, 29.97), encodes alpha (VP9,
ProRes 4444) and copies sound. Its wheels contain the GPL library x264: the worker for OBS never imports this module,
nothing of PyAV is distributed with this project, and the licence does not extend to written files.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Any, Callable

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace

from animator_core.arrays import UInt8Array
from animator_core.atomic_file import link_target, replace_file, unfinished_file
from animator_core.clips.audio_timeline import CLOCK_AHEAD, CLOCK_BACK
from animator_core.clips.display_matrix import upright
from animator_core.clips.media_file import find_stream, may_restart_clock, media_url, open_media, undecodable_codecs
from animator_core.clips.soundtrack import Soundtrack
from animator_core.errors import AnimatorError, CameraError

_DEFAULT_RATE = Fraction(30)
_MAX_RATE = 1000
_ROUNDING, _SOUND_ALONE = (0.25, 0.02), (1.0, 0.05)
"""Tolerated difference to a video's stated duration, in seconds and as a share of it."""
# FFmpeg's numbers (ISO/IEC 23091-2); without them players guess the colour space from the picture's size.
_LIMITED_RANGE, _BT709, _SRGB_TRANSFER = 1, 1, 13


@dataclass(frozen=True)
class VideoFrame:
    """A frame's picture, (H, W, 3) uint8 RGB, and its time in seconds after the first frame."""

    picture: UInt8Array
    time: Fraction


class VideoReader:
    """A video file, read once from its first frame to its last.

    rate: average frames a second. time_base: the unit of all frame times, in seconds.
    frame_count: an estimate; None if the file does not give one.
    damaged_count: packets so far that could not be decoded and were skipped.
    missing_seconds: stated minus read duration, known at the end; 0.0 if the file is complete.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.damaged_count = 0
        self.missing_seconds = 0.0
        if os.path.isdir(path):
            raise CameraError(f"{path} is a folder", "give a video file")
        if not os.path.exists(path):
            raise CameraError(f"there is no video {path}", "check the path")
        try:
            self._container = open_media(path)
        except (av.FFmpegError, OSError) as exc:
            raise CameraError(f"cannot read the video {path} ({_reason(exc)})", "copy or convert it again") from exc
        self._stream = find_stream(self._container, "video")
        if self._stream is None:
            unknown = undecodable_codecs(self._container, "video")
            self._container.close()
            if unknown:
                raise CameraError(
                    f"the video in {path} is {unknown[0]}, which has no decoder here", "convert it to MP4 (H.264)"
                )
            raise CameraError(f"{path} has no video stream, only sound or a cover", "give a video of a face")
        self._stream.thread_type = "AUTO"
        rate = self._stream.average_rate or self._stream.guessed_rate or _DEFAULT_RATE
        self.rate = rate if 0 < rate <= _MAX_RATE else _DEFAULT_RATE
        self.time_base: Fraction = self._stream.time_base or 1 / self.rate
        self.first_time: Fraction | None = None
        self._origin = Fraction(0)
        self._has_new_clock = False
        self._most_ahead = CLOCK_AHEAD if may_restart_clock(self._container) else None
        self._end = Fraction(0)
        # The container's pixel aspect overrides the codec's, which may change on the way.
        aspect, codec_aspect = self._stream.sample_aspect_ratio, self._stream.codec_context.sample_aspect_ratio
        self._aspect = aspect if aspect and aspect != codec_aspect else None
        self.frame_count = self._stream.frames or self._estimated_count()

    def __enter__(self) -> VideoReader:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def __iter__(self) -> Iterator[VideoFrame]:
        """Yield every frame in order of time; raises CameraError if there is none."""
        time = None
        for packet in self._packets():
            if packet.pts is not None:
                # The packet has the frame's duration, which may be long.
                self._end = max(self._end, (packet.pts + (packet.duration or 0)) * self.time_base)
            try:
                decoded = packet.decode()
            except (av.FFmpegError, ValueError):
                self.damaged_count += 1
                continue
            for frame in decoded:
                time = self._time_of(frame, time)
                aspect = self._aspect or self._stream.codec_context.sample_aspect_ratio
                yield VideoFrame(_displayed(frame, aspect), time)
        if time is None:
            raise CameraError(f"{self.path} is empty or damaged: no frame can be decoded", "copy or convert it again")
        if not self._has_new_clock:
            self.missing_seconds = self._missing_seconds()

    def _packets(self) -> Iterator[Any]:
        """Yield the packets; damage that nothing can be read after ends them."""
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
            except (av.FFmpegError, ValueError):
                self.damaged_count += 1
                return
            if packet is None:
                return
            yield packet

    def close(self) -> None:
        self._container.close()

    def _estimated_count(self) -> int | None:
        if self._container.duration is None:
            return None
        return max(1, round(Fraction(self._container.duration, 1_000_000) * self.rate))

    def _missing_seconds(self) -> float:
        """Return the stated minus the read duration, or 0.0 within the tolerance for rounding."""
        stream = self._stream
        read = float(self._end - (stream.start_time or 0) * self.time_base)
        if stream.duration is not None:
            stated, tolerance = float(stream.duration * self.time_base), _ROUNDING
        else:
            # The container's duration is its longest stream's: the sound may end later.
            stated, tolerance = (self._container.duration or 0) / 1_000_000, _SOUND_ALONE
        missing = stated - read
        return missing if missing > max(tolerance[0], tolerance[1] * stated) else 0.0

    def _time_of(self, frame: Any, previous: Fraction | None) -> Fraction:
        stamped = None if frame.pts is None else frame.pts * Fraction(frame.time_base or self.time_base)
        if previous is None:
            self.first_time = self._origin = stamped or Fraction(0)
            return Fraction(0)
        # A missing time stamp, or one that does not rise (cut streams, broken muxers), is replaced by the nominal step.
        following = previous + max(self.time_base, round(1 / self.rate / self.time_base) * self.time_base)
        if stamped is None:
            return following
        ahead = stamped - self._origin - previous
        if ahead < -CLOCK_BACK or (self._most_ahead is not None and ahead > self._most_ahead):
            self._origin, self._has_new_clock = stamped - following, True
        time = Fraction(stamped - self._origin)
        return time if time > previous else following


def _displayed(frame: Any, sample_aspect: Fraction | None) -> UInt8Array:
    """Return a decoded frame for display, (H, W, 3) uint8 RGB: with square pixels, rotation and mirroring applied."""
    if sample_aspect and sample_aspect != 1:
        frame = frame.reformat(width=max(1, round(frame.width * sample_aspect)))
    return upright(frame, frame.to_ndarray(format="rgb24"))


@dataclass(frozen=True)
class Encoding:
    """Container, codec and options of a file; sizes are rounded up to even numbers."""

    container: str
    codec: str
    pixel_format: str
    options: dict[str, str] = field(default_factory=dict)
    container_options: dict[str, str] = field(default_factory=dict)

    @property
    def has_alpha(self) -> bool:
        return self.pixel_format.startswith("yuva")


_H264 = {"crf": "16", "preset": "veryfast"}
_VP9 = {"crf": "18", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}
_OPAQUE = {
    ".mp4": Encoding("mp4", "libx264", "yuv420p", options=_H264, container_options={"movflags": "+faststart"}),
    ".mov": Encoding("mov", "libx264", "yuv420p", options=_H264, container_options={"movflags": "+faststart"}),
    ".webm": Encoding("webm", "libvpx-vp9", "yuv420p", options=_VP9),
}
_TRANSPARENT = {
    # ProRes 4444 rather than QuickTime Animation: every editor and OBS itself opens it, and it has 10 bits.
    ".mov": Encoding("mov", "prores_ks", "yuva444p10le", options={"profile": "4444", "vendor": "apl0"}),
    ".webm": Encoding("webm", "libvpx-vp9", "yuva420p", options={**_VP9, "auto-alt-ref": "0"}),
}


def choose_encoding(path: Path, has_alpha: bool) -> Encoding:
    """Return the encoding for a file's suffix, with alpha if there is any and the format can hold it.

    Raises AnimatorError for an unsupported suffix.
    """
    suffix = path.suffix.lower()
    if suffix not in _OPAQUE:
        raise AnimatorError(f"cannot write {path}: {suffix or 'no suffix'} is not supported", "use .mp4, .webm or .mov")
    return (has_alpha and _TRANSPARENT.get(suffix)) or _OPAQUE[suffix]


class VideoWriter:
    """Writes a video file, which appears under its name only when complete.

    Used as a context manager: leaving it normally finishes the file, leaving it by an exception removes it.
    path: the final file; another name beside it if another program has the old file open, see ``notice``.
    rate: frames a second. time_base: unit of the frames' times, in seconds. unfinished: the file's name until then, by
    default one of its own. verify: called with the complete file before it appears; its exceptions remove the file.
    """

    def __init__(
        self,
        path: Path,
        encoding: Encoding,
        rate: Fraction,
        *,
        time_base: Fraction,
        soundtrack: Soundtrack | None = None,
        unfinished: Path | None = None,
        verify: Callable[[Path], None] | None = None,
    ) -> None:
        self.path, self.notice = path, ""
        self._encoding = encoding
        self._rate, self._time_base = rate, time_base
        self._soundtrack, self._verify = soundtrack, verify
        self._unfinished = unfinished or unfinished_file(path)
        self._last_time = Fraction(0)
        self._stream: Any = None
        self._container: Any = None

    def __enter__(self) -> VideoWriter:
        """Create the file; raises AnimatorError if it cannot be written."""
        if os.path.isdir(self.path):
            raise AnimatorError(f"cannot write {self.path}: it is a folder", "give a file name")
        # Created here and not in the constructor: a signal between the two would leave the file behind.
        try:
            # PyAV opens the file only at the first frame; a wrong folder is reported before the work.
            self._unfinished.touch()
            self._container = av.open(
                media_url(self._unfinished),
                "w",
                format=self._encoding.container,
                options=self._encoding.container_options,
            )
        except BaseException as exc:
            self._discard()
            if isinstance(exc, (av.FFmpegError, OSError)):
                raise self._unwritable(exc) from exc
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            self._discard()
            return
        try:
            self._finish()
        except BaseException:
            self._discard()
            raise

    def write(self, picture: UInt8Array, time: Fraction) -> None:
        """Add a frame, (H, W, 3) RGB or (H, W, 4) RGBA uint8, at ``time`` seconds; times must rise."""
        try:
            if self._stream is None:
                self._start(picture.shape[1], picture.shape[0])
            height, width = picture.shape[:2]
            if height % 2 or width % 2:
                picture = np.pad(picture, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
            source = av.VideoFrame.from_ndarray(picture, format="rgba" if picture.shape[2] == 4 else "rgb24")
            # Both colour spaces are given: the defaults differ between versions of PyAV.
            frame = source.reformat(
                format=self._encoding.pixel_format,
                src_colorspace=Colorspace.ITU601,
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            frame.time_base = self._time_base
            frame.pts = round(time / self._time_base)
            self._container.mux(self._stream.encode(frame))
            self._last_time = time
            if self._soundtrack is not None:
                self._soundtrack.copy_until(time)
        except (av.FFmpegError, OSError) as exc:
            raise self._unwritable(exc) from exc

    def _start(self, width: int, height: int) -> None:
        stream: Any = self._container.add_stream(self._encoding.codec, rate=self._rate)
        stream.width, stream.height = width + width % 2, height + height % 2
        stream.pix_fmt = self._encoding.pixel_format
        stream.options = dict(self._encoding.options)
        stream.time_base = self._time_base
        context = stream.codec_context
        context.time_base = self._time_base
        context.color_range, context.colorspace, context.color_primaries = _LIMITED_RANGE, _BT709, _BT709
        context.color_trc = _SRGB_TRANSFER
        if self._encoding.has_alpha and self._encoding.container == "webm":
            stream.metadata["alpha_mode"] = "1"
        self._stream = stream
        if self._soundtrack is not None:
            self._soundtrack.start(self._container, self._encoding.container)

    def _finish(self) -> None:
        try:
            if self._stream is None:
                raise AnimatorError(f"{self.path} was not written: there was no frame", "use a clip that has frames")
            self._container.mux(self._stream.encode())
            if self._soundtrack is not None:
                self._soundtrack.copy_until(self._last_time + 1 / self._rate)
                self._soundtrack.finish()
            self._container.close()
            if self._verify is not None:
                self._verify(self._unfinished)
            self._appear()
        except (av.FFmpegError, OSError) as exc:
            raise self._unwritable(exc) from exc

    def _appear(self) -> None:
        """Rename the finished file; an hour's rendering is not lost to a player that has the old file open."""
        try:
            replace_file(self._unfinished, link_target(self.path))
        except PermissionError:
            wanted, beside = self.path, self._unfinished.with_name
            self.path = next(
                each
                for each in (beside(f"{wanted.stem} ({number}){wanted.suffix}") for number in count(2))
                if not each.exists()
            )
            replace_file(self._unfinished, self.path)
            self.notice = f"{wanted} is open in another program; the video is in {self.path}"

    def _discard(self) -> None:
        if self._container is not None:
            with contextlib.suppress(av.FFmpegError, OSError, ValueError):
                self._container.close()
        with contextlib.suppress(OSError):
            self._unfinished.unlink()

    def _unwritable(self, exc: Exception) -> AnimatorError:
        return AnimatorError(
            f"cannot write {self.path}: {_reason(exc)}", "choose a folder that exists, can be written to and has space"
        )


def _reason(exc: Exception) -> str:
    return getattr(exc, "strerror", None) or str(exc)
