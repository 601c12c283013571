"""Frames between two processes through shared memory: one writer, one reader, the latest frame wins.

Standard library only (the OBS process imports this file). The steps of writing, reading and recovery are in
docs/ARCHITECTURE.md in the order in which the code below takes them.

Every counter is an aligned 64-bit word that is written with one store through ``memoryview.cast("Q")``;
``struct.pack_into`` would zero the field first and let a reader see a false even sequence.
"""

from __future__ import annotations

import contextlib
import mmap
import os
import secrets
import stat
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from typing import Any

MAGIC = 0x474E495241_4D53  # "SMARING", little endian
VERSION = 1
HEADER_BYTES = 4096
SLOT_HEADER_BYTES = 64
MIN_SLOTS = 3
MAX_SLOTS = 16
MAX_SIDE = 16384
FILE_PREFIX = "stream-motion-animator-"

# Formats of a frame's pixels; 0 would be uninitialised memory.
FORMAT_RGBA = 1
"""8-bit RGBA, sRGB: the format of camera frames."""
FORMAT_BGRA_PREMULTIPLIED = 2
"""8-bit BGRA, sRGB-encoded colour that was multiplied by alpha in linear light, as OBS's own image source has it."""
FORMAT_LANDMARKS = 3
"""A row of float32 in place of pixels: a face that another computer tracked (`tracking.observation_row`)."""
_BYTES_PER_PIXEL = {FORMAT_RGBA: 4, FORMAT_BGRA_PREMULTIPLIED: 4, FORMAT_LANDMARKS: 4}

# Words of the header.
_MAGIC, _VERSION, _TOTAL, _SLOTS, _CAPACITY, _WRITER, _LATEST, _HEARTBEAT, _CLOSED = range(9)
# Words of a slot's header.
_SEQUENCE, _WIDTH, _HEIGHT, _STRIDE, _FORMAT, _CAPTURED, _BYTES = range(7)


class RingError(Exception):
    """A ring cannot be created, opened or used; as text: ``message; remedy``."""

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message, remedy)
        self.message, self.remedy = message, remedy

    def __str__(self) -> str:
        return f"{self.message}; {self.remedy}" if self.remedy else self.message


class ProtocolMismatch(RingError):
    """The two sides were built for different versions of the ring."""


def now_ns() -> int:
    """Return the time in nanoseconds on the clock that both processes share.

    ``perf_counter_ns`` is system-wide on Linux, Windows and macOS; ``monotonic_ns`` ticks every 16 ms on Windows
    before Python 3.13.
    """
    return time.perf_counter_ns()


@dataclass(frozen=True)
class RingAddress:
    """The address of a ring: ``name`` is a file path (on Windows a mapping's name), ``size`` its length in bytes."""

    name: str
    size: int


@dataclass(frozen=True)
class FrameInfo:
    """A slot's header; ``captured_ns``: the capture time of the camera frame behind it (`now_ns`)."""

    number: int
    width: int
    height: int
    stride: int
    format: int
    captured_ns: int
    size: int


def runtime_directory() -> str:
    """Return the user's private runtime directory, in memory if the system has one, else the temporary folder."""
    candidates = [os.environ.get("XDG_RUNTIME_DIR", ""), "/dev/shm" if sys.platform.startswith("linux") else ""]
    for candidate in candidates:
        if candidate and os.path.isdir(candidate) and os.access(candidate, os.W_OK | os.X_OK):
            return candidate
    return tempfile.gettempdir()


def remove_stale_rings(directory: str | None = None) -> int:
    """Delete ring files whose creating process is gone, and return how many there were.

    A crash between a ring's creation and the other side's attachment leaves its file behind; the next start of
    either side calls this.
    """
    if sys.platform == "win32":
        return 0
    removed = 0
    directory = directory or runtime_directory()
    with contextlib.suppress(OSError):
        for entry in os.listdir(directory):
            if not entry.startswith(FILE_PREFIX):
                continue
            owner = entry[len(FILE_PREFIX) :].split("-", 1)[0]
            if owner.isascii() and owner.isdecimal() and not _is_process_alive(int(owner)):
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(directory, entry))
                    removed += 1
    return removed


def _is_process_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:
        return True
    return True


def claim_pages(descriptor: int, start: int, end: int) -> None:
    """Have the file system set the bytes from ``start`` to ``end`` of a new, sparse file aside; raises OSError if full.

    Without it the first write through a mapping into a full file system kills the process with a bus error.
    """
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, start, end - start)
        return
    # macOS has no such call.
    zeros = bytes(1 << 20)
    while start < end:
        start += os.pwrite(descriptor, zeros[: end - start], start)


def _slot_stride(capacity: int) -> int:
    return (SLOT_HEADER_BYTES + capacity + 4095) // 4096 * 4096


class RingMemory:
    """The mapped memory of one ring; made by `create` on one side and `attach` on the other."""

    def __init__(self, mapping: mmap.mmap, address: RingAddress, is_linked: bool) -> None:
        self.address = address
        self._is_linked = is_linked
        self._mapping = mapping
        self.bytes = memoryview(mapping)
        self._words = self.bytes.cast("Q")
        self._fence_lock = threading.Lock()
        self._fence_lock.acquire()
        self.slot_count = 0
        self.capacity = 0
        self.is_open = True

    @classmethod
    def create(cls, capacity: int, slot_count: int = 4, directory: str | None = None) -> RingMemory:
        """Return a new, empty ring whose slots hold ``capacity`` bytes each.

        The file is private to the user and sparse: only pages that frames touch take memory.
        Raises RingError if there is no such memory.
        """
        if not (MIN_SLOTS <= slot_count <= MAX_SLOTS and 0 < capacity <= MAX_SIDE * MAX_SIDE * 4):
            raise RingError(f"ring of {slot_count} slots of {capacity} bytes is out of range")
        total = HEADER_BYTES + slot_count * _slot_stride(capacity)
        name = f"{FILE_PREFIX}{os.getpid()}-{secrets.token_hex(8)}"
        try:
            if sys.platform == "win32":
                memory = cls(mmap.mmap(-1, total, tagname=name), RingAddress(name, total), False)
            else:
                path = os.path.join(directory or runtime_directory(), name)
                descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
                try:
                    os.ftruncate(descriptor, total)
                    # The header is written below: in a file system that is full that would be a bus error.
                    claim_pages(descriptor, 0, HEADER_BYTES)
                    memory = cls(mmap.mmap(descriptor, total), RingAddress(path, total), True)
                except BaseException:
                    os.unlink(path)
                    raise
                finally:
                    os.close(descriptor)
        except (OSError, ValueError) as exc:
            raise RingError(f"no shared memory of {total} bytes: {exc}", "free some memory or disk space") from exc
        words = memory._words
        words[_TOTAL], words[_SLOTS], words[_CAPACITY] = total, slot_count, capacity
        words[_VERSION] = VERSION
        memory.fence()
        words[_MAGIC] = MAGIC
        memory.slot_count, memory.capacity = slot_count, capacity
        return memory

    @classmethod
    def attach(cls, address: RingAddress) -> RingMemory:
        """Return the ring at ``address`` that another process created, after checking its header.

        Raises ProtocolMismatch for another version and RingError for anything that is not a ring of this user.
        """
        if address.size < HEADER_BYTES or address.size % 8:
            raise RingError(f"{address.name} is no frame ring: its size is said to be {address.size} bytes")
        try:
            if sys.platform == "win32":
                mapping = mmap.mmap(-1, address.size, tagname=address.name)
            else:
                descriptor = os.open(address.name, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
                try:
                    status = os.fstat(descriptor)
                    if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
                        raise RingError(f"{address.name} is not a ring of this user")
                    if status.st_size != address.size:
                        raise RingError(f"{address.name} has {status.st_size} bytes, expected {address.size}")
                    mapping = mmap.mmap(descriptor, address.size)
                finally:
                    os.close(descriptor)
        except (OSError, ValueError) as exc:
            raise RingError(f"cannot open the ring {address.name}: {exc}") from exc
        memory = cls(mapping, address, sys.platform != "win32")
        try:
            memory._check_header()
        except RingError:
            # A file that is no ring is somebody else's, and must stay.
            memory._is_linked = False
            memory.close()
            raise
        return memory

    def _check_header(self) -> None:
        words = self._words
        if len(self.bytes) < HEADER_BYTES or words[_MAGIC] != MAGIC:
            raise RingError(f"{self.address.name} is not a frame ring or its header is damaged")
        if words[_VERSION] != VERSION:
            raise ProtocolMismatch(
                f"the ring has version {words[_VERSION]}, this side speaks {VERSION}",
                "restart OBS so that both sides load the same release",
            )
        slot_count, capacity, total = words[_SLOTS], words[_CAPACITY], words[_TOTAL]
        in_range = MIN_SLOTS <= slot_count <= MAX_SLOTS and 0 < capacity <= len(self.bytes)
        if not in_range or total != len(self.bytes) or HEADER_BYTES + slot_count * _slot_stride(capacity) != total:
            raise RingError(f"the header of {self.address.name} does not add up")
        self.slot_count, self.capacity = slot_count, capacity

    def fence(self) -> None:
        """Order every earlier store and load before every later one.

        x86 keeps stores in order by itself; on arm64 the release and acquire of a lock are the barrier that Python has.
        """
        self._fence_lock.release()
        self._fence_lock.acquire()

    def word(self, index: int) -> int:
        return self._words[index]

    def set_word(self, index: int, value: int) -> None:
        self._words[index] = value

    def slot_words(self, slot: int) -> int:
        """Return the index of the first word of a slot's header."""
        return (HEADER_BYTES + slot * _slot_stride(self.capacity)) // 8

    def payload(self, slot: int) -> memoryview:
        start = HEADER_BYTES + slot * _slot_stride(self.capacity) + SLOT_HEADER_BYTES
        return self.bytes[start : start + self.capacity]

    def unlink(self) -> None:
        """Remove the ring's name; both mappings stay valid, and no crash can leak the memory any more."""
        if self._is_linked:
            self._is_linked = False
            with contextlib.suppress(OSError):
                os.unlink(self.address.name)

    def close(self) -> None:
        """Unmap the ring and remove its name; views handed out before keep the memory alive until they are gone."""
        if not self.is_open:
            return
        self.is_open = False
        self.unlink()
        self._words.release()
        with contextlib.suppress(BufferError):
            self.bytes.release()
        with contextlib.suppress(BufferError):
            self._mapping.close()


class RingWriter:
    """Publishes frames into a ring; taking a ring over from a dead writer continues its numbering."""

    def __init__(self, memory: RingMemory) -> None:
        self.memory = memory
        self._number = memory.word(_LATEST)
        self._payloads = [memory.payload(slot) for slot in range(memory.slot_count)]
        memory.set_word(_CLOSED, 0)
        memory.set_word(_WRITER, secrets.randbits(63) | 1)
        self.beat()

    def begin(self) -> memoryview:
        """Mark the oldest slot as being written and return its payload (``capacity`` bytes) to be filled."""
        number = self._number + 1
        slot = number % self.memory.slot_count
        self.memory.set_word(self.memory.slot_words(slot) + _SEQUENCE, 2 * number + 1)
        self.memory.fence()
        return self._payloads[slot]

    def publish(self, width: int, height: int, stride: int, pixel_format: int, captured_ns: int) -> int:
        """Make the frame begun with `begin` the latest one, and return its number (counted from 1)."""
        memory, number = self.memory, self._number + 1
        size = stride * height
        if not (0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE and size <= memory.capacity):
            raise RingError(f"a frame of {width}x{height}, stride {stride}, does not fit {memory.capacity} bytes")
        if stride < width * _BYTES_PER_PIXEL[pixel_format]:
            raise RingError(f"a stride of {stride} bytes is too small for {width} pixels")
        base = memory.slot_words(number % memory.slot_count)
        memory.set_word(base + _WIDTH, width)
        memory.set_word(base + _HEIGHT, height)
        memory.set_word(base + _STRIDE, stride)
        memory.set_word(base + _FORMAT, pixel_format)
        memory.set_word(base + _CAPTURED, captured_ns)
        memory.set_word(base + _BYTES, size)
        memory.fence()
        memory.set_word(base + _SEQUENCE, 2 * number + 2)
        memory.fence()
        memory.set_word(_LATEST, number)
        self._number = number
        self.beat()
        return number

    def beat(self) -> None:
        """Tell the reader that the writer is alive."""
        self.memory.set_word(_HEARTBEAT, now_ns())

    def close(self) -> None:
        """Tell the reader that no frame will follow; the memory itself belongs to the caller."""
        if self.memory.is_open:
            self.memory.set_word(_CLOSED, 1)
        for payload in self._payloads:
            payload.release()
        self._payloads = []


class RingReader:
    """Reads the newest frame of a ring; never waits, never trusts a number it has not checked."""

    def __init__(self, memory: RingMemory) -> None:
        self.memory = memory
        self.last_number = 0
        self.torn_count = 0
        self._payloads = [memory.payload(slot) for slot in range(memory.slot_count)]

    @property
    def writer_id(self) -> int:
        """The id of the present writer; another value means that a new writer took over. 0: none yet."""
        return self.memory.word(_WRITER)

    @property
    def is_closed(self) -> bool:
        return self.memory.word(_CLOSED) != 0

    @property
    def heartbeat_age_ns(self) -> int:
        """Nanoseconds since the writer last said that it is alive."""
        return max(0, now_ns() - self.memory.word(_HEARTBEAT))

    def poll(self) -> FrameInfo | None:
        """Return the newest frame if it was not seen before, else None.

        A frame is "seen" once `mark_seen` was called for it. The slot stays untouched until the writer has published
        ``slot_count - 1`` more frames; `is_intact` says afterwards whether that happened during use.
        """
        memory = self.memory
        number = memory.word(_LATEST)
        if number in (0, self.last_number):
            return None
        base = memory.slot_words(number % memory.slot_count)
        if memory.word(base + _SEQUENCE) != 2 * number + 2:
            return None
        memory.fence()
        info = FrameInfo(
            number,
            width=memory.word(base + _WIDTH),
            height=memory.word(base + _HEIGHT),
            stride=memory.word(base + _STRIDE),
            format=memory.word(base + _FORMAT),
            captured_ns=memory.word(base + _CAPTURED),
            size=memory.word(base + _BYTES),
        )
        if not self.is_intact(info):
            return None
        return info if self._is_sound(info) else None

    def _is_sound(self, info: FrameInfo) -> bool:
        pixel_bytes = _BYTES_PER_PIXEL.get(info.format)
        return (
            pixel_bytes is not None
            and 0 < info.width <= MAX_SIDE
            and 0 < info.height <= MAX_SIDE
            and info.width * pixel_bytes <= info.stride <= self.memory.capacity
            and info.stride * info.height == info.size <= self.memory.capacity
        )

    def payload(self, info: FrameInfo) -> memoryview:
        """Return the bytes of a polled frame, in place; check `is_intact` after using them."""
        return self._payloads[info.number % self.memory.slot_count][: info.size]

    def is_intact(self, info: FrameInfo) -> bool:
        """Return whether the frame's slot still holds that frame; a false answer counts as a torn read."""
        memory = self.memory
        memory.fence()
        intact = memory.word(memory.slot_words(info.number % memory.slot_count) + _SEQUENCE) == 2 * info.number + 2
        if not intact:
            self.torn_count += 1
        return intact

    def mark_seen(self, info: FrameInfo) -> None:
        self.last_number = info.number

    def read_into(self, buffer: Any) -> FrameInfo | None:
        """Copy the newest unseen frame into ``buffer`` (a writable buffer of bytes) and return its header, else None.

        A frame that the writer overtook during the copy is dropped, and the next newest one is tried (three times).
        """
        target = memoryview(buffer)
        for _ in range(3):
            info = self.poll()
            if info is None or info.size > len(target):
                return None
            target[: info.size] = self.payload(info)
            if self.is_intact(info):
                self.mark_seen(info)
                return info
        return None

    def close(self) -> None:
        """Let go of the views; the memory itself belongs to the caller."""
        for payload in self._payloads:
            payload.release()
        self._payloads = []
