"""Measures what one frame costs a worker: a swinging picture of a face is the camera."""

from __future__ import annotations

import asyncio
import secrets
import statistics
import time

import cv2
import numpy as np

from animator_core.arrays import FloatArray, UInt8Array
from animator_core.errors import AnimatorError
from animator_core.ipc.frame_ring import now_ns
from animator_core.ipc.protocol import AnimationSettings, CloseFilter, FilterOpened, FilterStatus, Message
from animator_core.remote.host_rings import HostRings
from animator_core.remote.host_worker import HostWorker
from animator_core.tracking.face_model import face_model
from animator_core.tracking.observation import FaceObservation
from animator_core.tracking.observation_row import to_row

_PATIENCE_SECONDS = 180.0
_FRAMES = 60
_FRAME_SECONDS = 1 / 30
_LONGEST_FRAME_SECONDS = 2.0
_SIDE = 640
_SWING_PIXELS = 12.0


async def measure(worker: HostWorker, character: str, camera: UInt8Array | None) -> float:
    """Return the median milliseconds from a camera frame to the animated one, of a worker that has nothing else to do.

    character: its file name in the worker's library. camera: `camera_of` a picture with a face that the tracker sees;
    None gives the worker landmarks, so that tracking is not measured. Raises AnimatorError if the worker cannot animate
    the character, or does not within minutes.
    """
    key, status = secrets.token_hex(16), _Status()
    rings = HostRings()
    worker.listeners[key] = status.hear
    try:
        worker.send(rings.opening(key, AnimationSettings(character), ""))
        deadline = time.monotonic() + _PATIENCE_SECONDS
        while not (status.is_opened and status.state == "tracking"):
            if status.state == "error" or time.monotonic() > deadline or worker.pid is None:
                problem = status.message or "no face is tracked"
                raise AnimatorError(f"{worker.name} does not animate: {problem}", "run doctor on this computer")
            await _step(rings, camera)
        times = [await _step(rings, camera) for _ in range(_FRAMES)]
        return 1000 * statistics.median(times)
    finally:
        worker.send(CloseFilter(key))
        worker.listeners.pop(key, None)
        rings.close()


class _Status:
    """What the worker last said of the trial."""

    def __init__(self) -> None:
        self.is_opened = False
        self.state = self.message = ""

    def hear(self, message: Message) -> None:
        if isinstance(message, FilterOpened):
            self.is_opened = True
        elif isinstance(message, FilterStatus):
            self.state, self.message = message.state, message.message


async def _step(rings: HostRings, camera: UInt8Array | None) -> float:
    """Give one frame of a swinging camera, and return the seconds until a picture came."""
    moment = time.monotonic()
    shift = np.array([_SWING_PIXELS * np.sin(4 * moment), _SWING_PIXELS * np.cos(3 * moment)], np.float32)
    if camera is None:
        started = time.monotonic()
        rings.write_row(to_row(_face(shift), (_SIDE, _SIDE)), now_ns())
    else:
        matrix = np.array([[1, 0, shift[0]], [0, 1, shift[1]]])
        frame = cv2.warpAffine(camera, matrix, camera.shape[1::-1], borderMode=cv2.BORDER_REPLICATE)
        started = time.monotonic()
        rings.write_picture(np.asarray(frame, np.uint8), now_ns())
    while time.monotonic() - started < _LONGEST_FRAME_SECONDS:
        await asyncio.sleep(0.001)
        if rings.has_news():
            taken = time.monotonic() - started
            rings.skip()
            await asyncio.sleep(max(0.0, _FRAME_SECONDS - taken))
            return taken
    return _LONGEST_FRAME_SECONDS


def _face(shift: FloatArray) -> FaceObservation:
    landmarks = face_model().mean * _SIDE / 4 + np.array([_SIDE / 2 + shift[0], _SIDE / 2 + shift[1], 0], np.float32)
    return FaceObservation(landmarks.astype(np.float32), _SIDE, _SIDE, captured_ns=now_ns())


def camera_of(picture: UInt8Array) -> UInt8Array:
    """Return the picture on grey in a camera frame's size, (H, W, 4) uint8 RGBA."""
    height, width = picture.shape[:2]
    scale = min(1.0, _SIDE / max(height, width))
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    alpha = small[..., 3:].astype(np.float32) / 255
    return np.asarray(np.dstack([small[..., :3] * alpha + 128 * (1 - alpha), np.full(small.shape[:2], 255)]), np.uint8)
