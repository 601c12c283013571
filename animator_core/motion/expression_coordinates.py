"""Coordinates of a facial expression: some twenty movements, such as a corner's lift, with the skin that follows each.

An expression e, (478, 3), is B k + r: k = M e measures the movements at a few landmarks, B spreads each over the skin
around them, and r, the rest, is all that the movements do not tell. M B = I.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from animator_core.arrays import DoubleArray, FloatArray
from animator_core.tracking.face_model import LIP_RINGS, face_model
from animator_core.tracking.observation import LANDMARK_COUNT
from animator_core.tracking.pose import with_true_depth

X, Y, Z = range(3)
_MOUTH_LINE = 0.407
_CORNER_X = 0.16
_JAW_WIDTH = 0.2
"""Standard deviation of the jaw's share of the chin's shift along x, fitted to tracked faces that open their mouths."""

MIDDLE_NAMES = ("upper_lip", "lower_lip", "upper_thickness", "lower_thickness", "chin", "lip_depth", "chin_depth")
"""Movements of the face's middle: of lips and chin down, a lip's growth in height, of lips and chin away."""
SIDEWAYS_NAMES = ("mouth_aside", "chin_aside")
PAIR_NAMES = ("corner_out", "corner_down", "inner_brow", "outer_brow", "brow_in")
"""Movements that each side has: of the mouth's corner outwards and down, of the brow's ends down, of the inner one to
the middle."""
NAMES = (*MIDDLE_NAMES, *SIDEWAYS_NAMES, *(f"{name}_{side}" for name in PAIR_NAMES for side in ("right", "left")))
INDEX = {name: number for number, name in enumerate(NAMES)}


@dataclass(frozen=True)
class Coordinates:
    """measure: (K, 1434) float32, M. spread: (1434, K) float32, B. Both on raveled expressions; K as `NAMES`."""

    measure: FloatArray
    spread: FloatArray


@functools.lru_cache(maxsize=1)
def coordinates() -> Coordinates:
    """Return the coordinates, which are the same for every face: they are laid out on the mean one."""
    measure = np.zeros((len(NAMES), LANDMARK_COUNT, 3))
    for name, terms in _measures():
        for axis, landmarks, factor in terms:
            measure[INDEX[name], list(landmarks), axis] += factor / len(landmarks)
    fields = np.zeros((LANDMARK_COUNT, 3, len(NAMES)))
    for name, axis, weight in _fields():
        fields[:, axis, INDEX[name]] = weight
    flat = measure.reshape(len(NAMES), -1)
    spread = fields.reshape(-1, len(NAMES))
    spread = spread @ np.linalg.inv(flat @ spread)
    return Coordinates(flat.astype(np.float32), np.ascontiguousarray(spread, np.float32))


def _measures() -> Iterator[tuple[str, list[tuple[int, tuple[int, ...], float]]]]:
    upper_in, upper_out = (82, 13, 312), (37, 0, 267)
    lower_in, lower_out = (87, 14, 317), (84, 17, 314)
    yield "upper_lip", [(Y, upper_in + upper_out, 1.0)]
    yield "lower_lip", [(Y, lower_in + lower_out, 1.0)]
    yield "upper_thickness", [(Y, upper_in, 1.0), (Y, upper_out, -1.0)]
    yield "lower_thickness", [(Y, lower_out, 1.0), (Y, lower_in, -1.0)]
    yield "chin", [(Y, (148, 152, 377, 175), 1.0)]
    yield "lip_depth", [(Z, upper_out + lower_out, 1.0)]
    yield "chin_depth", [(Z, (148, 152, 377), 1.0)]
    yield "mouth_aside", [(X, upper_in + upper_out + lower_in + lower_out, 1.0)]
    yield "chin_aside", [(X, (148, 152, 377, 175), 1.0)]
    mirror = face_model().mirror
    # "Out" is -x at the person's right, which is left in the picture; "in" is +x there.
    for name, axis, right, left, points in (
        ("corner_out", X, -1.0, 1.0, (61, 76)),
        ("corner_down", Y, 1.0, 1.0, (61, 76)),
        ("inner_brow", Y, 1.0, 1.0, (107, 66, 55)),
        ("outer_brow", Y, 1.0, 1.0, (70, 63, 105)),
        ("brow_in", X, 1.0, -1.0, (107, 55)),
    ):
        yield f"{name}_right", [(axis, points, right)]
        yield f"{name}_left", [(axis, tuple(int(mirror[point]) for point in points), left)]


def below_mouth() -> DoubleArray:
    """Return (478,), 1 for landmarks below the line between the lips, 0 above, and a blend beside the mouth."""
    x, y, _ = with_true_depth(face_model().mean).astype(np.float64).T
    blend = 0.004 + 0.6 * np.maximum(np.abs(x) - 0.14, 0)
    return np.asarray(np.clip(0.5 + (y - _MOUTH_LINE) / (2 * blend), 0, 1))


def _fields() -> Iterator[tuple[str, int, DoubleArray]]:
    x, y, _ = with_true_depth(face_model().mean).astype(np.float64).T
    below = below_mouth()

    def bump(centre: tuple[float, float], width: float, height: float) -> DoubleArray:
        return np.asarray(np.exp(-0.5 * (((x - centre[0]) / width) ** 2 + ((y - centre[1]) / height) ** 2)))

    inside = _lip_profile()
    upper, lower = (1 - below) * bump((0, 0.37), 0.1, 0.05), below * bump((0, 0.46), 0.11, 0.06)
    yield "upper_lip", Y, upper
    yield "lower_lip", Y, lower
    yield "upper_thickness", Y, upper * inside
    yield "lower_thickness", Y, -lower * inside
    jaw = _jaw()
    yield "chin", Y, jaw
    yield "chin_aside", X, jaw
    yield "chin_depth", Z, jaw
    yield "lip_depth", Z, bump((0, 0.42), 0.12, 0.07)
    yield "mouth_aside", X, bump((0, 0.41), 0.15, 0.07)
    forehead = np.clip((y + 0.32) / 0.12, 0, 1) * np.clip((-0.05 - y) / 0.05, 0, 1)
    for side, name in ((-1, "right"), (1, "left")):
        corner = bump((side * _CORNER_X, _MOUTH_LINE), 0.08, 0.075)
        yield f"corner_out_{name}", X, side * corner
        yield f"corner_down_{name}", Y, corner
        inner, outer = (forehead * bump((side * at, -0.15), 0.085, 0.1) for at in (0.1, 0.29))
        yield f"inner_brow_{name}", Y, inner
        yield f"outer_brow_{name}", Y, outer
        yield f"brow_in_{name}", X, -side * inner


def _jaw() -> DoubleArray:
    """Return (478,), each landmark's share of the chin's shift."""
    x, y, _ = with_true_depth(face_model().mean).astype(np.float64).T
    share = np.exp(-0.5 * (x / _JAW_WIDTH) ** 2) * np.clip((y - 0.3) / 0.25, 0, 1)
    return np.asarray(share * below_mouth())


def _lip_profile() -> DoubleArray:
    """Return (478,), 0.5 on the inner rims of the lips, falling to -0.5 on their outlines, and -0.5 beyond.

    The innermost ring moves nearly as the rim: a line drawn between the lips would grow thick.
    """
    profile = np.full(LANDMARK_COUNT, -0.5)
    for ring, height in zip(LIP_RINGS, (0.5, 0.5, 0.0)):
        profile[list(ring)] = height
    return profile
