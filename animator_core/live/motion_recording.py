"""The record button of ``run``: the tracked motion into a file of its own, from press to press."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

from animator_core.clips.recording import LandmarkRecorder
from animator_core.errors import AnimatorError
from animator_core.tracking.observation import TrackedFrame


class MotionRecording:
    """Records into ``folder``; tell: takes lines for the user. `take` is called by the thread that tracks."""

    def __init__(self, folder: Path, tell: Callable[[str], None]) -> None:
        self._folder, self._tell = folder, tell
        self._recorder: LandmarkRecorder | None = None
        self._since = 0.0
        self._writing: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """Whether frames are recorded."""
        return self._recorder is not None

    @property
    def seconds(self) -> float:
        """How long it has been running."""
        return time.monotonic() - self._since if self.is_running else 0.0

    def take(self, tracked: TrackedFrame, captured_ns: int) -> None:
        """Record a tracked frame, if a recording runs."""
        recorder = self._recorder
        if recorder is not None:
            recorder.add(tracked.observation, captured_ns)

    def toggle(self) -> None:
        """Begin a recording, or end it and write its file in a thread of its own."""
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            self._since = time.monotonic()
            self._recorder = LandmarkRecorder()
            self._tell("recording the motion")
            return
        self._writing = threading.Thread(target=self._write, args=(recorder,), name="recording")
        self._writing.start()

    def close(self) -> None:
        """End a recording that runs, and wait until its file is written."""
        if self.is_running:
            self.toggle()
        if self._writing is not None:
            self._writing.join()

    def _write(self, recorder: LandmarkRecorder) -> None:
        path = self._folder / time.strftime("motion-%Y%m%d-%H%M%S.npz")
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            count = recorder.write(path)
        except (AnimatorError, OSError) as exc:
            self._tell(f"warning: {exc}")
            return
        self._tell(
            f"wrote {path}: {count} frames; a video of it: animate --driving {path} --character FILE --output OUT.mp4"
        )
