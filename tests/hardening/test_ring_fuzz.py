"""A reader reads nothing beyond the ring and never raises, with any numbers in its header and slots."""

from __future__ import annotations

import random
from collections.abc import Callable

from animator_core.ipc.frame_ring import (
    FORMAT_RGBA,
    HEADER_BYTES,
    MAX_SIDE,
    RingError,
    RingMemory,
    RingReader,
    RingWriter,
)

WIDTH, HEIGHT = 16, 12
SIZE = WIDTH * HEIGHT * 4
HEADER_WORDS, SLOT_WORDS = 9, 8
_LATEST = 6
TOP = (1 << 64) - 1


def odd_word(dice: random.Random, right: int) -> int:
    """Return a 64-bit word: near the right one, near a limit, or any."""
    chance = dice.random()
    if chance < 0.35:
        return (right + dice.choice((-2, -1, 1, 2, 4, -4096, 4096))) & TOP
    if chance < 0.7:
        return dice.choice((0, 1, 2, 4, SIZE, SIZE + 1, MAX_SIDE, MAX_SIDE + 1, 1 << 31, 1 << 32, 1 << 63, TOP))
    return right ^ (1 << dice.randrange(64)) if chance < 0.85 else dice.getrandbits(64)


def test_no_word_of_a_slot_or_header_makes_a_reader_read_beyond_it(rounds: Callable[[int, int], int], tmp_path) -> None:
    memory = RingMemory.create(SIZE, directory=str(tmp_path))
    writer, reader, dice = RingWriter(memory), RingReader(memory), random.Random(1)
    buffer, accepted = bytearray(SIZE), 0
    for _ in range(rounds(30_000, 10_000_000)):
        writer.begin()
        number = writer.publish(WIDTH, HEIGHT, WIDTH * 4, FORMAT_RGBA, 7)
        base = memory.slot_words(number % memory.slot_count)
        for _ in range(dice.choice((1, 1, 2, 3))):
            place = base + dice.randrange(SLOT_WORDS) if dice.random() < 0.8 else _LATEST
            memory.set_word(place, odd_word(dice, memory.word(place)))
        info = reader.poll()
        if info is not None:
            accepted += 1
            assert 0 < info.width <= MAX_SIDE
            assert 0 < info.height <= MAX_SIDE
            assert info.width * 4 <= info.stride
            assert info.stride * info.height == info.size <= SIZE
            assert len(reader.payload(info)) == info.size
        reader.read_into(buffer)
    assert accepted > 0, "some mutations, as another capture time, are valid frames"
    reader.close()
    writer.close()
    memory.close()


def test_no_header_makes_the_other_side_read_beyond_the_file(rounds: Callable[[int, int], int], tmp_path) -> None:
    memory = RingMemory.create(SIZE, directory=str(tmp_path))
    writer = RingWriter(memory)
    writer.begin()
    writer.publish(WIDTH, HEIGHT, WIDTH * 4, FORMAT_RGBA, 7)
    right = [memory.word(place) for place in range(HEADER_WORDS)]
    dice, buffer, attached = random.Random(2), bytearray(SIZE), 0
    for _ in range(rounds(2_000, 300_000)):
        for place, word in enumerate(right):
            memory.set_word(place, word)
        for place in dice.sample(range(HEADER_WORDS), dice.choice((1, 1, 2, 3))):
            memory.set_word(place, odd_word(dice, right[place]))
        try:
            other = RingMemory.attach(memory.address)
        except RingError:
            continue
        attached += 1
        assert HEADER_BYTES + other.slot_count * other.capacity <= memory.address.size
        RingReader(other).read_into(buffer)
        # The name is the creator's to remove.
        other._is_linked = False
        other.close()
    assert attached > 0
    writer.close()
    memory.close()
