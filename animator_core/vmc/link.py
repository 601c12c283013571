"""Receiver and sender by the settings, as `animation.services.FaceLink`."""

from __future__ import annotations

from typing import Callable

from animator_core.config import VmcConfig
from animator_core.tracking.observation import FaceTracker, TrackedFrame
from animator_core.vmc.receiver import VmcReceiver
from animator_core.vmc.sender import VmcSender
from animator_core.vmc.tracker import VmcTracker


class VmcLink:
    """Receives from the start on, if the settings say so, and sends what it takes."""

    def __init__(self, config: VmcConfig) -> None:
        self.receiver: VmcReceiver | None = None
        self._sender: VmcSender | None = None
        if config.receive:
            self.receiver = VmcReceiver(config.listen, config.port)
            self.receiver.start()
        if config.send:
            self._sender = VmcSender(config.send_to, config.send_port, has_presets=config.names == "vrm")

    @property
    def create_tracker(self) -> Callable[[], FaceTracker] | None:
        """Makes trackers in place of the camera's; None if faces are not received."""
        receiver = self.receiver
        return None if receiver is None else lambda: VmcTracker(receiver)

    @property
    def note(self) -> tuple[str, str]:
        """Why no face comes, and the remedy; else two empty texts."""
        return ("", "") if self.receiver is None else self.receiver.note

    def take(self, tracked: TrackedFrame, captured_ns: int) -> None:
        """Send the face of a tracked frame."""
        if self._sender is not None:
            self._sender.send(tracked, captured_ns)

    def close(self) -> None:
        """End the receiver's thread and free the ports."""
        if self.receiver is not None:
            self.receiver.close()
        if self._sender is not None:
            self._sender.close()
