"""Finds the driver's neutral face: what relative motion is measured against."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Sequence
from dataclasses import fields

import torch

from animator_core.liveportrait.motion.face_motion import FaceMotion, joined, rotation_from_vector, vector_from_rotation

_STABLE_NS = 1_000_000_000
_GIVE_UP_NS = 6_000_000_000
_BUTTON_NS = 400_000_000
_LEAST_FRAMES = 8
"""A slow camera needs longer for as many, but none is looked at that is older than `_OLDEST_NS`."""
_OLDEST_NS = 3_000_000_000
_MAX_TURN = math.radians(3.0)
_MAX_ASIDE = math.radians(25.0)
_MAX_LIP_CHANGE = 0.03
_RESTING_SHARE = 0.25


def median_motion(motions: Sequence[FaceMotion]) -> FaceMotion:
    """Return what motions of one frame each have in common: medians, so that one blink does not count."""
    together = joined(motions)
    base = together.rotation[:1]
    turns = vector_from_rotation(together.rotation @ base.transpose(1, 2))
    middle: dict[str, torch.Tensor | None] = {}
    for each in fields(FaceMotion):
        values = getattr(together, each.name)
        middle[each.name] = None if values is None else values.median(0, keepdim=True).values
    middle["rotation"] = rotation_from_vector(turns.median(0, keepdim=True).values) @ base
    return FaceMotion(**middle)  # type: ignore[arg-type]


def neutral_of_clip(motions: Sequence[FaceMotion], captured_ns: Sequence[int]) -> FaceMotion:
    """Return the neutral face of a clip's beginning, of one or more faces (N = 1 each): its calm second, or its middle.

    Unlike live nothing has to wait: what a still second later tells is known from the first frame on.
    """
    watcher = NeutralWatch()
    for motion, seen_ns in zip(motions, captured_ns):
        found = watcher.watch(motion, seen_ns)
        if found is not None:
            return found
    return median_motion(_resting(motions))


class NeutralWatch:
    """Watches faces until a second of them is still and frontal; after six seconds it takes the calmest one seen.

    A camera of fewer than eight frames a second is given the time that eight take; of one that is slower still, what
    there is counts after six seconds.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[int, FaceMotion]] = deque()
        self._first_ns: int | None = None
        self._best: tuple[float, FaceMotion] | None = None

    def restart(self) -> None:
        """Forget what was seen."""
        self._recent.clear()
        self._first_ns = self._best = None

    def remember(self, motion: FaceMotion, captured_ns: int) -> None:
        """Keep a face (N = 1) of the last moments, for `from_recent`."""
        self._recent.append((captured_ns, motion))
        while True:
            age = captured_ns - self._recent[0][0]
            if age <= _STABLE_NS or (len(self._recent) <= _LEAST_FRAMES and age <= _OLDEST_NS):
                break
            self._recent.popleft()

    def watch(self, motion: FaceMotion, captured_ns: int) -> FaceMotion | None:
        """Take one more face; return the neutral one once it is found."""
        self.remember(motion, captured_ns)
        if self._first_ns is None:
            self._first_ns = captured_ns
        span = captured_ns - self._recent[0][0]
        if span >= 0.9 * _STABLE_NS and len(self._recent) >= _LEAST_FRAMES:
            motions = [each for _, each in self._recent]
            unrest = _unrest(joined(motions))
            if self._best is None or unrest < self._best[0]:
                self._best = unrest, median_motion(_resting(motions))
            if unrest <= 1:
                return self._best[1]
        if captured_ns - self._first_ns < _GIVE_UP_NS:
            return None
        return self._best[1] if self._best is not None else median_motion(_resting([each for _, each in self._recent]))

    def from_recent(self) -> FaceMotion | None:
        """Return the neutral face of the last moment: the person has pressed "calibrate"."""
        if not self._recent:
            return None
        newest = self._recent[-1][0]
        return median_motion([motion for seen_ns, motion in self._recent if newest - seen_ns <= _BUTTON_NS])


def _resting(motions: Sequence[FaceMotion]) -> Sequence[FaceMotion]:
    """Return the faces whose lips are closed most: somebody who talks has a neutral face between the words."""
    if any(motion.lip_ratio is None for motion in motions):
        return motions
    openings = [float(motion.lip_ratio) for motion in motions]  # type: ignore[arg-type]
    most = sorted(openings)[int(_RESTING_SHARE * (len(openings) - 1))]
    return [motion for motion, opening in zip(motions, openings) if opening <= most]


def _unrest(motions: FaceMotion) -> float:
    """Return how far from still, frontal and silent the faces are; up to 1 is stable."""
    base = motions.rotation[:1]
    turns = vector_from_rotation(motions.rotation @ base.transpose(1, 2))
    turn = float((turns.max(0).values - turns.min(0).values).max()) / _MAX_TURN
    # The third row of a rotation for row vectors is where the face's depth axis points; frontal is straight away.
    aside = math.acos(min(max(float(motions.rotation[:, 2, 2].mean()), -1.0), 1.0)) / _MAX_ASIDE
    lips = 0.0 if motions.lip_ratio is None else float(motions.lip_ratio.std()) / _MAX_LIP_CHANGE
    return max(turn, aside, lips)
