"""Characters in the driving motion of clips, rendered as the product does, for the measurements of faces."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from animator_core import assembly
from animator_core.animation.statistics import StageTimes
from animator_core.characters.character import Character
from animator_core.cli.animate import DEFAULT_BACKGROUND
from animator_core.clips.compositing import OverColour, parse_colour
from animator_core.clips.driving_clip import DrivingMoment, open_clip
from animator_core.clips.offline import animate_moments
from animator_core.tracking.observation import TrackedFrame
from animator_core.warp.renderer import WarpRenderer
from docs.measurements.face_signals import Sight, Watcher, signals

SIZE = 512


@dataclass(frozen=True)
class Clip:
    """A clip's frames, (H, W, 3) uint8 RGB, as the product's tracker and as a watcher of its own saw them.

    measures: (N, 20) the watcher's signals. faces: those that `animate` finds the neutral pose in.
    """

    name: str
    moments: Sequence[DrivingMoment]
    pictures: Sequence[np.ndarray]
    sights: Sequence[Sight | None]
    measures: np.ndarray
    faces: Sequence[TrackedFrame]


def read_clip(path: Path, config: Any, frames: int) -> Clip:
    """Return the first ``frames`` of a clip."""
    clip = open_clip(path, lambda: assembly.make_tracker(config))
    # A revision to compare with may calibrate on the clip's first second alone.
    looked = clip.look_through(StageTimes(), frames) if hasattr(clip, "look_through") else ()
    faces = [TrackedFrame(each.observation, None) for each in looked]
    moments = list(itertools.islice(clip.moments(StageTimes()), frames))
    clip.close()
    pictures = [moment.picture for moment in moments if moment.picture is not None]
    watcher = Watcher()
    sights = [watcher.look(picture) for picture in pictures]
    watcher.close()
    measures = np.array([signals(sight) for sight in sights])
    return Clip(path.stem, moments, pictures=pictures, sights=sights, measures=measures, faces=faces)


def load(names: Iterable[str], config: Any, size: int = SIZE) -> list[Character]:
    """Return the characters of these names or pictures, all of the library for none, at most ``size`` a side."""
    small = replace(config, character=replace(config.character, target_size=(size, size)))
    chosen = list(names) or [entry.file for entry in assembly.make_library(config).list()]
    return [assembly.load_character(name, small) for name in chosen]


def make_renderer(name: str, config: Any) -> Any:
    """Return a renderer; "warp" draws every character, also those that another renderer usually draws."""
    return WarpRenderer() if name == "warp" else assembly.make_renderer_source(config).create(name)


def rendered(clip: Clip, renderer: Any, config: Any) -> Iterator[np.ndarray]:
    """Yield (H, W, 3) uint8 RGB of each frame of a clip as the command `animate` makes it."""
    over = OverColour(parse_colour(DEFAULT_BACKGROUND))
    estimator = assembly.make_estimator(config)
    calibration = {"faces": clip.faces} if clip.faces else {}
    for _, frame in animate_moments(iter(clip.moments), estimator, renderer, times=StageTimes(), **calibration):
        yield np.ascontiguousarray(over(frame))


def picture_of(renderer: Any, motion: Any) -> np.ndarray:
    """Return (H, W, 3) uint8 RGB of the renderer's character in a `DrivingMotion`."""
    return np.ascontiguousarray(OverColour(parse_colour(DEFAULT_BACKGROUND))(renderer.render(motion)))
