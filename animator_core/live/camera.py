"""Where live driving frames come from: a camera, or a video played at its own pace."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np

from animator_core.clips.video import VideoFrame, VideoReader
from animator_core.config import VideoConfig
from animator_core.errors import CameraError

_PREFERRED = {"win32": cv2.CAP_DSHOW, "darwin": cv2.CAP_AVFOUNDATION, "linux": cv2.CAP_V4L2}


class FrameSource(Protocol):
    """Gives frames, each when it is due."""

    name: str
    is_finite: bool
    """Whether its end is an end, not a fault."""

    def read(self) -> np.ndarray | None:
        """Wait for the next frame, (H, W, 3) uint8 RGB; None where there is none any more."""
        ...

    def close(self) -> None: ...


class Camera:
    """A camera by its number; width, height and fps are wishes that it may not be able to fulfil."""

    is_finite = False

    def __init__(self, number: int, wishes: VideoConfig) -> None:
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
        self._capture.set(cv2.CAP_PROP_FRAME_WIDTH, wishes.width)
        self._capture.set(cv2.CAP_PROP_FRAME_HEIGHT, wishes.height)
        self._capture.set(cv2.CAP_PROP_FPS, wishes.fps)
        self._capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)

    def read(self) -> np.ndarray | None:
        has_frame, frame = self._capture.read()
        if not has_frame or frame is None:
            return None
        return cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)

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

    def read(self) -> np.ndarray | None:
        frame = next(self._frames, None)
        if frame is None:
            return None
        if self._started is None:
            self._started = time.perf_counter()
        time.sleep(max(0.0, self._started + float(frame.time) - time.perf_counter()))
        return frame.picture

    def close(self) -> None:
        self._reader.close()


def open_source(source: int | str, wishes: VideoConfig) -> FrameSource:
    """Return the camera of that number, or the video of that path; raises CameraError where it cannot be opened."""
    if isinstance(source, str) and source.strip().isdigit():
        source = int(source)
    return Camera(source, wishes) if isinstance(source, int) else ClipPlayer(Path(source))


def _be_quiet() -> None:
    """Keep OpenCV from writing its own complaints beside ours."""
    # In `cv2` up to 4.13, in `cv2.utils.logging` from 4.14 on; one that has it nowhere may write what it likes.
    for module in (cv2, getattr(cv2.utils, "logging", None)):
        set_level = getattr(module, "setLogLevel", None)
        if set_level is not None:
            set_level(0)
            return
