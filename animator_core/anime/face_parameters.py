"""The driving motion as the 45 parameters of `anime.parameters`: pure functions of one moment.

All of it comes from landmarks, measured against the person's neutral face. MediaPipe computes its blendshapes from the
same landmarks, not from the picture, and without a neutral face. Measured once on four clips, they scored two clear
pouts 0.03 and less, smiled on both sides of a smirk, and had brows lowered by 0.56 or raised by 0.93 at rest.

Sides are the person's own, as in the parameters' names: the left eye is on the right of the picture. Thresholds and
gains are from these clips: the least that is not the jitter of a resting face, and a clear expression.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from animator_core.anime import parameters
from animator_core.arrays import FloatArray
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.rotation import euler_angles

_SIDES = ("right", "left")
_CORNERS, _INNER_LIPS = (61, 291), (13, 14)
_INNER_BROWS = ((55, 107), (285, 336))
_OUTER_BROWS = ((46, 70), (276, 300))
_SMALLEST_IRIS = 0.35
"""A drawn iris is no more than a dot at 1."""

Values = dict[str, float]


def face_parameters(motion: DrivingMotion, closing: FloatArray) -> FloatArray:
    """Return the parameters (45,) float32 of a moment; breathing is left 0.

    closing: (2,), how far the right and left eye are closed, in [0, 1], see `Lids`.
    """
    mouth = mouth_parameters(motion)
    smile = (mouth["mouth_raised_corner_right"] + mouth["mouth_raised_corner_left"]) / 2
    brows = brow_parameters(motion, smile)
    frowns = [brows[f"eyebrow_angry_{side}"] + brows[f"eyebrow_serious_{side}"] for side in _SIDES]
    eyes = eye_parameters(motion, closing, smile=smile, frowns=frowns)
    vector = parameters.pose({**mouth, **brows, **eyes, **head_parameters(motion)})
    return np.clip(vector, _LEAST, np.float32(1.0), out=vector)


_LEAST = np.array([-1.0 if name in parameters.SIGNED else 0.0 for name in parameters.NAMES], np.float32)


def head_parameters(motion: DrivingMotion) -> Values:
    """Return the turns of head and body, saturating softly.

    In the pictures of the networks, tracked once, 1 was a turn of 5 degrees, a nod of 5 to 17, a tilt of 10, and of
    body_z a lean of 5 degrees and 0.16 face sizes: a drawn head follows small turns, and large ones as far as it can.
    """
    yaw, pitch, roll = euler_angles(motion.rotation)
    aside = float(motion.translation[0])
    return {
        "head_x": math.tanh(-pitch / 13),
        "head_y": math.tanh(yaw / 12),
        "neck_z": math.tanh(-roll / 12),
        "body_y": motion.torso * 0.5 * math.tanh(yaw / 20),
        "body_z": motion.torso * 0.8 * math.tanh(-aside / 0.35 - roll / 40),
    }


def mouth_parameters(motion: DrivingMotion) -> Values:
    """Return vowels, corners and smirk; lengths in neutral mouth widths."""
    shifts = motion.expression[:, :2] / motion.mouth_width
    upper, lower = shifts[_INNER_LIPS, :]
    middle = -float(upper[1] + lower[1]) / 2
    gap = max(float(lower[1] - upper[1]), 0.0)
    outward = [sign * float(shifts[corner, 0]) for sign, corner in zip((-1, 1), _CORNERS)]
    heights = [-float(shifts[corner, 1]) for corner in _CORNERS]
    width = sum(outward)
    # An opening jaw takes the corners along by a part of the way, and narrows the mouth.
    smiles = _together(
        *(up - 0.5 * middle + 0.1 * gap + 0.5 * max(out, 0.0) for up, out in zip(heights, outward)),
        alike=0.04,
    )
    droops = _together(*(middle + 0.12 * gap - up for up in heights), alike=0.02)
    raised = [_ramp(smile, 0.03, 0.2) for smile in smiles]
    # A drawn mouth is small: half open already when a person begins to speak.
    opened = _ramp(gap, 0.03, 0.5) ** 0.7
    rounded = _ramp(-width - 0.2 * gap, 0.02, 0.08)
    # The corners of an O are low, but it is no sad mouth.
    flat = 1 - rounded * min(3 * opened, 1.0)
    lowered = [
        flat * _ramp(droop, 0.025, 0.08) * (1 - max(own, other))
        for droop, own, other in zip(droops, raised, reversed(raised))
    ]
    spread = _ramp(width + 0.1 * gap, 0.06, 0.22) * (1 - opened) * (1 - rounded)
    teeth = spread * _ramp(gap, 0.02, 0.12)
    sad = sum(lowered) / 2
    half_open = _ramp(gap, 0.08, 0.22)
    return {
        "mouth_aaa": opened * (1 - rounded) * (1 - sad),
        "mouth_iii": teeth * (1 - half_open),
        "mouth_uuu": _ramp(-width, 0.13, 0.26) * (1 - opened),
        "mouth_eee": teeth * half_open,
        "mouth_ooo": opened * rounded * (1 - sad),
        "mouth_delta": opened * sad,
        "mouth_smirk": 0.5 * _ramp(abs(smiles[0] - smiles[1]), 0.12, 0.3),
        **_by_side("mouth_raised_corner", raised),
        **_by_side("mouth_lowered_corner", lowered),
    }


def brow_parameters(motion: DrivingMotion, smile: float) -> Values:
    """Return the six shapes of each brow; smile: in [0, 1], whose lowered brows are no frown."""
    values: Values = {}
    # In hundredths of a face size, up.
    inner_ups, outer_ups = (
        _together(*(-100 * float(motion.expression[points, 1].mean()) for points in ends), alike=0.3)
        for ends in (_INNER_BROWS, _OUTER_BROWS)
    )
    for side, inner_up, outer_up in zip(_SIDES, inner_ups, outer_ups):
        up, slant = (inner_up + outer_up) / 2, inner_up - outer_up
        down = _ramp(-up, 0.5, 1.6) * (1 - smile)
        # Brows that are raised in surprise are raised most at their inner ends.
        troubled = _ramp(slant - 0.6 * max(up, 0.0), 0.8, 2.8) * (1 - smile)
        level = _ramp(slant, 0.2, 1.2)
        angry = _ramp(-up, 0.9, 2.0)
        values[f"eyebrow_raised_{side}"] = _ramp(up, 0.5, 2.2)
        values[f"eyebrow_troubled_{side}"] = troubled
        values[f"eyebrow_lowered_{side}"] = down * level * (1 - troubled)
        values[f"eyebrow_angry_{side}"] = down * (1 - level) * angry
        values[f"eyebrow_serious_{side}"] = down * (1 - level) * (1 - angry)
        values[f"eyebrow_happy_{side}"] = 0.7 * _ramp(smile, 0.3, 1.0) * (1 - _ramp(up, 0.5, 2.2))
    return values


def eye_parameters(motion: DrivingMotion, closing: FloatArray, *, smile: float, frowns: list[float]) -> Values:
    """Return lids and irises; frowns: of the right and left brow, in [0, 1]."""
    values: Values = {}
    gaze_x, gaze_y = (float(value) for value in motion.gaze.mean(0))
    happy = _ramp(smile, 0.3, 0.8)
    widened = float(motion.eye_openness.mean())
    for side, openness, closed, frown in zip(_SIDES, motion.eye_openness.tolist(), closing.tolist(), frowns):
        # A half closed lid is stern below a frown and tired else; closed ones are all alike, but those of a smile.
        half = closed * (1 - closed) * (1 - happy)
        stern = min(frown, 1.0)
        values[f"eye_happy_wink_{side}"] = closed * happy
        values[f"eye_wink_{side}"] = closed * (1 - happy) - half
        values[f"eye_unimpressed_{side}"] = 2.5 * half * stern
        values[f"eye_relaxed_{side}"] = half * (1 - stern)
        values[f"eye_raised_lower_eyelid_{side}"] = happy * _ramp(1 - openness, 0.05, 0.25) * (1 - closed)
        values[f"eye_surprised_{side}"] = _ramp(widened, 1.12, 1.36)
        values[f"iris_small_{side}"] = _SMALLEST_IRIS * _ramp(widened, 1.2, 1.38)
    # Irises sink with the lids in a blink, which is no glance.
    values["iris_rotation_x"] = math.tanh(-_shrunk(gaze_y, 0.008) / 0.08) * (1 - float(closing.mean()))
    values["iris_rotation_y"] = math.tanh(-_shrunk(gaze_x, 0.008) / 0.16)
    return values


def _by_side(name: str, values: list[float]) -> Mapping[str, float]:
    return {f"{name}_{side}": value for side, value in zip(_SIDES, values)}


def _ramp(value: float, least: float, most: float) -> float:
    """Return 0 up to ``least``, 1 from ``most`` on, linear between."""
    return min(max((value - least) / (most - least), 0.0), 1.0)


def _shrunk(value: float, dead: float) -> float:
    return math.copysign(max(abs(value) - dead, 0.0), value)


def _together(right: float, left: float, *, alike: float) -> tuple[float, float]:
    """Return two sides of a face with their difference reduced by ``alike``: as much is of the tracker."""
    middle, half = (right + left) / 2, (right - left) / 2
    half = math.copysign(max(abs(half) - alike / 2, 0.0), half)
    return middle + half, middle - half
