"""Contact sheets of the artefacts that a character's face shows, each zoomed in, to be looked at.

`python -m docs.measurements.face_sheets [CLIP...] [--characters NAME|PICTURE...] [--against REVISION] --output FOLDER`

Writes a picture for each artefact: a row for each character, with ``--against`` two, the revision's above today's.
Expressions are those of the clips' most marked frames (default: the sample motion's), relative to their calmest one;
turns, glances and lids are set.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from animator_core import assembly
from animator_core.animation.statistics import StageTimes
from animator_core.characters.character import Character
from animator_core.clips.driving_clip import open_clip
from animator_core.config import PROJECT_ROOT, load_config
from animator_core.motion.driving import DrivingMotion
from animator_core.tracking.face_model import FACE_OVAL, LEFT_EYE, OUTER_LIPS, RIGHT_EYE
from animator_core.tracking.pose import fit_pose, with_true_depth
from docs.measurements import face_against
from docs.measurements.face_rendering import load, make_renderer, picture_of

CELL = 320
_CAPTION = 22
_SAMPLE = PROJECT_ROOT / "assets" / "motions" / "sample.npz"
_WARM_UP_NS = 2_000_000_000
"""The character has eased to a neutral pose after that."""
_AREAS: dict[str, tuple[Sequence[int], float]] = {
    "mouth": (OUTER_LIPS, 0.55),
    "eyes": ((*RIGHT_EYE, *LEFT_EYE), 0.85),
    "face": (FACE_OVAL, 1.3),
}
"""Landmarks around the middle of a square, and its side in heights of the face."""


@dataclass(frozen=True)
class Sheet:
    """One artefact: the area that is shown, "whole" for the picture, the motions by caption, and whether in grey."""

    area: str
    motions: dict[str, DrivingMotion]
    is_grey: bool = False


def main(options: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    config = load_config()
    marked = marked_motions(options.clips or [_SAMPLE], config, options.frames)
    characters = load(options.characters, config)
    options.output.mkdir(parents=True, exist_ok=True)
    for name, sheet in sheets(marked).items():
        grid = np.vstack([row_of(character, sheet, config) for character in characters])
        cv2.imwrite(str(options.output / f"{name}.png"), grid[..., ::-1])
    if options.against:
        add_before(options, len(characters))
    print(f"wrote {len(sheets(marked))} sheets to {options.output}")


def sheets(marked: dict[str, DrivingMotion]) -> dict[str, Sheet]:
    """Return the sheets by name; marked: see `marked_motions`."""
    rest, opened = DrivingMotion(), marked["open mouth"]
    turns = {f"yaw {degrees}": turned(rest, yaw=degrees) for degrees in (-20, 20)}
    glances = {"right": (-0.3, 0), "left": (0.3, 0), "up": (0, -0.2), "down": (0, 0.2)}
    looking = {name: replace(rest, gaze=np.float32([shift, shift])) for name, shift in glances.items()}
    lids = {f"lids at {share}": replace(rest, eye_openness=np.float32([share, share])) for share in (0.0, 0.3, 0.6)}
    wide = replace(looking["left"], eye_openness=np.float32([1.3, 1.3]))
    shifts = {"right": (0.2, 0), "left": (-0.2, 0), "up": (0, -0.15), "down": (0, 0.15)}
    shifted = {name: replace(rest, translation=np.float32(shift)) for name, shift in shifts.items()}
    tilts = {f"roll {degrees}": turned(rest, roll=degrees) for degrees in (-15, 15)}
    expressions = ("smile", "pucker", "funnel")
    return {
        "lips_at_rest": Sheet("mouth", {"rest": rest, **turns}),
        "open_mouth": Sheet("mouth", {f"open, yaw {degrees}": turned(opened, yaw=degrees) for degrees in (-20, 0, 20)}),
        "own_teeth": Sheet("mouth", {"rest": rest, "smile": marked["smile"], "open mouth": opened}),
        "side_glance": Sheet("eyes", looking),
        "closed_lids": Sheet("eyes", lids),
        "large_irises": Sheet("eyes", {"rest": rest, "wide, left": wide, "right": looking["right"]}),
        "head_shift": Sheet("whole", {**shifted, **tilts}),
        "background": Sheet("whole", {**turns, "right": shifted["right"], **tilts}),
        "jaw": Sheet("face", turns),
        "side_portrait": Sheet("face", {f"yaw {each}": turned(rest, yaw=each) for each in (-30, -10, 0, 10, 30)}),
        "grey": Sheet("mouth", {"rest": rest, "smile": marked["smile"], "open mouth": opened}, is_grey=True),
        "expressions": Sheet("face", {name: marked[name] for name in expressions}),
    }


def turned(motion: DrivingMotion, yaw: float = 0.0, roll: float = 0.0) -> DrivingMotion:
    """Return a motion with the head turned by degrees, to the picture's left and clockwise if positive."""
    rotation = cv2.Rodrigues(np.radians([0.0, yaw, 0.0]))[0] @ cv2.Rodrigues(np.radians([0.0, 0.0, roll]))[0]
    return replace(motion, rotation=rotation.astype(np.float32))


def marked_motions(paths: Sequence[Path], config: Any, frames: int) -> dict[str, DrivingMotion]:
    """Return the most marked expressions of some clips by name, without the turn of the head."""
    best: dict[str, tuple[float, DrivingMotion]] = {}
    for path in paths:
        clip = open_clip(path, lambda: assembly.make_tracker(config))
        moments = [moment for moment, _ in zip(clip.moments(StageTimes()), range(frames)) if moment.observation]
        clip.close()
        shapes = [_shape(moment.observation.landmarks) for moment in moments]
        away = np.linalg.norm(np.array(shapes) - np.median(shapes, axis=0), axis=2).mean(1)
        calm = int(away.argmin())
        estimator = assembly.make_estimator(config)
        estimator.update(moments[calm].observation, moments[calm].captured_ns)
        estimator.calibrate()
        after_ns = moments[calm].captured_ns + _WARM_UP_NS
        estimator.update(None, after_ns)
        for moment, shape in zip(moments, shapes):
            now_ns = after_ns + moment.captured_ns
            motion = estimator.update(replace(moment.observation, captured_ns=now_ns), now_ns)
            for name, score in _scores(shape - shapes[calm]).items():
                if name not in best or score > best[name][0]:
                    best[name] = score, motion
    return {
        name: replace(motion, rotation=np.eye(3, dtype=np.float32), translation=np.zeros(2, np.float32), scale=1.0)
        for name, (_, motion) in best.items()
    }


def _shape(landmarks: np.ndarray) -> np.ndarray:
    true = with_true_depth(landmarks)
    return fit_pose(true).to_head(true)


def _scores(change: np.ndarray) -> dict[str, float]:
    """Return how marked expressions are; change: (478, 3) face units from the calmest frame."""
    wider = float(change[291, 0] - change[61, 0])
    gap = float(change[14, 1] - change[13, 1])
    return {
        "open mouth": gap + 0.2 * wider,
        "smile": wider - abs(gap),
        "pucker": -wider - 2 * abs(gap),
        "funnel": -wider + min(gap, 0.06),
    }


def row_of(character: Character, sheet: Sheet, config: Any) -> np.ndarray:
    """Return (CELL + caption, W, 3) uint8 RGB: a character in all motions of a sheet."""
    if sheet.is_grey:
        character = in_grey(character)
    renderer = make_renderer("warp", config)
    renderer.set_character(character)
    cells = []
    for caption, motion in sheet.motions.items():
        picture = picture_of(renderer, motion)
        cell = np.zeros((CELL + _CAPTION, CELL, 3), np.uint8)
        cell[_CAPTION:] = area_of(picture, character, sheet.area)
        label = f"{character.display_name}: {caption}"
        cv2.putText(cell, label, (4, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, (255, 255, 255), 1, cv2.LINE_AA)
        cells.append(cell)
    renderer.close()
    return np.hstack(cells)


def area_of(picture: np.ndarray, character: Character, area: str) -> np.ndarray:
    """Return (CELL, CELL, 3) of a picture of the character, (H, W, 3) uint8 RGB, around the area's place at rest."""
    points = character.require_landmarks()[:, :2]
    if area == "whole":
        centre, side = np.array(picture.shape[1::-1]) / 2, float(max(picture.shape[:2]))
    else:
        indices, share = _AREAS[area]
        centre, side = points[list(indices)].mean(0), share * float(np.linalg.norm(points[10] - points[152]))
    scale = CELL / side
    cell_from_picture = np.array([[scale, 0, CELL / 2 - scale * centre[0]], [0, scale, CELL / 2 - scale * centre[1]]])
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    return np.asarray(cv2.warpAffine(picture, cell_from_picture, (CELL, CELL), flags=method))


def in_grey(character: Character) -> Character:
    grey = cv2.cvtColor(np.ascontiguousarray(character.picture[..., :3]), cv2.COLOR_RGB2GRAY)
    picture = np.dstack([grey, grey, grey, character.picture[..., 3]])
    return replace(character, picture=np.ascontiguousarray(picture), content_hash=f"{character.content_hash}-grey")


def add_before(options: argparse.Namespace, count: int) -> None:
    """Put each row of another revision above today's; count: of the rows."""
    with tempfile.TemporaryDirectory() as folder:
        tree, older = face_against.older_tree(options.against, Path(folder) / "tree"), Path(folder) / "sheets"
        arguments = [str(path.resolve()) for path in options.clips]
        names = [str(Path(name).resolve()) if Path(name).exists() else name for name in options.characters]
        arguments += ["--characters", *names] if names else []
        arguments += ["--frames", str(options.frames), "--output", str(older)]
        face_against.run(tree, "face_sheets", arguments)
        for path in sorted(older.glob("*.png")):
            after_path = options.output / path.name
            before, after = (np.split(cv2.imread(str(each)), count) for each in (path, after_path))
            for row in before:
                cv2.putText(row, options.against[:12], (4, CELL), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (0, 0, 255), 1)
            cv2.imwrite(str(after_path), np.vstack([each for pair in zip(before, after) for each in pair]))


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("clips", type=Path, nargs="*", metavar="CLIP")
    options.add_argument("--characters", nargs="*", default=[], metavar="NAME|PICTURE", help="default: the library's")
    options.add_argument("--frames", type=int, default=300, help="of each clip")
    options.add_argument("--against", metavar="REVISION", help="show another revision above")
    options.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    return options


if __name__ == "__main__":
    main(parser().parse_args())
