"""The control messages: what goes out comes in, and nothing else does."""

from __future__ import annotations

import json
import math

import pytest

from animator_core.ipc.face_settings import FaceSettings
from animator_core.ipc.frame_ring import RingAddress
from animator_core.ipc.protocol import (
    MAX_LINE_BYTES,
    AddCharacter,
    AnimationSettings,
    CharacterAdded,
    CharacterEntry,
    CharacterList,
    CloseFilter,
    CutOutCharacter,
    FilterAction,
    FilterOpened,
    FilterStatus,
    LineDecoder,
    MessageError,
    NeutralPose,
    OpenFilter,
    PlayEmote,
    Ready,
    RefreshCharacters,
    Shutdown,
    UpdateFilter,
    WorkerProblem,
    decode,
    encode,
)

FACE = FaceSettings(mirror=True, sensitivity_expression=1.5, sensitivity_pose=0.5, smoothing=0.25)
SETTINGS = AnimationSettings("ada löwe.png", "warp", FACE, frame_rate=59.94)
MESSAGES = [
    OpenFilter("f-1", RingAddress("/run/a", 4096), RingAddress("b", 8192), SETTINGS),
    OpenFilter(
        "f-1", RingAddress("/run/a", 4096), RingAddress("b", 8192), SETTINGS, "UEsDBBQ=", "0123456789abcdef" * 2
    ),
    UpdateFilter("f-1", AnimationSettings()),
    CloseFilter("f-1"),
    PlayEmote("f-1", "wink_left"),
    CutOutCharacter("f-1", "ada.png"),
    AddCharacter("f-1", "/home/ä/ada.png"),
    CharacterAdded("f-1", "ada.png"),
    FilterAction("f-1", "calibrate"),
    FilterAction("f-1", "forget_calibration"),
    FilterAction("f-1", "freeze"),
    FilterAction("f-1", "unfreeze"),
    RefreshCharacters(),
    Shutdown(),
    Ready(1, 4242),
    FilterOpened("f-1"),
    CharacterList(()),
    CharacterList(
        (
            CharacterEntry("a.png", "Ada\n„Löwe“", "/c/a.png"),
            CharacterEntry("b.png", "b", "/c/b.png", warning="it is small", advice="use a larger one"),
        )
    ),
    FilterStatus("f-1", "tracking", 29.97, 41.5, "warp", "CPU", "a.png", "what is wrong", "what to do"),
    FilterStatus("f-1", "error"),
    NeutralPose("f-1", "UEsDBBQ="),
    WorkerProblem("the disk is full", "free some space"),
]


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: message.type)
def test_every_message_comes_back_as_it_was_sent(message):
    line = encode(message)
    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
    assert decode(line) == message


def test_whole_numbers_are_accepted_where_fractions_are_possible():
    assert decode(b'{"type": "filter_status", "filter_id": "a", "state": "tracking", "fps": 30}').fps == 30


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"nonsense",
        b"[]",
        b"5",
        b"null",
        b"{}",
        b'{"type": 5}',
        b'{"type": []}',
        b'{"type": "explode"}',
        b'{"type": "close_filter"}',
        b'{"type": "close_filter", "filter_id": 5}',
        b'{"type": "close_filter", "filter_id": null}',
        b'{"type": "close_filter", "filter_id": "a", "extra": 1}',
        b'{"type": "ready", "version": true, "pid": 1}',
        b'{"type": "ready", "version": 1.5, "pid": 1}',
        b'{"type": "filter_action", "filter_id": "a", "action": "explode"}',
        b'{"type": "filter_status", "filter_id": "a", "state": "error", "fps": "30"}',
        b'{"type": "character_list", "characters": 5}',
        b'{"type": "character_list", "characters": [5]}',
        b'{"type": "update_filter", "filter_id": "a", "settings": 5}',
        b'{"type": "update_filter", "filter_id": "a", "settings": {"face": {"mirror": 1}}}',
        b'{"type": "update_filter", "filter_id": "a", "settings": {"colour": "red"}}',
        b'{"type": "open_filter", "filter_id": "a", "driving": {}, "animated": {}, "settings": {}}',
        b'{"type": "filter_status", "filter_id": "a", "state": "asleep"}',
        b'{"type": "filter_status", "filter_id": "a", "state": "tracking", "fps": NaN}',
        b'{"type": "filter_status", "filter_id": "a", "state": "tracking", "fps": 1e999}',
        b'{"type": "ready", "version": 1, "pid": ' + b"9" * 500_000 + b"}",
        b'{"type": "worker_problem", "message": "' + b"x" * MAX_LINE_BYTES + b'"}',
        b"\xff\xfe",
        b"[" * 100_000,
    ],
)
def test_anything_else_is_a_message_error_and_nothing_worse(line):
    with pytest.raises(MessageError):
        decode(line)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("sensitivity_expression", 2.1),
        ("sensitivity_pose", -0.1),
        ("smoothing", 1.01),
        ("smoothing", math.nan),
    ],
)
def test_face_settings_out_of_range_are_refused_on_both_sides(name, value):
    with pytest.raises(ValueError, match=name):
        FaceSettings(**{name: value})
    line = json.dumps({"type": "update_filter", "filter_id": "a", "settings": {"face": {name: value}}}).encode()
    with pytest.raises(MessageError, match=name):
        decode(line)


@pytest.mark.parametrize(("name", "value"), [("renderer", "magic"), ("frame_rate", 0.0), ("frame_rate", math.inf)])
def test_settings_out_of_range_are_refused_on_both_sides(name, value):
    with pytest.raises(MessageError, match=name):
        AnimationSettings(**{name: value})
    line = json.dumps({"type": "update_filter", "filter_id": "a", "settings": {name: value}}).encode()
    with pytest.raises(MessageError, match=name):
        decode(line)


def test_stream_is_cut_into_messages_wherever_the_pipe_cuts_it():
    stream = b"".join(encode(message) for message in MESSAGES)
    for size in (1, 7, 64, len(stream)):
        decoder = LineDecoder()
        found = [m for start in range(0, len(stream), size) for m in decoder.feed(stream[start : start + size])]
        assert found == MESSAGES
        assert decoder.rejected == []


def test_a_bad_line_is_skipped_and_remembered_and_the_next_one_counts():
    decoder = LineDecoder()
    assert decoder.feed(b"nonsense\n\n  \n" + encode(Shutdown())) == [Shutdown()]
    assert len(decoder.rejected) == 1
    assert "nonsense" in decoder.rejected[0]


def test_an_endless_line_does_not_fill_the_memory_and_the_next_one_counts():
    decoder = LineDecoder()
    for _ in range(40):
        assert decoder.feed(b"x" * (MAX_LINE_BYTES // 8)) == []
        assert len(decoder._line) <= MAX_LINE_BYTES
    assert decoder.feed(encode(Shutdown())) == [], "the end of an endless line is no line"
    assert decoder.feed(b"\n" + encode(Shutdown())) == [Shutdown()]
    assert decoder.rejected == [f"a line of over {MAX_LINE_BYTES} bytes"]
    assert all(len(reason) < 500 for reason in decoder.rejected)
