"""An emote made of a recorded motion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from animator_core.arrays import DoubleArray, FloatArray
from animator_core.errors import MotionError
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.emotes.channels import CHANNELS, EYES, GAZE, HEAD, LIMITS, values_of
from animator_core.motion.emotes.emote import MAX_SECONDS, Emote, Keyframe

_TOLERANCE = {
    **dict.fromkeys(CHANNELS, 0.15),
    **dict.fromkeys(HEAD, 0.4),
    **dict.fromkeys(EYES, 0.05),
    **dict.fromkeys(GAZE, 1.0),
}
"""By so much the curve of a channel may miss the recording."""
_MOVING = 4.0
"""Tolerances from neutral at which a face moves."""
_MARGIN_SECONDS = 0.1
_LEAST_SECONDS = 0.2
_LEFT = {"head": 0.4, "mouth": 0.2, "brows": 0.2}
"""Of the live motion: the recording is whole in itself, but a blink is never in the way."""


def recorded_emote(name: str, motions: Sequence[DrivingMotion], seconds: Sequence[float]) -> Emote:
    """Return the emote in a recorded motion, without the calm before and after it.

    motions: relative to the neutral face. seconds: of each, rising. Raises MotionError if nothing moves, or for too
    long.
    """
    values = np.array([values_of(motion) for motion in motions], np.float64).reshape(-1, len(CHANNELS))
    times = np.asarray(seconds, np.float64)
    most = np.array([LIMITS[channel] for channel in CHANNELS])
    tolerance = np.array([_TOLERANCE[channel] for channel in CHANNELS])
    moving = np.flatnonzero((np.abs(values) > _MOVING * tolerance).any(1))
    if not len(moving) or times[moving[-1]] - times[moving[0]] < _LEAST_SECONDS:
        raise MotionError("nothing moves in the recording", "begin with a calm face and make the motion larger")
    is_kept = (times >= times[moving[0]] - _MARGIN_SECONDS) & (times <= times[moving[-1]] + _MARGIN_SECONDS)
    values, times = np.clip(values[is_kept], -most, most), times[is_kept] - times[is_kept][0]
    if times[-1] > MAX_SECONDS:
        raise MotionError(
            f"the recording moves for {times[-1]:.0f} seconds, more than {MAX_SECONDS:g}", "cut it with --seconds"
        )
    return Emote(name, _keyframes(times, values, tolerance), _LEFT, fade_in=0.2, fade_out=0.4)


def _keyframes(times: DoubleArray, values: DoubleArray, tolerance: DoubleArray) -> tuple[Keyframe, ...]:
    frames: dict[int, dict[str, float]] = defaultdict(dict)
    # The first and the last are there in any case: they are the emote's length.
    frames[0], frames[len(times) - 1] = {}, {}
    for number, channel in enumerate(CHANNELS):
        column = values[:, number]
        if np.abs(column).max() > tolerance[number]:
            for index in _corners(times, column, tolerance[number]):
                frames[index][channel] = round(float(column[index]), 2)
    return tuple(Keyframe(round(float(times[index]), 3), frames[index]) for index in sorted(frames))


def _corners(times: DoubleArray, values: DoubleArray, tolerance: float) -> list[int]:
    """Return the indices of a polyline within ``tolerance`` of the values (Ramer 1972; Douglas, Peucker 1973)."""
    kept, spans = {0, len(values) - 1}, [(0, len(values) - 1)]
    while spans:
        first, last = spans.pop()
        inside = slice(first + 1, last)
        straight: FloatArray = np.interp(times[inside], times[[first, last]], values[[first, last]])
        away = np.abs(values[inside] - straight)
        if len(away) and away.max() > tolerance:
            middle = first + 1 + int(away.argmax())
            kept.add(middle)
            spans += [(first, middle), (middle, last)]
    return sorted(kept)
