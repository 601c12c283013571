"""Records driving motion: landmarks for any renderer, or LivePortrait motion templates.

Both take frames with their capture times and are written at a constant rate: a camera's frame rate varies.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Callable

import numpy as np

from animator_core.arrays import UInt8Array
from animator_core.clips.track_file import track_from_observations, write_track
from animator_core.errors import MotionError
from animator_core.liveportrait.motion.template import MotionTemplate, template_from_arrays, write_template
from animator_core.motion.face_state import SteadyFrame, mirrored
from animator_core.tracking.observation import FaceObservation

if TYPE_CHECKING:
    from animator_core.liveportrait.motion.crop import DrivingView
    from animator_core.liveportrait.motion.face_motion import FaceMotion
    from animator_core.liveportrait.networks.build import ExtractMotion

_NEUTRAL_NS = 1_000_000_000
_SLOWEST_FPS, _QUICKEST_FPS = 1.0, 240.0


class LandmarkRecorder:
    """Records landmarks, unmirrored and unsmoothed, also the frames without a face."""

    def __init__(self) -> None:
        self._times_ns: list[int] = []
        self._observations: list[FaceObservation | None] = []
        self._frame = SteadyFrame()
        self._frame_size = (0, 0)

    def add(self, seen: FaceObservation | None, captured_ns: int) -> None:
        """Add a frame's observation; all are kept in pixels of the first frame with a face."""
        self._times_ns.append(captured_ns)
        steady = None if seen is None else self._frame.observe(seen)
        self._observations.append(steady)
        if steady is not None:
            self._frame_size = (steady.frame_width, steady.frame_height)

    def write(self, path: Path, fps: float | None = None) -> int:
        """Write the motion at ``fps``, by default the measured rate, and return its length in frames.

        Raises MotionError if no face was seen, or as `write_track` does.
        """
        if not any(self._observations):
            raise MotionError(
                f"{path} was not written: no face was seen", "record one well-lit face that looks at the camera"
            )
        fps = fps or measured_rate(self._times_ns)
        indices = resampled(self._times_ns, fps)
        write_track(path, track_from_observations([self._observations[i] for i in indices], fps, self._frame_size))
        return len(indices)


class TemplateRecorder:
    """Records the motion extractor's output. A frame without a face repeats the last motion, or the first one.

    batch_size: frames extracted at once, in `work` or `write`; a waiting frame takes 200 kB. most_waiting: the longest
    queue, further frames are dropped; None for no limit. is_mirrored: mirror the frames first.
    """

    def __init__(
        self, extract: ExtractMotion, batch_size: int = 1, is_mirrored: bool = False, most_waiting: int | None = None
    ) -> None:
        from animator_core.liveportrait.motion.crop import DrivingViews

        self._extract, self._batch_size, self._is_mirrored = extract, batch_size, is_mirrored
        self._most_waiting = most_waiting
        self._views = DrivingViews()
        self._times_ns: list[int] = []
        self._places: list[int] = []
        """The index of each frame's motion; -1 before the first face."""
        self._waiting: list[DrivingView] = []
        self._motions: list[FaceMotion] = []
        self._motion_times_ns: list[int] = []
        self.is_full = False

    def add(self, frame: UInt8Array | None, seen: FaceObservation | None, captured_ns: int) -> None:
        """Add a frame, (H, W, 3) uint8 RGB, and its observation; raises MotionError if there is no frame."""
        if self._most_waiting is not None and len(self._waiting) >= self._most_waiting:
            self.is_full = True
            return
        if frame is None:
            raise MotionError(
                "a recorded motion has no pictures of a face", "record the template from a video or camera"
            )
        self._times_ns.append(captured_ns)
        if seen is not None:
            landmarks = mirrored(seen).landmarks if self._is_mirrored else seen.landmarks
            self._waiting.append(self._views.look(frame, landmarks, captured_ns, is_mirrored=self._is_mirrored))
            self._motion_times_ns.append(captured_ns)
        elif self._places and self._places[-1] >= 0:
            self._views.recentre()
        self._places.append(len(self._motion_times_ns) - 1)

    def work(self, progress: Callable[[int], object] | None = None, finish: bool = False) -> None:
        """Extract the motion of waiting frames, in full batches only unless ``finish`` is true.

        progress: called with the size of each batch.
        """
        import torch

        from animator_core.liveportrait.model import to_tensor

        done = 0
        while len(self._waiting) - done >= (1 if finish else self._batch_size):
            views = self._waiting[done : done + self._batch_size]
            seen = self._extract(torch.cat([to_tensor(view.pixels) for view in views]))
            self._motions += [view.motion(seen.frame(index)) for index, view in enumerate(views)]
            done += len(views)
            if progress is not None:
                progress(len(views))
        del self._waiting[:done]

    @property
    def waiting_count(self) -> int:
        """Number of frames whose motion is not extracted yet."""
        return len(self._waiting)

    def write(self, path: Path, fps: float | None = None, progress: Callable[[int], object] | None = None) -> int:
        """Write the template at ``fps``, by default the measured rate, and return its length in frames.

        Raises MotionError if no face was seen or the file cannot be written.
        """
        self.work(progress, finish=True)
        if not self._motions:
            raise MotionError(
                f"{path} was not written: no face was seen", "record one well-lit face that looks at the camera"
            )
        fps = fps or measured_rate(self._times_ns)
        write_template(path, self._template(fps))
        return len(resampled(self._times_ns, fps))

    def _template(self, fps: float) -> MotionTemplate:
        from animator_core.liveportrait.motion.face_motion import joined, motion_to_arrays
        from animator_core.liveportrait.motion.neutral_face import new_calibration

        motions = [self._motions[max(0, self._places[index])] for index in resampled(self._times_ns, fps)]
        search = new_calibration()
        for motion, seen_ns in zip(self._motions, self._motion_times_ns):
            if seen_ns - self._motion_times_ns[0] > _NEUTRAL_NS or search.watch(motion, seen_ns) is not None:
                break
        neutral = search.so_far()
        assert neutral is not None
        frames = template_from_arrays(fps, motion_to_arrays(joined(motions)))
        return replace(frames, neutral=template_from_arrays(fps, motion_to_arrays(neutral)))


def measured_rate(times_ns: Sequence[int]) -> float:
    """Return the median frame rate in frames a second, rounded to hundredths; 30 if the times give none."""
    steps = np.diff(np.asarray(times_ns, np.int64))
    step_ns = float(np.median(steps)) if len(steps) else 0.0
    if step_ns <= 0:
        return 30.0
    return round(min(max(1e9 / step_ns, _SLOWEST_FPS), _QUICKEST_FPS), 2)


def resampled(times_ns: Sequence[int], fps: float) -> list[int]:
    """Return the indices of the frames nearest to each tick of a constant rate; times_ns: rising, one or more."""
    count = round((times_ns[-1] - times_ns[0]) * 1e-9 * fps) + 1
    nearest = []
    for tick in range(count):
        moment = times_ns[0] + round(tick * 1e9 / fps)
        after = min(bisect_left(times_ns, moment), len(times_ns) - 1)
        before = max(0, after - 1)
        nearest.append(before if moment - times_ns[before] < abs(times_ns[after] - moment) else after)
    return nearest
