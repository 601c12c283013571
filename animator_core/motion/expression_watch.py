"""The expression that a face has held for a while, for characters with a picture of each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from animator_core.motion.driving import DrivingMotion
from animator_core.motion.expression_coordinates import INDEX, coordinates

EXPRESSIONS = ("happy", "surprised", "angry", "sad")
"""Those that are recognised; of two, the earlier one counts."""
_ENTER, _LEAVE = 1.0, 0.5
"""Scores at which an expression begins and ends."""
_ENTER_SECONDS, _LEAVE_SECONDS = 0.5, 0.8


class ExpressionWatch:
    """Follows a face; a word, a blink or a twitch of the mouth is no expression."""

    def __init__(self) -> None:
        self._shown = self._next = ""
        self._since_ns = 0

    def observe(self, motion: DrivingMotion | None, now_ns: int) -> str:
        """Return one of `EXPRESSIONS`, or "" for a calm face; motion: None without a face."""
        scores = {} if motion is None else scores_of(motion)
        kept = self._shown if scores.get(self._shown, 0.0) >= _LEAVE else ""
        begun = next((name for name in EXPRESSIONS if scores.get(name, 0.0) >= _ENTER), "")
        wanted = kept or begun
        if wanted != self._next:
            self._next, self._since_ns = wanted, now_ns
        held = (now_ns - self._since_ns) * 1e-9
        if held >= (_ENTER_SECONDS if wanted else _LEAVE_SECONDS):
            self._shown = wanted
        return self._shown


def scores_of(motion: DrivingMotion) -> Mapping[str, float]:
    """Return how marked each of `EXPRESSIONS` is in a face; 1 is clear, by our own estimate of plain expressions."""
    moved = 100 * (coordinates().measure @ motion.expression.reshape(-1))

    def both(name: str) -> float:
        return float(np.mean([moved[INDEX[f"{name}_{side}"]] for side in ("right", "left")]))

    smile = 0.4 * both("corner_out") - 0.6 * both("corner_down")
    opening = float(moved[INDEX["lower_lip"]] - moved[INDEX["upper_lip"]])
    inner, outer = both("inner_brow"), both("outer_brow")
    return {
        "happy": smile / 1.6,
        "surprised": min(-(inner + outer) / 2 / 1.2, opening / 3.0),
        "angry": (inner - 0.5 * max(smile, 0.0)) / 1.2,
        "sad": min(both("corner_down") / 1.0, -inner / 0.5),
    }
