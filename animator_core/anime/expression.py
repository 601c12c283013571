"""The expression side of the basis: which expressions of each facial region are computed, and how they combine.

A region has nodes: expressions of the networks. Node 0 is the neutral face. A drawn expression is a mean of nodes, so
that no combination of parameters can leave what the networks draw.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animator_core.anime import parameters
from animator_core.arrays import FloatArray

SIDES = ("left", "right")


@dataclass(frozen=True)
class Ramp:
    """The nodes along one parameter: ``steps`` of them at equal distances, the last at 1."""

    name: str
    steps: int

    def weights(self, value: float) -> tuple[tuple[int, float], ...]:
        """Return (step, weight) of at most two steps, from 1; the rest to 1 is the neutral face's."""
        place = min(max(value, 0.0), 1.0) * self.steps
        below = int(place)
        share = place - below
        found = ((below, 1 - share), (below + 1, share))
        return tuple((step, weight) for step, weight in found if step and weight)


LIDS = (
    Ramp("eye_wink", 8),
    Ramp("eye_happy_wink", 8),
    Ramp("eye_surprised", 3),
    Ramp("eye_relaxed", 4),
    Ramp("eye_unimpressed", 4),
    Ramp("eye_raised_lower_eyelid", 3),
)
"""Of each eye."""
BROWS = tuple(Ramp(name[: -len("_left")], 2) for name in parameters.EYEBROWS[::2])
"""Of each side."""
VOWELS = tuple(Ramp(f"mouth_{vowel}", 5) for vowel in ("aaa", "iii", "uuu", "eee", "ooo", "delta"))
CORNERS = (
    *(Ramp(f"mouth_{way}_corner_{side}", 2) for way in ("lowered", "raised") for side in SIDES),
    Ramp("mouth_smirk", 2),
)
"""They bend the mouth of any vowel."""
IRIS_GRID = (-1.0, -0.5, 0.0, 0.5, 1.0)
"""Of both iris rotations; the nodes are in the order y, x."""
IRIS_SMALL = Ramp("iris_small", 2)
"""Of each eye; its nodes follow those of the grid."""


def named(ramps: tuple[Ramp, ...], side: str) -> tuple[Ramp, ...]:
    """Return the ramps of one side."""
    return tuple(Ramp(f"{ramp.name}_{side}", ramp.steps) for ramp in ramps)


def node_count(ramps: tuple[Ramp, ...]) -> int:
    """Return the number of nodes with the neutral one."""
    return 1 + sum(ramp.steps for ramp in ramps)


def mixed(ramps: tuple[Ramp, ...], pose: FloatArray) -> FloatArray:
    """Return the weight of each node, (N,) float32 from 0 with the sum 1: a patch must not be laid on twice.

    Several parameters act as the networks have them, added up: two that close an eye by half close it. So each counts
    by its share, at the strength of all together. pose: (45,), see `parameters.NAMES`.
    """
    weights = np.zeros(node_count(ramps), np.float32)
    values = [max(float(pose[parameters.INDEX[ramp.name]]), 0.0) for ramp in ramps]
    total = sum(values)
    first = 0
    for ramp, value in zip(ramps, values):
        for step, weight in ramp.weights(total) if value else ():
            weights[first + step] = weight * value / total
        first += ramp.steps
    weights[0] = max(0.0, 1 - float(weights.sum()))
    return weights


def added(ramps: tuple[Ramp, ...], pose: FloatArray) -> FloatArray:
    """Return the weight of each node, (N,) float32, for flows, which add up; node 0 has 0."""
    weights = np.zeros(node_count(ramps), np.float32)
    first = 0
    for ramp in ramps:
        for step, weight in ramp.weights(float(pose[parameters.INDEX[ramp.name]])):
            weights[first + step] = weight
        first += ramp.steps
    return weights


def iris_weights(pose: FloatArray, side: str) -> tuple[FloatArray, FloatArray]:
    """Return the weights of the iris grid's nodes, (25,) float32 with the sum 1, and of the small iris', (2,)."""
    along_x = line_weights(IRIS_GRID, float(pose[parameters.INDEX["iris_rotation_x"]]))
    along_y = line_weights(IRIS_GRID, float(pose[parameters.INDEX["iris_rotation_y"]]))
    return np.outer(along_y, along_x).ravel(), added(named((IRIS_SMALL,), side), pose)[1:]


def line_weights(nodes: tuple[float, ...], value: float) -> FloatArray:
    """Return the weights of linear interpolation between nodes in rising order, (N,) float32 with the sum 1."""
    weights = np.zeros(len(nodes), np.float32)
    value = min(max(value, nodes[0]), nodes[-1])
    above = min(int(np.searchsorted(nodes, value, side="right")), len(nodes) - 1)
    share = (value - nodes[above - 1]) / (nodes[above] - nodes[above - 1])
    weights[above - 1], weights[above] = 1 - share, share
    return weights
