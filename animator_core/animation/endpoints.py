"""The two ends of the live loop: a source of driving frames and a sink for the pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from animator_core.arrays import UInt8Array
from animator_core.tracking.observation import FaceObservation


@dataclass(frozen=True)
class DrivingFrame:
    """One frame of the camera.

    picture: (H, W, 3) uint8 RGB; None if another computer tracked it. captured_ns: time of capture on the clock of
    `frame_ring.now_ns`. observation: the face that the other computer saw, None for none.
    """

    picture: UInt8Array | None
    captured_ns: int
    observation: FaceObservation | None = None


class FrameSource(Protocol):
    """Gives the newest driving frame; older ones are dropped, never queued."""

    @property
    def last_frame_ns(self) -> int:
        """When the last frame came; the start counts as one."""
        ...

    def take(self, timeout_s: float) -> DrivingFrame | None:
        """Return the newest frame unless it was taken before, else None; waits for it at most ``timeout_s``."""
        ...


class FrameSink(Protocol):
    """Takes the pictures, from the thread that draws."""

    max_pixels: int
    """Larger pictures are reduced to this many."""
    is_continuous: bool
    """Whether a picture is shown at every tick of the frame rate; else only if it changed."""

    def show(self, picture: UInt8Array, captured_ns: int) -> None:
        """Show a picture, (H, W, 4) uint8 premultiplied BGRA, reused by the next frame.

        captured_ns: when the driving frame behind it was captured, 0 for none.
        """
        ...

    def beat(self) -> None:
        """Note that the thread that draws is alive; called at least every 0.1 s, with or without a picture."""
        ...
