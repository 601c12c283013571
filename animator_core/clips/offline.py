"""Animates a character from a clip, frame by frame, for the commands `animate` and `benchmark`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Protocol, runtime_checkable

from animator_core.animation.statistics import StageTimes
from animator_core.arrays import UInt8Array
from animator_core.clips.driving_clip import DrivingMoment, TemplateClip
from animator_core.errors import MotionError
from animator_core.liveportrait.motion.template import MotionTemplate
from animator_core.motion.estimator import MotionEstimator
from animator_core.rendering.contract import Driver, Placement, Renderer
from animator_core.tracking.observation import TrackedFrame


@runtime_checkable
class Replaying(Protocol):
    """A renderer that replays motion templates."""

    def replay(self, template: MotionTemplate) -> Sequence[Placement]:
        """Return the character's placement in every frame."""
        ...


@runtime_checkable
class Batching(Protocol):
    """A renderer that draws frames in batches faster than one by one."""

    def draw_each(self, placements: Sequence[Placement]) -> Iterator[UInt8Array]:
        """Yield the picture of each placement, as `Renderer.draw` returns it."""
        ...


def animate_moments(
    moments: Iterator[DrivingMoment],
    estimator: MotionEstimator,
    renderer: Renderer,
    *,
    faces: Iterable[TrackedFrame] = (),
    times: StageTimes,
    batch_size: int = 1,
) -> Iterator[tuple[DrivingMoment, UInt8Array]]:
    """Yield every moment with the character's frame: (H, W, 4) uint8 premultiplied BGRA, reused by the next one.

    faces: those that tell the neutral pose (`DrivingClip.look_through`); without any the driver finds it by itself, as
    it does live. times: gets the stages' durations. batch_size: frames drawn at once if the renderer can; the frames
    are the same.
    """
    driver = renderer.create_driver(estimator)
    driver.calibrate_from(faces)
    placed = _placed(moments, driver, times)
    yield from _drawn(placed, renderer, times=times, batch_size=batch_size)


def require_replaying(renderer: Renderer, path: object) -> None:
    """Raise MotionError for a renderer that cannot replay the template ``path``."""
    if not isinstance(renderer, Replaying):
        raise MotionError(
            f"{path} is a LivePortrait template, which the {renderer.name} renderer cannot replay",
            "use --renderer liveportrait, or a landmark motion (animate --save-motion), which every renderer follows",
        )


def replay_moments(
    clip: TemplateClip, renderer: Renderer, *, times: StageTimes, batch_size: int = 1
) -> Iterator[tuple[DrivingMoment, UInt8Array]]:
    """Yield every moment of a template with the character's frame, as `animate_moments` does.

    renderer: checked with `require_replaying`.
    """
    assert isinstance(renderer, Replaying)
    with times.measure("motion"):
        placements = renderer.replay(clip.template)
    yield from _drawn(zip(clip.moments(times), placements), renderer, times=times, batch_size=batch_size)


def _placed(
    moments: Iterator[DrivingMoment], driver: Driver, times: StageTimes
) -> Iterator[tuple[DrivingMoment, Placement]]:
    for moment in moments:
        with times.measure("motion"):
            placement = driver.place(TrackedFrame(moment.observation, moment.picture), moment.captured_ns)
        yield moment, placement


def _drawn(
    placed: Iterator[tuple[DrivingMoment, Placement]], renderer: Renderer, *, times: StageTimes, batch_size: int
) -> Iterator[tuple[DrivingMoment, UInt8Array]]:
    while batch := list(islice(placed, batch_size)):
        if len(batch) == 1 or not isinstance(renderer, Batching):
            for moment, placement in batch:
                with times.measure("render"):
                    frame = renderer.draw(placement)
                yield moment, frame
            continue
        pictures = renderer.draw_each([placement for _, placement in batch])
        for moment, _ in batch:
            # The first one waits for the whole batch.
            with times.measure("render"):
                frame = next(pictures)
            yield moment, frame
