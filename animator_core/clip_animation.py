"""Animates one clip, from a request to a finished file: the path of the commands `animate` and `batch`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from itertools import chain, islice
from pathlib import Path
from typing import Any, Callable

from animator_core import assembly
from animator_core.animation.statistics import StageTimes
from animator_core.arrays import UInt8Array
from animator_core.characters.character import Character
from animator_core.clips.compositing import DEFAULT_BACKGROUND, OverColour, StraightAlpha, parse_colour
from animator_core.clips.driving_clip import DrivingClip, DrivingMoment, TemplateClip
from animator_core.clips.offline import animate_moments, replay_moments, require_replaying
from animator_core.clips.verification import require_frames
from animator_core.clips.video import Encoding, VideoWriter, choose_encoding
from animator_core.config import Config
from animator_core.errors import AnimatorError, MotionError
from animator_core.motion.estimator import MotionEstimator
from animator_core.renderers import RendererSource
from animator_core.rendering.contract import Renderer

_FEW_FACES = 0.5


@dataclass(frozen=True)
class ClipRequest:
    """Everything that is asked of one clip, except the settings.

    character: a picture file, or a name from the library. driving: a video, a landmark motion or a LivePortrait
    template. output: .mp4, .webm or .mov. renderer: None for the settings' one. max_frames: None for the whole clip.
    background: the colour behind a transparent character in .mp4 files. unfinished: the file's name while it is being
    written, None for one that nobody knows. is_verified: read the finished file before it gets its name.
    """

    character: str
    driving: Path
    output: Path
    renderer: str | None = None
    mirror: bool = False
    max_frames: int | None = None
    background: str = DEFAULT_BACKGROUND
    unfinished: Path | None = None
    is_verified: bool = False


@dataclass(frozen=True)
class AnimatedClip:
    """A written clip.

    path: another name beside the output asked for if a program has that open. frames: their number. rate: frames a
    second. renderer, device, tracker: their names. face_found: the share of frames that show a face, 0 to 1.
    warnings: faults that stopped nothing. character_warnings: what looks wrong because of the character's picture.
    """

    path: Path
    frames: int
    rate: Fraction
    renderer: str
    device: str
    tracker: str
    face_found: float
    warnings: tuple[str, ...]
    character_warnings: tuple[str, ...]
    times: StageTimes

    def statistics(self, wall_seconds: float) -> dict[str, Any]:
        """Return frame counts and stage times for a JSON file; times in milliseconds per frame, fps: of the clip."""
        return {
            "frames": self.frames,
            "fps": float(self.rate),
            "wall_seconds": wall_seconds,
            "frames_per_wall_second": self.frames / wall_seconds,
            "renderer": self.renderer,
            "device": self.device,
            "tracker": self.tracker,
            "face_found": self.face_found,
            "warnings": [*self.character_warnings, *self.warnings],
            "stages_ms": {
                stage: {"p50": found.p50_ms, "p95": found.p95_ms, "p99": found.p99_ms}
                for stage, found in self.times.summary().items()
            },
        }


class ClipListener:
    """Hears how the animation of a clip goes on; this one does nothing. An exception that it raises ends the work."""

    def loaded(self, character: Character) -> None:
        """The character's picture was read, and its face found."""

    def opened(self, clip: DrivingClip, renderer: Renderer) -> None:
        """Clip and renderer are there; the character is not prepared yet."""

    def settled(self, renderer: Renderer, character: Character) -> Renderer:
        """Return `Renderer.settled`, with its progress shown if wanted."""
        return renderer.settled(lambda progress: None)

    def begun(self, frame_count: int | None) -> None:
        """The file is about to be made; frame_count: an estimate, or None."""

    def seen(self, moment: DrivingMoment, times: StageTimes) -> None:
        """A driving frame was tracked."""

    def written(self) -> None:
        """A frame was written."""


def animate_clip(
    request: ClipRequest,
    config: Config,
    *,
    listener: ClipListener | None = None,
    source: RendererSource | None = None,
) -> AnimatedClip:
    """Animate the character by the clip and write the video, which appears under its name only when complete.

    source: shares networks and features between clips. Raises AnimatorError.
    """
    listener = listener or ClipListener()
    background = parse_colour(request.background)
    character = assembly.load_character(request.character, config)
    listener.loaded(character)
    with (
        assembly.opened_clip(request.driving, config) as clip,
        assembly.made_renderer(request.renderer, config, source) as renderer,
    ):
        require_mirrorable(request.driving, clip, request.mirror)
        listener.opened(clip, renderer)
        renderer.set_character(character)
        renderer = listener.settled(renderer, character)
        if isinstance(clip, TemplateClip):
            require_replaying(renderer, request.driving)
        work = _Work(request, config, clip=clip, listener=listener)
        encoding = choose_encoding(request.output, character.has_alpha)
        to_pixels = StraightAlpha() if encoding.has_alpha else OverColour(background)
        writer = work.write(work.frames(renderer), encoding, to_pixels)
        return AnimatedClip(
            path=writer.path,
            frames=work.frame_count,
            rate=clip.rate,
            renderer=renderer.name,
            device=renderer.device,
            tracker=clip.tracker_name,
            face_found=work.face_found,
            warnings=tuple(filter(None, (writer.notice, *work.warnings()))),
            character_warnings=tuple(f"{character.name}: {warning}" for warning in character.warnings),
            times=work.times,
        )


def require_mirrorable(path: Path, clip: DrivingClip, mirror: bool) -> None:
    """Raise MotionError if a template is to be mirrored."""
    if mirror and isinstance(clip, TemplateClip):
        raise MotionError(f"{path} is a template and cannot be mirrored", "record it with --mirror")


def clip_warnings(path: Path, clip: DrivingClip, face_found: float) -> tuple[str, ...]:
    """Return what was wrong with a clip that was read to its end; face_found: the share of frames with a face."""
    warnings = (clip.notice,) if clip.notice else ()
    if face_found >= _FEW_FACES:
        return warnings
    return (
        *warnings,
        f"only {face_found:.0%} of the frames of {path} show a face; in the others the character idles. "
        "Use a clip of one well-lit face that looks at the camera.",
    )


class _Work:
    """The frames of one clip on their way from the driving clip to the file."""

    def __init__(self, request: ClipRequest, config: Config, *, clip: DrivingClip, listener: ClipListener) -> None:
        self.times = StageTimes()
        self.frame_count = 0
        self._found_count = 0
        self._request, self._config, self._clip, self._listener = request, config, clip, listener
        self._estimator: MotionEstimator | None = None

    def frames(self, renderer: Renderer) -> Iterator[tuple[DrivingMoment, UInt8Array]]:
        """Yield every moment with the character's frame, as `animate_moments` does."""
        request, clip, times = self._request, self._clip, self.times
        batch_size = self._config.compute.batch_size
        if isinstance(clip, TemplateClip):
            replayed = replay_moments(clip, renderer, times=times, batch_size=batch_size)
            for moment, frame in islice(replayed, request.max_frames):
                self._see(moment)
                yield moment, frame
            return
        moments = self._seen(islice(clip.moments(times), request.max_frames))
        self._estimator = assembly.make_estimator(self._config, request.mirror)
        faces = clip.look_through(times, request.max_frames)
        yield from animate_moments(moments, self._estimator, renderer, faces=faces, times=times, batch_size=batch_size)

    def write(
        self,
        frames: Iterator[tuple[DrivingMoment, UInt8Array]],
        encoding: Encoding,
        to_pixels: Callable[[UInt8Array], UInt8Array],
    ) -> VideoWriter:
        """Write the video and return its writer."""
        clip, request = self._clip, self._request
        first = next(frames, None)
        if first is None:
            raise AnimatorError(f"{request.driving} has no frames", "give another clip")
        self._listener.begun(self._expected())
        with VideoWriter(
            request.output,
            encoding,
            clip.rate,
            time_base=clip.time_base,
            soundtrack=clip.soundtrack(),
            unfinished=request.unfinished,
            verify=self._verify if request.is_verified else None,
        ) as writer:
            for moment, frame in chain((first,), frames):
                with self.times.measure("write"):
                    writer.write(to_pixels(frame), moment.time)
                self._listener.written()
        return writer

    @property
    def face_found(self) -> float:
        return self._found_count / max(1, self.frame_count)

    def warnings(self) -> tuple[str, ...]:
        """Return what was wrong with the clip: few faces, or faces that are seen badly."""
        path = self._request.driving
        troubles = self._estimator.confidence.summary() if self._estimator is not None else ()
        return (*clip_warnings(path, self._clip, self.face_found), *(f"{path}: {each}" for each in troubles))

    def _seen(self, moments: Iterator[DrivingMoment]) -> Iterator[DrivingMoment]:
        for moment in moments:
            self._see(moment)
            yield moment

    def _see(self, moment: DrivingMoment) -> None:
        self.frame_count += 1
        self._found_count += moment.observation is not None or isinstance(self._clip, TemplateClip)
        self._listener.seen(moment, self.times)

    def _expected(self) -> int | None:
        return min(filter(None, (self._clip.frame_count, self._request.max_frames)), default=None)

    def _verify(self, unfinished: Path) -> None:
        with self.times.measure("verify"):
            require_frames(unfinished, self.frame_count)
