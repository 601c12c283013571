"""Measures how landmarks move with each measure of an expression: animator_core/motion/expression_modes.npz.

`python -m docs.measurements.expression_modes CLIP... [--frames 450] [--write]`

The faces of each clip are centred on the clip's own mean, so that nobody's proportions count, and all landmarks are
regressed on the measures of `motion.anatomy` by ridge regression; the result is averaged with its mirror image.
"""

from __future__ import annotations

import argparse
import itertools
from pathlib import Path

import numpy as np

from animator_core.clips.video import VideoReader
from animator_core.config import MODELS_DIR
from animator_core.motion import anatomy
from animator_core.motion.face_state import FaceState, face_state
from animator_core.motion.regions import Region, region_weights
from animator_core.smoothstep import smoothstep
from animator_core.tracking.trackers import create_tracker

_RIDGE = 0.003
"""Added variance, of the measures' own: the few people here open and widen their mouths at once."""
_MOST_TURNED = 15.0
FRAME_NS = 33_333_333


def states_of(clip: Path, frames: int) -> list[FaceState]:
    """Return the faces of a clip that look at the camera."""
    tracker = create_tracker(MODELS_DIR)
    with VideoReader(clip) as reader:
        pictures = (np.ascontiguousarray(frame.picture) for frame in itertools.islice(reader, frames))
        seen = [tracker.track(picture, number * FRAME_NS) for number, picture in enumerate(pictures, 1)]
    tracker.close()
    states = [face_state(each) for each in seen if each is not None]
    straight = np.median([state.angles[0] for state in states])
    return [state for state in states if abs(state.angles[0] - straight) < _MOST_TURNED]


def reach_of_measures() -> np.ndarray:
    """Return the share of each mode that each landmark keeps, (13, 478): brows and lids move no jaw."""
    rows = anatomy.mean_shape()[:, 1]
    eyes = region_weights()[:, [Region.RIGHT_EYE, Region.LEFT_EYE]].T
    brows = smoothstep(rows, 0.07, 0.02)
    return np.vstack([np.ones((7, len(rows))), np.tile(brows, (4, 1)), eyes])


def main(options: argparse.Namespace) -> None:
    shapes, measures = [], []
    for clip in options.clips:
        states = states_of(clip, options.frames)
        seen = np.array([state.shape for state in states]).reshape(len(states), -1)
        found = np.array([anatomy.measures_of(state.shape, state.eye_ratio) for state in states])
        weight = 1 / np.sqrt(len(states))
        shapes.append((seen - seen.mean(0)) * weight)
        measures.append((found - found.mean(0)) * weight)
    moved, changes = np.vstack(shapes).astype(np.float64), np.vstack(measures).astype(np.float64)
    spread = changes.std(0)
    normed = changes / spread
    size = normed.shape[1]
    kept = normed.T @ normed / len(normed) + _RIDGE * np.eye(size)
    modes = (np.linalg.solve(kept, normed.T @ moved / len(normed)) / spread[:, None]).reshape(size, -1, 3)
    modes = (modes + anatomy.mirrored_modes(modes)) / 2 * reach_of_measures()[:, :, None]
    left = moved - changes @ modes.reshape(size, -1)
    print(f"{len(moved)} faces; share of the variance that the modes explain {1 - left.var() / moved.var():.2f}")
    base = anatomy.mean_shape()
    still = anatomy.measures_of(base, np.zeros(2, np.float32))[:11]
    for number, name in enumerate(anatomy.MEASURES):
        step = anatomy.measures_of(base + modes[number].astype(np.float32) * 0.01, np.zeros(2, np.float32))[:11] - still
        others = np.abs(np.delete(step, number) if number < 11 else step).max() / 0.01
        own = step[number] / 0.01 if number < 11 else float("nan")
        most = np.abs(modes[number]).max()
        print(f"{name:14} moves itself {own:5.2f}, another at most {others:.2f}, a landmark {most:.2f}")
    if options.write:
        path = Path(anatomy.__file__).with_name("expression_modes.npz")
        np.savez_compressed(path, modes=np.round(modes, 3).astype(np.float16))


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("clips", type=Path, nargs="+", metavar="CLIP")
    options.add_argument("--frames", type=int, default=450, help="of each clip")
    options.add_argument("--write", action="store_true", help="replace the file of the package")
    main(options.parse_args())
