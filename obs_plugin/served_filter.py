"""A filter as the supervisor knows it: its settings, its rings, and whether the worker still answers it."""

from __future__ import annotations

if not __package__:
    __import__("wrong_script").claim(globals())

from dataclasses import dataclass
from typing import Callable

from animator_core.ipc.protocol import AnimationSettings, FilterStatus, OpenFilter, may_be_slow
from obs_plugin.filter_rings import FilterRings
from obs_plugin.timing import Timing


@dataclass
class ServedFilter:
    """A filter of the worker; used by the supervisor's thread only.

    deliver: called with the rings once the worker has them. neutral: the neutral pose that the worker sent, or "".
    camera_id: see `OpenFilter`.
    """

    filter_id: str
    settings: AnimationSettings
    deliver: Callable[[FilterRings], None]
    neutral: str = ""
    camera_id: str = ""
    rings: FilterRings | None = None
    opened_at: float = 0.0
    """When it was last tried to open it."""
    _counts: tuple[int, int] = (0, 0)
    _starved_since: float = 0.0

    def make_rings(self, now: float) -> OpenFilter:
        """Make new rings and return the message that opens the filter with them; raises RingError."""
        self.opened_at = now
        self.rings = rings = FilterRings.create()
        self._counts, self._starved_since = (0, 0), 0.0
        return OpenFilter(
            self.filter_id,
            driving=rings.driving.address,
            animated=rings.animated.address,
            settings=self.settings,
            neutral=self.neutral,
            camera_id=self.camera_id,
        )

    def note_opened(self) -> None:
        """Hand the rings on: the worker has mapped them."""
        if self.rings is not None and not self.rings.is_opened:
            self.rings.unlink()
            self.rings.is_opened = True
            self.deliver(self.rings)

    def note_refused(self) -> None:
        """Drop rings that the worker has not opened: waiting for it would end the worker of all other filters."""
        if self.rings is not None and not self.rings.is_opened:
            self.end_rings()

    def end_rings(self) -> None:
        if self.rings is not None:
            self.rings.end()
            self.rings = None

    def is_hung(self, status: FilterStatus | None, now: float, timing: Timing) -> bool:
        """Return whether the worker has given no sign of life for this filter for too long."""
        rings = self.rings
        if rings is None:
            return False
        if not rings.is_opened:
            return now - self.opened_at > timing.opened
        state = status.state if status is not None else "loading"
        before, self._counts = self._counts, (rings.published_count, rings.shown_count)
        # Hidden sources drive nothing; only frames that go in while none comes out are a sign of a hang.
        if self._counts[0] == before[0] or self._counts[1] != before[1] or state not in ("tracking", "calibrating"):
            self._starved_since = now
        is_slow = status is not None and may_be_slow(status.renderer, status.device)
        starved = timing.starved_slow if is_slow else timing.starved
        silent = timing.heartbeat_loading if state == "loading" else timing.heartbeat
        return rings.heartbeat_age_s > silent or now - self._starved_since > starved
