"""Receives faces by the VMC protocol; what is malformed, too much or impossible is ignored and counted."""

from __future__ import annotations

import logging
import math
import socket
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from animator_core.arrays import DoubleArray, FloatArray
from animator_core.ipc.frame_ring import now_ns
from animator_core.motion.rotation import euler_angles
from animator_core.vmc.datagram import MalformedDatagram, messages_of
from animator_core.vmc.names import Scores, arkit_scores, known_name

logger = logging.getLogger(__name__)

STALE_NS = 1_000_000_000
"""A sender that was silent for this long has ended."""
_MOST_A_SECOND = 3000
"""Datagrams; a sender at 60 frames a second sends 120 to 600."""
_LARGEST = 65536
_PAUSE_SECONDS = 0.1
_TOLERANCE = 0.05
_SPINE = ("Spine", "Chest", "UpperChest", "Neck", "Head")
"""Bones from below to above; together they turn the head."""
_EYES = ("LeftEye", "RightEye")
_EYE_DEGREES = 25.0
"""Turn of an eye's bone that counts as ARKit's score 1."""


@dataclass(frozen=True)
class ReceivedFace:
    """A face as a sender described it.

    scores: ARKit's by name, in [0, 1]. rotation: (3, 3) float32 of the head against the body, in our axes (x right, y
    down, z away). received_ns: when it came, see `frame_ring.now_ns`.
    """

    scores: Scores
    rotation: FloatArray
    received_ns: int


class VmcReceiver:
    """Listens on a UDP port in a thread of its own, from `start` to `close`."""

    def __init__(self, host: str, port: int) -> None:
        self._address = (host, port)
        self._socket: socket.socket | None = None
        self._leave = threading.Event()
        self._thread = threading.Thread(target=self._run, name="vmc receiver", daemon=True)
        self._values: dict[str, float] = {}
        self._bones: dict[str, FloatArray] = {}
        self._problem = ""
        self.newest: ReceivedFace | None = None
        """The newest face; None before the first one."""
        self.counts: Counter[str] = Counter()
        """Datagrams, and what of them was of no use: "malformed", "flood" and "impossible"."""

    @property
    def port(self) -> int:
        """The port in use."""
        if self._socket is None or self._problem:
            return self._address[1]
        return int(self._socket.getsockname()[1])

    @property
    def face(self) -> ReceivedFace | None:
        """The newest face, None if it is too old."""
        newest = self.newest
        return newest if newest is not None and now_ns() - newest.received_ns <= STALE_NS else None

    @property
    def note(self) -> tuple[str, str]:
        """Why there is no face, and the remedy; two empty texts if there is one."""
        host, port = self._address[0], self.port
        if self._problem:
            return f"VMC: UDP port {port} cannot be used ({self._problem})", "close the other receiver or set vmc.port"
        if self.face is not None:
            return "", ""
        unusable = self.counts["datagrams"] > 0 and self.counts["datagrams"] == self.counts["malformed"]
        what = "only data that is no VMC arrives" if unusable else "no VMC data arrives"
        return f"{what} at {host}, port {port}", f"start the sending program and have it send to port {port}"

    def start(self) -> None:
        """Begin to listen; if that fails, `note` says why."""
        try:
            family, kind, protocol, _, address = socket.getaddrinfo(*self._address, type=socket.SOCK_DGRAM)[0]
            self._socket = socket.socket(family, kind, protocol)
            self._socket.bind(address)
        except OSError as exc:
            self._problem = exc.strerror or str(exc)
            logger.warning("%s; %s", *self.note)
            return
        self._socket.settimeout(_PAUSE_SECONDS)
        logger.info("VMC: listening at %s, port %d", self._address[0], self.port)
        self._thread.start()

    def close(self) -> None:
        """End the thread and free the port."""
        self._leave.set()
        if self._thread.is_alive():
            self._thread.join(timeout=2.0)
        if self._socket is not None:
            self._socket.close()

    def _run(self) -> None:
        assert self._socket is not None
        second, count = time.monotonic(), 0
        while not self._leave.is_set():
            try:
                datagram = self._socket.recv(_LARGEST)
            except socket.timeout:
                continue
            except OSError:
                # Windows refuses datagrams that are too large.
                self.counts["malformed"] += 1
                self._leave.wait(_PAUSE_SECONDS)
                continue
            if time.monotonic() - second >= 1.0:
                second, count = time.monotonic(), 0
            count += 1
            self.counts["datagrams"] += 1
            if count > _MOST_A_SECOND:
                self.counts["flood"] += 1
                # The rest of this second is left to the system, which drops it.
                self._leave.wait(max(0.0, second + 1.0 - time.monotonic()))
                continue
            self.take(datagram)

    def take(self, datagram: bytes) -> None:
        """Take one datagram."""
        try:
            for message in messages_of(datagram):
                self._take(message.address, list(message))
        except MalformedDatagram:
            self.counts["malformed"] += 1

    def _take(self, address: str, arguments: Sequence[Any]) -> None:
        if address == "/VMC/Ext/Blend/Val":
            self._take_value(arguments)
        elif address == "/VMC/Ext/Bone/Pos":
            self._take_bone(arguments)
        elif address == "/VMC/Ext/Blend/Apply":
            self._publish()

    def _take_value(self, arguments: Sequence[Any]) -> None:
        if len(arguments) < 2 or not isinstance(arguments[0], str) or not _is_number(arguments[1]):
            self.counts["impossible"] += 1
            return
        name, value = known_name(arguments[0]), float(arguments[1])
        if name is None:
            return  # avatars have movements of their own
        if not -_TOLERANCE <= value <= 1 + _TOLERANCE:
            self.counts["impossible"] += 1
            return
        self._values[name] = min(max(value, 0.0), 1.0)

    def _take_bone(self, arguments: Sequence[Any]) -> None:
        if not arguments or arguments[0] not in (*_SPINE, *_EYES):
            return
        if len(arguments) < 8 or not all(map(_is_number, arguments[1:8])):
            self.counts["impossible"] += 1
            return
        quaternion = np.array(arguments[4:8], np.float64)
        if not 0.9 < float(np.linalg.norm(quaternion)) < 1.1:
            self.counts["impossible"] += 1
            return
        self._bones[arguments[0]] = rotation_of(quaternion)
        if arguments[0] == "Head":
            self._publish()

    def _publish(self) -> None:
        rotation = np.eye(3, dtype=np.float32)
        for bone in _SPINE:
            rotation = rotation @ self._bones.get(bone, np.eye(3, dtype=np.float32))
        scores = arkit_scores(self._values)
        if not any(name.startswith("eyeLook") for name in scores):
            for eye in _EYES:
                if eye in self._bones:
                    scores.update(_gaze_scores(eye[: -len("Eye")], self._bones[eye]))
        self.newest = ReceivedFace(scores, rotation, now_ns())


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def rotation_of(quaternion: DoubleArray) -> FloatArray:
    """Return the (3, 3) float32 matrix, in our axes, of Unity's (x, y, z, w).

    Unity's axes of an avatar that faces us (its right, up, towards us) are the negatives of ours: a matrix is the same
    in both. Any length but 0 of the quaternion gives a rotation.
    """
    x, y, z, w = (float(value) for value in quaternion / np.linalg.norm(quaternion))
    return np.array(
        [
            [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
            [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
            [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
        ],
        np.float32,
    )


def _gaze_scores(side: str, rotation: FloatArray) -> dict[str, float]:
    """Return the eyeLook scores of an eye's bone; side: "Left" or "Right"."""
    yaw, pitch, _ = euler_angles(rotation)
    to_right, down = yaw / _EYE_DEGREES, pitch / _EYE_DEGREES
    inward = to_right if side == "Left" else -to_right
    scores = {f"eyeLookIn{side}": inward, f"eyeLookOut{side}": -inward}
    scores.update({f"eyeLookDown{side}": down, f"eyeLookUp{side}": -down})
    return {name: min(max(score, 0.0), 1.0) for name, score in scores.items()}
