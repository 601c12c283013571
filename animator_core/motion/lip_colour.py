"""Tells by the colour of the lips whether something hides the mouth.

Lips are redder than the skin round them. The pattern of that difference over 38 points is learnt from the person;
a hand, a cup or a microphone before the mouth has another one. Light cancels, whatever its colour: logarithms of red
to green are compared with those of the skin beside the lips. A face without visible lip colour is never judged.
"""

from __future__ import annotations

import numpy as np

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.smoothstep import smoothstep
from animator_core.tracking.face_model import INNER_LIPS, OUTER_LIPS

# Both rings begin at the right corner. Without the corners, whose colour depends on the mouth's opening.
_SIDES = np.array([each for each in range(20) if each not in (0, 10)])
_OUTER, _INNER = np.array(OUTER_LIPS), np.array(INNER_LIPS)
_SKIN = np.array((57, 186, 92, 165, 167, 164, 393, 391, 322, 410, 287, 273, 335, 406, 313, 18, 83, 182, 106, 43))
"""Skin beside each point of `OUTER_LIPS`."""
_AWAY = 0.3
"""The skin is looked at by this much further away from the lips, in its distance to them: the lips may move."""
_CROSS = np.array([(0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)], np.float32)
_SPREAD = 1 / 90
"""Of the cross that is averaged at a point, in face widths."""
_DARK_OFFSET = 8.0
"""Added to the levels: keeps the logarithm of dark noise small."""
_LEAST_CONTRAST = 0.03
_SURE_CONTRAST = 0.04
"""Usual contrast from which the person's lips are judged."""
_LEAST_SEEN = 20
_LEARNING_FRAMES = 90
_HIDDEN, _VISIBLE = 0.2, 0.5
_LIKE_LIPS = 0.6
_FORGET_SECONDS = 30.0


class LipColour:
    """Follows one person's lips from frame to frame."""

    def __init__(self) -> None:
        self._usual: FloatArray | None = None
        self._seen = 0
        self._hidden_since_ns: int | None = None

    def visibility(self, frame: UInt8Array, landmarks: FloatArray, captured_ns: int) -> float:
        """Return how well the mouth is seen in ``frame``, 0 hidden to 1; 1 also if its lips cannot be told from skin.

        frame: (H, W, 3) uint8 RGB. landmarks: (478, 3) pixels.
        """
        pattern = _pattern(frame, landmarks[:, :2])
        contrast = _contrast(pattern)
        visibility = self._likeness(pattern, contrast)
        self._learn(pattern, contrast, visibility)
        if visibility > _HIDDEN:
            self._hidden_since_ns = None
        elif self._hidden_since_ns is None:
            self._hidden_since_ns = captured_ns
        elif (captured_ns - self._hidden_since_ns) * 1e-9 > _FORGET_SECONDS:
            # Another light, another person: what was learnt may not hold any more.
            self._usual, self._seen, self._hidden_since_ns = None, 0, None
        return visibility

    def _likeness(self, pattern: FloatArray, contrast: float) -> float:
        usual = self._usual
        if usual is None or self._seen < _LEAST_SEEN or (expected := _contrast(usual)) < _SURE_CONTRAST:
            return 1.0
        if contrast > _LIKE_LIPS * expected:
            return 1.0
        # The gain of the usual pattern in this one, by least squares.
        gain = float(pattern @ usual) / float(usual @ usual)
        return float(smoothstep(gain, _HIDDEN, _VISIBLE))

    def _learn(self, pattern: FloatArray, contrast: float, visibility: float) -> None:
        if contrast < _LEAST_CONTRAST or visibility < 1:
            return
        self._seen = min(self._seen + 1, _LEARNING_FRAMES)
        if self._usual is None:
            self._usual = pattern
        else:
            self._usual = np.asarray(self._usual + (pattern - self._usual) / self._seen, np.float32)


def _pattern(frame: UInt8Array, points: FloatArray) -> FloatArray:
    """Return log(red / green) at 18 points of the lips and 20 of the skin beside, (38,), against the skin's median."""
    lips = (points[_OUTER] + points[_INNER])[_SIDES] / 2
    skin = points[_SKIN] + (points[_SKIN] - points[_OUTER]) * _AWAY
    spread = np.ptp(points[:468, 0]) * _SPREAD
    spots = np.concatenate([lips, skin])[:, None] + _CROSS * spread
    colours = np.log(sampled(frame, spots).mean(1) + _DARK_OFFSET)
    redness = colours[:, 0] - colours[:, 1]
    return np.asarray(redness - _median(redness[len(lips) :]), np.float32)


def _contrast(pattern: FloatArray) -> float:
    return _median(pattern[: len(_SIDES)])


def _median(values: FloatArray) -> float:
    """Return the upper median: `np.median` takes longer than all else here."""
    return float(np.sort(values)[len(values) // 2])


def sampled(frame: UInt8Array, spots: FloatArray) -> FloatArray:
    """Return the levels, (..., 3) float32, of the pixels at ``spots``, (..., 2) as x and y, or nearest to them."""
    height, width = frame.shape[:2]
    x = np.clip(spots[..., 0], 0, width - 1).astype(np.intp)
    y = np.clip(spots[..., 1], 0, height - 1).astype(np.intp)
    return np.asarray(frame[y, x], np.float32)
