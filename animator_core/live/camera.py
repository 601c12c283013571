"""Cameras, and video files played at their own pace."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from animator_core.arrays import UInt8Array
from animator_core.clips.video import VideoFrame, VideoReader
from animator_core.config import VideoConfig
from animator_core.errors import CameraError

_PREFERRED = {"win32": cv2.CAP_DSHOW, "darwin": cv2.CAP_AVFOUNDATION, "linux": cv2.CAP_V4L2}


class FrameReader(Protocol):
    """Gives frames, each when it is due."""

    name: str
    is_finite: bool
    """Whether it may end without a fault."""

    def read(self) -> UInt8Array | None:
        """Wait for the next frame, (H, W, 3) uint8 RGB; None after the last one."""
        ...

    def close(self) -> None: ...


class Camera:
    """A camera by its number; it may not give the width, height and fps of ``config``."""

    is_finite = False

    def __init__(self, number: int, config: VideoConfig) -> None:
        self.name = f"camera {number}"
        _be_quiet()
        self._capture = cv2.VideoCapture(number, _PREFERRED.get(sys.platform, cv2.CAP_ANY))
        if not self._capture.isOpened():
            raise CameraError(
                f"{self.name} cannot be opened",
                "plug it in, close the program that uses it (OBS, a browser), allow "
                "access to the camera in the system's privacy settings, or choose another with --camera N",
            )
        # Compressed frames first: most webcams reach their full rate at 720p and above only so.
        self._capture.set(cv2.CAP_PROP_FOURCC, cv2.VideoWriter.fourcc(*"MJPG"))
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, config.width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, config.height)
        self._capture.set(cv2.CAP_PROP_FPS, config.fps)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def read(self) -> UInt8Array | None:
        has_frame, frame = self._capture.read()
        if not has_frame or frame is None:
            return None
        return np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), np.uint8)

    def close(self) -> None:
        self._capture.release()


class ClipPlayer:
    """A video that is played once, frame by frame at its own times, as a camera would give it."""

    is_finite = True

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._reader = VideoReader(path)
        self._frames: Iterator[VideoFrame] = iter(self._reader)
        self._started: float | None = None

    def read(self) -> UInt8Array | None:
        frame = next(self._frames, None)
        if frame is None:
            return None
        if self._started is None:
            self._started = time.perf_counter()
        time.sleep(max(0.0, self._started + float(frame.time) - time.perf_counter()))
        return frame.picture

    def close(self) -> None:
        self._reader.close()


class NoCamera:
    """Blank frames at the camera's rate, for a face that comes from elsewhere."""

    is_finite = False

    def __init__(self, config: VideoConfig) -> None:
        self.name = "no camera"
        self._picture = np.zeros((64, 64, 3), np.uint8)
        self._seconds = 1.0 / config.fps

    def read(self) -> UInt8Array | None:
        time.sleep(self._seconds)
        return self._picture

    def close(self) -> None:
        pass


def open_reader(source: int | str, config: VideoConfig) -> FrameReader:
    """Return the camera of that number, or the video of that path; raises CameraError if it cannot be opened."""
    if isinstance(source, str) and source.strip().isdigit():
        source = int(source)
    return Camera(source, config) if isinstance(source, int) else ClipPlayer(Path(source))


def _be_quiet() -> None:
    """Keep OpenCV from writing its own complaints beside ours."""
    # In `cv2` up to 4.13, in `cv2.utils.logging` from 4.14 on; without either it stays loud.
    for module in (cv2, getattr(cv2.utils, "logging", None)):
        set_level = getattr(module, "setLogLevel", None)
        if set_level is not None:
            set_level(0)
            return
