"""A filter's two frame rings, seen from OBS: driving frames out, animated frames in."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

import contextlib
import ctypes
import os
import sys

from animator_core.ipc.frame_ring import (
    FORMAT_BGRA_PREMULTIPLIED,
    FORMAT_RGBA,
    HEADER_BYTES,
    FrameInfo,
    RingError,
    RingMemory,
    RingReader,
    RingWriter,
    claim_pages,
)

TRACKING_SIDE = 640
"""Longest side of a driving frame in pixels."""
_ROW_PADDING_BYTES = 256
_DRIVING_CAPACITY = TRACKING_SIDE * (TRACKING_SIDE * 4 + _ROW_PADDING_BYTES)
_ANIMATED_CAPACITY = 2048 * 2048 * 4


def _address(view: memoryview) -> int:
    return ctypes.addressof(ctypes.c_char.from_buffer(view))


class FilterRings:
    """The rings that one filter shares with one worker process.

    Made by the supervisor's thread, used by the graphics thread, closed after both.
    """

    def __init__(self, driving: RingMemory, animated: RingMemory) -> None:
        self.driving = driving
        self.animated = animated
        self.is_opened = False
        """Whether the worker has mapped both rings."""
        self.is_ended = False
        """Whether that worker is gone."""
        self.published_count = 0
        self.shown_count = 0
        self._writer = RingWriter(driving)
        self._reader = RingReader(animated)

    @classmethod
    def create(cls) -> FilterRings:
        """Return new rings; raises RingError if there is no memory for them."""
        driving = RingMemory.create(_DRIVING_CAPACITY)
        try:
            _reserve(driving)
            return cls(driving, RingMemory.create(_ANIMATED_CAPACITY))
        except RingError:
            driving.close()
            raise

    def publish(self, pixels: int, size: tuple[int, int], *, stride: int, captured_ns: int) -> None:
        """Publish a driving frame; drop one that is too large.

        pixels: the address of the RGBA rows. size: (width, height) in pixels. stride: bytes from row to row.
        """
        width, height = size
        if stride * height > self.driving.capacity:
            return
        ctypes.memmove(_address(self._writer.begin()), pixels, stride * height)
        self._writer.publish(width, height, stride, pixel_format=FORMAT_RGBA, captured_ns=captured_ns)
        self.published_count += 1

    def poll(self) -> FrameInfo | None:
        """Return the newest animated frame, or None if it was shown already."""
        info = self._reader.poll()
        return info if info is not None and info.format == FORMAT_BGRA_PREMULTIPLIED else None

    def pixels(self, info: FrameInfo) -> int:
        """Return the address of an animated frame's pixels (premultiplied BGRA); check `is_intact` after use."""
        return _address(self._reader.payload(info))

    def is_intact(self, info: FrameInfo) -> bool:
        return self._reader.is_intact(info)

    def mark_shown(self, info: FrameInfo) -> None:
        self._reader.mark_seen(info)
        self.shown_count += 1

    @property
    def heartbeat_age_s(self) -> float:
        """Seconds since the worker's last heartbeat in the animated ring; 0 before it has mapped the ring."""
        if not self.is_opened or not self.animated.is_open or self._reader.writer_id == 0:
            return 0.0
        return self._reader.heartbeat_age_ns / 1e9

    def unlink(self) -> None:
        """Remove both names, so that a crash leaves no memory behind."""
        self.driving.unlink()
        self.animated.unlink()

    def end(self) -> None:
        """Mark that no frame will come any more; opened rings stay mapped until `close`, as OBS may be using them."""
        self.is_ended = True
        self.unlink()
        if not self.is_opened:
            self.close()

    def close(self) -> None:
        """Unmap both rings; no method may be called afterwards."""
        for memory, end in ((self.driving, self._writer), (self.animated, self._reader)):
            if memory.is_open:
                end.close()
                memory.close()


def _reserve(memory: RingMemory) -> None:
    """Allocate the ring's pages now: in a full file system a later write would kill OBS with a bus error."""
    if sys.platform == "win32":
        # Windows commits the memory of a mapping when it is made.
        return
    descriptor = -1
    try:
        descriptor = os.open(memory.address.name, os.O_RDWR | os.O_CLOEXEC)
        claim_pages(descriptor, HEADER_BYTES, memory.address.size)
    except OSError as exc:
        raise RingError(f"no shared memory for the camera frames: {exc}", "free some memory or disk space") from exc
    finally:
        if descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(descriptor)
