"""Tells the streamer why the face is followed badly, and what to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

NO_TROUBLE = ("", "")
TROUBLES: Mapping[str, tuple[str, str]] = {
    "dark": ("the face is too dark to be followed well", "turn on more light in front of you"),
    "far": ("the face is too far away to be followed well", "come closer, or zoom the camera in"),
    "outside": ("part of the face is outside the camera's picture", "move back into the middle of the picture"),
    "mouth": ("the mouth is hidden, so it rests", "uncover it, and the character speaks again"),
}
"""Message and remedy by reason."""
_TOLD_AFTER_SECONDS = 1.0
_GONE_SECONDS = 0.5
_SILENT_SECONDS = 1.5


class TroubleReport:
    """Tells a trouble once it has held for a second, until it has been over for half of one.

    One thread notes; any thread may read ``told``.
    """

    def __init__(self) -> None:
        self.told = NO_TROUBLE
        """Message and remedy, or two empty texts."""
        self._reason = self._told_reason = ""
        self._since_ns = self._noted_ns = 0
        self._frames = 0
        self._frames_of: Counter[str] = Counter()

    def note(self, reason: str, now_ns: int) -> None:
        """Take a frame's reason, a key of `TROUBLES`, or "" for none."""
        self._noted_ns = now_ns
        if reason != self._reason:
            self._reason, self._since_ns = reason, now_ns
        seconds = (now_ns - self._since_ns) * 1e-9
        if seconds >= (_TOLD_AFTER_SECONDS if reason else _GONE_SECONDS):
            self._tell(reason)
        self._frames += 1
        self._frames_of[self._told_reason] += 1

    def note_silence(self, now_ns: int) -> None:
        """Take a moment without a frame; of a camera that gives none any more nothing is told."""
        if (now_ns - self._noted_ns) * 1e-9 > _SILENT_SECONDS:
            self._reason = ""
            self._tell("")

    def summary(self) -> tuple[str, ...]:
        """Return a sentence for each trouble that was told so far, with its share of the frames."""
        return tuple(
            f"in {self._frames_of[reason] / self._frames:.0%} of the frames {message}; {remedy}"
            for reason, (message, remedy) in TROUBLES.items()
            if self._frames_of[reason]
        )

    def _tell(self, reason: str) -> None:
        self._told_reason, self.told = reason, TROUBLES.get(reason, NO_TROUBLE)
