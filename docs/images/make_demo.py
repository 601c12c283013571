"""Makes docs/images/demo.png, the README's picture: photo, anime and drawn character side by side, at some moments.

`python -m docs.images.make_demo`, in the checkout; a minute. `--anime-renderer warp` shows the anime character without
the anime networks' weights.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from animator_core import assembly
from animator_core.animation.statistics import StageTimes
from animator_core.cli import terminal
from animator_core.cli.animate import DEFAULT_BACKGROUND
from animator_core.clips.compositing import OverColour, parse_colour
from animator_core.clips.offline import animate_moments
from animator_core.config import PROJECT_ROOT, Config, load_config

OUTPUT = Path(__file__).resolve().parent / "demo.png"
MOTION = PROJECT_ROOT / "assets" / "motions" / "sample.npz"
MOMENTS_S = 5.2, 7.6
"""Turned and speaking; tilted and winking."""
CELL = 400, 300
"""Width and height."""
CROPS = {"astronaut": (640, 0.5, 0.42), "mira_anime": (560, 0.5, 0.31), "amber": (860, 0.5, 0.46)}
"""Of each character: height of the part to show, in pixels of its picture, and its middle as shares of the picture."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, default=OUTPUT)
    parser.add_argument("--photo-renderer", default="auto")
    parser.add_argument("--anime-renderer", default="anime")
    options = parser.parse_args()
    config = load_config(PROJECT_ROOT / "assets" / "config.yaml")
    renderers = {"astronaut": options.photo_renderer, "mira_anime": options.anime_renderer, "amber": "warp"}
    columns = [np.vstack(cells(name, renderer, config)) for name, renderer in renderers.items()]
    picture = cv2.cvtColor(np.hstack(columns), cv2.COLOR_RGB2BGR)
    cv2.imwrite(str(options.output), picture, [cv2.IMWRITE_PNG_COMPRESSION, 9])
    print(f"wrote {options.output}: {picture.shape[1]}x{picture.shape[0]}")


def cells(name: str, renderer_name: str, config: Config) -> list[np.ndarray]:
    """Return a character at each moment, each (height, width, 3) uint8 RGB."""
    character = assembly.load_character(name, config)
    over_background, found = OverColour(parse_colour(DEFAULT_BACKGROUND)), []
    estimator = assembly.make_estimator(config, False)
    with assembly.opened_clip(MOTION, config) as clip, assembly.made_renderer(renderer_name, config) as renderer:
        renderer.set_character(character)
        drawing = terminal.settled(renderer, character)
        print(f"{name}: {drawing.name} on {drawing.device}")
        times = StageTimes()
        faces = clip.look_through(times)
        for moment, frame in animate_moments(clip.moments(times), estimator, drawing, faces=faces, times=times):
            if moment.time >= MOMENTS_S[len(found)]:
                found.append(part(over_background(frame), *CROPS[name]))
            if len(found) == len(MOMENTS_S):
                break
    return found


def part(picture: np.ndarray, height: float, x: float, y: float) -> np.ndarray:
    """Return the part of a picture, (H, W, 3) uint8, in the size of a cell; beyond its edges it is continued."""
    scale = CELL[1] / height
    shift_x, shift_y = CELL[0] / 2 - x * picture.shape[1] * scale, CELL[1] / 2 - y * picture.shape[0] * scale
    small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    matrix = np.array([[1, 0, shift_x], [0, 1, shift_y]], np.float32)
    return cv2.warpAffine(small, matrix, CELL, borderMode=cv2.BORDER_REPLICATE)


if __name__ == "__main__":
    main()
