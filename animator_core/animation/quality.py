"""The quality ladder: rate, size and renderer are reduced while the machine is too slow.

Rendering never takes more than its share of the time (`Pace.rest`), so a machine that is a little too slow shows a few
frames less. Below ``performance.frame_skip_threshold`` the ladder goes down rung by rung, and up again in calm times;
an attempt that fails is repeated at growing intervals.
"""

from __future__ import annotations

from dataclasses import dataclass

_SECOND = 1_000_000_000
_BUSY, _CALM = 0.9, 0.45
"""Shares of the time that rendering may take: at its limit, and with room for twice the work."""
_TOO_SLOW_NS = 3 * _SECOND
_FIRST_WAIT_NS, _LONGEST_WAIT_NS = 10 * _SECOND, 320 * _SECOND
_PROVEN_NS = 30 * _SECOND
"""A higher rung that held this long is a success."""


@dataclass(frozen=True)
class Rung:
    """One step of the ladder.

    is_half_rate: only every second driving frame. is_small: a picture of half the size. is_warp: the warp draws in
    place of LivePortrait.
    """

    is_half_rate: bool = False
    is_small: bool = False
    is_warp: bool = False

    @property
    def description(self) -> str:
        """The reductions in words, "" for none."""
        parts = ("by the warp renderer",) * self.is_warp + ("at half the size",) * self.is_small
        return ", ".join((*parts, *("every second frame only",) * self.is_half_rate))


_WARP_LADDER: tuple[Rung, ...] = (Rung(), Rung(is_half_rate=True), Rung(is_half_rate=True, is_small=True))
_LIVEPORTRAIT_LADDER: tuple[Rung, ...] = (
    *_WARP_LADDER,
    Rung(is_warp=True),
    Rung(is_half_rate=True, is_warp=True),
    Rung(is_half_rate=True, is_small=True, is_warp=True),
)


@dataclass(frozen=True)
class Load:
    """The recent load of one animation; shares of the time, 0 to 1, of the thread that does the work."""

    shown_fps: float
    tracking_share: float
    rendering_share: float


class QualityLadder:
    """The quality of one animation; ``now_ns`` is any clock that never goes back.

    least_fps: fewer frames a second are too few; 0 never leaves the first rung. most_share: the share of the time that
    rendering may take.
    """

    def __init__(self, least_fps: float, most_share: float) -> None:
        self._least_fps = least_fps
        self._most_share = most_share
        self._rungs = _WARP_LADDER
        self._index = 0
        self._slow_ns: int | None = None
        self._calm_ns: int | None = None
        self._rose_ns: int | None = None
        self._wait_ns = _FIRST_WAIT_NS
        self._has_failed = False

    @property
    def rung(self) -> Rung:
        """The present quality."""
        return self._rungs[self._index]

    def use(self, is_liveportrait: bool) -> None:
        """Take the rungs of a renderer; starts from the top if they are others."""
        rungs = _LIVEPORTRAIT_LADDER if is_liveportrait else _WARP_LADDER
        if rungs is not self._rungs:
            self._rungs, self._index, self._wait_ns, self._has_failed = rungs, 0, _FIRST_WAIT_NS, False
            self._settle(None)

    def pause(self, now_ns: int) -> None:
        """Begin the observation anew: something else took the machine's time, and the new rung is not prepared yet."""
        self._slow_ns = self._calm_ns = None
        if self._rose_ns is not None:
            self._rose_ns = now_ns

    def refuses(self, frame_seconds: float) -> bool:
        """Return whether a rung that is tried again takes too long for a frame, and go down if so."""
        if self._rose_ns is None or frame_seconds * self._least() <= self._most_share:
            return False
        self._fall()
        return True

    def refuses_liveportrait(self, frame_seconds: float) -> bool:
        """Return whether LivePortrait is too slow even for every second frame before it was ever shown.

        The warp draws then; it is tried again only after the longest wait.
        """
        if self._rungs is _LIVEPORTRAIT_LADDER or frame_seconds * self._least_fps / 2 <= self._most_share:
            return False
        self.use(is_liveportrait=True)
        self._go_to_warp()
        self._wait_ns = _LONGEST_WAIT_NS
        return True

    def fall_back(self) -> bool:
        """Go down to the warp, since LivePortrait failed; return False if this ladder has none."""
        if self.rung.is_warp or not any(rung.is_warp for rung in self._rungs):
            return self.rung.is_warp
        self._go_to_warp()
        self._has_failed = True
        return True

    def observe(self, load: Load, now_ns: int) -> None:
        """Take the load since the last call, about once a second, and step if it is time."""
        self._slow_ns = _since(self._slow_ns, now_ns) if self._is_too_slow(load) else None
        self._calm_ns = _since(self._calm_ns, now_ns) if self._is_calm(load) else None
        if self._rose_ns is not None and now_ns - self._rose_ns > _PROVEN_NS:
            self._rose_ns, self._wait_ns = None, _FIRST_WAIT_NS
        if self._slow_ns is not None and now_ns - self._slow_ns >= _TOO_SLOW_NS:
            self._go_down(load)
        elif self._calm_ns is not None and self._index and now_ns - self._calm_ns >= self._wait_ns:
            self._rise(now_ns)

    def _go_down(self, load: Load) -> None:
        if self._index + 1 == len(self._rungs):
            return
        if self.rung.is_half_rate and load.tracking_share > load.rendering_share:
            # A smaller picture does not make the tracker faster.
            return
        self._fall()

    def _rise(self, now_ns: int) -> None:
        was_warp = self.rung.is_warp
        self._index -= 1
        if self._has_failed and was_warp and not self.rung.is_warp:
            # It failed, it was not slow: full quality is tried again at once.
            self._index, self._has_failed = 0, False
        self._settle(now_ns)

    def _go_to_warp(self) -> None:
        while not self.rung.is_warp:
            self._index += 1
        self._note_fall()

    def _fall(self) -> None:
        self._index += 1
        self._note_fall()

    def _note_fall(self) -> None:
        if self._rose_ns is not None:
            self._wait_ns = min(2 * self._wait_ns, _LONGEST_WAIT_NS)
        self._settle(None)

    def _settle(self, rose_ns: int | None) -> None:
        self._slow_ns = self._calm_ns = None
        self._rose_ns = rose_ns

    def _least(self) -> float:
        return self._least_fps / 2 if self.rung.is_half_rate else self._least_fps

    def _is_too_slow(self, load: Load) -> bool:
        is_busy = max(load.tracking_share, load.rendering_share / self._most_share) >= _BUSY
        return is_busy and load.shown_fps < self._least()

    def _is_calm(self, load: Load) -> bool:
        return max(load.tracking_share, load.rendering_share / self._most_share) <= _CALM


def _since(began_ns: int | None, now_ns: int) -> int:
    return now_ns if began_ns is None else began_ns
