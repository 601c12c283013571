"""How far a head turns: by what its picture shows of it."""

from __future__ import annotations

import numpy as np

_MOST_YAW, _MOST_PITCH = 34.0, 26.0
_LEAST_AWAY = 0.35
"""Share of the largest turn that any picture may turn further away."""
_OWN_TURNS, _TOWARDS = (10.0, 30.0, 45.0), (1.0, 0.35, 0.18)
"""A picture's own yaw or pitch, and the share of the largest turn that it may turn back towards the viewer: the far
side, seen edge-on, has no more pixels to show."""
_MOST_TOGETHER = 1.2
"""Most of yaw and pitch together, as the length of their shares of the largest turns."""


def soft_limit(value: float, most: float) -> float:
    """Return ``value`` unchanged up to half of ``most``, and beyond it compressed smoothly towards ±``most``."""
    knee = 0.5 * most
    size = abs(value)
    if size <= knee:
        return value
    room = most - knee
    return float(np.copysign(knee + room * np.tanh((size - knee) / room), value))


def limited_turn(yaw: float, pitch: float, *, own_yaw: float, own_pitch: float) -> tuple[float, float]:
    """Return yaw and pitch of a turn, in degrees from the picture's own, within its limits."""
    shares = np.array([_one_sided(yaw, own_yaw, _MOST_YAW), _one_sided(pitch, own_pitch, _MOST_PITCH)])
    together = float(np.hypot(*shares))
    if together > 0:
        shares *= soft_limit(together, _MOST_TOGETHER) / together
    return float(shares[0] * _MOST_YAW), float(shares[1] * _MOST_PITCH)


def _one_sided(turn: float, own: float, most: float) -> float:
    """Return the share of ``most`` that a turn becomes."""
    if turn * own > 0:
        room = max(1 - abs(own) / most, _LEAST_AWAY)
    else:
        room = float(np.interp(abs(own), _OWN_TURNS, _TOWARDS))
    return soft_limit(turn / most, room)
