"""The two frame rings of a session, seen from the host, which stands where OBS stands."""

from __future__ import annotations

import contextlib

import numpy as np

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.ipc.frame_ring import (
    FORMAT_BGRA_PREMULTIPLIED,
    FORMAT_LANDMARKS,
    FORMAT_RGBA,
    RingError,
    RingMemory,
    RingReader,
    RingWriter,
)
from animator_core.ipc.protocol import AnimationSettings, OpenFilter
from animator_core.remote import codecs
from animator_core.remote.wire import FRAME, LZ4, Packet

_PIXEL_BYTES = 4


class HostRings:
    """Driving frames to one worker, animated frames back; used by the thread of the event loop but for `take`."""

    def __init__(self) -> None:
        """Make both; raises RingError if there is no memory for them."""
        self._driving = RingMemory.create(codecs.MAX_DRIVING_SIDE**2 * _PIXEL_BYTES)
        try:
            self._animated = RingMemory.create(codecs.MAX_ANIMATED_PIXELS * _PIXEL_BYTES)
        except RingError:
            self._driving.close()
            raise
        self._writer, self._reader = RingWriter(self._driving), RingReader(self._animated)

    def opening(self, filter_id: str, settings: AnimationSettings, neutral: str) -> OpenFilter:
        """Return the message that has a worker open them."""
        return OpenFilter(
            filter_id,
            driving=self._driving.address,
            animated=self._animated.address,
            settings=settings,
            neutral=neutral,
        )

    def note_opened(self) -> None:
        """Remove their names: the worker has mapped them."""
        self._driving.unlink()
        self._animated.unlink()

    def write_picture(self, picture: UInt8Array, captured_ns: int) -> None:
        """Publish a camera frame, (H, W, 4) uint8 RGBA."""
        height, width = picture.shape[:2]
        self._fill(picture.reshape(-1).view(np.uint8))
        self._writer.publish(
            width, height, stride=width * _PIXEL_BYTES, pixel_format=FORMAT_RGBA, captured_ns=captured_ns
        )

    def write_row(self, row: FloatArray, captured_ns: int) -> None:
        """Publish a face that was tracked elsewhere, see `tracking.observation_row`."""
        self._fill(np.ascontiguousarray(row, np.float32).view(np.uint8))
        self._writer.publish(
            len(row), 1, stride=len(row) * _PIXEL_BYTES, pixel_format=FORMAT_LANDMARKS, captured_ns=captured_ns
        )

    def has_news(self) -> bool:
        """Return whether there is an animated frame that was not taken."""
        return self._reader.poll() is not None

    def skip(self) -> None:
        """Pass over the newest animated frame."""
        info = self._reader.poll()
        if info is not None:
            self._reader.mark_seen(info)

    def take(self, codec: int) -> Packet | None:
        """Return the newest animated frame encoded by ``codec``, numberless, with the host's capture time."""
        info = self._reader.poll()
        if info is None:
            return None
        self._reader.mark_seen(info)
        if info.format != FORMAT_BGRA_PREMULTIPLIED or info.width * info.height > codecs.MAX_ANIMATED_PIXELS:
            return None
        rows = np.frombuffer(self._reader.payload(info), np.uint8).reshape(info.height, info.stride)
        picture = rows[:, : info.width * _PIXEL_BYTES].reshape(info.height, info.width, _PIXEL_BYTES)
        payload = codecs.encode_lz4(picture) if codec == LZ4 else codecs.encode_jpeg_alpha(picture)
        if not self._reader.is_intact(info):
            return None
        return Packet(FRAME, codec, width=info.width, height=info.height, captured_ns=info.captured_ns, payload=payload)

    @property
    def heartbeat_age_s(self) -> float:
        """Seconds since the worker's last heartbeat; infinite before it has mapped the rings."""
        return self._reader.heartbeat_age_ns / 1e9 if self._reader.writer_id else float("inf")

    def close(self) -> None:
        """Unmap both; nothing may be called afterwards."""
        with contextlib.suppress(BufferError):
            self._writer.close()
            self._reader.close()
        self._driving.close()
        self._animated.close()

    def _fill(self, data: UInt8Array) -> None:
        np.copyto(np.frombuffer(self._writer.begin(), np.uint8, len(data)), data)
