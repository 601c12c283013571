"""The requests of a panel, hotkeys or keys."""

from __future__ import annotations

from collections import deque

from animator_core.ipc.protocol import AnimationSettings

CALIBRATE, REFRESH = "calibrate", "refresh"


class AnimationRequests:
    """Any thread makes requests; the thread that draws carries them out between two frames."""

    def __init__(self, settings: AnimationSettings) -> None:
        self.settings = settings
        self.is_frozen = False
        self.is_hidden = False
        self._pending: deque[str] = deque()

    def update(self, settings: AnimationSettings) -> None:
        """Use other settings from the next frame on."""
        self.settings = settings

    def act(self, action: str) -> None:
        """Carry out one of `protocol.ACTIONS`."""
        if action in ("freeze", "unfreeze"):
            self.is_frozen = action == "freeze"
        elif action in ("hide", "show"):
            self.is_hidden = action == "hide"
        else:
            self._pending.append(action)

    def refresh_characters(self) -> None:
        """List the characters again, load changed ones anew, and try failed ones again."""
        self._pending.append(REFRESH)

    def take(self) -> str | None:
        """Return the next of `CALIBRATE` and `REFRESH` that was asked for, None if there is none."""
        return self._pending.popleft() if self._pending else None
