"""Mutations of valid input: JSON values by structure, bytes by place. Everything is drawn from one seeded generator."""

from __future__ import annotations

import json
import random
from typing import Any

ODD_VALUES: tuple[Any, ...] = (
    *(None, True, False, 0, -1, 1, 2**31, 2**63, 2**64, -(2**63), 10**30, 0.5, -0.0, 1e308, -1e308, 5e-324),
    *(float("nan"), float("inf"), float("-inf"), "", " ", "\x00", "\n", "../../etc/passwd", "\ud800", "é" * 300),
    *("%s%n", "{0}", "con", "a" * 70_000, [], {}, [[]], {"": {}}, [None] * 100),
)
ODD_BYTES = (b"\x00", b"\xff", b"\x7f", b"\x80", b"\n", b'"', b"{", b"\\", b"\xff\xfe", b"\xf0\x9f", b"\x00" * 64)
ODD_WORDS = (0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1)


def mutated_json(content: Any, dice: random.Random) -> Any:
    """Return a copy with one value replaced, removed, repeated, renamed, or moved, anywhere in it."""
    if isinstance(content, dict) and content and dice.random() < 0.9:
        key = dice.choice(list(content))
        made = dict(content)
        chance = dice.random()
        if chance < 0.5 and isinstance(content[key], (dict, list)):
            made[key] = mutated_json(content[key], dice)
        elif chance < 0.7:
            made[key] = dice.choice(ODD_VALUES)
        elif chance < 0.8:
            del made[key]
        elif chance < 0.9:
            made[dice.choice(["", "type", "filter_id", key.upper(), "\ud800", "x" * 999])] = made.pop(key)
        else:
            made[key] = made[dice.choice(list(made))]
        return made
    if isinstance(content, list) and content and dice.random() < 0.9:
        place = dice.randrange(len(content))
        return [*content[:place], mutated_json(content[place], dice), *content[place + dice.randrange(2) :]]
    return dice.choice(ODD_VALUES)


def mutated_line(content: Any, dice: random.Random) -> bytes:
    """Return a line of JSON: mutated by structure, as bytes, or both; now and then deeply nested."""
    for _ in range(dice.choice((0, 1, 1, 2, 4))):
        content = mutated_json(content, dice)
    line = json.dumps(content, ensure_ascii=dice.random() < 0.9).encode("utf-8", "surrogatepass")
    if dice.random() < 0.4:
        line = mutated_bytes(line, dice)
    if dice.random() < 0.01:
        line = b'{"a":' * dice.choice((10, 1000, 50_000)) + line
    return line


def mutated_bytes(content: bytes, dice: random.Random, most: int = 4) -> bytes:
    """Return a copy with 1 to ``most`` places changed: a bit, bytes, a number of 1 to 4 bytes, a cut, a repetition."""
    made = bytearray(content)
    for _ in range(dice.randint(1, most)):
        place = dice.randrange(len(made)) if made else 0
        chance = dice.random()
        if chance < 0.3 and made:
            made[place] ^= 1 << dice.randrange(8)
        elif chance < 0.5:
            odd = dice.choice(ODD_BYTES)
            made[place : place + len(odd)] = odd
        elif chance < 0.75:
            width, order = dice.choice((1, 2, 4)), dice.choice(("little", "big"))
            made[place : place + width] = (dice.choice(ODD_WORDS) % (1 << 8 * width)).to_bytes(width, order)
        elif chance < 0.85:
            del made[place:]
        elif chance < 0.93:
            del made[place : place + dice.choice((1, 2, 16, 400))]
        else:
            made[place:place] = made[place : place + dice.choice((1, 4, 64, 4096))]
    return bytes(made)
