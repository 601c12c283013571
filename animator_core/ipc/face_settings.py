"""Face settings: names, defaults and ranges for the panel, the protocol, the configuration and motion.

Standard library only (the OBS process imports this file).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple


class Range(NamedTuple):
    """A number's default and its limits, both included."""

    default: float
    least: float
    most: float

    def clamp(self, value: float) -> float:
        """Return the value within the limits that is nearest; the default for NaN and infinities."""
        return min(self.most, max(self.least, value)) if math.isfinite(value) else self.default

    def __str__(self) -> str:
        return f"{self.least:g} to {self.most:g}"


STRENGTH = Range(default=1.0, least=0.0, most=2.0)
"""Factor of a motion: 0 still, 1 as seen."""
SMOOTHING = Range(default=0.5, least=0.0, most=1.0)
"""0 none, 1 strongest."""
RANGES = {"sensitivity_expression": STRENGTH, "sensitivity_pose": STRENGTH, "smoothing": SMOOTHING}
"""The numbers of `FaceSettings` by name."""


@dataclass(frozen=True)
class FaceSettings:
    """How a face drives the character. Raises ValueError for a number out of its range.

    mirror: animate like a mirror image. sensitivity_expression, sensitivity_pose: `STRENGTH` of the expression and of
    the head's movement. smoothing: `SMOOTHING` of the motion.
    """

    mirror: bool = False
    sensitivity_expression: float = STRENGTH.default
    sensitivity_pose: float = STRENGTH.default
    smoothing: float = SMOOTHING.default

    def __post_init__(self) -> None:
        for name, limits in RANGES.items():
            value = getattr(self, name)
            if not limits.least <= value <= limits.most:
                raise ValueError(f"{name} is {value}, expected {limits}")
