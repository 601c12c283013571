"""The two ends of a live loop that a host may stand in for: its camera also goes to the host, both may draw."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass

from animator_core.animation.endpoints import DrivingFrame, FrameSink, FrameSource
from animator_core.arrays import FloatArray, UInt8Array
from animator_core.ipc.frame_ring import now_ns
from animator_core.remote import codecs, wire
from animator_core.remote.link import HostLink
from animator_core.tracking.observation import TrackedFrame
from animator_core.tracking.observation_row import to_row

_RECENT_NS = 1_000_000_000
_PATIENCE_NS = 1_000_000_000
_AT_REST = ("no_face", "no_camera", "frozen")


@dataclass(frozen=True)
class CameraFrame:
    """A driving frame whose picture goes to the host."""

    captured_ns: int
    picture: UInt8Array

    def packet(self) -> wire.Packet:
        """Return it as JPEG."""
        height, width = self.picture.shape[:2]
        return wire.Packet(
            wire.FRAME, wire.JPEG, width=width, height=height, payload=codecs.encode_driving(self.picture)
        )


@dataclass(frozen=True)
class LandmarkFrame:
    """A driving frame of which only the landmarks go to the host."""

    captured_ns: int
    row: FloatArray

    def packet(self) -> wire.Packet:
        """Return the row of numbers."""
        return wire.Packet(wire.FRAME, wire.LANDMARK_ROW, payload=self.row.astype("<f4").tobytes())


class SplitSource:
    """Gives driving frames to the local loop, and to the host unless that gets landmarks.

    While the host animates their pictures, the local loop gets none, so that nothing is tracked twice.
    """

    def __init__(self, source: FrameSource, link: HostLink, sink: SharedSink, *, sends: str) -> None:
        self._source, self._link, self._sink, self._sends_frames = source, link, sink, sends == wire.FRAMES

    @property
    def last_frame_ns(self) -> int:
        """When the last frame came."""
        return self._source.last_frame_ns

    def take(self, timeout_s: float) -> DrivingFrame | None:
        """Return the newest frame for the local loop, if there is one."""
        frame = self._source.take(timeout_s)
        if frame is None or not self._sends_frames:
            return frame
        if frame.picture is not None:
            self._link.offer(CameraFrame(frame.captured_ns, frame.picture))
        return None if self._sink.is_remote else frame

    def offer_tracked(self, tracked: TrackedFrame, captured_ns: int) -> None:
        """Send the landmarks of a frame that the local loop tracked, if landmarks are sent."""
        if self._sends_frames:
            return
        face, frame = tracked.observation, tracked.frame
        size = (face.frame_width, face.frame_height) if face else frame.shape[1::-1] if frame is not None else (1, 1)
        self._link.offer(LandmarkFrame(captured_ns, to_row(face, (size[0], size[1]))))


class SharedSink:
    """Shows the host's pictures while the host is alive, else the local loop's; never one older than the last shown.

    on_switch: called on the local loop's thread when the host comes (True) or is lost (False).
    """

    is_continuous = False

    def __init__(self, sink: FrameSink, link: HostLink, on_switch: Callable[[bool], None]) -> None:
        self.max_pixels = sink.max_pixels
        self.is_remote = False
        """Whether the last picture was the host's, and the host is alive."""
        self.is_refused = False
        """Whether the host draws another character than the wanted one, so that its pictures are not shown."""
        self._sink, self._link, self._on_switch = sink, link, on_switch
        self._lock = threading.Lock()
        self._shown_ns = self._idles_from_ns = 0
        self._was_remote = False
        self._is_closed = False

    def show(self, picture: UInt8Array, captured_ns: int) -> None:
        """Show a picture of the local loop."""
        with self._lock:
            # The first pictures after a switch are those of a loop that has seen no face yet: the last one stays.
            is_following = captured_ns > 0 or now_ns() >= self._idles_from_ns
            if not self.is_remote and is_following:
                self._show(picture, captured_ns)

    def show_remote(self, picture: UInt8Array, captured_ns: int) -> None:
        """Show a picture of the host."""
        if picture.shape[0] * picture.shape[1] > self.max_pixels:
            return
        with self._lock:
            if not (self._is_closed or self.is_refused) and (self.is_remote or self._has_caught_up(captured_ns)):
                # From now on the local loop waits, until the host's pictures are newer than its last one.
                self.is_remote = True
                self._show(picture, captured_ns)

    def beat(self) -> None:
        """Pass the heartbeat on, and notice a host that is lost."""
        self._sink.beat()
        with self._lock:
            if self.is_remote and (self.is_refused or not self._link.is_live):
                self.is_remote = False
                self._idles_from_ns = now_ns() + _PATIENCE_NS
            is_remote, was_remote = self.is_remote, self._was_remote
            self._was_remote = is_remote
        if is_remote != was_remote:
            self._on_switch(is_remote)

    def close(self) -> None:
        """Show nothing of the host any more; the rings may be unmapped afterwards."""
        with self._lock:
            self._is_closed = True

    def _has_caught_up(self, captured_ns: int) -> bool:
        """Return whether a host that begins follows the camera: its first pictures may be those of a face at rest."""
        status = self._link.news.status
        if captured_ns == 0:
            return self._shown_ns == 0 or (status is not None and status.state in _AT_REST)
        return now_ns() - captured_ns < _RECENT_NS

    def _show(self, picture: UInt8Array, captured_ns: int) -> None:
        if 0 < captured_ns < self._shown_ns:
            return
        self._shown_ns = max(self._shown_ns, captured_ns)
        self._sink.show(picture, captured_ns)
