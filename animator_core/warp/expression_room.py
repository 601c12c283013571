"""The room for each movement of a face in one picture, from the distances between its own features."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.motion.expression_coordinates import NAMES
from animator_core.tracking.face_model import FACE_OVAL, FOREHEAD, INNER_LIPS, OUTER_LIPS, face_model
from animator_core.tracking.pose import with_true_depth

_LEAST = 0.004
"""Limits in face units are never tighter: features that a picture has in the wrong order still move a little."""
_SIDES = ("right", "left")
_CLOSED_RIMS = 0.033
"""Distance between the inner rings of closed lips."""
_OPEN, _OPEN_SMILE = 0.02, 0.04
"""Gaps of lips that are open for sure, and of a mouth that smiles openly."""
_USUAL_LIFT = 0.02
"""Height of a calm mouth's corners above the line between its lips."""


@dataclass(frozen=True)
class Rooms:
    """Limits and proportions of a face; K as `expression_coordinates.NAMES`.

    low < 0 < high: (K,) float32 face units, of the movements; of lower lip and corners less those of the jaw.
    gain: (K,) float32, the picture's proportions by a usual face's. calm: (K,) float32, the movements that would take
    the picture's own smile away. lips: (478,) float32 up to 1, less on the lips if they are thinner than usual.
    """

    low: FloatArray
    high: FloatArray
    gain: FloatArray
    calm: FloatArray
    lips: FloatArray


def rooms(shape: FloatArray) -> Rooms:
    """Return the room in a face's ``shape``, (478, 3) face units in the head's axes."""
    usual_shape = with_true_depth(face_model().mean)
    own, usual = _Mouth.of(shape), _Mouth.of(usual_shape)
    limits = _mouth_limits(own, float(np.clip(own.width / usual.width, 0.4, 1.4)))
    gain = np.ones(len(NAMES), np.float32)
    for number, side in enumerate(_SIDES):
        brow, usual_brow = _Brow.of(shape, number), _Brow.of(usual_shape, number)
        limits.update(_brow_limits(brow, side))
        for name in ("inner_brow", "outer_brow"):
            gain[NAMES.index(f"{name}_{side}")] = np.clip(brow.to_lid / usual_brow.to_lid, 0.7, 1.3)
    lips = np.ones(len(shape), np.float32)
    thickness = (own.upper_thickness + own.lower_thickness) / (usual.upper_thickness + usual.lower_thickness)
    lips[list(INNER_LIPS + OUTER_LIPS)] = np.clip(thickness, 0.2, 1)
    low = np.array([min(limits[name][0], -_LEAST) for name in NAMES], np.float32)
    high = np.array([max(limits[name][1], _LEAST) for name in NAMES], np.float32)
    return Rooms(low=low, high=high, gain=gain, calm=_calm(own), lips=lips)


def _calm(own: _Mouth) -> FloatArray:
    """Return the movements, (K,), that close the picture's mouth and level its corners."""
    calm = np.zeros(len(NAMES), np.float32)
    closing = own.rims * min(own.gap / _OPEN, 1.0)
    lowered = 0.5 * max(own.corners_lift - _USUAL_LIFT, 0.0)
    for name, value in (("upper_lip", closing / 2), ("lower_lip", -closing / 2), ("corner_down", lowered)):
        for each in (name,) if name in NAMES else (f"{name}_{side}" for side in _SIDES):
            calm[NAMES.index(each)] = value
    return calm


@dataclass(frozen=True)
class _Mouth:
    """Lengths around the mouth in face units.

    rims: between the inner rings of the lips. gap: by which it is open. to_jaw: of the corners, right and left.
    """

    width: float
    rims: float
    gap: float
    upper_thickness: float
    lower_thickness: float
    lip_to_nose: float
    lip_to_chin: float
    corners_to_nose: float
    corners_lift: float
    to_jaw: tuple[float, float]

    @classmethod
    def of(cls, shape: FloatArray) -> _Mouth:
        y = shape[:, 1].astype(np.float64)
        corners, rims = float(y[[61, 291]].mean()), float(y[14] - y[13])
        return cls(
            width=float(np.linalg.norm(shape[61] - shape[291])),
            rims=rims,
            gap=max(rims - _CLOSED_RIMS, 0.0),
            upper_thickness=float(abs(y[13] - y[0])),
            lower_thickness=float(abs(y[17] - y[14])),
            lip_to_nose=float(y[0] - y[2]),
            lip_to_chin=float(y[152] - y[17]),
            corners_to_nose=float(corners - y[2]),
            corners_lift=float((y[13] + y[14]) / 2 - corners),
            to_jaw=(_to_outline(shape, 61, -1.0), _to_outline(shape, 291, 1.0)),
        )


def _mouth_limits(own: _Mouth, size: float) -> dict[str, tuple[float, float]]:
    """Return the limits by name; size: the mouth's width by a usual one.

    Of two numbers the first is the reach of a human face, and the other the room in this picture.
    """
    # An open mouth has opened by so much already, and can close by it.
    closing = 0.03 * size + 0.5 * own.gap
    # A smile has made the mouth wide, and used up half of the room.
    wider = 0.09 * size * (1 - 0.5 * min(own.gap / _OPEN_SMILE, 1.0))
    aside = min(0.06 * size, 0.3 * min(own.to_jaw))
    limits = {
        "upper_lip": (-min(0.07 * size, 0.6 * own.lip_to_nose), 0.08 * size),
        "lower_lip": (-closing, min(0.1 * size, 0.4 * own.lip_to_chin)),
        "upper_thickness": (-0.5 * own.upper_thickness, 0.9 * own.upper_thickness + 0.006),
        "lower_thickness": (-0.45 * own.lower_thickness, 0.8 * own.lower_thickness + 0.006),
        "chin": (0.008 * size - closing, max(0.17 * size - 0.5 * own.gap, 0.06 * size)),
        "lip_depth": (-0.05 * size, 0.06 * size),
        "chin_depth": (-0.03, 0.09),
        "mouth_aside": (-aside, aside),
        "chin_aside": (-0.045, 0.045),
    }
    for side, to_jaw in zip(_SIDES, own.to_jaw):
        limits[f"corner_out_{side}"] = (-0.22 * own.width, min(wider, 0.45 * to_jaw))
        up = min(0.12 * size, 0.7 * own.corners_to_nose)
        limits[f"corner_down_{side}"] = (-up, 0.045 * size + max(own.corners_lift, 0.0))
    return limits


@dataclass(frozen=True)
class _Brow:
    """Distances of one brow in face units: of its lower edge to the lid, of its inner end to hairline and middle."""

    to_lid: float
    to_hairline: float
    to_middle: float

    @classmethod
    def of(cls, shape: FloatArray, side: int) -> _Brow:
        lid, edge = ((160, 159, 158), (387, 386, 385))[side], ((52, 65, 55), (282, 295, 285))[side]
        inner = (107, 336)[side]
        return cls(
            to_lid=float(shape[list(lid), 1].mean() - shape[list(edge), 1].mean()),
            to_hairline=float(shape[inner, 1] - shape[FOREHEAD, 1]),
            to_middle=abs(float(shape[inner, 0] - shape[[FOREHEAD, 168, 6], 0].mean())),
        )


def _brow_limits(brow: _Brow, side: str) -> dict[str, tuple[float, float]]:
    lift = (-min(0.075, 0.4 * brow.to_hairline), min(0.05, 0.45 * brow.to_lid))
    return {
        f"inner_brow_{side}": lift,
        f"outer_brow_{side}": lift,
        f"brow_in_{side}": (-0.025, min(0.03, 0.4 * brow.to_middle)),
    }


def _to_outline(shape: FloatArray, corner: int, side: float) -> float:
    """Return the distance from a mouth's corner sideways to the face's outline."""
    outline = shape[[each for each in FACE_OVAL if (shape[each, 0] - shape[corner, 0]) * side > 0]]
    if not len(outline):
        return 0.0
    order = np.argsort(outline[:, 1])
    at = float(np.interp(shape[corner, 1], outline[order, 1], outline[order, 0]))
    return max((at - float(shape[corner, 0])) * side, 0.0)
