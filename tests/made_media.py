"""Small video files with what recordings from the wild have in them, made with PyAV."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np

RATE = 25
WIDTH, HEIGHT = 64, 48


@dataclass(frozen=True)
class Tone:
    """A sound of 440 Hz, as loud as ``level``, full scale being 1."""

    codec: str = "aac"
    rate: int = 44100
    layout: str = "stereo"
    level: float = 0.5
    streams: int = 1


def make_clip(
    path: Path,
    pictures: Sequence[np.ndarray],
    tone: Tone | None = None,
    first_time: float = 0.0,
    sound_time: float | None = None,
    is_cover: bool = False,
    aspect: int | None = None,
    title: str = "",
) -> Path:
    """Write pictures, (H, W, 3) uint8 of even sizes, at 25 a second, with a tone of the same length beside them."""
    options = {"movflags": "+faststart"} if path.suffix in (".mp4", ".mov") else {}
    with av.open(str(path), "w", options=options) as container:
        if title:
            container.metadata["title"] = title
        sounds = [_add_sound(container, tone) for _ in range(tone.streams)] if tone else []
        video: Any = container.add_stream("mjpeg" if is_cover else "libx264", rate=RATE)
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = "yuvj420p" if is_cover else "yuv420p"
        video.options = {} if is_cover else {"crf": "10", "bf": "0"}
        if is_cover:
            video.disposition = av.stream.Disposition.attached_pic
        if aspect is not None:
            video.codec_context.sample_aspect_ratio = aspect
        for number, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format=video.pix_fmt)
            frame.pts = number + round(first_time * RATE)
            container.mux(video.encode(frame))
        container.mux(video.encode())
        for sound in sounds:
            assert tone is not None
            frame = _tone_frame(tone, len(pictures) / RATE)
            frame.pts = round((first_time if sound_time is None else sound_time) * tone.rate)
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    return path


def grey(level: int, width: int = WIDTH, height: int = HEIGHT) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


def joined(path: Path, *parts: Path) -> Path:
    """Put the bytes of files after each other, as `cat` does."""
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    return path


def set_matrix(path: Path, a: int, b: int, c: int, d: int) -> Path:
    """Write the display matrix into the first track's header."""
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd") + 4
    matrix = at + (40 if data[at] == 0 else 52)
    struct.pack_into(">9i", data, matrix, a << 16, b << 16, 0, c << 16, d << 16, 0, 0, 0, 1 << 30)
    path.write_bytes(data)
    return path


def set_codec(path: Path, old: bytes, new: bytes) -> Path:
    """Give the first stream with the sample entry ``old`` (four letters) the one of a codec that is not known."""
    data = bytearray(path.read_bytes())
    at = data.index(old, data.index(b"stsd"))
    data[at : at + 4] = new
    box = data.find(b"esds", at)
    if old == b"mp4a" and box > 0:
        data[box : box + 4] = b"dapa"  # it would still say AAC
    path.write_bytes(data)
    return path


def _add_sound(container: Any, tone: Tone) -> Any:
    sound = container.add_stream(tone.codec, rate=tone.rate)
    sound.codec_context.layout = tone.layout
    return sound


def _tone_frame(tone: Tone, seconds: float) -> Any:
    time = np.arange(round(tone.rate * seconds)) / tone.rate
    samples = (np.sin(time * 2 * np.pi * 440) * tone.level * 32767).astype(np.int16)
    channels = 1 if tone.layout == "mono" else 2
    packed = np.repeat(samples[:, None], channels, axis=1).reshape(1, -1)
    frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=tone.layout)
    frame.sample_rate = tone.rate
    return frame
