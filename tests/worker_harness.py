"""Starts a worker as OBS would, with real rings and pipes, and lets a test talk to it."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import numpy as np
from PIL import Image

from animator_core.config import PROJECT_ROOT
from animator_core.ipc.frame_ring import FORMAT_RGBA, FrameInfo, RingMemory, RingReader, RingWriter, now_ns
from animator_core.ipc.protocol import AnimationSettings, FilterStatus, LineDecoder, Message, OpenFilter, encode

PATIENCE_S = 90.0
"""How long a test waits for what must come at all; a machine under load is slow, not wrong."""
GREY = np.full((48, 64, 4), 128, np.uint8)
BLACK = np.zeros((48, 64, 4), np.uint8)
Kind = TypeVar("Kind", bound=Message)


class FilterEnd:
    """The plugin's end of one filter: both rings, and a camera that gives the same frame again and again."""

    def __init__(self, filter_id: str, directory: Path, animated_bytes: int = 512 * 512 * 4) -> None:
        self.filter_id = filter_id
        self.driving = RingMemory.create(640 * 640 * 4, directory=str(directory))
        self.animated = RingMemory.create(animated_bytes, directory=str(directory))
        self.writer = RingWriter(self.driving)
        self.reader = RingReader(self.animated)
        self.frame: np.ndarray | None = GREY
        self.last_info: FrameInfo | None = None
        self._buffer = np.zeros(animated_bytes, np.uint8)
        self._driven = 0.0

    def opening(self, settings: AnimationSettings, neutral: str = "", camera_id: str = "") -> OpenFilter:
        return OpenFilter(self.filter_id, self.driving.address, self.animated.address, settings, neutral, camera_id)

    def drive(self) -> None:
        """Publish the camera's frame if a thirtieth of a second has passed."""
        if self.frame is None or time.monotonic() - self._driven < 1 / 30:
            return
        self._driven = time.monotonic()
        height, width = self.frame.shape[:2]
        self.writer.begin()[: self.frame.nbytes] = np.ascontiguousarray(self.frame).reshape(-1).data
        self.writer.publish(width, height, width * 4, FORMAT_RGBA, now_ns())

    def take(self) -> np.ndarray | None:
        """Return the newest animated frame if there is a new one: (H, W, 4) uint8 BGRA."""
        info = self.reader.read_into(self._buffer.data)
        if info is None:
            return None
        self.last_info = info
        return self._buffer[: info.size].reshape(info.height, info.stride // 4, 4)[:, : info.width].copy()

    def close(self) -> None:
        self.reader.close()
        self.writer.close()
        self.driving.close()
        self.animated.close()


class WorkerHarness:
    """A worker process; `wait_for` and `frames` drive the cameras of its filters meanwhile."""

    def __init__(
        self,
        directory: Path,
        *arguments: str,
        command: tuple[str, ...] = ("-m", "animator_core", "worker"),
        launcher: tuple[str, ...] = (),
    ) -> None:
        """launcher: a program that runs the worker's, such as ``ip netns exec``."""
        self.directory = directory
        self.messages: list[Message] = []
        self.rejected: list[str] = []
        self.ends: dict[str, FilterEnd] = {}
        self._incoming: queue.SimpleQueue[Message] = queue.SimpleQueue()
        environment = {**os.environ, "PYTHONPATH": str(PROJECT_ROOT), "XDG_RUNTIME_DIR": str(directory)}
        self.log_path = directory / "worker.log"
        with self.log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [*launcher, sys.executable, *command, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                bufsize=0,
                cwd=PROJECT_ROOT,
                env=environment,
            )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def __enter__(self) -> WorkerHarness:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            print(self.log_path.read_text(errors="replace")[-6000:])
        self.end()

    def open(
        self,
        filter_id: str = "a",
        animated_bytes: int = 512 * 512 * 4,
        neutral: str = "",
        camera_id: str = "",
        **settings: object,
    ) -> FilterEnd:
        end = self.ends[filter_id] = FilterEnd(filter_id, self.directory, animated_bytes)
        self.send(end.opening(AnimationSettings(**settings), neutral, camera_id))
        return end

    def send(self, message: Message) -> None:
        self.send_bytes(encode(message))

    def send_bytes(self, data: bytes) -> None:
        self.process.stdin.write(data)

    def end_input(self) -> None:
        self.process.stdin.close()

    def wait_for(self, kind: type[Kind], matches: Callable[[Kind], bool] = lambda _: True) -> Kind:
        """Return the next message of that kind that matches; those before it are passed over."""
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            for end in self.ends.values():
                end.drive()
            try:
                message = self._incoming.get(timeout=0.01)
            except queue.Empty:
                continue
            if isinstance(message, kind) and matches(message):
                return message
        seen = "\n".join(str(message) for message in self.messages[-10:])
        raise AssertionError(f"no such {kind.__name__} came; the last messages were\n{seen}")

    def wait_for_state(self, state: str, filter_id: str = "a") -> FilterStatus:
        return self.wait_for(FilterStatus, lambda status: status.filter_id == filter_id and status.state == state)

    def frames(self, filter_id: str = "a", seconds: float = PATIENCE_S) -> Iterator[np.ndarray]:
        """Yield animated frames as they come, for so long."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            for end in self.ends.values():
                end.drive()
            frame = self.ends[filter_id].take()
            if frame is not None:
                yield frame
            time.sleep(0.002)

    def next_frame(self, filter_id: str = "a", matches: Callable[[np.ndarray], bool] = lambda _: True) -> np.ndarray:
        for frame in self.frames(filter_id):
            if matches(frame):
                return frame
        raise AssertionError("no such frame came")

    def exit_code(self) -> int:
        return self.process.wait(PATIENCE_S)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        for pipe in (self.process.stdin, self.process.stdout):
            pipe.close()
        for end in self.ends.values():
            end.close()
        self.ends.clear()

    def _read(self) -> None:
        decoder = LineDecoder()
        while True:
            data = self.process.stdout.read(65536)
            if not data:
                break
            for message in decoder.feed(data):
                self.messages.append(message)
                self._incoming.put(message)
            self.rejected += decoder.rejected
            decoder.rejected.clear()


def save_character(directory: Path, name: str, colour: tuple[int, int, int]) -> Path:
    """Save a plain picture with a face that its description places."""
    directory.mkdir(exist_ok=True)
    image = Image.new("RGB", (240, 280), colour)
    path = directory / name
    image.save(path)
    points = {"right_eye_outer": [70, 100], "right_eye_inner": [105, 100], "left_eye_inner": [135, 100]}
    points |= {"left_eye_outer": [170, 100], "mouth_right": [95, 170], "mouth_left": [145, 170], "chin": [120, 215]}
    path.with_suffix(".yaml").write_text(f"landmarks: {points}\n")
    return path


def write_config(directory: Path, extra: str = "") -> Path:
    """Write a configuration with its characters and cache in ``directory``."""
    path = directory / "config.yaml"
    path.write_text(
        f"character: {{images_path: '{directory / 'characters'}'}}\n"
        f"performance: {{cache_dir: '{directory / 'cache'}'}}\n{extra}"
    )
    return path
