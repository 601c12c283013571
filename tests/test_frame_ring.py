"""The promises of the frame ring, also between two real processes."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
import zlib
from pathlib import Path

import pytest

from animator_core.config import PROJECT_ROOT
from animator_core.ipc import frame_ring
from animator_core.ipc.frame_ring import (
    FILE_PREFIX,
    FORMAT_BGRA_PREMULTIPLIED,
    FORMAT_RGBA,
    HEADER_BYTES,
    SLOT_HEADER_BYTES,
    ProtocolMismatch,
    RingAddress,
    RingError,
    RingMemory,
    RingReader,
    RingWriter,
    now_ns,
    remove_stale_rings,
)
from obs_plugin.filter_rings import FilterRings

WIDTH, HEIGHT = 160, 120
STRIDE = WIDTH * 4
SIZE = STRIDE * HEIGHT
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="ring files exist on POSIX only")

# Writes frames whose last four bytes are the checksum of the rest, as fast as it can.
WRITER = """
import os, sys, time, zlib
from animator_core.ipc.frame_ring import *
memory = RingMemory.attach(RingAddress(sys.argv[1], int(sys.argv[2])))
writer, seconds, dies = RingWriter(memory), float(sys.argv[3]), sys.argv[4] == "dies"
base, end, number = os.urandom(76796), time.monotonic() + seconds, 0
print("ready", flush=True)
while time.monotonic() < end:
    number += 1
    shift = number % 1000
    body = base[shift:] + base[:shift]
    slot = writer.begin()
    slot[:76796] = body
    if dies and number == 20:
        os._exit(9)
    slot[76796:76800] = zlib.crc32(body).to_bytes(4, "little")
    writer.publish(160, 120, 640, FORMAT_RGBA, now_ns())
print(number)
"""


@pytest.fixture
def memory(tmp_path):
    ring = RingMemory.create(SIZE, directory=str(tmp_path))
    yield ring
    ring.close()


def fill(writer: RingWriter, value: int, captured_ns: int = 7) -> int:
    writer.begin()[:SIZE] = bytes([value]) * SIZE
    return writer.publish(WIDTH, HEIGHT, STRIDE, FORMAT_RGBA, captured_ns)


def writer_process(address: RingAddress, seconds: float, how: str = "lives") -> subprocess.Popen:
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, address.name, str(address.size), str(seconds), how],
        cwd=PROJECT_ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "ready\n"
    return process


def test_reader_gets_what_the_writer_published(memory):
    writer, reader = RingWriter(memory), RingReader(memory)
    buffer = bytearray(SIZE)
    assert reader.read_into(buffer) is None
    assert fill(writer, 5, captured_ns=123) == 1
    info = reader.read_into(buffer)
    assert (info.number, info.width, info.height, info.stride, info.captured_ns) == (1, WIDTH, HEIGHT, STRIDE, 123)
    assert (info.format, info.size) == (FORMAT_RGBA, SIZE)
    assert buffer == bytes([5]) * SIZE


def test_a_frame_is_read_once_and_only_the_latest_one(memory):
    writer, reader = RingWriter(memory), RingReader(memory)
    buffer = bytearray(SIZE)
    for value in (1, 2, 3):
        fill(writer, value)
    assert reader.read_into(buffer).number == 3
    assert buffer[0] == 3
    assert reader.read_into(buffer) is None


def test_reader_skips_a_slot_being_written(memory):
    writer, reader = RingWriter(memory), RingReader(memory)
    fill(writer, 1)
    info = reader.poll()
    for _ in range(memory.slot_count - 1):
        fill(writer, 2)
        assert reader.is_intact(info)
    writer.begin()
    assert not reader.is_intact(info)
    assert reader.torn_count == 1
    assert reader.poll().number == memory.slot_count, "the newest finished frame is offered, not the begun one"


def test_a_frame_that_is_begun_and_never_published_is_never_seen(memory):
    writer, reader = RingWriter(memory), RingReader(memory)
    writer.begin()[:4] = b"half"
    assert reader.poll() is None


def test_a_read_that_is_overtaken_is_not_accepted(memory):
    writer, reader = RingWriter(memory), RingReader(memory)
    fill(writer, 1)
    info = reader.poll()
    for value in range(2, 2 + memory.slot_count):
        fill(writer, value)
    assert not reader.is_intact(info)
    buffer = bytearray(SIZE)
    assert reader.read_into(buffer).number == 1 + memory.slot_count


def test_a_buffer_that_is_too_small_is_never_written(memory):
    writer, reader = RingWriter(memory), RingReader(memory)
    fill(writer, 9)
    buffer = bytearray(SIZE - 1)
    assert reader.read_into(buffer) is None
    assert not any(buffer)


def test_a_new_writer_continues_the_numbers_and_shows_another_id(memory):
    first, reader = RingWriter(memory), RingReader(memory)
    fill(first, 1)
    first_id = reader.writer_id
    first.begin()
    second = RingWriter(memory)
    assert reader.writer_id not in (0, first_id)
    assert fill(second, 2) == 2
    buffer = bytearray(SIZE)
    assert reader.read_into(buffer).number == 2
    assert buffer[-1] == 2


def test_closing_writer_is_noticed_and_a_new_one_opens_again(memory):
    writer, reader = RingWriter(memory), RingReader(memory)
    assert not reader.is_closed
    writer.close()
    assert reader.is_closed
    RingWriter(memory)
    assert not reader.is_closed


def test_heartbeat_age_grows_until_the_next_beat(memory):
    writer, reader = RingWriter(memory), RingReader(memory)
    writer.beat()
    time.sleep(0.05)
    before = reader.heartbeat_age_ns
    assert before >= 45_000_000
    writer.beat()
    assert reader.heartbeat_age_ns < before


@pytest.mark.parametrize(
    ("width", "height", "stride"),
    [(0, 1, 4), (1, 0, 4), (WIDTH, HEIGHT, STRIDE - 1), (WIDTH, HEIGHT + 1, STRIDE), (20000, 1, 80000), (1, 1, -4)],
)
def test_writer_refuses_frames_that_do_not_fit(memory, width, height, stride):
    writer = RingWriter(memory)
    writer.begin()
    with pytest.raises(RingError):
        writer.publish(width, height, stride, FORMAT_BGRA_PREMULTIPLIED, 0)
    assert RingReader(memory).poll() is None


@pytest.mark.parametrize(
    ("word", "value"),
    [
        (1, 0),
        (1, 1 << 40),
        (2, 0),
        (2, 1 << 63),
        (3, 4),
        (3, 1 << 62),
        (4, 0),
        (4, 99),
        (6, 1),
        (6, (1 << 64) - 1),
    ],
)
def test_reader_believes_no_slot_header_that_does_not_add_up(memory, word, value):
    writer, reader = RingWriter(memory), RingReader(memory)
    number = fill(writer, 1)
    memory.set_word(memory.slot_words(number % memory.slot_count) + word, value)
    assert reader.poll() is None
    assert reader.read_into(bytearray(SIZE)) is None


def test_reader_believes_no_latest_number_without_its_frame(memory):
    writer, reader = RingWriter(memory), RingReader(memory)
    fill(writer, 1)
    for number in (2, 1 << 62, (1 << 64) - 1):
        memory.set_word(6, number)
        assert reader.poll() is None


@pytest.mark.parametrize(("slots", "capacity"), [(2, 100), (17, 100), (4, 0), (4, 1 << 40)])
def test_create_refuses_sizes_out_of_range(slots, capacity):
    with pytest.raises(RingError, match="out of range"):
        RingMemory.create(capacity, slots)


@pytest.mark.parametrize(
    ("word", "value"),
    [(2, 1), (2, (1 << 64) - 1), (3, 2), (3, 5), (3, 1 << 60), (4, 0), (4, SIZE + 8192), (4, (1 << 64) - 1)],
)
def test_attach_refuses_a_header_that_does_not_add_up(memory, word, value):
    memory.set_word(word, value)
    with pytest.raises(RingError, match="does not add up"):
        RingMemory.attach(memory.address)


def test_attach_refuses_a_damaged_magic_and_another_version(memory):
    memory.set_word(1, frame_ring.VERSION + 1)
    with pytest.raises(ProtocolMismatch, match="restart OBS"):
        RingMemory.attach(memory.address)
    memory.set_word(0, 0x1234)
    with pytest.raises(RingError, match="not a frame ring"):
        RingMemory.attach(memory.address)


@POSIX
def test_attach_refuses_files_that_are_no_ring_of_ours(memory, tmp_path):
    foreign = tmp_path / "foreign"
    for size in (0, 100, 8192):
        foreign.write_bytes(b"x" * size)
        with pytest.raises(RingError):
            RingMemory.attach(RingAddress(str(foreign), size))
        assert foreign.stat().st_size == size, "somebody's file was touched"
    with pytest.raises(RingError, match=r"has .* bytes, expected"):
        RingMemory.attach(RingAddress(memory.address.name, memory.address.size + 4096))
    with pytest.raises(RingError):
        RingMemory.attach(RingAddress(str(tmp_path), 4096))
    with pytest.raises(RingError):
        RingMemory.attach(RingAddress(str(tmp_path / "absent"), 4096))
    link = tmp_path / "link"
    link.symlink_to(memory.address.name)
    with pytest.raises(RingError):
        RingMemory.attach(RingAddress(str(link), memory.address.size))


@POSIX
def test_ring_file_is_private_and_gone_after_unlink_while_both_sides_go_on(memory):
    status = os.stat(memory.address.name)
    assert status.st_mode & 0o777 == 0o600
    other = RingMemory.attach(memory.address)
    memory.unlink()
    assert not os.path.exists(memory.address.name)
    writer, reader = RingWriter(memory), RingReader(other)
    fill(writer, 4)
    buffer = bytearray(SIZE)
    assert reader.read_into(buffer).number == 1
    reader.close()
    other.close()


@POSIX
def test_close_removes_the_file_and_may_be_called_twice(tmp_path):
    ring = RingMemory.create(100, directory=str(tmp_path))
    ring.close()
    ring.close()
    assert list(tmp_path.iterdir()) == []


def test_close_is_safe_while_somebody_still_looks_at_a_frame(tmp_path):
    ring = RingMemory.create(SIZE, directory=str(tmp_path))
    writer = RingWriter(ring)
    payload = writer.begin()
    ring.close()
    payload[0] = 1
    payload.release()


@POSIX
def test_no_room_for_a_ring_is_one_clear_error(tmp_path, monkeypatch):
    def full(descriptor: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "ftruncate", full)
    with pytest.raises(RingError, match=r"No space left.*free some"):
        RingMemory.create(SIZE, directory=str(tmp_path))
    assert list(tmp_path.iterdir()) == []


@POSIX
def test_only_rings_of_dead_processes_are_removed(tmp_path):
    corpse = subprocess.Popen([sys.executable, "-c", ""])
    corpse.wait()
    dead = tmp_path / f"{FILE_PREFIX}{corpse.pid}-aa"
    alive = tmp_path / f"{FILE_PREFIX}{os.getpid()}-bb"
    others = [tmp_path / f"{FILE_PREFIX}{name}" for name in ("notapid-cc", "²-dd")] + [tmp_path / "something-else"]
    impossible = tmp_path / f"{FILE_PREFIX}{10**24}-ee"
    impossible.write_bytes(b"")
    for path in (dead, alive, *others):
        path.write_bytes(b"")
    assert remove_stale_rings(str(tmp_path)) == 2
    assert not dead.exists()
    assert all(path.exists() for path in (alive, *others))
    assert remove_stale_rings(str(tmp_path / "absent")) == 0


@POSIX
def test_a_full_memory_file_system_is_an_error_and_not_the_end_of_the_process(tmp_path, monkeypatch):
    def is_full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", is_full, raising=False)
    with pytest.raises(RingError, match="free some memory"):
        RingMemory.create(SIZE, directory=str(tmp_path))
    assert not list(tmp_path.iterdir())


def test_layout_is_what_version_1_says(memory):
    """Another release of the other side relies on it: a change of any of these needs a new version."""
    assert (frame_ring.VERSION, HEADER_BYTES, SLOT_HEADER_BYTES) == (1, 4096, 64)
    writer = RingWriter(memory)
    number = fill(writer, 3, captured_ns=42)
    words = memory.bytes.cast("Q")
    assert words[0] == int.from_bytes(b"SMARING", "little")
    assert (words[1], words[2], words[3], words[4]) == (1, len(memory.bytes), 4, SIZE)
    assert words[6] == number
    stride = (SLOT_HEADER_BYTES + SIZE + 4095) // 4096 * 4096
    slot = words[(4096 + number % 4 * stride) // 8 :]
    assert list(slot[:7]) == [2 * number + 2, WIDTH, HEIGHT, STRIDE, FORMAT_RGBA, 42, SIZE]


@pytest.mark.slow
def test_two_processes_at_full_speed_never_pass_on_a_torn_frame(memory):
    process = writer_process(memory.address, 3.0)
    reader, buffer = RingReader(memory), bytearray(SIZE)
    accepted, last = 0, 0
    while process.poll() is None:
        info = reader.read_into(buffer)
        if info is None:
            continue
        accepted += 1
        assert info.number > last
        last = info.number
        assert zlib.crc32(memoryview(buffer)[: SIZE - 4]) == int.from_bytes(buffer[SIZE - 4 :], "little"), info
    written = int(process.stdout.read())
    process.stdout.close()
    assert process.returncode == 0
    assert accepted > 10
    assert written >= last


@pytest.mark.slow
def test_frames_used_in_place_are_known_to_be_torn_or_whole(memory):
    process = writer_process(memory.address, 2.0)
    reader = RingReader(memory)
    whole = 0
    while process.poll() is None:
        info = reader.poll()
        if info is None:
            continue
        payload = reader.payload(info)
        is_right = zlib.crc32(payload[: SIZE - 4]) == int.from_bytes(payload[SIZE - 4 :], "little")
        payload.release()
        if reader.is_intact(info):
            reader.mark_seen(info)
            assert is_right
            whole += 1
    process.stdout.close()
    assert whole > 10


def test_a_writer_killed_in_the_middle_of_a_frame_leaves_the_last_whole_one(memory):
    process = writer_process(memory.address, 10.0, "dies")
    assert process.wait(30) == 9
    process.stdout.close()
    reader, buffer = RingReader(memory), bytearray(SIZE)
    info = reader.read_into(buffer)
    assert info.number == 19
    assert zlib.crc32(memoryview(buffer)[: SIZE - 4]) == int.from_bytes(buffer[SIZE - 4 :], "little")
    dead_id = reader.writer_id
    successor = RingWriter(memory)
    assert reader.writer_id != dead_id
    fill(successor, 8)
    assert reader.read_into(buffer).number == 20


def test_clock_is_the_same_in_every_process():
    before = now_ns()
    code = "from animator_core.ipc.frame_ring import now_ns; print(now_ns())"
    there = int(subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, check=True).stdout)
    assert before <= there <= now_ns()


def test_runtime_directory_is_the_users_private_one_where_there_is_one(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    assert frame_ring.runtime_directory() == str(tmp_path)
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "absent"))
    assert Path(frame_ring.runtime_directory()).is_dir()


@POSIX
@pytest.mark.parametrize("has_fallocate", [True, False], ids=["Linux", "macOS"])
def test_what_obs_writes_to_is_set_aside_before_so_that_a_full_disk_kills_nothing(tmp_path, monkeypatch, has_fallocate):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    if not has_fallocate:
        monkeypatch.delattr(os, "posix_fallocate", raising=False)
        monkeypatch.setattr(sys, "platform", "darwin")
    rings = FilterRings.create()
    try:
        driving, animated = (os.stat(ring.address.name) for ring in (rings.driving, rings.animated))
        assert driving.st_blocks * 512 >= driving.st_size == rings.driving.address.size
        assert animated.st_blocks * 512 >= HEADER_BYTES
        attached = RingMemory.attach(rings.driving.address)
        assert attached.capacity == rings.driving.capacity, "the header stayed as it was"
        attached.close()
    finally:
        rings.close()


@POSIX
def test_a_disk_that_is_full_on_macos_is_an_error_and_leaves_no_file(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    monkeypatch.delattr(os, "posix_fallocate", raising=False)
    monkeypatch.setattr(sys, "platform", "darwin")

    def is_full(*given: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    written = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda *given: written(*given) if given[2] < HEADER_BYTES else is_full())
    with pytest.raises(RingError, match="No space left"):
        FilterRings.create()
    monkeypatch.setattr(os, "pwrite", is_full)
    with pytest.raises(RingError, match="No space left"):
        FilterRings.create()
    assert list(tmp_path.iterdir()) == []
