"""How far each region of a face is from calm, and the same face with its expression taken out.

Both measure against people's usual neutral face, `PRIOR`, until the person's own is known. Blendshapes refine what
landmarks tell alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.motion import anatomy

PRIOR = np.array(
    [0.003, 0.143, 0.143, 0.003, 0.003, 0.12, 0.09, 0.094, 0.094, 0.084, 0.084, 0.31, 0.31], np.float32
)  # fmt: skip
"""The neutral face's measures (`anatomy.MEASURES`): medians over the calm faces of portraits and clips."""
RANGES = np.array(
    [0.032, 0.028, 0.028, 0.02, 0.02, 0.03, 0.035, 0.025, 0.025, 0.025, 0.025, 0.08, 0.08], np.float32
)  # fmt: skip
"""By so much people's neutral faces differ from it; more is taken for an expression."""
_IN_RANGE, _BEYOND = 0.15, 0.6
"""Unrest of a measure at the edge of its range, and for each further range beyond."""
_STILL_RANGES, _UNREST_OF_SPEED = 4.0, 0.06
"""Ranges a second that a still face's measures change by at most, with noise, and the unrest of each more."""
_MOST_UNREST = 4.0
_RESTING_SCORE = 0.05
_USUAL_SCORES, _DOUBTED_SCORES = 0.25, 0.4
"""Weighted sum of a region's scores in faces at rest; so much more, and the share of a deviation that is believed to be
the person's own falls to 1/e."""
_SCORES: tuple[Mapping[str, float], ...] = (
    {
        "jawOpen": 1.0, "jawLeft": 1.0, "jawRight": 1.0, "mouthFunnel": 1.0, "mouthPucker": 1.0,
        "mouthLeft": 1.0, "mouthRight": 1.0, "mouthSmileLeft": 0.7, "mouthSmileRight": 0.7,
        "mouthFrownLeft": 0.7, "mouthFrownRight": 0.7, "mouthStretchLeft": 0.5, "mouthStretchRight": 0.5,
        "mouthUpperUpLeft": 0.5, "mouthUpperUpRight": 0.5, "mouthLowerDownLeft": 0.5, "mouthLowerDownRight": 0.5,
        "mouthPressLeft": 0.3, "mouthPressRight": 0.3, "mouthRollLower": 0.4, "mouthRollUpper": 0.4,
        "mouthShrugLower": 0.4, "mouthShrugUpper": 0.4,
    },
    # People's resting brows score as raised or lowered: landmarks tell more.
    {"browDownLeft": 0.2, "browDownRight": 0.2, "browInnerUp": 0.3, "browOuterUpLeft": 0.15, "browOuterUpRight": 0.15},
    {"eyeBlinkRight": 1.0, "eyeWideRight": 1.0, "eyeLookDownRight": 0.5, "eyeSquintRight": 0.3},
    {"eyeBlinkLeft": 1.0, "eyeWideLeft": 1.0, "eyeLookDownLeft": 0.5, "eyeSquintLeft": 0.3},
)  # fmt: skip
"""Of each region: the blendshapes that tell of an expression, and how much."""


@dataclass(frozen=True)
class Neutrality:
    """One face judged.

    unrest: (4,) float32 of the regions `anatomy.REGIONS`; 0 is calm, 1 is plainly an expression.
    removal: (13,) float32, by how much each measure must change to be one of a neutral face.
    """

    unrest: FloatArray
    removal: FloatArray


def judge(
    measures: FloatArray,
    usual: FloatArray,
    *,
    speed: FloatArray | None = None,
    scores: Mapping[str, float] | None = None,
) -> Neutrality:
    """Return how neutral a face is.

    measures: (13,) of the face, see `anatomy.measures_of`. usual: (13,) of the neutral face as far as it is known.
    speed: (13,) change of the measures a second; None if unknown. scores: blendshapes; None without.
    """
    away = (measures - usual) / RANGES
    size = np.abs(away)
    beyond = np.maximum(size - 1, 0)
    expressed = _IN_RANGE * np.square(np.minimum(size, 1)) + _BEYOND * beyond
    moving = 0.0 if speed is None else np.maximum(np.abs(speed) / RANGES - _STILL_RANGES, 0) * _UNREST_OF_SPEED
    # A deviation within the range is the person's own; a large one is all expression.
    own = away * np.exp(-2 * beyond)
    unrest = np.zeros(len(anatomy.REGIONS), np.float32)
    for number, region in enumerate(anatomy.REGIONS):
        unrest[number] = min(float((expressed + moving)[region].max()), _MOST_UNREST)
        if scores is not None:
            told = sum(
                weight * max(scores.get(name, 0.0) - _RESTING_SCORE, 0.0) for name, weight in _SCORES[number].items()
            )
            unrest[number] += told
            own[region] *= np.exp(-max(told - _USUAL_SCORES, 0.0) / _DOUBTED_SCORES)
    return Neutrality(unrest, np.asarray((own - away) * RANGES, np.float32))


def without_expression(shape: FloatArray, removal: FloatArray) -> FloatArray:
    """Return a face shape, (478, 3) face units, with its measures changed by ``removal``, (13,)."""
    moved = np.tensordot(removal, anatomy.expression_modes(), axes=1)
    return np.asarray(shape + moved, np.float32)
