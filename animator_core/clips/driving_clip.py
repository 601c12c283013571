"""Driving clips: a video of a face, a recorded landmark motion, or a motion template."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Protocol

from animator_core.animation.statistics import StageTimes
from animator_core.arrays import UInt8Array
from animator_core.clips import track_file
from animator_core.clips.soundtrack import Soundtrack
from animator_core.clips.video import VideoFrame, VideoReader
from animator_core.liveportrait.motion import pickle_import, template
from animator_core.tracking.observation import FaceObservation, FaceTracker, TrackedFrame

_LOOK_AHEAD = Fraction(60)
"""Seconds of a clip that tell what is neutral in it; more would hold its writing up."""


@dataclass(frozen=True)
class DrivingMoment:
    """One frame of a clip: its time in seconds after the first frame, and the observed face.

    captured_ns: the same time in nanoseconds, never 0. picture: (H, W, 3) uint8 RGB, None in a recorded motion.
    observation: None without a face, and in a template. frame_size: (width, height) of the driving frame in pixels.
    """

    time: Fraction
    captured_ns: int
    observation: FaceObservation | None
    picture: UInt8Array | None
    frame_size: tuple[int, int]


class DrivingClip(Protocol):
    """A clip, read once.

    rate: frames a second. time_base: the unit of all times, in seconds. frame_count: an estimate, or None.
    tracker_name: the tracker's, "recorded" or "template".
    """

    rate: Fraction
    time_base: Fraction
    frame_count: int | None
    tracker_name: str

    def moments(self, times: StageTimes) -> Iterator[DrivingMoment]:
        """Yield every frame; add the durations of reading and tracking to ``times``."""
        ...

    def look_through(self, times: StageTimes, most_frames: int | None = None) -> Iterator[TrackedFrame]:
        """Yield the faces of the first minute, at most ``most_frames`` frames of it, before `moments` is called.

        `moments` does not track these frames again.
        """
        ...

    def read_ahead(self, most_frames: int, most_bytes: int) -> None:
        """Decode the first frames in advance, so that `moments` does not wait for decoding."""
        ...

    def soundtrack(self) -> Soundtrack | None:
        """Return the clip's sound, or None; to be called after the first frame."""
        ...

    @property
    def notice(self) -> str:
        """Faults in the clip that did not stop it, or ""."""
        ...

    def close(self) -> None: ...


def open_clip(path: Path, make_tracker: Callable[[], FaceTracker]) -> DrivingClip:
    """Return the clip in a file: a motion or template (.npz), an official template (.pkl), else a video.

    make_tracker: called for a video only. Raises MotionError or CameraError if the file cannot be read.
    """
    if path.suffix.lower() == pickle_import.SUFFIX:
        return TemplateClip(pickle_import.import_template(path))
    if path.suffix.lower() == track_file.SUFFIX and template.is_template(path):
        return TemplateClip(template.read_template(path))
    if path.suffix.lower() == track_file.SUFFIX:
        return MotionClip(track_file.read_track(path))
    reader = VideoReader(path)
    try:
        return VideoClip(reader, make_tracker())
    except BaseException:
        reader.close()
        raise


class VideoClip:
    """A video, with a tracker that finds the face."""

    def __init__(self, reader: VideoReader, tracker: FaceTracker) -> None:
        self._reader, self._tracker = reader, tracker
        self._frames = iter(reader)
        self.rate, self.time_base, self.frame_count = reader.rate, reader.time_base, reader.frame_count
        self.tracker_name = tracker.name
        self._sound: Soundtrack | None = None
        self._known: deque[FaceObservation | None] = deque()
        """The faces of the next frames, which are tracked already."""

    def look_through(self, times: StageTimes, most_frames: int | None = None) -> Iterator[TrackedFrame]:
        # A pipe cannot be read twice.
        if not self._reader.path.is_file():
            return
        with VideoReader(self._reader.path) as reader:
            for frame in _timed(islice(reader, most_frames), times):
                if frame.time > _LOOK_AHEAD:
                    break
                observation = self._tracked(frame, times)
                self._known.append(observation)
                if observation is not None:
                    yield TrackedFrame(observation, frame.picture)

    def read_ahead(self, most_frames: int, most_bytes: int) -> None:
        held: list[VideoFrame] = []
        for frame in islice(self._frames, most_frames):
            held.append(frame)
            if len(held) * frame.picture.nbytes >= most_bytes:
                break
        self._frames = chain(held, self._frames)

    def moments(self, times: StageTimes) -> Iterator[DrivingMoment]:
        for frame in _timed(self._frames, times):
            observation = self._known.popleft() if self._known else self._tracked(frame, times)
            height, width = frame.picture.shape[:2]
            yield DrivingMoment(
                time=frame.time,
                captured_ns=_captured_ns(frame),
                observation=observation,
                picture=frame.picture,
                frame_size=(width, height),
            )

    def _tracked(self, frame: VideoFrame, times: StageTimes) -> FaceObservation | None:
        with times.measure("tracking"):
            return self._tracker.track(frame.picture, _captured_ns(frame))

    def soundtrack(self) -> Soundtrack | None:
        self._sound = Soundtrack.of(self._reader.path, self._reader.first_time or Fraction(0))
        return self._sound

    @property
    def notice(self) -> str:
        reader, faults = self._reader, []
        if reader.damaged_count:
            faults.append(f"{reader.damaged_count} damaged frames were skipped")
        if reader.missing_seconds:
            faults.append(
                f"the video ends {reader.missing_seconds:.1f} s before its stated end; it may be cut off, copy it again"
            )
        if self._sound is not None and self._sound.notice:
            faults.append(self._sound.notice)
        return f"{reader.path}: {'; '.join(faults)}" if faults else ""

    def close(self) -> None:
        self._tracker.close()
        self._reader.close()


class MotionClip:
    """A recorded motion."""

    tracker_name = "recorded"
    notice = ""

    def __init__(self, track: track_file.MotionTrack) -> None:
        self._track = track
        self.rate = exact_rate(track.fps)
        self.time_base = 1 / self.rate
        self.frame_count: int | None = len(track)

    def look_through(self, times: StageTimes, most_frames: int | None = None) -> Iterator[TrackedFrame]:
        frames = min(len(self._track), int(_LOOK_AHEAD * self.rate) + 1)
        for index in range(frames if most_frames is None else min(frames, most_frames)):
            observation = self._track.observation(index)
            if observation is not None:
                yield TrackedFrame(observation, None)

    def read_ahead(self, most_frames: int, most_bytes: int) -> None:
        pass

    def moments(self, times: StageTimes) -> Iterator[DrivingMoment]:
        track = self._track
        for index in range(len(track)):
            yield DrivingMoment(
                time=index * self.time_base,
                captured_ns=track.captured_ns(index),
                observation=track.observation(index),
                picture=None,
                frame_size=(track.frame_width, track.frame_height),
            )

    def soundtrack(self) -> Soundtrack | None:
        return None

    def close(self) -> None:
        pass


class TemplateClip:
    """A LivePortrait motion template, which only the LivePortrait renderer can replay."""

    tracker_name = "template"
    notice = ""

    def __init__(self, recorded: template.MotionTemplate) -> None:
        self.template = recorded
        self.rate = exact_rate(recorded.fps)
        self.time_base = 1 / self.rate
        self.frame_count: int | None = len(recorded)

    def look_through(self, times: StageTimes, most_frames: int | None = None) -> Iterator[TrackedFrame]:
        return iter(())

    def read_ahead(self, most_frames: int, most_bytes: int) -> None:
        pass

    def moments(self, times: StageTimes) -> Iterator[DrivingMoment]:
        for index in range(len(self.template)):
            time_s = index * self.time_base
            yield DrivingMoment(
                time=time_s,
                captured_ns=1 + round(time_s * 1_000_000_000),
                observation=None,
                picture=None,
                frame_size=(0, 0),
            )

    def soundtrack(self) -> Soundtrack | None:
        return None

    def close(self) -> None:
        pass


def _timed(frames: Iterator[VideoFrame], times: StageTimes) -> Iterator[VideoFrame]:
    """Yield ``frames``, and add the time that reading each takes."""
    while True:
        started = time.perf_counter_ns()
        frame = next(frames, None)
        if frame is None:
            return
        times.add("read", time.perf_counter_ns() - started)
        yield frame


def _captured_ns(frame: VideoFrame) -> int:
    return 1 + round(frame.time * 1_000_000_000)


def exact_rate(fps: float) -> Fraction:
    """Return the exact frame rate for a rounded figure: 29.97 is 30000/1001."""
    broadcast = Fraction(round(fps * 1.001) * 1000, 1001)
    if broadcast and abs(float(broadcast) / fps - 1) < 4e-4:
        return broadcast
    return Fraction(fps).limit_denominator(1000)
