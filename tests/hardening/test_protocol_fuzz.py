"""Any line of a pipe is a message or a MessageError, both ways; every message can be shown and sent on."""

from __future__ import annotations

import json
import random
import tracemalloc
from collections.abc import Callable

import pytest

from animator_core.ipc.protocol import MAX_LINE_BYTES, FilterStatus, LineDecoder, MessageError, Shutdown, decode, encode
from obs_plugin.problem import Problem
from obs_plugin.status_line import Condition, describe
from tests.hardening.mutation import mutated_bytes, mutated_line
from tests.test_protocol import MESSAGES

CONTENTS = [json.loads(encode(message)) for message in MESSAGES]


def test_every_mutated_line_is_a_message_or_a_message_error(rounds: Callable[[int, int], int]) -> None:
    dice, accepted, refused = random.Random(3), 0, 0
    for _ in range(rounds(20_000, 1_000_000)):
        line = mutated_line(dice.choice(CONTENTS), dice)
        try:
            message = decode(line)
        except MessageError as exc:
            refused += 1
            assert len(str(exc)) <= 300
            continue
        accepted += 1
        assert decode(encode(message)) == message
        if isinstance(message, FilterStatus):
            described = describe(Condition(status=message, folder="/opt/animator"))
            assert described.text.encode("utf-8", "replace")
            assert isinstance(described.is_news_after(describe(Condition(Problem("a", "b")))), bool)
    assert accepted > 100
    assert refused > 1000


def test_a_stream_of_rubbish_takes_bounded_memory_and_the_next_message_counts(
    rounds: Callable[[int, int], int],
) -> None:
    dice, decoder = random.Random(4), LineDecoder()
    tracemalloc.start()
    try:
        for _ in range(rounds(300, 20_000)):
            lines = b"\n".join(mutated_line(dice.choice(CONTENTS), dice) for _ in range(dice.randrange(4)))
            decoder.feed(mutated_bytes(lines, dice) * dice.choice((1, 1, 1, 40)))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 60 * MAX_LINE_BYTES
    assert decoder.feed(b"\n" + encode(Shutdown()))[-1] == Shutdown()
    assert len(decoder.rejected) <= 20


@pytest.mark.parametrize("unit", [b"x", b'{"type":"worker_problem","message":"', b"\x00", b"[", b'"\xff'])
def test_a_line_of_100_megabytes_is_dropped_as_it_comes(unit: bytes, rounds: Callable[[int, int], int]) -> None:
    decoder, chunk = LineDecoder(), unit * (65536 // len(unit))
    tracemalloc.start()
    try:
        for _ in range(rounds(10 << 20, 100 << 20) // len(chunk)):
            assert decoder.feed(chunk) == []
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert most < 8 * MAX_LINE_BYTES
    assert decoder.feed(b"\n" + encode(Shutdown())) == [Shutdown()]
    assert len(decoder.rejected) == 1
