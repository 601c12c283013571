"""Plays emotes over the live motion; one that another interrupts fades away beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from animator_core.motion.driving import DrivingMotion
from animator_core.motion.emotes.channels import CHANNELS, PARTS, EmoteMoment
from animator_core.motion.emotes.emote import Emote
from animator_core.smoothstep import smoothstep

_INTERRUPTED_SECONDS = 0.25


@dataclass
class _Playing:
    emote: Emote
    began_ns: int
    interrupted_ns: int | None = None

    def seconds(self, now_ns: int) -> float:
        return (now_ns - self.began_ns) * 1e-9

    def has_ended(self, now_ns: int) -> bool:
        if self.interrupted_ns is not None and (now_ns - self.interrupted_ns) * 1e-9 >= _INTERRUPTED_SECONDS:
            return True
        return self.seconds(now_ns) >= self.emote.seconds

    def moment(self, now_ns: int) -> EmoteMoment:
        at = self.seconds(now_ns)
        weight = self.emote.weight(at)
        if self.interrupted_ns is not None:
            weight *= 1 - float(smoothstep((now_ns - self.interrupted_ns) * 1e-9, 0.0, _INTERRUPTED_SECONDS))
        return self.emote.moment(at, weight)


class EmotePlayer:
    """Plays one emote at a time; used by one thread."""

    def __init__(self) -> None:
        self._playing: list[_Playing] = []
        self.moment: EmoteMoment | None = None
        """What `over` last added to the motion; None for nothing."""

    @property
    def is_playing(self) -> bool:
        """Whether an emote plays or fades away."""
        return bool(self._playing)

    def play(self, emote: Emote, now_ns: int) -> None:
        """Begin an emote; the one that plays fades away."""
        for each in self._playing:
            if each.interrupted_ns is None:
                each.interrupted_ns = now_ns
        self._playing.append(_Playing(emote, now_ns))

    def over(self, motion: DrivingMotion, now_ns: int) -> DrivingMotion:
        """Return a live motion with the emotes of this moment over it."""
        self._playing = [each for each in self._playing if not each.has_ended(now_ns)]
        if not self._playing:
            self.moment = None
            return motion
        values, live = np.zeros(len(CHANNELS), np.float32), np.ones(len(PARTS), np.float32)
        for each in self._playing:
            moment = each.moment(now_ns)
            values, live = values + moment.values, live * moment.live
        self.moment = EmoteMoment(values, live)
        return self.moment.over(motion)
