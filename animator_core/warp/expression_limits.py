"""The driver's expression on a picture's own face: in its proportions, and never more than a face can do.

The movements of `expression_coordinates` are scaled by the picture's distances against a usual face's, differences
between left and right below the tracker's noise are damped, and every movement is limited by its room in this
picture. All of it is smooth: nothing pops, and an expression in the usual range passes as it is.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.expression_coordinates import INDEX, NAMES, PAIR_NAMES, SIDEWAYS_NAMES, coordinates
from animator_core.smoothstep import smooth_share
from animator_core.tracking.face_model import FACE_OVAL, LEFT_EYE, LIP_RINGS, RIGHT_EYE, face_model
from animator_core.tracking.pose import with_true_depth
from animator_core.warp.expression_room import rooms

_GAINS = {"upper_lip": 1.15, "lower_lip": 1.06, "corner_out": 1.15, "corner_down": 1.15,
          "inner_brow": 1.2, "outer_brow": 1.2}  # fmt: skip
"""A tracker that watches a face drawn with a movement sees less of it; the gains make up for that. A person's own
picture driven by that person gave them: the drawn movement must be seen as large as the one in the camera's frame."""

_NOISE = {"mouth_aside": 0.005, "chin_aside": 0.010, "corner_out": 0.005, "corner_down": 0.005,
          "inner_brow": 0.005, "outer_brow": 0.005, "brow_in": 0.005}  # fmt: skip
"""The tracker's error of half a difference between left and right, and of a shift to one side, in face units."""
_NOISE_TURN = 0.25
"""Sine of the turn from which the head's far side is seen worse."""

_KNEE, _REST_KNEE = 0.6, 0.5
"""Share of a limit up to which a movement passes unchanged."""
_JAW_IN_CORNERS = 0.35
"""Share of the chin's drop by which the corners of an opening mouth go down."""
_MOST_GRIN = 1.3
"""A mouth's corner is hardly ever as far out and as far up or down as it can be: both shares, as a distance."""
_FROWNED = 1.4
"""Gain of lowered brows on top: a tracker sees less of them than of raised ones."""
_THICKER, _PUSHED = 2.2, 1.3
"""A tracker sees less than half of a lip's growth; and growth of the lips' height by the mouth's loss of width."""
_UNSMILING = 0.2
"""Loss of the mouth's width, as a share, at which a picture's own smile is gone."""
_ODD_REST = 0.75
_ODD_GAIN = 1.2
_MOUTH_NAMES = ("upper_lip", "lower_lip", "chin", "mouth_aside", "corner_out_right", "corner_out_left",
                "corner_down_right", "corner_down_left")  # fmt: skip
_FLIP = np.array([-1.0, 1.0, 1.0], np.float32)


class PictureExpression:
    """Carries expressions over to one picture; ``shape`` is (478, 3) float32 face units in the head's axes."""

    def __init__(self, shape: FloatArray) -> None:
        self._layout = coordinates()
        self._width = float(np.linalg.norm(shape[61] - shape[291]))
        middle = shape[[61, 291], :2].mean(0)
        distance = np.linalg.norm(shape[:, :2] - middle, axis=1) / self._width
        self._around_mouth = np.clip(1.2 - distance, 0, 1)[:, None].astype(np.float32)
        weight = np.abs(self._layout.measure).reshape(len(NAMES), -1, 3).sum(2)
        self._in_mouth = (weight @ self._around_mouth)[:, 0] / weight.sum(1)
        room = rooms(shape)
        self._gain = np.array([_of(name, _GAINS) for name in NAMES], np.float32) * room.gain
        self._low, self._high, self._calm = room.low, room.high, room.calm
        self._thickness = np.abs(shape[[13, 17], 1] - shape[[0, 14], 1])
        self._noise = np.array([_of(name, _NOISE, 1e-6) for name in NAMES], np.float32)
        self._even, self._relative = _evenness(), _relative_to_jaw()
        self._absolute = np.linalg.inv(self._relative).astype(np.float32)
        self._mirror = face_model().mirror
        self._rest_gain, most = _rest_limits()
        self._rest_most = most * room.lips

    def carried(self, motion: DrivingMotion) -> FloatArray:
        """Return the motion's expression on this picture, (478, 3) float32 face units."""
        expression = motion.expression.reshape(-1)
        movements = self._layout.measure @ expression
        rest = (expression - self._layout.spread @ movements).reshape(-1, 3)
        ratio = float(np.clip(self._width / max(motion.mouth_width, 1e-3), 0.6, 1.5))
        wanted = movements * self._gain * (1 + self._in_mouth * (ratio - 1))
        even = self._even @ wanted
        odd = wanted - even
        turn = float(motion.rotation[2, 0]) / _NOISE_TURN
        noise = self._noise * np.float32(np.sqrt(1 + turn * turn))
        even = self._pursed(even)
        even[_BROWS] += (_FROWNED - 1) * np.maximum(even[_BROWS], 0)
        wanted = self._relative @ (even + _ODD_GAIN * odd * (odd * odd / (odd * odd + noise * noise)))
        limited = self._limited(wanted)
        moved = (self._layout.spread @ (self._absolute @ limited)).reshape(-1, 3)
        held = self._held(wanted, limited)
        carried = moved + self._calm_rest(rest * (1 + self._around_mouth * (ratio * held - 1)))
        return carried.astype(np.float32, copy=False)

    def _pursed(self, wanted: FloatArray) -> FloatArray:
        """Return the movements with what a mouth that narrows does: its flesh goes into the lips, its smile away."""
        narrowing = max(-float(wanted[_CORNERS_OUT].sum()) / self._width, 0.0)
        pursed: FloatArray = wanted + smooth_share(narrowing / _UNSMILING) * self._calm
        growth = pursed[_LIPS]
        pushed = _PUSHED * narrowing * self._thickness
        pursed[_LIPS] = growth + np.maximum((_THICKER - 1) * growth, pushed)
        return pursed

    def _limited(self, wanted: FloatArray) -> FloatArray:
        limited = soft_limits(wanted, self._low, high=self._high)
        for side in ("right", "left"):
            corner = [INDEX[f"corner_out_{side}"], INDEX[f"corner_down_{side}"]]
            out = max(limited[corner[0]] / self._high[corner[0]], 0.0)
            lift = max(limited[corner[1]] / self._low[corner[1]], limited[corner[1]] / self._high[corner[1]])
            grin = np.hypot(out, lift)
            if grin > 1:
                room = _MOST_GRIN - 1
                limited[corner] *= (1 + room * np.tanh((grin - 1) / room)) / grin
        return limited

    def _held(self, wanted: FloatArray, limited: FloatArray) -> float:
        """Return the share of the mouth's movements that the limits leave."""
        size = self._high[_MOUTH] - self._low[_MOUTH]
        # The constant keeps small movements from counting.
        return float(((np.abs(limited[_MOUTH]) / size).sum() + 0.5) / ((np.abs(wanted[_MOUTH]) / size).sum() + 0.5))

    def _calm_rest(self, rest: FloatArray) -> FloatArray:
        """Return the part that no movement tells, (478, 3), within limits and evened out between left and right."""
        other = rest[self._mirror] * _FLIP
        rest = ((1 + _ODD_REST) / 2 * rest + (1 - _ODD_REST) / 2 * other) * self._rest_gain
        size = np.sqrt((rest * rest).sum(1)) + 1e-9
        knee = _REST_KNEE * self._rest_most
        over = np.maximum(size - knee, 0)
        room = self._rest_most - knee
        calm: FloatArray = rest * ((np.minimum(size, knee) + room * np.tanh(over / room)) / size)[:, None]
        return calm


def soft_limits(values: FloatArray, low: FloatArray, high: FloatArray) -> FloatArray:
    """Return values, (K,), unchanged up to `_KNEE` of their limits, low < 0 < high, and compressed beyond."""
    most = np.where(values < 0, -low, high)
    size = np.abs(values)
    knee = _KNEE * most
    room = most - knee
    limited: FloatArray = np.copysign(
        np.minimum(size, knee) + room * np.tanh(np.maximum(size - knee, 0) / room), values
    )
    return limited


_MOUTH = [INDEX[name] for name in _MOUTH_NAMES]
_BROWS = [INDEX[f"{name}_{side}"] for name in ("inner_brow", "outer_brow") for side in ("right", "left")]
_LIPS = [INDEX["upper_thickness"], INDEX["lower_thickness"]]
_CORNERS_OUT = [INDEX["corner_out_right"], INDEX["corner_out_left"]]


def _of(name: str, table: Mapping[str, float], default: float = 1.0) -> float:
    return next((value for key, value in table.items() if name.startswith(key)), default)


def _evenness() -> FloatArray:
    """Return (K, K), the projection onto movements that are alike on both sides."""
    even = np.eye(len(NAMES), dtype=np.float32)
    for name in SIDEWAYS_NAMES:
        even[INDEX[name], INDEX[name]] = 0
    for name in PAIR_NAMES:
        pair = [INDEX[f"{name}_right"], INDEX[f"{name}_left"]]
        even[np.ix_(pair, pair)] = 0.5
    return even


def _relative_to_jaw() -> FloatArray:
    """Return (K, K), which measures the lower lip's movement from the chin's, and the corners' from a share of it."""
    relative = np.eye(len(NAMES), dtype=np.float32)
    relative[INDEX["lower_lip"], INDEX["chin"]] = -1
    for side in ("right", "left"):
        relative[INDEX[f"corner_down_{side}"], INDEX["chin"]] = -_JAW_IN_CORNERS
    return relative


@functools.lru_cache(maxsize=1)
def _rest_limits() -> tuple[FloatArray, FloatArray]:
    """Return the gain, (478, 1), and the most, (478,) face units, of the part that no movement tells.

    The nose, the eyes' corners and the face's outline are bone: a tracker's shifts there come with turns of the head.
    Skin beside the mouth's corners goes with them, which a tracker misses: it refines the lips alone.
    """
    mean = with_true_depth(face_model().mean)

    def near(points: tuple[int, ...], reach: float) -> FloatArray:
        offset = np.linalg.norm(mean[:, None, :2] - mean[None, list(points), :2], axis=2).min(1)
        return np.asarray(np.exp(-0.5 * (offset / reach) ** 2))

    nose, eyes = near((168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 115, 344), 0.05), near(RIGHT_EYE + LEFT_EYE, 0.03)
    outline = np.clip(1.6 * near(FACE_OVAL, 0.05), 0, 1)
    corners = near((57, 61, 43, 186, 287, 291, 273, 410), 0.04)
    corners[np.array(LIP_RINGS).ravel()] = 0
    gain = (1 - 0.7 * nose) * (1 - 0.6 * eyes) * (1 - 0.9 * outline) * (1 - 0.8 * corners)
    most = 0.008 + 0.022 * gain
    return gain[:, None].astype(np.float32), most.astype(np.float32)
