"""Frame rings as the two ends of the live loop."""

from __future__ import annotations

import contextlib
import time

import cv2
import numpy as np

from animator_core.animation.endpoints import DrivingFrame
from animator_core.animation.face_tracking import SILENT_NS
from animator_core.arrays import UInt8Array
from animator_core.ipc.frame_ring import (
    FORMAT_BGRA_PREMULTIPLIED,
    FORMAT_LANDMARKS,
    FORMAT_RGBA,
    FrameInfo,
    RingAddress,
    RingMemory,
    RingReader,
    RingWriter,
    now_ns,
)
from animator_core.tracking.observation_row import from_row

_POLL_SECONDS = 0.001
_IDLE_POLL_SECONDS = 0.02
_PIXEL_BYTES = 4


class RingSource:
    """Reads driving frames from a ring; used by one thread."""

    def __init__(self, reader: RingReader) -> None:
        self.last_frame_ns = now_ns()
        self._reader = reader

    def take(self, timeout_s: float) -> DrivingFrame | None:
        """Return the newest frame unless it was taken before, else None after a short sleep."""
        info = self._reader.poll()
        if info is None:
            is_silent = now_ns() - self.last_frame_ns > SILENT_NS
            # Windows sleeps far more exactly than it waits.
            time.sleep(min(timeout_s, _IDLE_POLL_SECONDS if is_silent else _POLL_SECONDS))
            return None
        self.last_frame_ns = now_ns()
        frame = self._landmarks(info) if info.format == FORMAT_LANDMARKS else self._picture(info)
        self._reader.mark_seen(info)
        return frame

    def _landmarks(self, info: FrameInfo) -> DrivingFrame | None:
        row = np.frombuffer(self._reader.payload(info), np.float32).copy()
        if not self._reader.is_intact(info):
            return None
        try:
            return DrivingFrame(None, info.captured_ns, from_row(row, info.captured_ns))
        except ValueError:
            return None

    def _picture(self, info: FrameInfo) -> DrivingFrame | None:
        """Return a copy as RGB, since tracking takes longer than the slot stays; None if the writer overtook it."""
        if info.format != FORMAT_RGBA:
            return None
        rows = np.frombuffer(self._reader.payload(info), np.uint8).reshape(info.height, info.stride)
        pixels = rows[:, : info.width * 4].reshape(info.height, info.width, 4)
        picture = np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGBA2RGB), np.uint8)
        return DrivingFrame(picture, info.captured_ns) if self._reader.is_intact(info) else None


class RingSink:
    """Writes pictures to a ring, if they changed."""

    is_continuous = False

    def __init__(self, writer: RingWriter) -> None:
        self.max_pixels = writer.memory.capacity // _PIXEL_BYTES
        self._writer = writer

    def show(self, picture: UInt8Array, captured_ns: int) -> None:
        height, width, channels = picture.shape
        slot = np.frombuffer(self._writer.begin(), np.uint8, picture.nbytes)
        np.copyto(slot.reshape(picture.shape), picture)
        self._writer.publish(
            width, height, stride=width * channels, pixel_format=FORMAT_BGRA_PREMULTIPLIED, captured_ns=captured_ns
        )

    def beat(self) -> None:
        self._writer.beat()


class FilterRings:
    """Both rings of one filter, mapped."""

    def __init__(self, driving: RingAddress, animated: RingAddress) -> None:
        """Raise RingError if one of them cannot be mapped."""
        self._memories = [RingMemory.attach(driving)]
        try:
            self._memories.append(RingMemory.attach(animated))
        except BaseException:
            self._memories[0].close()
            raise
        self._reader, self._writer = RingReader(self._memories[0]), RingWriter(self._memories[1])
        self.source, self.sink = RingSource(self._reader), RingSink(self._writer)

    def close(self) -> None:
        """Let go of both."""
        # A view in the traceback of a past error may still hold the memory; it goes with the process then.
        with contextlib.suppress(BufferError):
            self._reader.close()
            self._writer.close()
        for memory in self._memories:
            memory.close()
