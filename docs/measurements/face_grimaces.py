"""Starts the program in the middle of expressions, and looks whether the character makes faces that no driver makes.

`python -m docs.measurements.face_grimaces CLIP... [--characters NAME|PICTURE...] [--starts 30] [--sheet OUT.png]
[--against REVISION] [--json OUT]`

A live driver begins at random frames (fixed seed) and calibrates as it does in OBS. Every 15th frame of its first four
seconds is drawn, tracked and judged by `face_plausibility`: bounds of human faces, the driver's own expression, the
inside of the mouth, and the shape and turn that a driver with a good neutral face gives ("unlike a good neutral"). A
drawn face in which the tracker sees none, for its closed eyes, is judged by the landmarks that it was drawn by.
Flags count from the start on, and again from two seconds on. The sheet shows the worst frames: driver, with a good
neutral, started.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from animator_core import assembly
from animator_core.cli.animate import DEFAULT_BACKGROUND
from animator_core.clips.compositing import OverColour, parse_colour
from animator_core.clips.driving_clip import DrivingMoment
from animator_core.config import load_config
from animator_core.tracking.observation import TrackedFrame
from animator_core.tracking.pose import DEPTH_SCALE
from docs.measurements import face_against
from docs.measurements.face_plausibility import Face, excesses, eyes_of, face_of, lip_line, mouth_excesses, rest_of
from docs.measurements.face_rendering import Clip, load, make_renderer, read_clip
from docs.measurements.face_signals import Sight, Watcher

EVERY, LENGTH = 15, 120
"""Frames between judged ones, and of a start."""
SETTLED_FRAMES = 60
_FEATURES = slice(0, 468)
_UNLIKE_TOLERANCE = 0.03
"""Face units, root mean square over the landmarks between the outline's: by so much a shape differs from that of a
driver with a good neutral face."""
_TURN_TOLERANCE = 12.0
"""Degrees of yaw, pitch or roll."""
_TILE = 192


@dataclass(frozen=True)
class Judged:
    """One judged frame: which it is, the flags with their excesses (above 1), and the pictures for the sheet."""

    character: str
    clip: str
    start: int
    frame: int
    flags: dict[str, float]
    tiles: tuple[np.ndarray, np.ndarray, np.ndarray]

    @property
    def badness(self) -> float:
        return max(self.flags.values(), default=0.0)

    @property
    def is_settled(self) -> bool:
        return self.frame - self.start >= SETTLED_FRAMES


class Judge:
    """Draws one character driven by one clip, and judges the frames."""

    def __init__(self, clip: Clip, renderer: Any, config: Any) -> None:
        self._clip, self._renderer, self._config = clip, renderer, config
        self._over = OverColour(parse_colour(DEFAULT_BACKGROUND))
        self._watcher = Watcher(is_static=True)
        renderer.warm_up()
        resting = renderer.create_driver(assembly.make_estimator(config)).place_again()
        picture = self._picture(resting)
        at_rest = self._watcher.look(picture)
        if at_rest is None:
            raise ValueError("the tracker finds no face in this character")
        self._at_rest = at_rest
        self._eyes, self._rest = eyes_of([at_rest]), face_of(at_rest)
        placed = self._placed(resting)
        self._placed_rest = None if placed is None else face_of(placed)
        self._line = lip_line(picture, placed or at_rest)
        seen = [sight for sight in clip.sights if sight is not None]
        self._driver_rest = rest_of(seen)
        self._driver_eyes = eyes_of(sorted(seen, key=_closed)[: max(3, len(seen) // 10)])
        self._good: dict[int, tuple[np.ndarray, Face | None, tuple[float, float, float]]] = {}

    def good_neutral(self, frames: set[int]) -> dict[int, Judged]:
        """Judge ``frames`` of a run calibrated on the calmest moments; `judged` compares with those without flags."""
        driver = self._renderer.create_driver(assembly.make_estimator(self._config))
        driver.calibrate_from([_tracked(moment, 0) for moment in self._calmest()])
        later_ns = 2_000_000_000
        found = {}
        for number, moment in enumerate(self._clip.moments):
            placement = driver.place(_tracked(moment, later_ns), moment.captured_ns + later_ns)
            if number in frames:
                picture = self._picture(placement)
                sight = self._watcher.look(picture)
                found[number] = self._judged(0, number, picture=picture, sight=sight, placement=placement)
                if sight is not None and not found[number].flags:
                    self._good[number] = picture, face_of(sight, self._eyes), sight.angles
        return found

    def judged(self, start: int) -> Iterator[Judged]:
        """Yield the judged frames of a driver that begins at frame ``start``."""
        driver = self._renderer.create_driver(assembly.make_estimator(self._config))
        for number in range(start, min(start + LENGTH, len(self._clip.moments))):
            moment = self._clip.moments[number]
            placement = driver.place(_tracked(moment, 0), moment.captured_ns)
            if is_judged(number) and number > start:
                picture = self._picture(placement)
                sight = self._watcher.look(picture)
                yield self._judged(start, number, picture=picture, sight=sight, placement=placement)

    def close(self) -> None:
        self._watcher.close()

    def _picture(self, placement: Any) -> np.ndarray:
        return np.ascontiguousarray(self._over(self._renderer.draw(placement)))

    def _calmest(self) -> list[DrivingMoment]:
        """Return the calmest tenth of the clip, in order: a clip of grimaces has no single neutral frame."""
        clip = self._clip
        seen = [
            (_unrest(sight), number)
            for number, (sight, moment) in enumerate(zip(clip.sights, clip.moments))
            if sight is not None and moment.observation is not None
        ]
        chosen = sorted(number for _, number in sorted(seen)[: max(3, len(seen) // 10)])
        return [clip.moments[number] for number in chosen]

    def _placed(self, placement: Any) -> Sight | None:
        """Return the landmarks that a face is drawn by, with the scores of rest; None if the renderer has none."""
        if not hasattr(self._renderer, "landmarks"):
            return None
        points = self._renderer.landmarks(placement) / np.array([1, 1, DEPTH_SCALE])
        return Sight(points, self._at_rest.scores, self._at_rest.angles)

    def _judged(self, start: int, number: int, *, picture: np.ndarray, sight: Sight | None, placement: Any) -> Judged:
        driver_sight = self._clip.sights[number]
        driver = None if driver_sight is None else face_of(driver_sight, self._driver_eyes)
        placed = self._placed(placement)
        if sight is None:
            found = {"no face found": 9.0 if driver is not None else 0.0}
            if placed is not None and self._placed_rest is not None:
                found = excesses(face_of(placed), self._placed_rest, driver, self._driver_rest)
        else:
            face = face_of(sight, self._eyes)
            found = excesses(face, self._rest, driver, self._driver_rest)
            found.update(mouth_excesses(picture, sight, face, placed=placed or sight, line_at_rest=self._line))
            good, good_angles = self._good.get(number, (picture, None, (0, 0, 0)))[1:]
            if good is not None and start:
                apart = np.square(face.shape[_FEATURES] - good.shape[_FEATURES])[:, :2].sum(1).mean()
                found["unlike a good neutral"] = float(np.sqrt(apart)) / _UNLIKE_TOLERANCE
                turned = np.subtract(sight.angles, good_angles)
                found["turned unlike a good neutral"] = float(np.abs(turned).max()) / _TURN_TOLERANCE
        flags = {name: round(value, 2) for name, value in found.items() if value > 1}
        tiles = (
            tile(self._clip.pictures[number], driver_sight),
            tile(self._good.get(number, (picture,))[0], sight),
            tile(picture, sight),
        )
        return Judged("", self._clip.name, start=start, frame=number, flags=flags, tiles=tiles)


def is_judged(number: int) -> bool:
    """Frames on one grid, so that many starts share the frames of the good run."""
    return number % EVERY == 0


def tile(picture: np.ndarray, sight: Sight | None) -> np.ndarray:
    """Return the face cut out of a picture, (192, 192, 3), or the whole picture without one."""
    low, high = np.zeros(2), np.array(picture.shape[1::-1], float)
    if sight is not None:
        middle = (sight.points[:, :2].min(0) + sight.points[:, :2].max(0)) / 2
        half = 0.6 * np.ptp(sight.points[:, :2], axis=0).max()
        low, high = np.maximum(middle - half, 0), np.minimum(middle + half, high)
    (left, top), (right, bottom) = low.astype(int), np.maximum(high, low + 2).astype(int)
    return np.asarray(cv2.resize(picture[top:bottom, left:right], (_TILE, _TILE), interpolation=cv2.INTER_AREA))


def _unrest(sight: Sight) -> float:
    """Return how far a face is from neutral: expression, mouth opening and turn."""
    face = face_of(sight)
    scores = sum(value for name, value in sight.scores.items() if "eyeLook" not in name)
    return scores + 15 * face.measures["opening"] + face.turn / 15


def _closed(sight: Sight) -> float:
    return sight.scores["eyeBlinkLeft"] + sight.scores["eyeBlinkRight"] + sight.scores["eyeSquintLeft"]


def _tracked(moment: DrivingMoment, later_ns: int) -> TrackedFrame:
    observation = moment.observation
    if observation is not None and later_ns:
        observation = replace(observation, captured_ns=moment.captured_ns + later_ns)
    return TrackedFrame(observation, moment.picture)


def starts_in(clip: Clip, count: int, seed: int = 12) -> list[int]:
    """Return ``count`` random frames that show a face and have three seconds after them, in order."""
    latest = max(2, len(clip.moments) - 90)
    frames = [number for number in range(1, latest) if clip.sights[number] is not None]
    return sorted(np.random.default_rng(seed).choice(frames, min(count, len(frames)), replace=False).tolist())


def main(options: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    config = load_config()
    characters = load(options.characters, config)
    found: list[Judged] = []
    good: list[Judged] = []
    for path in options.clips:
        clip = read_clip(path, config, options.frames)
        starts = starts_in(clip, options.starts)
        for character in characters:
            renderer = make_renderer(options.renderer, config)
            renderer.set_character(character)
            judge = Judge(clip, renderer, config)
            of_good = judge.good_neutral(set(filter(is_judged, range(len(clip.moments))))).values()
            judged = [each for start in starts for each in judge.judged(start)]
            judge.close()
            print(
                f"{character.name} {clip.name}: {text(judged)}; with a good neutral {text(list(of_good))}", flush=True
            )
            found += [replace(each, character=character.name) for each in judged]
            good += [replace(each, character=character.name) for each in of_good]
    print(f"\nall: {text(found)}\nfrom two seconds on: {text([each for each in found if each.is_settled])}")
    print(f"with a good neutral: {text(good)}")
    found.sort(key=lambda each: -each.badness)
    for each in found[: options.worst]:
        print(f"  {each.character} {each.clip} start {each.start} frame {each.frame}: {each.flags}")
    if options.sheet:
        save_sheet(found[: options.worst], options.sheet)
    if options.json:
        rows = [
            {name: getattr(each, name) for name in ("character", "clip", "start", "frame", "flags")} for each in found
        ]
        options.json.write_text(json.dumps(rows))
    if options.against:
        before = face_against.rows_of(options.against, "face_grimaces", options)
        frames = [Judged(**row, tiles=(np.zeros(0),) * 3) for row in before]
        settled = [each for each in frames if each.is_settled]
        print(f"\nbefore, at {options.against}: {text(frames)}\nfrom two seconds on: {text(settled)}")


def text(judged: Sequence[Judged]) -> str:
    """Return how many frames and starts are flagged, and by which measures most."""
    flagged = [each for each in judged if each.flags]
    starts = {(each.character, each.clip, each.start) for each in judged}
    bad = {(each.character, each.clip, each.start) for each in flagged}
    names = Counter(name for each in flagged for name in each.flags)
    most = ", ".join(f"{name} {count}" for name, count in names.most_common(8))
    return f"{len(flagged)} of {len(judged)} frames, {len(bad)} of {len(starts)} starts flagged ({most})"


def save_sheet(worst: Sequence[Judged], path: Path) -> None:
    """Write a contact sheet of frames in two columns, with the flags below each."""
    cells = []
    for each in worst:
        label = np.full((44, 3 * _TILE, 3), 255, np.uint8)
        lines = (
            f"{each.character} {each.clip} start {each.start} frame {each.frame}",
            ", ".join(f"{name} {value}" for name, value in sorted(each.flags.items(), key=lambda item: -item[1])),
        )
        for row, line in enumerate(lines):
            cv2.putText(label, line[:95], (4, 16 + 18 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.38, (0, 0, 0), 1, cv2.LINE_AA)
        cells.append(np.vstack([np.hstack(each.tiles), label]))
    if len(cells) % 2:
        cells.append(np.full_like(cells[0], 255))
    rows = [np.hstack(cells[number : number + 2]) for number in range(0, len(cells), 2)]
    if rows:
        cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    options.add_argument("--characters", nargs="*", default=[], metavar="NAME")
    options.add_argument("--renderer", default="warp")
    options.add_argument("--frames", type=int, default=450, help="of each clip")
    options.add_argument("--starts", type=int, default=30, help="in each clip")
    options.add_argument("--worst", type=int, default=20, help="frames to name and to show")
    options.add_argument("--sheet", type=Path, metavar="OUT.png", help="write a contact sheet of the worst frames")
    options.add_argument("--against", metavar="REVISION", help="measure another revision as well")
    options.add_argument("--json", type=Path)
    main(options.parse_args())
