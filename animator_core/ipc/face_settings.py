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
STRENGTHS = (
    "sensitivity_pose",
    "sensitivity_expression",
    "sensitivity_brows",
    "sensitivity_eyes",
    "sensitivity_mouth",
    "sensitivity_gaze",
)
RANGES = {**dict.fromkeys(STRENGTHS, STRENGTH), "smoothing": SMOOTHING}
"""The numbers of `FaceSettings` by name."""
_NATURAL = {name: limits.default for name, limits in RANGES.items()}
PRESETS = {
    "subtle": {**_NATURAL, "sensitivity_pose": 0.7, "sensitivity_expression": 0.7, "smoothing": 0.7},
    "natural": _NATURAL,
    "lively": {**_NATURAL, "sensitivity_pose": 1.2, "sensitivity_expression": 1.3, "smoothing": 0.35},
}
"""Values of all those numbers by the preset's name."""


@dataclass(frozen=True)
class FaceSettings:
    """How a face drives the character. Raises ValueError for a number out of its range.

    mirror: animate like a mirror image. still_shoulders: shoulders and chest stay as in the picture.
    sensitivity_pose, sensitivity_expression: `STRENGTH` of the head's movement and of the expression.
    sensitivity_brows, sensitivity_eyes, sensitivity_mouth, sensitivity_gaze: of its parts, on top of that.
    smoothing: `SMOOTHING` of the motion.
    """

    mirror: bool = False
    still_shoulders: bool = False
    sensitivity_pose: float = STRENGTH.default
    sensitivity_expression: float = STRENGTH.default
    sensitivity_brows: float = STRENGTH.default
    sensitivity_eyes: float = STRENGTH.default
    sensitivity_mouth: float = STRENGTH.default
    sensitivity_gaze: float = STRENGTH.default
    smoothing: float = SMOOTHING.default

    def __post_init__(self) -> None:
        for name, limits in RANGES.items():
            value = getattr(self, name)
            if not limits.least <= value <= limits.most:
                raise ValueError(f"{name} is {value}, expected {limits}")

    @property
    def has_natural_strengths(self) -> bool:
        """Whether every part of the motion is as strong as seen."""
        return all(getattr(self, name) == 1 for name in STRENGTHS)
