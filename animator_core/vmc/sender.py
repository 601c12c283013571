"""Sends the driver's face to another program by the VMC protocol."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterator
from typing import Any

import numpy as np
from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message import OscMessage
from pythonosc.osc_message_builder import OscMessageBuilder

from animator_core.arrays import FloatArray
from animator_core.motion.face_state import eye_measures
from animator_core.motion.rotation import rotation_from_euler, vector_from_rotation
from animator_core.tracking.observation import FaceObservation, TrackedFrame
from animator_core.tracking.pose import fit_pose, with_true_depth
from animator_core.vmc.names import ARKIT, Scores, vrm_presets

logger = logging.getLogger(__name__)

_LARGEST_BUNDLE = 1300
"""Bytes: a datagram of a usual network without being taken apart."""
_USUAL_PITCH = 8.0
_OPEN_EYE, _CLOSED_EYE = 0.27, 0.06
"""Lid openings in eye widths of MediaPipe's open and closed eyes."""
_WIDE_OPENING = 0.17
"""Distance of the lips in face units at ARKit's jawOpen 1."""
_INNER_LIPS = (13, 14)


class VmcSender:
    """Sends one message bundle, or a few, for each tracked face.

    has_presets: send VRM's vowels and blinks in place of ARKit's 52 scores. Used by the thread that tracks.
    """

    def __init__(self, host: str, port: int, *, has_presets: bool = False) -> None:
        self._address = (host, port)
        self._has_presets = has_presets
        self._socket: socket.socket | None = None
        self._target: Any = None
        self._is_failing = False

    def send(self, tracked: TrackedFrame, captured_ns: int) -> None:
        """Send the face of a frame; without one nothing is sent. A network that fails is told once in the log."""
        if tracked.observation is None:
            return
        try:
            if self._socket is None:
                family, kind, protocol, _, self._target = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
                self._socket = socket.socket(family, kind, protocol)
                self._socket.setblocking(False)
            for bundle in bundles_of(messages_for(tracked.observation, captured_ns, self._has_presets)):
                self._socket.sendto(bundle, self._target)
            self._is_failing = False
        except OSError as exc:
            if not self._is_failing:
                logger.warning("VMC: cannot send to %s, port %d (%s)", *self._address, exc.strerror or exc)
            self._is_failing = True

    def close(self) -> None:
        """Free the socket."""
        if self._socket is not None:
            self._socket.close()


def messages_for(observation: FaceObservation, captured_ns: int, has_presets: bool) -> list[OscMessage]:
    """Return the VMC messages of a face: availability, time, root, the head's bone, and all scores."""
    scores = scores_of(observation)
    still = (0.0, 0.0, 0.0)
    pose = fit_pose(with_true_depth(observation.landmarks))
    turned = quaternion_of(pose.rotation @ rotation_from_euler(0.0, _USUAL_PITCH, 0.0).T)
    named = (
        vrm_presets(scores) if has_presets else {name[0].upper() + name[1:]: scores.get(name, 0.0) for name in ARKIT}
    )
    return [
        _message("/VMC/Ext/OK", 1),
        _message("/VMC/Ext/T", captured_ns * 1e-9),
        _message("/VMC/Ext/Root/Pos", "root", *still, 0.0, 0.0, 0.0, 1.0),
        _message("/VMC/Ext/Bone/Pos", "Head", *still, *turned),
        *(_message("/VMC/Ext/Blend/Val", name, value) for name, value in named.items()),
        _message("/VMC/Ext/Blend/Apply"),
    ]


def scores_of(observation: FaceObservation) -> Scores:
    """Return ARKit's scores of a face: the tracker's, or blinks and jaw of the landmarks if it gives none."""
    if observation.blendshapes is not None:
        return observation.blendshapes
    landmarks = with_true_depth(observation.landmarks)
    shape = fit_pose(landmarks).to_head(landmarks)
    _, ratios, _ = eye_measures(shape)
    right, left = np.clip((_OPEN_EYE - ratios) / (_OPEN_EYE - _CLOSED_EYE), 0.0, 1.0)
    opening = float(shape[_INNER_LIPS[1], 1] - shape[_INNER_LIPS[0], 1])
    jaw = min(max(opening / _WIDE_OPENING, 0.0), 1.0)
    return {"eyeBlinkRight": float(right), "eyeBlinkLeft": float(left), "jawOpen": jaw}


def quaternion_of(rotation: FloatArray) -> tuple[float, float, float, float]:
    """Return Unity's (x, y, z, w) of a (3, 3) rotation of less than half a turn; see `receiver.rotation_of`."""
    vector = vector_from_rotation(rotation).astype(np.float64)
    angle = float(np.linalg.norm(vector))
    x, y, z = vector * (np.sin(angle / 2) / angle if angle > 1e-9 else 0.5)
    return float(x), float(y), float(z), float(np.cos(angle / 2))


def bundles_of(messages: list[OscMessage]) -> Iterator[bytes]:
    """Yield datagrams of at most `_LARGEST_BUNDLE` bytes that have the messages in their order."""
    builder, size = OscBundleBuilder(IMMEDIATELY), 0
    for message in messages:
        needed = len(message.dgram) + 4
        if size and size + needed > _LARGEST_BUNDLE:
            yield builder.build().dgram
            builder, size = OscBundleBuilder(IMMEDIATELY), 0
        builder.add_content(message)
        size += needed
    yield builder.build().dgram


def _message(address: str, *values: Any) -> OscMessage:
    builder = OscMessageBuilder(address)
    for value in values:
        builder.add_arg(value, OscMessageBuilder.ARG_TYPE_FLOAT if isinstance(value, float) else None)
    return builder.build()
