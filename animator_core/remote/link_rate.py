"""Which codec the link has time for, and what time it was on the other computer's clock."""

from __future__ import annotations

from collections import OrderedDict

from animator_core.animation.backoff import Backoff
from animator_core.remote.wire import JPEG_ALPHA, LZ4

_GOOD_SHARE, _BAD_SHARE = 0.5, 0.9
"""Of the time between two frames, from sending to acknowledgement."""
_BAD_FRAMES = 3
_FIRST_TRIAL_S, _LONGEST_TRIAL_S = 2.0, 300.0
_WINDOW_NS = 10_000_000_000
_KEPT = 256


class CodecChoice:
    """Frames without loss if the link carries them well within their time, JPEG otherwise.

    Now and then a single frame is sent without loss; if it is acknowledged in half the time between two frames, all
    are. Trials that fail become rarer.
    """

    def __init__(self, frame_rate: float, now_s: float) -> None:
        self.frame_s = 1.0 / frame_rate
        self._codec = JPEG_ALPHA
        self._backoff = Backoff(_FIRST_TRIAL_S, _LONGEST_TRIAL_S)
        self._next_trial_s = now_s
        self._bad_count = 0

    def codec(self, now_s: float) -> int:
        """Return the codec of the next frame."""
        return LZ4 if self._codec == LZ4 or now_s >= self._next_trial_s else JPEG_ALPHA

    def note(self, codec: int, seconds: float, now_s: float) -> None:
        """Take into account how long a frame was under way until it was acknowledged."""
        if codec != LZ4:
            return
        if self._codec != LZ4:
            if seconds <= _GOOD_SHARE * self.frame_s:
                self._codec, self._bad_count = LZ4, 0
            else:
                self._next_trial_s = now_s + self._backoff.next_s()
            return
        self._bad_count = self._bad_count + 1 if seconds > _BAD_SHARE * self.frame_s else 0
        if self._bad_count >= _BAD_FRAMES:
            self._codec, self._next_trial_s = JPEG_ALPHA, now_s + self._backoff.next_s()


class RemoteClock:
    """Translates capture times of the other computer's clock to this one's, and back.

    A frame cannot arrive before it was captured: the shortest way that any took in the last seconds is the offset, so
    that the network's jitter does not become jitter of the motion. Clocks drift, so the offset is found anew.
    """

    def __init__(self) -> None:
        self._offset_ns: int | None = None
        self._found_ns: int | None = None
        self._window_ends_ns = 0
        self._last_ns = 0
        self._theirs: OrderedDict[int, int] = OrderedDict()

    def to_ours(self, captured_ns: int, now_ns: int) -> int:
        """Return the capture time of a frame that arrived now on our clock, later than any before."""
        way = now_ns - captured_ns
        if self._offset_ns is None or now_ns >= self._window_ends_ns:
            self._offset_ns = way if self._found_ns is None else self._found_ns
            self._found_ns, self._window_ends_ns = way, now_ns + _WINDOW_NS
        self._found_ns = way if self._found_ns is None else min(self._found_ns, way)
        self._offset_ns = min(self._offset_ns, self._found_ns)
        ours = max(self._last_ns + 1, captured_ns + self._offset_ns)
        self._last_ns = ours
        self._theirs[ours] = captured_ns
        if len(self._theirs) > _KEPT:
            self._theirs.popitem(last=False)
        return ours

    def to_theirs(self, ours_ns: int) -> int:
        """Return the time that `to_ours` had made ``ours_ns`` of; 0 if it was none, or long ago."""
        return self._theirs.get(ours_ns, 0)
