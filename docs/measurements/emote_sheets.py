"""Contact sheets of the emotes on characters, to be looked at.

`python -m docs.measurements.emote_sheets [EMOTE...] [--characters NAME|PICTURE...] [--anime] --output FOLDER`

A row for each emote, with moments from its beginning to its end, by the warp; with ``--anime`` by the networks of anime
characters, which take seconds a picture, for those that `find_place` finds a head of.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from animator_core import assembly
from animator_core.anime.contact_sheet import over_grey
from animator_core.anime.face_parameters import face_parameters
from animator_core.anime.network_picture import network_picture
from animator_core.anime.placing import find_place
from animator_core.characters.character import Character
from animator_core.config import EMOTES_DIR, load_config
from animator_core.motion.driving import DrivingMotion
from animator_core.motion.emotes.emote import Emote
from animator_core.motion.emotes.files import EmoteLibrary
from docs.measurements.face_rendering import load, make_renderer, picture_of

CELL, _CAPTION = 300, 20
_MOMENTS = (0.0, 0.12, 0.25, 0.4, 0.55, 0.7, 0.85, 1.0)
_FEW_MOMENTS = (0.15, 0.4, 0.7)
_HEADS = 1.9
"""Side of a cell in heights of the face."""

Draw = Callable[[DrivingMotion], np.ndarray]


def main(options: argparse.Namespace) -> None:
    cv2.setNumThreads(1)
    config = load_config()
    library = EmoteLibrary(EMOTES_DIR)
    emotes = [library.load(name) for name in options.emotes or library.names]
    options.output.mkdir(parents=True, exist_ok=True)
    for character in load(options.characters, config):
        draw, moments = anime_drawing(character) if options.anime else warp_drawing(character, config), _MOMENTS
        if options.anime:
            moments = _FEW_MOMENTS
        rows = [row_of(emote, draw, moments) for emote in emotes]
        path = options.output / f"{Path(character.name).stem}{'-anime' if options.anime else ''}.png"
        cv2.imwrite(str(path), np.vstack(rows)[..., ::-1])
        print(f"wrote {path}")


def warp_drawing(character: Character, config: Any) -> Draw:
    """Return a function that draws the character's face by the warp, (CELL, CELL, 3) uint8 RGB."""
    renderer = make_renderer("warp", config)
    renderer.set_character(character)
    points = character.require_landmarks()[:, :2]
    scale = CELL / (_HEADS * float(np.linalg.norm(points[10] - points[152])))
    x, y = CELL / 2 - scale * points.mean(0)
    cell_from_picture = np.array([[scale, 0, x], [0, scale, y]])

    def draw(motion: DrivingMotion) -> np.ndarray:
        picture = picture_of(renderer, motion)
        return np.asarray(cv2.warpAffine(picture, cell_from_picture, (CELL, CELL), flags=cv2.INTER_AREA))

    return draw


def anime_drawing(character: Character) -> Draw:
    """Return a function that draws the character's head by the networks, (CELL, CELL, 3) uint8 RGB."""
    import torch

    networks = assembly.load_anime_networks(load_config())
    assert networks is not None
    fit = find_place(character, networks)
    seen = network_picture(fit.picture, fit.place)
    with torch.inference_mode():
        layers = networks.decompose(seen)

    def draw(motion: DrivingMotion) -> np.ndarray:
        vector = face_parameters(motion, np.clip(1 - motion.eye_openness, 0, 1))
        with torch.inference_mode():
            drawn = networks(seen, layers, torch.from_numpy(vector)[None])
        return cv2.resize(over_grey(drawn)[40:296, 128:384], (CELL, CELL))

    return draw


def row_of(emote: Emote, draw: Draw, moments: tuple[float, ...]) -> np.ndarray:
    """Return (CELL + caption, W, 3) uint8 RGB: an emote at shares of its length."""
    cells = []
    for share in moments:
        at = share * emote.seconds
        cell = np.zeros((CELL + _CAPTION, CELL, 3), np.uint8)
        cell[_CAPTION:] = draw(emote.moment(at, emote.weight(at)).alone)
        label = f"{emote.name} {at:.2f} s"
        cv2.putText(cell, label, (4, 14), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (255, 255, 255), 1, cv2.LINE_AA)
        cells.append(cell)
    return np.hstack(cells)


def parser() -> argparse.ArgumentParser:
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("emotes", nargs="*", metavar="EMOTE")
    options.add_argument("--characters", nargs="*", default=[], metavar="NAME|PICTURE", help="default: the library's")
    options.add_argument("--anime", action="store_true", help="draw by the networks of anime characters")
    options.add_argument("--output", type=Path, required=True, metavar="FOLDER")
    return options


if __name__ == "__main__":
    main(parser().parse_args())
