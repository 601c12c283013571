"""Measures a renderer at usual sizes: preparation, drawing alone, and drawing while a tracker runs beside it."""

from __future__ import annotations

import dataclasses
import functools
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from itertools import cycle, islice
from typing import Any

import cv2
import numpy as np

from animator_core.animation.statistics import StageTimes
from animator_core.arrays import FloatArray
from animator_core.characters.character import Character
from animator_core.clips.driving_clip import DrivingClip, DrivingMoment
from animator_core.diagnostics.benchmark.path import MeasuredPath
from animator_core.errors import AnimatorError
from animator_core.motion.estimator import MotionEstimator
from animator_core.rendering.contract import Renderer
from animator_core.tracking.face_model import FACE_OVAL
from animator_core.tracking.observation import TrackedFrame

_CLIP_FRAMES, _CLIP_BYTES = 150, 1 << 30
_WARM_UP_FRAMES = 20
_NEAR = 0.72
"""Height of a close-up's face by the frame's."""

OpenClip = Callable[[], DrivingClip]
Moments = Sequence[tuple[TrackedFrame, int]]
"""Tracked frames with their capture time."""


@dataclasses.dataclass(frozen=True)
class SizeResult:
    """The measurements of one picture.

    face_height: of the picture's face, in pixels. prepared_seconds: from picture and landmarks to the first frame.
    motion_ms, draw_ms, draw_p95_ms, publish_ms: medians and a 95th percentile, drawing alone. fps: motion, drawing and
    publishing in sequence, alone. beside_fps, tracked_fps: the same while a tracker tracks all frames of the clip as
    fast as it can in a thread of its own, and its rate; None for a recorded motion.
    """

    name: str
    face_height: int
    prepared_seconds: float
    motion_ms: float
    draw_ms: float
    draw_p95_ms: float
    publish_ms: float
    fps: float
    beside_fps: float | None
    tracked_fps: float | None


def measure_sizes(
    open_clip: OpenClip,
    character: Character,
    make_renderer: Callable[[], Renderer],
    make_estimator: Callable[[], MotionEstimator],
    *,
    frames: int,
) -> Iterator[SizeResult]:
    """Yield the measurements of each of `pictures`, ``frames`` frames each; a shorter clip is repeated.

    The first frames of the clip, as many as fit into memory, are tracked in advance.
    """
    clip = open_clip()
    is_recorded = clip.tracker_name == "recorded"
    clip.read_ahead(_CLIP_FRAMES, _CLIP_BYTES)
    found = [(_tracked(moment), moment.captured_ns) for moment in islice(clip.moments(StageTimes()), _CLIP_FRAMES)]
    clip.close()
    if not found:
        raise AnimatorError("the driving clip has no frames", "give another with --driving")
    for name, picture in pictures(character):
        renderer = make_renderer()
        began = time.perf_counter()
        renderer.set_character(picture)
        renderer.warm_up()
        prepared_seconds = time.perf_counter() - began
        path = MeasuredPath([renderer], False, make_estimator)
        draw = functools.partial(_run, path, found, frames)
        _run(path, found, _WARM_UP_FRAMES)
        path.start_counting()
        fps, stages = draw(), path.result().stages
        beside, tracked = (None, None) if is_recorded else _beside_tracker(open_clip, draw)
        path.close()
        renderer.close()
        yield SizeResult(
            name=name,
            face_height=round(_face_height(picture)),
            prepared_seconds=prepared_seconds,
            motion_ms=stages["motion"].p50_ms,
            draw_ms=stages["render"].p50_ms,
            draw_p95_ms=stages["render"].p95_ms,
            publish_ms=stages["publish"].p50_ms,
            fps=fps,
            beside_fps=beside,
            tracked_fps=tracked,
        )


def heading(machine: dict[str, Any]) -> str:
    """Return the machine, and the headings of the columns of `row_text`."""
    return (
        f"{machine['cpu']}, {machine['usable_cores']} cores; every frame is drawn; ms: median (95th percentile)\n\n"
        f"{'picture':<32}{'face':>6}{'ready after s':>15}{'motion ms':>11}{'drawing ms':>14}{'publish ms':>12}"
        f"{'fps':>6}{'fps beside tracking at':>24}"
    )


def row_text(result: SizeResult) -> str:
    """Return one picture's measurements as a row of a table."""
    draw = f"{result.draw_ms:.1f} ({result.draw_p95_ms:.1f})"
    beside = "not measured" if result.beside_fps is None else f"{result.beside_fps:.0f} at {result.tracked_fps:.0f}"
    return (
        f"{result.name:<32}{result.face_height:>6}{result.prepared_seconds:>15.2f}{result.motion_ms:>11.1f}{draw:>14}"
        f"{result.publish_ms:>12.1f}{result.fps:>6.0f}{beside:>24}"
    )


def pictures(character: Character) -> Iterator[tuple[str, Character]]:
    """Yield names and pictures: the character whole in frames of 512×512 and 1920×1080, and close up in the larger.

    Once transparent, unless its picture is not, and once on an opaque background.
    """
    height, width = character.picture.shape[:2]
    may_be = [True] if (character.picture[..., 3] == 255).all() else [False, True]
    for frame in ((512, 512), (1920, 1080)):
        scale = min(frame[0] / width, frame[1] / height)
        corner = round((frame[0] - scale * width) / 2), round(frame[1] - scale * height)
        for is_opaque in may_be:
            kind = "opaque" if is_opaque else "transparent"
            yield (
                f"{frame[0]}x{frame[1]} {kind}",
                placed(character, scale, size=frame, corner=corner, is_opaque=is_opaque),
            )
    scale = _NEAR * frame[1] / _face_height(character)
    middle = scale * character.require_landmarks()[:468, :2].mean(0)
    corner = round(frame[0] / 2 - float(middle[0])), round(0.5 * frame[1] - float(middle[1]))
    for is_opaque in may_be:
        kind = "opaque" if is_opaque else "transparent"
        yield (
            f"{frame[0]}x{frame[1]} {kind}, close up",
            placed(character, scale, size=frame, corner=corner, is_opaque=is_opaque),
        )


def placed(
    character: Character, scale: float, *, size: tuple[int, int], corner: tuple[int, int], is_opaque: bool
) -> Character:
    """Return the character scaled, with its top left at a corner of a picture of this width and height.

    is_opaque: on a background of lines and noise, which shows every error of interpolation.
    """
    colours = character.picture.astype(np.float32)
    colours[..., :3] *= colours[..., 3:] / 255
    matrix = np.array([[scale, 0, corner[0]], [0, scale, corner[1]]], np.float32)
    moved = np.clip(cv2.warpAffine(colours, matrix, size, flags=cv2.INTER_CUBIC), 0, 255)
    share = moved[..., 3:] / 255
    if is_opaque:
        picture = np.dstack([moved[..., :3] + (1 - share) * _background(size), np.full(size[::-1], 255.0)])
    else:
        picture = np.dstack([moved[..., :3] / np.maximum(share, 1e-3), moved[..., 3]])
    landmarks = (character.require_landmarks() * scale).astype(np.float32)
    landmarks[:, :2] += corner
    name = f"{character.name}-{size}-{corner}-{is_opaque}"
    levels = np.clip(picture, 0, 255).astype(np.uint8)
    return Character(name, display_name=name, picture=levels, landmarks=landmarks, content_hash=name)


def _background(size: tuple[int, int]) -> FloatArray:
    """Return (H, W, 3): coloured noise under lines at every 64th pixel."""
    width, height = size
    noise = np.random.default_rng(3).normal(0, 60, (height, width, 3)).astype(np.float32)
    grey = 120 + 60 * np.linspace(-1, 1, width, dtype=np.float32)[None, :, None]
    picture: FloatArray = grey + 3 * np.asarray(cv2.GaussianBlur(noise, (0, 0), 2.0))
    picture[::64] = picture[:, ::64] = 230
    return picture


def _face_height(character: Character) -> float:
    return float(np.ptp(character.require_landmarks()[list(FACE_OVAL), 1]))


def _tracked(moment: DrivingMoment) -> TrackedFrame:
    return TrackedFrame(moment.observation, moment.picture)


def _run(path: MeasuredPath, moments: Moments, frames: int) -> float:
    """Draw ``frames`` frames, and return how many a second."""
    path.start_clip()
    began = time.perf_counter()
    for number, (tracked, captured_ns) in enumerate(islice(cycle(moments), frames), 1):
        path.animate(tracked, captured_ns, 0)
        if number % len(moments) == 0:
            path.start_clip()
    return frames / (time.perf_counter() - began)


def _beside_tracker(open_clip: OpenClip, draw: Callable[[], float]) -> tuple[float, float]:
    """Return the rate of ``draw`` while a thread tracks the clip again and again, and the rate of that thread.

    Its frames are decoded in advance, as a camera's need no decoding; it begins before the drawing.
    """
    is_over, is_tracking = threading.Event(), threading.Event()
    passed: list[float] = []

    def track() -> None:
        while not is_over.is_set():
            clip = open_clip()
            clip.read_ahead(_CLIP_FRAMES, _CLIP_BYTES)
            began = time.perf_counter()
            for _ in islice(clip.moments(StageTimes()), _CLIP_FRAMES):
                passed.append(time.perf_counter() - began)
                began = time.perf_counter()
                is_tracking.set()
                if is_over.is_set():
                    break
            clip.close()
        is_tracking.set()

    thread = threading.Thread(target=track, name="tracking", daemon=True)
    thread.start()
    is_tracking.wait()
    try:
        rate = draw()
    finally:
        is_over.set()
        thread.join()
    return rate, 1 / float(np.median(passed))
