"""A face tracker that takes the face from a VMC sender in place of the camera's picture."""

from __future__ import annotations

from animator_core.arrays import UInt8Array
from animator_core.tracking.observation import FaceObservation
from animator_core.vmc.face import FRAME_SIZE, landmarks_of
from animator_core.vmc.names import ARKIT
from animator_core.vmc.receiver import VmcReceiver


class VmcTracker:
    """See `FaceTracker`; the frames only set the pace."""

    name = "vmc"

    def __init__(self, receiver: VmcReceiver) -> None:
        self._receiver = receiver

    def track(self, frame: UInt8Array, captured_ns: int) -> FaceObservation | None:
        """Return the face that the sender described last, None if that is too long ago."""
        face = self._receiver.face
        if face is None:
            return None
        width, height = FRAME_SIZE
        return FaceObservation(
            landmarks_of(face.scores, face.rotation),
            frame_width=width,
            frame_height=height,
            captured_ns=captured_ns,
            blendshapes={name: face.scores.get(name, 0.0) for name in ARKIT},
            is_in_frame=False,
        )

    def close(self) -> None:
        """Do nothing: the receiver goes on."""
