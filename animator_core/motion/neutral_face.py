"""The neutral pose that motion is measured against: estimated from the first face on, chosen, kept or forgotten."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import replace

import numpy as np

from animator_core.arrays import FloatArray
from animator_core.motion.eased_neutral import EasedNeutral
from animator_core.motion.face_state import FaceState, NeutralPose, median_pose
from animator_core.motion.neutral_estimate import NeutralEstimate
from animator_core.motion.person_watch import PersonWatch, Presence

Scores = Mapping[str, float]
"""Blendshapes by name."""
_KNOWN_SECONDS = 0.2
"""Calm time of every region after which the neutral pose counts as found."""
_LEAST_SECONDS = 5.0
"""Calm time that a neutral pose of a clip or of another run counts as, at least."""
_GIVE_UP_NS = 6_000_000_000
_BUTTON_NS = 400_000_000
_KEEP_EVERY_NS = 10_000_000_000
_KEEP_CHANGE = 0.003
"""Root mean square in face sizes: a smaller improvement is not worth being kept again."""


class NeutralFace:
    """Finds and improves one person's neutral pose; in the frames as they are looked at, mirrored or not."""

    def __init__(self) -> None:
        self.pose: NeutralPose | None = None
        """The neutral pose in use; None before the first face."""
        self.kept: NeutralPose | None = None
        """The one for another run: found, chosen or given; renewed now and then as it improves."""
        self.forget()

    @property
    def is_found(self) -> bool:
        """Whether every region of the face was seen calm, or it was waited for long enough."""
        return self.kept is not None

    def forget(self) -> None:
        """Begin again with people's usual neutral face."""
        self._estimate = NeutralEstimate()
        self._eased: EasedNeutral | None = None
        self._watch = PersonWatch()
        self._recent: deque[tuple[int, FaceState]] = deque()
        self._first_ns: int | None = None
        self._kept_ns = 0
        self.pose = self.kept = None

    def take(self, neutral: NeutralPose) -> None:
        """Go on from a neutral pose that was found before."""
        known = np.maximum(neutral.calm_seconds, _LEAST_SECONDS).astype(np.float32)
        self._continue_from(replace(neutral, calm_seconds=known))
        self.kept = neutral

    def mirror(self) -> None:
        """Go on with faces in a mirror."""
        pose, kept = self.pose, self.kept
        self._recent.clear()
        if pose is not None:
            self._continue_from(pose.mirrored())
            self.kept = None if kept is None else kept.mirrored()

    def choose(self) -> bool:
        """Take the present moment, as the person asks; return whether there is one, else everything is forgotten."""
        if not self._recent:
            self.forget()
            return False
        newest_ns = self._recent[-1][0]
        chosen = median_pose([state for seen_ns, state in self._recent if newest_ns - seen_ns <= _BUTTON_NS])
        self.take(replace(chosen, is_chosen=True))
        return True

    def observe(self, state: FaceState, scores: Scores | None = None, trusted: FloatArray | None = None) -> NeutralPose:
        """Return the neutral pose in use after one more face.

        scores: its blendshapes, if there are any. trusted: (5,) whether each region is seen well, all by default.
        """
        now_ns = state.captured_ns
        seconds = (now_ns - self._recent[-1][0]) * 1e-9 if self._recent else 0.0
        self._remember(state)
        if self.pose is not None:
            if self.pose.is_chosen:
                return self.pose
            self._notice(self._watch.observe(state, self.pose))
        self._estimate.add(state, scores, trusted)
        estimated = self._estimate.neutral
        assert estimated is not None
        if self._eased is None:
            self._eased = EasedNeutral(estimated)
        self.pose = self._eased.follow(estimated, min(max(seconds, 0.0), 0.5))
        self._keep(now_ns)
        return self.pose

    def _notice(self, presence: Presence) -> None:
        if presence is Presence.RETURNED:
            self._estimate.doubt()
        elif presence is Presence.OTHER:
            self._estimate = NeutralEstimate()
            self.kept = self._first_ns = None

    def learn(self, faces: Iterable[tuple[FaceState, Scores | None]]) -> bool:
        """Take the neutral pose of faces that are known beforehand, and return whether there were any."""
        estimate = NeutralEstimate()
        for state, scores in faces:
            estimate.add(state, scores)
        if estimate.neutral is None:
            return False
        self.take(estimate.neutral)
        return True

    def _continue_from(self, neutral: NeutralPose) -> None:
        self._estimate = NeutralEstimate(neutral)
        self._eased = EasedNeutral(neutral)
        self.pose = neutral

    def _remember(self, state: FaceState) -> None:
        self._recent.append((state.captured_ns, state))
        while state.captured_ns - self._recent[0][0] > _BUTTON_NS:
            self._recent.popleft()

    def _keep(self, now_ns: int) -> None:
        """Renew ``kept``: rarely, as every renewal goes to the program that keeps it."""
        assert self.pose is not None
        if self._first_ns is None:
            self._first_ns = self._kept_ns = now_ns
        if self.kept is None:
            is_calm = bool((self._estimate.calm_seconds >= _KNOWN_SECONDS).all())
            if is_calm or now_ns - self._first_ns >= _GIVE_UP_NS:
                self.kept, self._kept_ns = self.pose, now_ns
        elif now_ns - self._kept_ns >= _KEEP_EVERY_NS:
            self._kept_ns = now_ns
            if _difference(self.kept, self.pose) > _KEEP_CHANGE:
                self.kept = self.pose


def _difference(one: NeutralPose, other: NeutralPose) -> float:
    """Return the root mean square by which the shapes, or by which the poses, differ in face sizes."""
    shapes = float(np.sqrt(np.square(one.shape - other.shape).sum(1).mean()))
    return max(shapes, _apart(one.eye_ratio, other.eye_ratio) / 3, _apart(one.gaze, other.gaze) / 3)


def _apart(one: FloatArray, other: FloatArray) -> float:
    return float(np.abs(one - other).max())
