"""The requests of a panel, hotkeys or keys."""

from __future__ import annotations

from collections import deque
from typing import Union

from animator_core.ipc.protocol import AnimationSettings
from animator_core.motion.emotes.emote import Emote

CALIBRATE, FORGET_CALIBRATION, REFRESH = "calibrate", "forget_calibration", "refresh"
TAKE_NEUTRAL = "take_neutral"

Request = Union[str, Emote]
"""One of these words, or an emote to be played."""


class AnimationRequests:
    """Any thread makes requests; the thread that draws carries them out between two frames."""

    def __init__(self, settings: AnimationSettings) -> None:
        self.settings = settings
        self.is_frozen = False
        self.is_hidden = False
        self.has_news = True
        """Whether anything but `is_frozen` and `is_hidden` may have changed; cleared by the thread that draws."""
        self.neutral = ""
        """The neutral pose that `TAKE_NEUTRAL` asks to go on with."""
        self._pending: deque[Request] = deque()

    def update(self, settings: AnimationSettings) -> None:
        """Use other settings from the next frame on."""
        self.settings = settings
        self.has_news = True

    def act(self, action: str) -> None:
        """Carry out one of `protocol.ACTIONS`."""
        if action in ("freeze", "unfreeze"):
            self.is_frozen = action == "freeze"
        elif action in ("hide", "show"):
            self.is_hidden = action == "hide"
        else:
            self._add(action)

    def play(self, emote: Emote) -> None:
        """Play an emote over the live motion; a frozen character stays frozen."""
        self._add(emote)

    def refresh_characters(self) -> None:
        """List the characters again, load changed ones anew, and try failed ones again."""
        self._add(REFRESH)

    def take_neutral(self, neutral: str) -> None:
        """Go on with a neutral pose that another animation of the person found, see `protocol.NeutralPose`."""
        self.neutral = neutral
        self._add(TAKE_NEUTRAL)

    def take(self) -> Request | None:
        """Return the next request that was made, or None."""
        return self._pending.popleft() if self._pending else None

    def _add(self, request: Request) -> None:
        self._pending.append(request)
        self.has_news = True
