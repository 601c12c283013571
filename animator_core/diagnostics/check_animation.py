"""Checks characters, tracker, renderer and frame ring by using each."""

from __future__ import annotations

import time

import numpy as np

from animator_core import assembly
from animator_core.arrays import UInt8Array
from animator_core.characters.character import Character
from animator_core.diagnostics.finding import CheckContext, Finding, failure, failure_of, ok, warning
from animator_core.errors import AnimatorError
from animator_core.ipc.character_names import list_other_pictures
from animator_core.ipc.frame_ring import FORMAT_RGBA, RingError, RingMemory, RingReader, RingWriter, now_ns

_RING_SIDE = 64
_SEE_PREPARE = "see with `prepare` whether it fits"


def check_characters(context: CheckContext) -> list[Finding]:
    """Check that there are characters, and that each can be used."""
    config = context.config
    library = assembly.make_library(config)
    entries = library.list()
    findings = []
    others = list_other_pictures(library.directory)
    if others:
        detail = f"{', '.join(others)} in {library.directory} cannot be used"
        findings.append(warning("other pictures", detail, "save as PNG, JPEG or WebP"))
    if not entries:
        detail = f"there is no picture in {library.directory}"
        return [failure("characters", detail, "put a PNG, JPEG or WebP of a face there"), *findings]
    unusable = 0
    for entry in entries:
        name = f"character {entry.file}"
        try:
            character = library.load(entry.file)
            if character.landmarks is None and assembly.may_draw_as_anime(character, config):
                findings.append(warning(name, "no face found, so only the anime renderer can draw it", _SEE_PREPARE))
                continue
            character.require_landmarks()
        except AnimatorError as exc:
            unusable += 1
            findings.append(failure_of(name, exc))
        else:
            findings += [warning(name, each.message, each.remedy) for each in character.warnings]
    current = config.character.current_character
    if current and assembly.find_in_library(library, current) is None:
        detail = f"character.current_character is {current!r}, which is not in {library.directory}"
        findings.append(failure("settings", detail, "correct it in config.yaml, or leave it empty"))
    usable = len(entries) - unusable
    return [ok("characters", f"{usable} of {len(entries)} can be used"), *findings] if usable else findings


def check_tracker(context: CheckContext) -> list[Finding]:
    """Check that the face tracker finds a face in one of the characters' pictures."""
    try:
        tracker = assembly.make_tracker(context.config)
    except AnimatorError as exc:
        return [failure_of("face tracker", exc)]
    try:
        for character in _usable_characters(context):
            frame = _frame_of(character)
            for number in range(2):  # the second frame is tracked, not detected
                started = time.perf_counter()
                observation = tracker.track(frame, 1 + number * 33_000_000)
            if observation is not None:
                duration_ms = (time.perf_counter() - started) * 1e3
                return [ok("face tracker", f"{tracker.name} sees {character.name} in {duration_ms:.0f} ms")]
    except (RuntimeError, ValueError, OSError) as exc:
        return [failure("face tracker", f"{tracker.name} fails: {exc}", "run install.py again")]
    finally:
        tracker.close()
    # Trackers do not find drawn faces, and a library may have nothing else.
    detail = f"{tracker.name} loads, but finds no face in the characters' pictures"
    return [warning("face tracker", detail, "add a photographic character to have tracking checked")]


def check_renderer(context: CheckContext) -> list[Finding]:
    """Check that the renderer draws a character in its neutral pose."""
    from animator_core.motion.estimator import MotionEstimator

    character = next(iter(_usable_characters(context)), None)
    if character is None:
        return [failure("renderer", "not checked, because no character can be used", "see characters above")]
    try:
        with assembly.made_renderer(None, context.config) as renderer:
            renderer.set_character(character)
            placement = renderer.create_driver(MotionEstimator()).place_again()
            picture = renderer.draw(placement)
            label = f"{renderer.name} on {renderer.device}"
            if picture.shape != character.picture.shape or not picture[..., 3].any():
                return [failure("renderer", f"{label} drew nothing of {character.name}", "run install.py again")]
            started = time.perf_counter()
            renderer.draw(placement)
            duration_ms = (time.perf_counter() - started) * 1e3
    except AnimatorError as exc:
        return [failure_of("renderer", exc)]
    height, width = picture.shape[:2]
    return [ok("renderer", f"{label} draws {character.name} ({width}x{height}) in {duration_ms:.0f} ms")]


def check_ring(context: CheckContext) -> list[Finding]:
    """Check that frames pass through shared memory unchanged."""
    frame = np.random.default_rng(5).integers(0, 256, (_RING_SIDE, _RING_SIDE, 4), np.uint8)
    memory = None
    try:
        memory = RingMemory.create(frame.nbytes)
        other_side = RingMemory.attach(memory.address)
        writer, reader = RingWriter(memory), RingReader(other_side)
        writer.begin()[: frame.nbytes] = frame.tobytes()
        side = _RING_SIDE
        writer.publish(side, side, side * 4, pixel_format=FORMAT_RGBA, captured_ns=now_ns())
        received = bytearray(frame.nbytes)
        is_same = reader.read_into(received) is not None and bytes(received) == frame.tobytes()
        reader.close()
        writer.close()
        other_side.close()
    except RingError as exc:
        return [failure_of("shared memory", exc)]
    finally:
        if memory is not None:
            memory.close()
    if not is_same:
        return [failure("shared memory", "a frame was changed on the way", "report this line")]
    return [ok("shared memory", f"frames pass through {memory.address.name.rpartition('-')[0]}-…")]


def _usable_characters(context: CheckContext) -> list[Character]:
    library = assembly.make_library(context.config)
    usable = []
    for entry in library.list():
        try:
            character = library.load(entry.file)
        except AnimatorError:
            continue  # reported by check_characters
        if character.landmarks is not None:
            usable.append(character)
    return usable


def _frame_of(character: Character) -> UInt8Array:
    """Return the picture over grey, (H, W, 3) uint8 RGB, as a camera frame."""
    alpha = character.picture[..., 3:].astype(np.uint16)
    colour = character.picture[..., :3]
    return np.ascontiguousarray(((colour * alpha + 128 * (255 - alpha)) // 255).astype(np.uint8))
