"""Characters, tracker, renderer and ring, each by using it."""

from __future__ import annotations

import time

import numpy as np

from animator_core import assembly
from animator_core.characters.character import Character
from animator_core.diagnostics.finding import FAILURE, OK, WARNING, Finding, Surroundings, failure_of
from animator_core.errors import AnimatorError
from animator_core.ipc.character_names import list_other_pictures
from animator_core.ipc.frame_ring import FORMAT_RGBA, RingError, RingMemory, RingReader, RingWriter, now_ns

_RING_SIDE = 64


def check_characters(surroundings: Surroundings) -> list[Finding]:
    """Whether there are characters, and each can be used."""
    config = surroundings.config
    library = assembly.make_library(config)
    entries = library.list()
    findings = []
    others = list_other_pictures(library.directory)
    if others:
        detail = f"{', '.join(others)} in {library.directory} cannot be used"
        findings.append(Finding("other pictures", WARNING, detail, "save as PNG, JPEG or WebP"))
    if not entries:
        detail = f"there is no picture in {library.directory}"
        return [Finding("characters", FAILURE, detail, "put a PNG, JPEG or WebP of a face there"), *findings]
    for entry in entries:
        try:
            library.load(entry.file)
        except AnimatorError as exc:
            findings.append(failure_of(f"character {entry.file}", exc))
    current = config.character.current_character
    if current and assembly.find_in_library(library, current) is None:
        detail = f"character.current_character is {current!r}, which is not in {library.directory}"
        findings.append(Finding("settings", FAILURE, detail, "correct it in config.yaml, or leave it empty"))
    usable = len(entries) - sum(finding.name.startswith("character ") for finding in findings)
    return [Finding("characters", OK, f"{usable} of {len(entries)} can be used"), *findings] if usable else findings


def check_tracker(surroundings: Surroundings) -> list[Finding]:
    """Whether the face tracker sees a face in one of the characters' pictures."""
    try:
        tracker = assembly.make_tracker(surroundings.config)
    except AnimatorError as exc:
        return [failure_of("face tracker", exc)]
    try:
        for character in _usable_characters(surroundings):
            frame = _frame_of(character)
            for number in range(2):  # the second frame is tracked, not detected
                started = time.perf_counter()
                observation = tracker.track(frame, 1 + number * 33_000_000)
            if observation is not None:
                duration_ms = (time.perf_counter() - started) * 1e3
                return [Finding("face tracker", OK, f"{tracker.name} sees {character.name} in {duration_ms:.0f} ms")]
    except (RuntimeError, ValueError, OSError) as exc:
        return [Finding("face tracker", FAILURE, f"{tracker.name} fails: {exc}", "run install.py again")]
    finally:
        tracker.close()
    # Trackers do not see drawn faces, and a library may hold nothing else.
    detail = f"{tracker.name} loads, but no character's picture has a face that it sees"
    return [Finding("face tracker", WARNING, detail, "add a photographic character to have tracking checked")]


def check_renderer(surroundings: Surroundings) -> list[Finding]:
    """Whether the renderer draws a character in its neutral pose."""
    from animator_core.motion.estimator import MotionEstimator

    character = next(iter(_usable_characters(surroundings)), None)
    if character is None:
        return [Finding("renderer", FAILURE, "no character can be used, so nothing was drawn", "see characters above")]
    try:
        with assembly.made_renderer(None, surroundings.config) as renderer:
            renderer.set_character(character)
            placement = renderer.create_driver(MotionEstimator()).place_again()
            picture = renderer.draw(placement)
            label = f"{renderer.name} on {renderer.device}"
            if picture.shape != character.picture.shape or not picture[..., 3].any():
                return [
                    Finding("renderer", FAILURE, f"{label} drew nothing of {character.name}", "run install.py again")
                ]
            started = time.perf_counter()
            renderer.draw(placement)
            duration_ms = (time.perf_counter() - started) * 1e3
    except AnimatorError as exc:
        return [failure_of("renderer", exc)]
    height, width = picture.shape[:2]
    return [Finding("renderer", OK, f"{label} draws {character.name} ({width}x{height}) in {duration_ms:.0f} ms")]


def check_ring(surroundings: Surroundings) -> list[Finding]:
    """Whether frames pass through shared memory unchanged."""
    frame = np.random.default_rng(5).integers(0, 256, (_RING_SIDE, _RING_SIDE, 4), np.uint8)
    memory = None
    try:
        memory = RingMemory.create(frame.nbytes)
        other_side = RingMemory.attach(memory.address)
        writer, reader = RingWriter(memory), RingReader(other_side)
        writer.begin()[: frame.nbytes] = frame.tobytes()
        writer.publish(_RING_SIDE, _RING_SIDE, _RING_SIDE * 4, FORMAT_RGBA, now_ns())
        received = bytearray(frame.nbytes)
        is_same = reader.read_into(received) is not None and bytes(received) == frame.tobytes()
        reader.close()
        writer.close()
        other_side.close()
    except (RingError, OSError) as exc:
        return [failure_of("shared memory", exc)]
    finally:
        if memory is not None:
            memory.close()
    if not is_same:
        return [Finding("shared memory", FAILURE, "a frame came out changed", "run install.py again; report this")]
    return [Finding("shared memory", OK, f"frames pass through {memory.address.name.rpartition('-')[0]}-…")]


def _usable_characters(surroundings: Surroundings) -> list[Character]:
    library = assembly.make_library(surroundings.config)
    usable = []
    for entry in library.list():
        try:
            usable.append(library.load(entry.file))
        except AnimatorError:
            continue  # check_characters tells of it
    return usable


def _frame_of(character: Character) -> np.ndarray:
    """Return the picture over grey, (H, W, 3) uint8 RGB, as a camera might see it."""
    alpha = character.picture[..., 3:].astype(np.uint16)
    colour = character.picture[..., :3]
    return np.ascontiguousarray(((colour * alpha + 128 * (255 - alpha)) // 255).astype(np.uint8))
